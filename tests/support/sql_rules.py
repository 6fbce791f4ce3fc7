"""What the code's statements have against the rules of DESIGN.md section 5 ("Many machines")."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import caudal
from support.sql_reading import Core, Group, Token, calls, cores, is_word, read, words

SOURCE = Path(caudal.__file__).parent


@dataclass(frozen=True)
class Rules:
    """What the rules speak of: the tables of books, and the server's own volatile functions."""

    tables: frozenset[str]
    volatile: frozenset[str]


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the core: its name and its file."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[-1] != "__main__":
            yield ".".join(["caudal", *parts]).removesuffix(".__init__"), path


def literals(source: str, module: ModuleType) -> Iterator[tuple[int, str]]:
    """Every text in a module's code but docstrings, with what can be known of its interpolations."""
    tree = ast.parse(source)
    passed = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            passed.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_resolved(part, module) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


def _resolved(part: ast.expr, module: ModuleType) -> str:
    """A piece of an f-string: its text, the module's constant that it names, or `{a hole}`."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    inner = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(inner, ast.Name) and isinstance(value := getattr(module, inner.id, None), str):
        return value
    return "{" + re.sub(r"[{}]", "", ast.unparse(inner)) + "}"


def statements() -> Iterator[tuple[str, int, str]]:
    """Every literal of the code that is SQL or a part of it: file, line, text."""
    for name, path in modules():
        module = importlib.import_module(name)
        for line, text in literals(path.read_text(encoding="utf-8"), module):
            if _SQL.search(text):
                yield str(path.relative_to(SOURCE)), line, text


_SQL = re.compile(
    r"\b(from|join|into|update|using|copy|lock|truncate|table)\s+(only\s+)?(\w+\.\w+|\{)|\bpg_\w*advisory"
    r"|\bpg_notify\b|^\s*(notify|listen)\s|\bserializable\b|\bfor\s+(no\s+key\s+)?(update|share)\b"
)


def statement_breaches(sql: str, rules: Rules) -> Iterator[str]:
    """What a statement, or a fragment of one, has against the rules."""
    tree = read(sql)
    everything = set(words(tree))
    forbidden = {word for word in everything if word in {"serializable", "pg_notify"} or "advisory" in word}
    forbidden |= {word for word in ("listen", "notify") if is_word(tree.nodes[0], word)}
    if forbidden:
        yield f"must not rest on {', '.join(sorted(forbidden))}"
    used = [core for core in cores(tree, rules.tables) if core.uses or core.holes]
    for core in used:
        yield from (f"a table that cannot be read: {hole}" for hole in core.holes)
        yield from _unbound(core)
        yield from _careless(core, rules.volatile)


def _unbound(core: Core) -> Iterator[str]:
    bound = core.bound()
    for use in core.uses:
        if use.verb in {"into", "copy"}:
            yield from _inserted(core, use.table, use.position)
        elif use.verb in {"lock", "truncate", "table"}:
            yield f"{use.verb} {use.table}: all books at once"
        elif use.alias not in bound:
            yield f"{use.verb} {use.table}: book_id is no parameter"
        elif _is_target(core, use.position) and not core.bound_by_parameter(use.alias):
            yield f"{use.verb} {use.table}: book_id is no parameter of the statement itself"


def _is_target(core: Core, position: int) -> bool:
    """Whether the table at `position` is what the statement updates or deletes from."""
    before = core.nodes[max(0, position - 2) : position]
    return is_word(before[-1], "update") or (len(before) == 2 and is_word(before[0], "delete"))


def _inserted(core: Core, table: str, position: int) -> Iterator[str]:
    """Rows must come with their book first, and it must be a parameter."""
    rest = core.nodes[position + 1 :]
    lists = [node for node in rest if isinstance(node, Group)]
    columns = next(iter(words(lists[0])), "") if lists else ""
    if columns.partition(".")[0] != "book_id":
        yield f"into {table}: book_id is not the first column"
        return
    if is_word(core.nodes[position - 1], "copy"):
        return
    for node, after in pairwise(rest):
        first = after.nodes[0] if isinstance(after, Group) and after.nodes else after
        if is_word(node, "select", "values"):
            if not (isinstance(first, Token) and first.kind == "value"):
                yield f"into {table}: book_id is no parameter"
            return


def _careless(core: Core, volatile: frozenset[str]) -> Iterator[str]:
    """Changed books, volatile functions in UPDATE, ids made by the server, row locks in no order."""
    group = Group(core.nodes)
    own = [node for node in core.nodes if isinstance(node, Token)]
    called = set(calls(group))
    if "book_id" in core.assigned():
        yield "book_id is updated"
    if any(use.verb == "update" for use in core.uses) and (bad := called & volatile):
        yield f"volatile in UPDATE: {', '.join(sorted(bad))}"
    if bad := called & {"gen_random_uuid", "uuidv4", "uuidv7", "nextval"}:
        yield f"ids are made by the client: {', '.join(sorted(bad))}"
    texts = " ".join(token.text for token in own)
    if re.search(r"\bfor (no key )?(update|share)\b|\bfor key share\b", texts):
        single = {use.table for use in core.uses} == {"ledger.book_head"}
        if not (single or "order by" in texts or "skip locked" in texts):
            yield "rows are locked in no order"
