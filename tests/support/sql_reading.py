"""Reads SQL well enough to see which tables a statement uses, and by what their `book_id` is bound.

No full grammar: tokens, nested by parentheses, and cut into query cores (what stands between `union`s). It
also reads fragments, since statements are composed of them: an alias that a fragment does not define is
taken to be bound by the statement that includes the fragment, where its definition is read in its turn.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

_TOKEN = re.compile(
    r"""
    (?P<skip>   \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text>   '(?:[^']|'')*' | \$\$.*?\$\$ )
  | (?P<value>  %\(\w+\)s | %s | %b | \$\d+ )
  | (?P<hole>   \{[^{}]*\}(?![\w.]) )
  | (?P<word>   (?:[A-Za-z_]|\{[^{}]*\}) (?:[\w.]|\{[^{}]*\})* )
  | (?P<other>  :: | <> | <= | >= | != | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_BEFORE_TABLE = frozenset(
    {"from", "join", "into", "update", "using", "copy", "lock", "table", "truncate", "only"}
)
_NO_ALIAS = frozenset(
    {
        *(
            "where",
            "join",
            "left",
            "right",
            "inner",
            "full",
            "cross",
            "natural",
            "lateral",
            "on",
            "using",
            "set",
        ),
        *(
            "order",
            "group",
            "having",
            "window",
            "limit",
            "offset",
            "fetch",
            "for",
            "union",
            "values",
            "select",
        ),
        *("returning", "from", "in", "do", "with", "when", "and", "or"),
    }
)
_SET_OPERATIONS = frozenset({"union", "except", "intersect"})
_VERBS = frozenset({"select", "insert", "update", "delete", "values", "with", "merge"})


@dataclass(frozen=True)
class Token:
    """One word, value or sign. `kind` is the group of `_TOKEN` that matched; words are in small letters."""

    kind: str
    text: str


@dataclass
class Group:
    """What stands between two parentheses, or the whole statement."""

    nodes: list["Token | Group"] = field(default_factory=list)

    @property
    def is_query(self) -> bool:
        """Whether it is a query of its own, rather than a condition or a list."""
        first = self.nodes[0] if self.nodes else None
        return first.is_query if isinstance(first, Group) else is_word(first, *_VERBS)


def is_word(node: "Token | Group | None", *words: str) -> bool:
    """Whether `node` is one of `words`."""
    return isinstance(node, Token) and node.kind == "word" and node.text in words


def read(sql: str) -> Group:
    """The statement or fragment as a tree. Parentheses that a fragment leaves open end with it."""
    stack = [Group()]
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or ""
        text = match.group()
        if kind == "skip":
            continue
        if text == "(":
            stack.append(Group())
            stack[-2].nodes.append(stack[-1])
        elif text == ")":
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1].nodes.append(Token(kind, text.lower() if kind == "word" else text))
    return stack[0]


def words(group: Group) -> Iterator[str]:
    """Every word in `group`, however deep."""
    for node in group.nodes:
        if isinstance(node, Group):
            yield from words(node)
        elif node.kind == "word":
            yield node.text


def calls(group: Group) -> Iterator[str]:
    """The names of functions that are called in `group`, however deep."""
    for node, following in pairwise([*group.nodes, None]):
        if isinstance(node, Group):
            yield from calls(node)
        elif node is not None and node.kind == "word" and isinstance(following, Group):
            yield node.text.removeprefix("pg_catalog.")


@dataclass(frozen=True)
class Use:
    """One table in one core: `verb` is the word before it (`from`, `join`, `update`, `into`, …)."""

    table: str
    alias: str
    verb: str
    position: int


