"""The functions that expressions may call: names, types, operations. `Overload` is a line of the table."""

import datetime as dt
import math
import re
import zoneinfo
from typing import Any, Final

import msgspec

from caudal.expressions import operations
from caudal.expressions.operations import Operation
from caudal.expressions.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
)


class Overload(msgspec.Struct, frozen=True):
    """One way of calling a function: with these kinds, of which the receiver is the first."""

    kinds: tuple[Kind, ...]
    result: Type
    operation: Operation


def _operation(name: str, apply: Any, *, fails: bool = False) -> Operation:
    return Operation(name, apply, fails=fails)


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


_SIZE: Final = _operation("size", len)

METHODS: Final[dict[str, tuple[Overload, ...]]] = {
    "contains": (
        Overload((Kind.STRING, Kind.STRING), BOOL, _operation("contains", lambda text, part: part in text)),
    ),
    "startsWith": (
        Overload(
            (Kind.STRING, Kind.STRING),
            BOOL,
            _operation("startsWith", lambda text, part: text.startswith(part)),
        ),
    ),
    "endsWith": (
        Overload(
            (Kind.STRING, Kind.STRING), BOOL, _operation("endsWith", lambda text, part: text.endswith(part))
        ),
    ),
    "lower": (Overload((Kind.STRING,), STRING, _operation("lower", str.lower)),),
    "upper": (Overload((Kind.STRING,), STRING, _operation("upper", str.upper)),),
    "size": tuple(Overload((kind,), INT, _SIZE) for kind in (Kind.STRING, Kind.LIST, Kind.MAP)),
    "getHours": (Overload((Kind.DURATION,), INT, _operation("getHours", operations.in_hours)),),
    "getMinutes": (Overload((Kind.DURATION,), INT, _operation("getMinutes", operations.in_minutes)),),
    "getSeconds": (Overload((Kind.DURATION,), INT, _operation("getSeconds", operations.in_seconds)),),
}
"""What is called on a receiver. Parts of times are in `operations.PARTS_OF_TIME`."""

FUNCTIONS: Final[dict[str, tuple[Overload, ...]]] = {
    "size": METHODS["size"],
    "int": (
        Overload((Kind.INT,), INT, _operation("int", _same)),
        *(
            Overload((kind,), INT, _operation("int", operations.whole_of, fails=True))
            for kind in (Kind.UINT, Kind.DOUBLE)
        ),
        Overload((Kind.STRING,), INT, _operation("int", operations.whole_from, fails=True)),
        Overload((Kind.TIMESTAMP,), INT, _operation("int", operations.seconds_since_epoch)),
    ),
    "uint": (
        Overload((Kind.UINT,), UINT, _operation("uint", _same)),
        *(
            Overload((kind,), UINT, _operation("uint", operations.unsigned_of, fails=True))
            for kind in (Kind.INT, Kind.DOUBLE)
        ),
    ),
    "double": (
        Overload((Kind.DOUBLE,), DOUBLE, _operation("double", _same)),
        *(Overload((kind,), DOUBLE, operations.REAL) for kind in (Kind.INT, Kind.UINT)),
        Overload((Kind.STRING,), DOUBLE, _operation("double", operations.real_from, fails=True)),
    ),
    "string": tuple(
        Overload((kind,), STRING, _operation("string", _text))
        for kind in (Kind.STRING, Kind.INT, Kind.UINT, Kind.BOOL)
    ),
    "timestamp": (
        Overload((Kind.TIMESTAMP,), TIMESTAMP, _operation("timestamp", _same)),
        Overload((Kind.STRING,), TIMESTAMP, _operation("timestamp", operations.moment_from, fails=True)),
        Overload((Kind.INT,), TIMESTAMP, _operation("timestamp", operations.moment_of, fails=True)),
    ),
    "duration": (
        Overload((Kind.DURATION,), DURATION, _operation("duration", _same)),
        Overload((Kind.STRING,), DURATION, _operation("duration", operations.duration_from, fails=True)),
    ),
    "math.abs": (
        Overload((Kind.INT,), INT, _operation("math.abs", operations.size_of, fails=True)),
        Overload((Kind.DOUBLE,), DOUBLE, _operation("math.abs", abs)),
    ),
    "math.ceil": (
        Overload((Kind.DOUBLE,), DOUBLE, _operation("math.ceil", lambda value: float(math.ceil(value)))),
    ),
    "math.floor": (
        Overload((Kind.DOUBLE,), DOUBLE, _operation("math.floor", lambda value: float(math.floor(value)))),
    ),
    "math.round": (Overload((Kind.DOUBLE,), DOUBLE, _operation("math.round", operations.rounded)),),
}
"""What is called by its name alone."""

EXTREMES: Final = {
    "math.greatest": _operation("math.greatest", lambda *values: max(values)),
    "math.least": _operation("math.least", lambda *values: min(values)),
}
"""Functions of any number of numbers of one type."""

MACROS: Final = ("all", "exists", "exists_one", "filter", "map")
"""What is done with each item of a list."""

SPECIAL: Final = ("has", "coalesce")
"""Functions that take what may be missing."""

REFUSED: Final = {
    "matches": "regular expressions may take long; use startsWith, endsWith or contains",
    "type": "types are known when a rule is published",
    "dyn": "types are known when a rule is published",
    "bytes": "there are no bytes in rules",
    "now": "a rule must give the same again years later; use the time of the payment",
    "lowerAscii": "write lower()",
    "upperAscii": "write upper()",
}
"""Functions of CEL or of its hosts that there are not, and why."""

_OFFSET: Final = re.compile(r"([+-]?)([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def zone_named(name: str) -> dt.tzinfo | None:
    """A time zone by its name in the IANA database or its offset (`-08:00`); None where there is none."""
    if offset := _OFFSET.fullmatch(name):
        length = dt.timedelta(hours=int(offset.group(2)), minutes=int(offset.group(3)))
        return dt.timezone(-length if offset.group(1) == "-" else length)
    if name == "UTC":
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):  # no path, a folder, nothing
        return None
