"""The types of expressions, and what comes out of one.

The types are those of CEL that rules need. Lists and maps hold simple values only: what is nested can grow
with every step, and the cost of a rule would have no bound that is known beforehand.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal_base.enums import QuickEnum

Simple = bool | int | float | str | dt.datetime | dt.timedelta
"""What is not made of other values."""

Value = Simple | Sequence[Simple] | Mapping[Any, Simple]
"""What an expression reads and gives."""

LIST_AT_MOST: Final = 100
"""How many items a list has at most where its type does not say otherwise."""


class Kind(QuickEnum):
    """Which sort of value, without its details."""

    BOOL = "bool"
    INT = "int"
    """A whole number of 64 bits with a sign."""
    UINT = "uint"
    """A whole number of 64 bits without a sign."""
    DOUBLE = "double"
    """A finite number of IEEE 754, 64 bits."""
    STRING = "string"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    LIST = "list"
    MAP = "map"
    NULL = "null"


NUMBERS: Final = frozenset({Kind.INT, Kind.UINT, Kind.DOUBLE})
ORDERED: Final = NUMBERS | {Kind.STRING, Kind.BOOL, Kind.TIMESTAMP, Kind.DURATION}
"""What `<` compares."""


class Type(msgspec.Struct, frozen=True):
    """A type. Make lists, choices and optional ones with `list_of`, `one_of` and `optional`."""

    kind: Kind
    element: "Type | None" = None
    """Of a list's items or a map's values; None for what is empty and may become any."""
    key: "Type | None" = None
    members: tuple[str, ...] = ()
    """The texts that a string may be; empty for any."""
    at_most: int = 0
    """How many items a list or a map has at most."""
    is_optional: bool = False

    def __str__(self) -> str:
        """As messages and documentation write it: `optional(list(string))`."""
        text = self.kind.value
        if self.kind is Kind.LIST:
            text = f"list({self.element or 'nothing'})"
        elif self.kind is Kind.MAP:
            text = f"map({self.key or 'nothing'}, {self.element or 'nothing'})"
        return f"optional({text})" if self.is_optional else text


BOOL: Final = Type(Kind.BOOL)
INT: Final = Type(Kind.INT)
UINT: Final = Type(Kind.UINT)
DOUBLE: Final = Type(Kind.DOUBLE)
STRING: Final = Type(Kind.STRING)
TIMESTAMP: Final = Type(Kind.TIMESTAMP)
DURATION: Final = Type(Kind.DURATION)
NULL: Final = Type(Kind.NULL)


def list_of(element: Type, *, at_most: int = LIST_AT_MOST) -> Type:
    """A list of `element`. A longer list than `at_most` items is as good as missing when it comes."""
    return Type(Kind.LIST, element=element, at_most=at_most)


def one_of(*members: str) -> Type:
    """A string that is one of `members`: comparing it with any other text is refused."""
    return Type(Kind.STRING, members=members)


def optional(type_: Type) -> Type:
    """The same type, for what may be missing."""
    return msgspec.structs.replace(type_, is_optional=True)


class Cause(QuickEnum):
    """Why there is no value."""

    MISSING = "missing"
    """It was not given."""
    NOT_FINITE = "not_finite"
    """NaN or an infinity was given."""
    WRONG_TYPE = "wrong_type"
    """A value of another type was given."""
    TOO_LONG = "too_long"
    """A list has more items than its type says, or a text that was made more characters than allowed."""
    DIVISION_BY_ZERO = "division_by_zero"
    OVERFLOW = "overflow"
    """The result is beyond 64 bits, beyond a double, or beyond the years 1 to 9999."""
    NO_SUCH_KEY = "no_such_key"
    """The map has no such key, the list no such index."""
    UNREADABLE = "unreadable"
    """The text is not the number, time or duration that it should be."""


_SENTENCES: Final = {
    Cause.MISSING: "{} is missing",
    Cause.NOT_FINITE: "{} is not a finite number",
    Cause.WRONG_TYPE: "{} is not of its type",
    Cause.TOO_LONG: "{} is too long",
    Cause.DIVISION_BY_ZERO: "{} divides by zero",
    Cause.OVERFLOW: "{} is out of range",
    Cause.NO_SUCH_KEY: "{} does not exist",
    Cause.UNREADABLE: "{} cannot be read",
}


class Missing(msgspec.Struct, frozen=True):
    """That there is no value, and why."""

    cause: Cause
    subject: str
    """The name or the part of the expression that has none, as `render` writes it."""

    def __str__(self) -> str:
        """A sentence: `features.sum_1h / features.count_1h divides by zero`."""
        return _SENTENCES[self.cause].format(self.subject)


class Outcome(msgspec.Struct, frozen=True):
    """What an expression gave: a value, or that it is missing."""

    value: Value | None
    missing: Missing | None = None


class Reason(msgspec.Struct, frozen=True):
    """A part of a condition that made it hold."""

    text: str
    """In words: `features.card_count_1h = 7 > 5`."""
    source: str
    """The part itself, as `render` writes it."""
    values: tuple[tuple[str, Value | None], ...]
    """The names that it reads, with their values; None for missing ones."""
