"""What operators and functions do, each for one choice of types.

An operation takes values that are there and gives a value or the `Cause` why there is none: never an
exception. The compiler writes those with an `inline` form as Python's own operators; all others are called.
"""

import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from caudal.expressions.types import Cause, Value
from caudal_base.enums import QuickEnum

Result = Value | Cause

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1
STRING_AT_MOST: Final = 4_096
"""Characters of a text that an expression makes."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_SECOND: Final = dt.timedelta(seconds=1)


class Inline(QuickEnum):
    """How the compiler may write an operation in place."""

    RELATION = "relation"
    """A comparison of Python."""
    MEMBERSHIP = "membership"
    """Python's `in`."""
    INT = "int"
    """Arithmetic of Python whose result is checked for 64 bits."""
    UINT = "uint"
    DOUBLE = "double"
    """Arithmetic of Python whose result is checked for being finite."""
    QUOTIENT = "quotient"
    """As DOUBLE, and the divisor is checked for zero."""
    REAL = "real"
    """A whole number made double."""
    NOT = "not"


class Operation(msgspec.Struct, frozen=True):
    """What is done with values of certain types."""

    symbol: str
    apply: Callable[..., Any]
    """From values to a `Result`."""
    fails: bool = False
    """Whether there may be no result although all values are there."""
    inline: Inline | None = None


def _whole(value: int) -> Result:
    return value if INT_MIN <= value <= INT_MAX else Cause.OVERFLOW


def _unsigned(value: int) -> Result:
    return value if 0 <= value <= UINT_MAX else Cause.OVERFLOW


def _finite(value: float) -> Result:
    return value if math.isfinite(value) else Cause.OVERFLOW


def _checked(
    check: Callable[[Any], Result], function: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Result]:
    return lambda left, right: check(function(left, right))


def quotient(left: int, right: int) -> Result:
    """Division of whole numbers towards zero, as CEL and C have it, and not towards minus infinity."""
    if right == 0:
        return Cause.DIVISION_BY_ZERO
    magnitude = abs(left) // abs(right)
    return _whole(magnitude if (left < 0) == (right < 0) else -magnitude)


def remainder(left: int, right: int) -> Result:
    """What `quotient` leaves; it has the sign of `left`."""
    if right == 0:
        return Cause.DIVISION_BY_ZERO
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def unsigned_quotient(left: int, right: int) -> Result:
    """Division of numbers without a sign."""
    return Cause.DIVISION_BY_ZERO if right == 0 else left // right


def real_quotient(left: float, right: float) -> Result:
    """Division of doubles. By zero there is no result, where CEL has an infinity."""
    return Cause.DIVISION_BY_ZERO if right == 0 else _finite(left / right)


RELATIONS: Final = {
    "==": Operation("==", operator.eq, inline=Inline.RELATION),
    "!=": Operation("!=", operator.ne, inline=Inline.RELATION),
    "<": Operation("<", operator.lt, inline=Inline.RELATION),
    "<=": Operation("<=", operator.le, inline=Inline.RELATION),
    ">": Operation(">", operator.gt, inline=Inline.RELATION),
    ">=": Operation(">=", operator.ge, inline=Inline.RELATION),
}

MEMBERSHIP: Final = Operation("in", lambda item, items: item in items, inline=Inline.MEMBERSHIP)
REAL: Final = Operation("double", float, inline=Inline.REAL)
NOT: Final = Operation("!", operator.not_, inline=Inline.NOT)

_PYTHON: Final = {"+": operator.add, "-": operator.sub, "*": operator.mul}

INT_ARITHMETIC: Final = {
    **{
        symbol: Operation(symbol, _checked(_whole, function), fails=True, inline=Inline.INT)
        for symbol, function in _PYTHON.items()
    },
    "/": Operation("/", quotient, fails=True),
    "%": Operation("%", remainder, fails=True),
}
UINT_ARITHMETIC: Final = {
    **{
        symbol: Operation(symbol, _checked(_unsigned, function), fails=True, inline=Inline.UINT)
        for symbol, function in _PYTHON.items()
    },
    "/": Operation("/", unsigned_quotient, fails=True),
    "%": Operation("%", remainder, fails=True),
}
DOUBLE_ARITHMETIC: Final = {
    **{
        symbol: Operation(symbol, _checked(_finite, function), fails=True, inline=Inline.DOUBLE)
        for symbol, function in _PYTHON.items()
    },
    "/": Operation("/", real_quotient, fails=True, inline=Inline.QUOTIENT),
}


def negated_int(value: int) -> Result:
    """Minus `value`, which the least of 64 bits does not have."""
    return _whole(-value)


NEGATIVE_INT: Final = Operation("-", negated_int, fails=True)
NEGATIVE_DOUBLE: Final = Operation("-", operator.neg)


def joined(left: str, right: str) -> Result:
    """One text after the other, unless that is too long."""
    return left + right if len(left) + len(right) <= STRING_AT_MOST else Cause.TOO_LONG


def concatenated(left: Sequence[Any], right: Sequence[Any]) -> Result:
    """The items of both; the types say how many at most."""
    return [*left, *right]


def item_at(items: Sequence[Any], index: int) -> Result:
    """The item at `index`, from 0."""
    return items[index] if 0 <= index < len(items) else Cause.NO_SUCH_KEY


def value_of(entries: dict[Any, Any], key: Any) -> Result:
    """What stands at `key`."""
    found: Result = entries.get(key, Cause.NO_SUCH_KEY)
    return found


