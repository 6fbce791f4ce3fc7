"""What expressions may read: names with types, and the order of their values."""

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from caudal.expressions.errors import ValueUnreadable, did_you_mean
from caudal.expressions.operations import duration_from, moment_from
from caudal.expressions.rendering import render_value
from caudal.expressions.syntax import RESERVED
from caudal.expressions.types import Cause, Kind, Type, Value
from caudal_base.check import check

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)

_FROM_TEXT: Final = {Kind.TIMESTAMP: moment_from, Kind.DURATION: duration_from}

Row = tuple[Any, ...]
"""The values of all names of an environment in its order; None for what is missing."""


class Environment:
    """The names that expressions may read, with their types.

    A name may have dots (`features.card_count_1h`). The order of `types` is the order of values in a row.
    """

    def __init__(self, types: Mapping[str, Type]) -> None:
        """Raises `InvariantError` for names that no expression could write."""
        self.types: Mapping[str, Type] = dict(types)
        self.names: tuple[str, ...] = tuple(types)
        self.places: Mapping[str, int] = {name: place for place, name in enumerate(types)}
        """Where the value of a name stands in a row."""
        self.inner: frozenset[str] = frozenset(_starts(types))
        """What names begin with before their dots: these are no names themselves."""
        for name, type_ in types.items():
            check(_NAME.fullmatch(name) is not None, f"no name for expressions: {name!r}")
            check(not RESERVED.intersection(name.split(".")), f"{name} has a reserved word")
            check(name not in self.inner, f"{name} begins the name of another")
            check(type_.kind not in {Kind.MAP, Kind.NULL, Kind.UINT}, f"{name} cannot be a {type_}")
            element = type_.element
            check(
                type_.kind is not Kind.LIST
                or (element is not None and element.element is None and not element.is_optional),
                f"{name}: lists hold simple values that are there",
            )

    def row(self, values: Mapping[str, Value | None]) -> Row:
        """The row of `values`. What they do not name is missing; other names in them are passed over."""
        return tuple(values.get(name) for name in self.names)

    def read(self, values: Mapping[str, Any]) -> Row:
        """The row of values as JSON has them, for trying rules and testing them.

        Times are texts of RFC 3339, durations texts as `duration()` reads them; null is what is missing, as
        is what `values` do not name. Raises `ValueUnreadable` for a name that there is not and for a value
        of another type.
        """
        for name in values:
            if name not in self.types:
                raise ValueUnreadable(f"there is no {name}{did_you_mean(name, self.names)}", field=name)
        return tuple(_read(name, self.types[name], values.get(name)) for name in self.names)


def _read(name: str, type_: Type, value: Any) -> Value | None:
    if value is None:
        return None
    if type_.kind is Kind.LIST and type_.element is not None and isinstance(value, list):
        items: list[Any] = [_read(name, type_.element, item) for item in value]
        return items
    found: Any = value
    if isinstance(value, str) and type_.kind in _FROM_TEXT:
        found = _FROM_TEXT[type_.kind](value)
    known = found if isinstance(found, Cause) else usable(type_, found)
    if isinstance(known, Cause):
        raise ValueUnreadable(f"{name}: {render_value(value)} is no {type_}", field=name)
    return known


def _starts(names: Mapping[str, Type]) -> set[str]:
    found: set[str] = set()
    for name in names:
        words = name.split(".")
        found.update(".".join(words[:length]) for length in range(1, len(words)))
    return found


def usable(type_: Type, value: Any) -> Value | Cause:
    """`value` as expressions reckon with it, or why it is as good as missing."""
    if value is None:
        return Cause.MISSING
    if type_.kind is Kind.LIST:
        if not isinstance(value, list | tuple):
            return Cause.WRONG_TYPE
        return _usable_items(type_, value)
    return _usable_simple(type_.kind, value)


def _usable_items(type_: Type, items: Sequence[Any]) -> Value | Cause:
    """A list whose items can all be reckoned with and are not too many, or why it is none."""
    if len(items) > type_.at_most:
        return Cause.TOO_LONG
    check(type_.element is not None, "a list that is given has a type of items")
    kind = type_.element.kind if type_.element else Kind.NULL
    found: list[Any] = []
    for item in items:
        known = Cause.MISSING if item is None else _usable_simple(kind, item)
        if isinstance(known, Cause):
            return known
        found.append(known)
    return found


_CLASSES: Final[dict[Kind, tuple[type, ...]]] = {
    Kind.BOOL: (bool,),
    Kind.INT: (int,),
    Kind.DOUBLE: (float, int),
    Kind.STRING: (str,),
    Kind.TIMESTAMP: (dt.datetime,),
    Kind.DURATION: (dt.timedelta,),
}


def _usable_simple(kind: Kind, value: Any) -> Value | Cause:
    classes = _CLASSES[kind]
    # A bool is an int in Python, and no number here.
    is_of_class = any(isinstance(value, one) for one in classes)
    if not is_of_class or (kind is not Kind.BOOL and isinstance(value, bool)):
        return Cause.WRONG_TYPE
    if kind is Kind.TIMESTAMP and value.tzinfo is None:
        return Cause.WRONG_TYPE
    if kind is Kind.DOUBLE:
        try:
            real = float(value)
        except OverflowError:
            return Cause.NOT_FINITE
        return real if math.isfinite(real) else Cause.NOT_FINITE
    found: Value = value
    return found
