"""From tokens to the tree, by the grammar of CEL; operators by precedence climbing."""

from typing import Final

from caudal.expressions import lexer
from caudal.expressions.errors import ExpressionTooLarge, ExpressionUnreadable
from caudal.expressions.lexer import Token
from caudal.expressions.syntax import (
    PRECEDENCE,
    RESERVED,
    Binary,
    Call,
    Conditional,
    Identifier,
    Index,
    ListLiteral,
    Literal,
    Logical,
    MapLiteral,
    Node,
    Select,
    Unary,
    children,
)
from caudal.expressions.types import Kind

MAX_DEPTH: Final = 64
"""Levels of nesting, counted in brackets or in operators. CEL asks for 32 at least."""
MAX_ITEMS: Final = 500
"""Items of a list or a map that is written out, operands of `&&` and `||`, arguments of a call."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1

_WORDS: Final = {
    "true": (Kind.BOOL, True),
    "false": (Kind.BOOL, False),
    "null": (Kind.NULL, None),
}
_LOGICAL: Final = ("||", "&&")


def parse(source: str) -> Node:
    """The tree of an expression. Raises `ExpressionUnreadable` and `ExpressionTooLarge`."""
    tree = _Parser(source).whole()
    # Operators in a row make a deep tree without any nesting in the text.
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in children(node)]
        if not level:
            return tree
    raise ExpressionTooLarge(f"more than {MAX_DEPTH} levels deep", source, level[0].at, level[0].end)


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = lexer.tokens(source)
        self._position = 0
        self._nesting = 0

    def whole(self) -> Node:
        if self._next.kind == lexer.END:
            raise self._refused("the expression is empty", self._next)
        tree = self._expression()
        if self._next.kind != lexer.END:
            raise self._refused(f"{self._shown(self._next)} is not expected here", self._next)
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    @property
    def _last_end(self) -> int:
        return self._tokens[self._position - 1].end

    def _take(self) -> Token:
        token = self._next
        self._position += 1
        return token

    def _accept(self, kind: str) -> bool:
        if self._next.kind == kind:
            self._position += 1
            return True
        return False

    def _expect(self, kind: str, opened: Token | None = None) -> Token:
        if self._next.kind != kind:
            since = f" for the {opened.text} at column {self._column(opened)}" if opened else ""
            raise self._refused(f"expected {kind}{since}, and there is {self._shown(self._next)}", self._next)
        return self._take()

    def _column(self, token: Token) -> int:
        return token.at - self._source.rfind("\n", 0, token.at)

    def _shown(self, token: Token) -> str:
        return "the end" if token.kind == lexer.END else self._source[token.at : token.end]

    def _refused(self, message: str, token: Token) -> ExpressionUnreadable:
        return ExpressionUnreadable(message, self._source, token.at, token.end)

    def _enter(self) -> None:
        self._nesting += 1
        self._limit(self._nesting, MAX_DEPTH, "levels deep")

    def _limit(self, count: int, most: int, what: str) -> None:
        if count > most:
            token = self._next
            raise ExpressionTooLarge(f"more than {most} {what}", self._source, token.at, token.end)

    def _expression(self) -> Node:
        self._enter()
        condition = self._logical(0)
        if self._accept("?"):
            then = self._logical(0)
            self._expect(":")
            otherwise = self._expression()
            condition = Conditional(condition, then, otherwise, at=condition.at, end=otherwise.end)
        self._nesting -= 1
        return condition

    def _logical(self, level: int) -> Node:
        if level == len(_LOGICAL):
            return self._binary(PRECEDENCE["=="])
        operands = [self._logical(level + 1)]
        while self._accept(_LOGICAL[level]):
            operands.append(self._logical(level + 1))
            self._limit(len(operands), MAX_ITEMS, f"conditions between {_LOGICAL[level]}")
        if len(operands) == 1:
            return operands[0]
        return Logical(_LOGICAL[level], tuple(operands), at=operands[0].at, end=operands[-1].end)

    def _binary(self, least: int) -> Node:
        left = self._unary()
        while (binding := PRECEDENCE.get(self._next.text, 0)) >= least and self._next.kind != lexer.TEXT:
            operator = self._take().text
            right = self._binary(binding + 1)
            left = Binary(operator, left, right, at=left.at, end=right.end)
        return left

    def _unary(self) -> Node:
        token = self._next
        if token.kind not in {"!", "-"}:
            return self._member()
        if (
            token.kind == "-"
            and self._is_number(1)
            and self._tokens[self._position + 2].kind not in {".", "["}
        ):
            self._take()
            return self._number(self._take(), sign=-1, at=token.at)
        self._take()
        self._enter()
        operand = self._unary()
        self._nesting -= 1
        return Unary(token.kind, operand, at=token.at, end=operand.end)

    def _is_number(self, ahead: int) -> bool:
        return self._tokens[self._position + ahead].kind in {lexer.INTEGER, lexer.FLOATING}

    def _member(self) -> Node:
        operand = self._primary()
        while True:
            opened = self._next
            if self._accept("."):
                name = self._expect(lexer.IDENTIFIER)
                if self._next.kind == "(":
                    operand = self._call(operand, name)
                else:
                    operand = Select(operand, self._free(name), at=operand.at, end=name.end)
            elif self._accept("["):
                index = self._expression()
                self._expect("]", opened)
                operand = Index(operand, index, at=operand.at, end=self._last_end)
            elif opened.kind == "{":
                raise self._refused("messages cannot be made here", opened)
            else:
                return operand

    def _free(self, name: Token) -> str:
        if name.text in RESERVED:
            raise self._refused(f"{name.text} is a reserved word", name)
        return name.text

    def _call(self, receiver: Node | None, name: Token) -> Node:
        opened = self._take()
        arguments = self._listed(")", opened)
        at = name.at if receiver is None else receiver.at
        return Call(receiver, self._free(name), arguments, at=at, end=self._last_end)

    def _listed(self, closing: str, opened: Token) -> tuple[Node, ...]:
        """Expressions between commas up to `closing`; a comma may stand after the last of a list."""
        items: list[Node] = []
        while not self._accept(closing):
            if items:
                self._expect(",", None if self._next.kind != lexer.END else opened)
                if closing == "]" and self._accept(closing):
                    break
            items.append(self._expression())
            self._limit(len(items), MAX_ITEMS, "items")
        return tuple(items)

    def _primary(self) -> Node:
        token = self._take()
        match token.kind:
            case lexer.IDENTIFIER:
                return self._word(token)
            case lexer.INTEGER | lexer.UNSIGNED | lexer.FLOATING:
                return self._number(token, sign=1, at=token.at)
            case lexer.TEXT:
                return Literal(Kind.STRING, token.text, at=token.at, end=token.end)
            case "(":
                inner = self._expression()
                self._expect(")", token)
                return inner
            case "[":
                items = self._listed("]", token)
                return ListLiteral(items, at=token.at, end=self._last_end)
            case "{":
                return self._map(token)
        if token.kind == ".":
            raise self._refused("a name begins without a dot", token)
        raise self._refused(f"expected a value, and there is {self._shown(token)}", token)

    def _word(self, token: Token) -> Node:
        if token.text in _WORDS:
            kind, value = _WORDS[token.text]
            return Literal(kind, value, at=token.at, end=token.end)
        if self._next.kind == "(":
            return self._call(None, token)
        return Identifier(self._free(token), at=token.at, end=token.end)

    def _map(self, opened: Token) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._accept("}"):
            if entries:
                self._expect(",", None if self._next.kind != lexer.END else opened)
                if self._accept("}"):
                    break
            key = self._expression()
            self._expect(":")
            entries.append((key, self._expression()))
            self._limit(len(entries), MAX_ITEMS, "items")
        return MapLiteral(tuple(entries), at=opened.at, end=self._last_end)

    def _number(self, token: Token, *, sign: int, at: int) -> Literal:
        if token.kind == lexer.FLOATING:
            real = sign * float(token.text)
            if real in {float("inf"), float("-inf")}:
                raise self._refused("this number is beyond a double", token)
            return Literal(Kind.DOUBLE, real, at=at, end=token.end)
        text = token.text.rstrip("uU")
        is_hexadecimal = text[:2] in {"0x", "0X"}
        digits = (text[2:] if is_hexadecimal else text).lstrip("0") or "0"
        # Longer ones need not be read to know that they are too large, and reading takes long.
        whole = sign * int(digits, 16 if is_hexadecimal else 10) if len(digits) <= 20 else None
        unsigned = token.kind == lexer.UNSIGNED
        least, most = (0, UINT_MAX) if unsigned else (INT_MIN, INT_MAX)
        if whole is None or not least <= whole <= most:
            raise self._refused("this number is beyond 64 bits", token)
        return Literal(Kind.UINT if unsigned else Kind.INT, whole, at=at, end=token.end)