JOINED: Final = Operation("+", joined, fails=True)
CONCATENATED: Final = Operation("+", concatenated)
ITEM_AT: Final = Operation("[]", item_at, fails=True)
VALUE_OF: Final = Operation("[]", value_of, fails=True)


def later(moment: dt.datetime, by: dt.timedelta) -> Result:
    """A time after another."""
    try:
        return moment + by
    except OverflowError:
        return Cause.OVERFLOW


def earlier(moment: dt.datetime, by: dt.timedelta) -> Result:
    """A time before another."""
    try:
        return moment - by
    except OverflowError:
        return Cause.OVERFLOW


def longer(left: dt.timedelta, right: dt.timedelta) -> Result:
    """The sum of durations."""
    try:
        return left + right
    except OverflowError:
        return Cause.OVERFLOW


def shorter(left: dt.timedelta, right: dt.timedelta) -> Result:
    """The difference of durations."""
    try:
        return left - right
    except OverflowError:
        return Cause.OVERFLOW


LATER: Final = Operation("+", later, fails=True)
LATER_TURNED: Final = Operation("+", lambda by, moment: later(moment, by), fails=True)
EARLIER: Final = Operation("-", earlier, fails=True)
BETWEEN: Final = Operation("-", operator.sub)
LONGER: Final = Operation("+", longer, fails=True)
SHORTER: Final = Operation("-", shorter, fails=True)


def whole_of(value: float) -> Result:
    """A number without what stands behind the point."""
    return _whole(math.trunc(value))


def unsigned_of(value: float) -> Result:
    """The same, without a sign."""
    return _unsigned(math.trunc(value))


def size_of(value: int) -> Result:
    """A whole number without its sign."""
    return _whole(abs(value))


_WHOLE_TEXT: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_REAL_TEXT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


def whole_from(text: str) -> Result:
    """The whole number that a text is, in decimal digits."""
    return _whole(int(text)) if _WHOLE_TEXT.fullmatch(text) else Cause.UNREADABLE


def real_from(text: str) -> Result:
    """The number that a text is, in decimal digits."""
    return _finite(float(text)) if _REAL_TEXT.fullmatch(text) else Cause.UNREADABLE


def seconds_since_epoch(moment: dt.datetime) -> Result:
    """Whole seconds since 1970, towards the past."""
    return (moment - _EPOCH) // _SECOND


_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def moment_from(text: str) -> Result:
    """The time that a text is by RFC 3339. Nanoseconds are cut to microseconds."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return Cause.UNREADABLE
    fraction = found.group(1)
    if fraction is not None:
        text = text[:19] + f".{fraction[:6]:0<6}" + text[found.end(1) :]
    try:
        return dt.datetime.fromisoformat(text.upper())
    except ValueError:  # the 30th of February, or 25 o'clock
        return Cause.UNREADABLE


def moment_of(seconds: int) -> Result:
    """The time that many seconds after the beginning of 1970."""
    try:
        return _EPOCH + dt.timedelta(seconds=seconds)
    except OverflowError:
        return Cause.OVERFLOW


_DURATION: Final = re.compile(
    r"([+-]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:h|ms|m|s|us|µs|ns))+|0)", re.ASCII
)
_PART: Final = re.compile(r"([0-9]*)\.?([0-9]*)(h|ms|m|s|us|µs|ns)", re.ASCII)
_NANOSECONDS: Final = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "ns": 1,
}
_DURATION_AT_MOST: Final = 100


def duration_from(text: str) -> Result:
    """The duration that a text is, as Go writes them: `1h30m`, `-1.5h`, `250ms`. Cut to microseconds."""
    found = _DURATION.fullmatch(text) if len(text) <= _DURATION_AT_MOST else None
    if found is None:
        return Cause.UNREADABLE
    nanoseconds = 0
    for whole, fraction, unit in _PART.findall(found.group(2)):
        digits = int(whole + fraction)
        nanoseconds += digits * _NANOSECONDS[unit] // 10 ** len(fraction)
    try:
        length = dt.timedelta(microseconds=nanoseconds // 1_000)
    except OverflowError:
        return Cause.OVERFLOW
    return -length if found.group(1) == "-" else length


def rounded(value: float) -> Result:
    """To the nearest whole number, halves away from zero."""
    size = abs(value)
    below = math.floor(size)
    # Not floor(size + 0.5), which is wrong for the double just below a half.
    return math.copysign(float(below + (size - below >= 0.5)), value)


def in_hours(length: dt.timedelta) -> Result:
    """Whole hours, towards zero."""
    return _whole_units(length, 3_600_000_000)


def in_minutes(length: dt.timedelta) -> Result:
    """Whole minutes, towards zero."""
    return _whole_units(length, 60_000_000)


def in_seconds(length: dt.timedelta) -> Result:
    """Whole seconds, towards zero."""
    return _whole_units(length, 1_000_000)


def _whole_units(length: dt.timedelta, microseconds: int) -> int:
    count = abs(length) // _MICROSECOND // microseconds
    return -count if length < dt.timedelta() else count


PARTS_OF_TIME: Final[dict[str, Callable[[dt.datetime], int]]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
    "getMilliseconds": lambda moment: moment.microsecond // 1_000,
}
"""Numbers from 0, as CEL and JavaScript count them, but for the year and `getDate`; Sunday is 0."""


def part_of_time(name: str, zone: dt.tzinfo) -> Operation:
    """The operation that takes a part of a time as the clock in `zone` shows it."""
    part = PARTS_OF_TIME[name]

    def taken(moment: dt.datetime) -> Result:
        try:
            return part(moment.astimezone(zone))
        except OverflowError:
            return Cause.OVERFLOW

    return Operation(name, taken, fails=True)