class Core:
    """A query without its `union`s: its nodes, the tables that it uses, and what binds their `book_id`."""

    def __init__(self, nodes: list["Token | Group"], tables: frozenset[str]) -> None:
        self.nodes = nodes
        self.uses = list(self._find_uses(tables))
        self.equalities = list(_equalities(nodes))

    def _find_uses(self, tables: frozenset[str]) -> Iterator[Use]:
        verb = ""
        for position, node in enumerate(self.nodes):
            if is_word(node, *_BEFORE_TABLE):
                verb = verb if is_word(node, "only", "table") and verb else node.text  # type: ignore[union-attr]
            elif isinstance(node, Token) and node.kind == "word" and verb and node.text in tables:
                yield Use(node.text, self._alias(position), verb, position)
            elif isinstance(node, Token) and node.text != "," and not is_word(node, "as", "lateral"):
                verb = verb if self._in_from_list(position) else ""

    def _in_from_list(self, position: int) -> bool:
        """Whether the node is an alias, so that a comma after it goes on with the list of tables."""
        return position > 0 and not is_word(self.nodes[position], *_NO_ALIAS)

    def _alias(self, position: int) -> str:
        rest = [node for node in self.nodes[position + 1 : position + 3] if not is_word(node, "as")]
        if rest and isinstance(rest[0], Token) and rest[0].kind == "word" and rest[0].text not in _NO_ALIAS:
            return rest[0].text
        name = self.nodes[position]
        return name.text.rpartition(".")[2] if isinstance(name, Token) else ""

    @property
    def holes(self) -> list[str]:
        """What stands where a query's table should and cannot be read off: `from {source}`."""
        if not any(is_word(node, *_VERBS) for node in self.nodes):
            return []
        return [
            after.text
            for before, after in pairwise(self.nodes)
            if is_word(before, "from", "join", "into", "update")
            and isinstance(after, Token)
            and after.kind == "hole"
        ]

    def bound(self) -> set[str]:
        """The aliases whose `book_id` is a parameter, or equals one that is, or one from outside the core."""
        own = {use.alias for use in self.uses}
        bound = {left for left, right in self.equalities if right is None and left}
        if any(left == "" and right is None for left, right in self.equalities):
            bound |= own
        while True:
            more = {
                left
                for left, right in self.equalities
                if right is not None and left in own - bound and (right in bound or right not in own)
            }
            if not more:
                return bound
            bound |= more

    def bound_by_parameter(self, alias: str) -> bool:
        """Whether `alias.book_id` (or plain `book_id`) is compared with a parameter itself."""
        return any(right is None and left in {alias, ""} for left, right in self.equalities)

    def assigned(self) -> set[str]:
        """The columns that `set` assigns."""
        columns: set[str] = set()
        expecting = False
        for node in self.nodes:
            if is_word(node, "set"):
                expecting = True
            elif is_word(node, "from", "where", "returning"):
                expecting = False
            elif expecting and isinstance(node, Group):
                columns |= set(words(node)) if not node.is_query else set()
                expecting = False
            elif expecting and isinstance(node, Token) and node.kind == "word":
                columns.add(node.text)
                expecting = False
            elif isinstance(node, Token) and node.text == "," and columns:
                expecting = True
        return columns


def cores(group: Group, tables: frozenset[str]) -> Iterator[Core]:
    """Every core of a statement or fragment, at any depth."""
    part: list[Token | Group] = []
    for node in [*group.nodes, Token("other", ";")]:
        if is_word(node, *_SET_OPERATIONS) or (isinstance(node, Token) and node.text == ";"):
            if part:
                yield Core(part, tables)
            part = []
        else:
            part.append(node)
        if isinstance(node, Group):
            yield from cores(node, tables)


def _equalities(nodes: list["Token | Group"]) -> Iterator[tuple[str, str | None]]:
    """Pairs of aliases whose `book_id` are compared; None on the right is a parameter. Conditions only."""
    for position, node in enumerate(nodes):
        if isinstance(node, Group):
            if not node.is_query:
                yield from _equalities(node.nodes)
        elif node.text == "=":
            left, right = (_side(nodes, position - 1), _side(nodes, position + 1))
            if left is not None and right is not None:
                for one, other in ((left, right), (right, left)):
                    if one != _PARAMETER:
                        yield one, None if other == _PARAMETER else other


_PARAMETER = "\0"


def _side(nodes: list["Token | Group"], position: int) -> str | None:
    """One side of an equality: an alias for its `book_id`, `_PARAMETER`, or None for anything else."""
    if not 0 <= position < len(nodes):
        return None
    node = nodes[position]
    if not isinstance(node, Token):
        return None
    if node.kind == "value":
        return _PARAMETER
    alias, _, column = node.text.rpartition(".")
    return alias.rpartition(".")[2] if node.kind == "word" and column == "book_id" else None
