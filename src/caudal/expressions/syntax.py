"""The tree that is read from a text, before anything is known about types.

Dataclasses and not msgspec structs, since two trees are equal wherever their parts stood in their texts.
"""

from dataclasses import dataclass, field

from caudal.expressions.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of an expression, with the offsets in the text between which it stands."""

    at: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A value that is written out. A minus before a number belongs to it."""

    kind: Kind
    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    """A name without dots."""

    name: str


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`."""

    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`operand[index]`."""

    operand: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function(arguments)`, or `receiver.function(arguments)`. Macros look the same."""

    receiver: Node | None
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`!operand` or `-operand`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """A relation or arithmetic of two operands."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """Two or more operands in a row between `&&` or `||`."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`condition ? then : otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`[items]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """`{key: value}`."""

    entries: tuple[tuple[Node, Node], ...]


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, in the order of the text."""
    match node:
        case Select(operand=operand) | Unary(operand=operand):
            return (operand,)
        case Index(operand=operand, index=index):
            return (operand, index)
        case Call(receiver=receiver, arguments=arguments):
            return arguments if receiver is None else (receiver, *arguments)
        case Binary(left=left, right=right):
            return (left, right)
        case Logical(operands=operands) | ListLiteral(items=operands):
            return operands
        case Conditional(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case MapLiteral(entries=entries):
            return tuple(part for entry in entries for part in entry)
    return ()


PRECEDENCE = {
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5,
}  # fmt: skip
"""How tightly operators of two operands bind; `||` has 1 and `&&` 2, `?:` 0, unary ones 6."""

RESERVED = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"),
        *("let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
"""Words that CEL keeps for itself and for its hosts."""
