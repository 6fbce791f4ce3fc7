"""The canonical text of a tree: one space around operators, as few brackets as the meaning allows."""

import datetime as dt
from typing import Final

from caudal.expressions.syntax import (
    PRECEDENCE,
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
)
from caudal.expressions.types import Kind

_WIDTH: Final = 100
_TEXT_SHOWN: Final = 80
_ITEMS_SHOWN: Final = 10

_CONDITIONAL: Final = 0
_LOGICAL: Final = {"||": 1, "&&": 2}
_UNARY: Final = 6
_MEMBER: Final = 7

_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def render_tree(tree: Node) -> str:
    """The text of `tree`; what is read from it again is the same tree.

    Conditions in a row of more than 100 characters stand on a line each. Comments are not part of a tree.
    """
    text = _render(tree, _CONDITIONAL)
    if len(text) > _WIDTH and isinstance(tree, Logical):
        operands = [_render(operand, _LOGICAL[tree.operator] + 1) for operand in tree.operands]
        return f"\n{tree.operator} ".join(operands)
    return text


def render_value(value: object) -> str:
    """A value for people: nearly as an expression would write it.

    Of a double 15 digits are shown, of a text 80 characters, of a list ten items.
    """
    match value:
        case None:
            return "missing"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value if len(value) <= _TEXT_SHOWN else value[:_TEXT_SHOWN] + "…")
        case float():
            return f"{value:.15g}"
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case dt.timedelta():
            return _duration(value)
        case list() | tuple():
            shown = [render_value(item) for item in value[:_ITEMS_SHOWN]]
            more = [f"… {len(value) - _ITEMS_SHOWN} more"] if len(value) > _ITEMS_SHOWN else []
            return f"[{', '.join(shown + more)}]"
    return str(value)


def _duration(length: dt.timedelta) -> str:
    """As `duration()` reads it, in the units that there are any of: `1h30m`, `-0.25s`, `0s`."""
    minutes, rest = divmod(abs(length), dt.timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest.seconds}.{rest.microseconds:06}".rstrip("0").rstrip(".")
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{seconds}s" if rest else ""]
    return ("-" if length < dt.timedelta() else "") + ("".join(parts) or "0s")


def _render(node: Node, least: int) -> str:
    """The text of `node`, in brackets where it binds less tightly than `least`."""
    binding, text = _bound(node)
    return f"({text})" if binding < least else text


def _bound(node: Node) -> tuple[int, str]:
    """How tightly the text of `node` binds, and the text."""
    match node:
        case Literal():
            return _literal(node)
        case Unary(operator=operator, operand=operand):
            inner = _render(operand, _UNARY)
            # A minus right before a number would become a part of it.
            if operator == "-" and inner[0] in "0123456789":
                inner = f"({inner})"
            return _UNARY, operator + inner
        case Binary(operator=operator, left=left, right=right):
            binding = PRECEDENCE[operator]
            return binding, f"{_render(left, binding)} {operator} {_render(right, binding + 1)}"
        case Logical(operator=operator, operands=operands):
            binding = _LOGICAL[operator]
            return binding, f" {operator} ".join(_render(operand, binding + 1) for operand in operands)
        case Conditional(condition=condition, then=then, otherwise=otherwise):
            return _CONDITIONAL, f"{_render(condition, 1)} ? {_render(then, 1)} : {_render(otherwise, 0)}"
    return _MEMBER, _member(node)


def _member(node: Node) -> str:
    match node:
        case Identifier(name=name):
            return name
        case Select(operand=operand, field=field):
            return f"{_render(operand, _MEMBER)}.{field}"
        case Index(operand=operand, index=index):
            return f"{_render(operand, _MEMBER)}[{_render(index, 0)}]"
        case Call(receiver=receiver, function=function, arguments=arguments):
            start = "" if receiver is None else f"{_render(receiver, _MEMBER)}."
            return f"{start}{function}({_listed(arguments)})"
        case ListLiteral(items=items):
            return f"[{_listed(items)}]"
        case MapLiteral(entries=entries):
            texts = (f"{_render(key, 0)}: {_render(value, 0)}" for key, value in entries)
            return f"{{{', '.join(texts)}}}"
    raise TypeError(f"no node of the syntax: {node!r}")


def _listed(nodes: tuple[Node, ...]) -> str:
    return ", ".join(_render(node, 0) for node in nodes)


def _literal(node: Literal) -> tuple[int, str]:
    match node.kind:
        case Kind.STRING:
            return _MEMBER, _quoted(str(node.value))
        case Kind.BOOL:
            return _MEMBER, "true" if node.value else "false"
        case Kind.NULL:
            return _MEMBER, "null"
    text = repr(node.value).replace("e+", "e") + ("u" if node.kind is Kind.UINT else "")
    return (_UNARY if text.startswith("-") else _MEMBER), text


def _quoted(text: str) -> str:
    """A string between double quotes, with escapes for whatever cannot be seen."""
    letters = [
        _ESCAPES.get(letter) or (letter if letter.isprintable() else f"\\U{ord(letter):08x}")
        for letter in text
    ]
    return f'"{"".join(letters)}"'
