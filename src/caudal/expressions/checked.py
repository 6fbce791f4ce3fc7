"""The tree after checking: names are resolved, types known, every operation chosen.

`may_miss` says whether there may be no value; `cost` counts operations, at the most. Dataclasses like the
syntax they come from: `origin` is the part of the text, which messages show.
"""

from dataclasses import dataclass

from caudal.expressions import syntax
from caudal.expressions.operations import Operation
from caudal.expressions.types import Type, Value


@dataclass(frozen=True, slots=True)
class Checked:
    """A part of a checked expression."""

    origin: syntax.Node
    type: Type
    may_miss: bool
    cost: int


@dataclass(frozen=True, slots=True)
class Constant(Checked):
    """A value that is known when publishing; a frozenset only as what `in` looks into."""

    value: Value | None


@dataclass(frozen=True, slots=True)
class Name(Checked):
    """A value that is given, by its place in the environment."""

    name: str
    place: int


@dataclass(frozen=True, slots=True)
class Item(Checked):
    """What a macro calls the item of its list. `number` is unique in an expression."""

    number: int


@dataclass(frozen=True, slots=True)
class Apply(Checked):
    """An operation on values: missing where one of `operands` is, or where the operation has no result."""

    operation: Operation
    operands: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Both(Checked):
    """`&&`: false where one operand is, else missing where one is, else true."""

    operands: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Either(Checked):
    """`||`: true where one operand is, else missing where one is, else false."""

    operands: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Choice(Checked):
    """`?:`, missing where the condition is."""

    condition: Checked
    then: Checked
    otherwise: Checked


@dataclass(frozen=True, slots=True)
class First(Checked):
    """`coalesce`: the first operand that has a value."""

    operands: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Present(Checked):
    """`has`, `== null` and `!= null`: whether a name has a value, or whether not."""

    name: Name
    expected: bool


@dataclass(frozen=True, slots=True)
class Collect(Checked):
    """A list of values that are not all known when publishing."""

    items: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Gather(Checked):
    """A map of values that are not all known when publishing. Of equal keys the last counts."""

    keys: tuple[Checked, ...]
    values: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Each(Checked):
    """A macro over the items of a list."""

    macro: str
    items: Checked
    number: int
    body: Checked


def parts(node: Checked) -> tuple[Checked, ...]:
    """The parts of a checked part, in the order of evaluation."""
    match node:
        case Apply(operands=operands) | Both(operands=operands) | Either(operands=operands):
            return operands
        case First(operands=operands) | Collect(items=operands):
            return operands
        case Choice(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case Present(name=name):
            return (name,)
        case Gather(keys=keys, values=values):
            return (*keys, *values)
        case Each(items=items, body=body):
            return (items, body)
    return ()
