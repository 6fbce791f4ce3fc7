"""When a partner says what its documentation did not: counted and logged, never guessed at, never fatal.

A connector reads a partner's objects through `Reading`, with a `Drift` of its own. What is missing, of
another type, or a value that no table knows is drift: the reading is `broken` or gives the table's safe
value, the snapshot made of it is `Status.UNKNOWN`, and an operator sees the count grow.
"""

import datetime as dt
import enum
import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard, TypeVar

import structlog

from caudal_base.clock import Clock
from caudal_base.money import MAX_AMOUNT, currencies

T = TypeVar("T")

MOST_KINDS: Final = 200
"""Different drifts of one partner that are kept apart; further ones count as `OTHER`."""

LOG_EVERY: Final = dt.timedelta(hours=1)
"""The same drift is logged no more often."""

OTHER: Final = "(other)"

NO_CURRENCY: Final = "XXX"
"""ISO 4217's code for no currency: what a broken reading gives."""

_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


class DriftKind(enum.Enum):
    """In what way a partner strayed."""

    UNKNOWN_VALUE = "unknown_value"
    """A value of an enumeration, or a type of object, that no table knows."""
    MISSING = "missing"
    UNEXPECTED_TYPE = "unexpected_type"
    CONTRADICTION = "contradiction"
    """Values that cannot hold together, such as a settlement that is not the sum of its lines."""


DriftKey = tuple[DriftKind, str, str]
"""The kind, the field as a path (`payment_intent.status`), and the value or type; bounded in number."""


class Drift:
    """Counts and logs one partner's drift. Safe to share among the tasks of an event loop."""

    def __init__(self, partner: str, clock: Clock) -> None:
        """Nothing counted yet."""
        self._partner = partner
        self._clock = clock
        self._counts: dict[DriftKey, int] = {}
        self._logged: dict[DriftKey, dt.datetime] = {}
        self._log = structlog.get_logger()

    @property
    def counts(self) -> Mapping[DriftKey, int]:
        """How often each drift was met since the process began."""
        return dict(self._counts)

    def record(self, kind: DriftKind, field: str, value: str = "") -> None:
        """Count a drift. `value` is kept only where it looks like a code: it may be anything, a name too."""
        shown = value if not value or _CODE.fullmatch(value) else OTHER
        key = (kind, field, shown)
        if key not in self._counts and len(self._counts) >= MOST_KINDS:
            key = (kind, OTHER, OTHER)
        self._counts[key] = self._counts.get(key, 0) + 1
        now = self._clock.now()
        last = self._logged.get(key)
        if last is None or now - last >= LOG_EVERY:
            self._logged[key] = now
            self._log.warning(
                "partner_drift",
                partner=self._partner,
                kind=kind.value,
                field=key[1],
                value=key[2],
                count=self._counts[key],
            )


class Reading:
    """One JSON object of a partner, read field by field.

    Methods without `optional` in their name want the field: where it is missing or of another type they
    record drift, set `broken`, and give a value that means nothing.
    """

    def __init__(self, drift: Drift, name: str, fields: Mapping[str, Any]) -> None:
        """`name` is what drift calls the object: `payment_intent`."""
        self._drift = drift
        self._name = name
        self._fields = fields
        self.broken = False
        """Something that was wanted is missing or of another type: what was read must not be acted on."""

    def text(self, field: str) -> str:
        """A text that is not empty."""
        return self._wanted(field, str, "")

    def integer(self, field: str) -> int:
        """A whole number, within what an amount can be."""
        value = self._wanted(field, int, 0)
        if abs(value) > MAX_AMOUNT:
            self.contradiction(field, "out_of_range")
            return 0
        return value

    def currency(self, field: str = "currency") -> str:
        """An ISO 4217 code, in capitals."""
        code = self._wanted(field, str, NO_CURRENCY).upper()
        if code != NO_CURRENCY and code not in currencies():
            self.broken = True
            self._drift.record(DriftKind.UNKNOWN_VALUE, f"{self._name}.{field}", code)
            return NO_CURRENCY
        return code

    def moment(self, field: str) -> dt.datetime:
        """A time, said in seconds since 1970."""
        return _moment(self._wanted(field, int, 0))

    def optional_text(self, field: str) -> str | None:
        """A text, or None where the partner says nothing."""
        return self._optional(field, str)

    def optional_integer(self, field: str) -> int | None:
        """A whole number, or None where the partner says nothing."""
        return self._optional(field, int)

    def optional_moment(self, field: str) -> dt.datetime | None:
        """A time, or None where the partner says nothing."""
        seconds = self._optional(field, int)
        return None if seconds is None else _moment(seconds)

    def optional_object(self, field: str) -> "Reading | None":
        """An object within this one."""
        fields = self._optional(field, dict)
        return None if fields is None else Reading(self._drift, f"{self._name}.{field}", fields)

    def fields(self, field: str) -> Mapping[str, Any] | None:
        """The bare fields of an object within this one, for a reading of its own."""
        return self._optional(field, dict)

    def optional_objects(self, field: str) -> list["Reading"]:
        """The objects of a list within this one; what is no object in it is drift."""
        found = []
        for item in self._optional(field, list) or ():
            if isinstance(item, dict):
                found.append(Reading(self._drift, f"{self._name}.{field}", item))
            else:
                self._unexpected(f"{field}[]", item)
        return found

    def reference(self, field: str) -> tuple[str | None, "Reading | None"]:
        """Another object's id, and the object itself where the partner has expanded it in its place."""
        value = self._fields.get(field)
        if isinstance(value, dict):
            expanded = Reading(self._drift, f"{self._name}.{field}", value)
            return expanded.optional_text("id"), expanded
        return self._optional(field, str), None

    def mapped(self, field: str, table: Mapping[str, T], unknown: T) -> T:
        """What `table` says of the field's text; `unknown`, and drift, where it says nothing."""
        value = self._wanted(field, str, "")
        if value and value not in table:
            self._drift.record(DriftKind.UNKNOWN_VALUE, f"{self._name}.{field}", value)
        return table.get(value, unknown)

    def contradiction(self, field: str, value: str = "") -> None:
        """Record that a value cannot be right beside the others; what was read is broken."""
        self.broken = True
        self._drift.record(DriftKind.CONTRADICTION, f"{self._name}.{field}", value)

    def _wanted(self, field: str, type_: type[T], default: T) -> T:
        value = self._fields.get(field)
        if _is(value, type_) and value != "":
            return value
        self.broken = True
        if value is None or value == "":
            self._drift.record(DriftKind.MISSING, f"{self._name}.{field}")
        else:
            self._unexpected(field, value)
        return default

    def _optional(self, field: str, type_: type[T]) -> T | None:
        value = self._fields.get(field)
        if value is None or _is(value, type_):
            return value
        self._unexpected(field, value)
        return None

    def _unexpected(self, field: str, value: object) -> None:
        self._drift.record(DriftKind.UNEXPECTED_TYPE, f"{self._name}.{field}", type(value).__name__)


def _is(value: object, type_: type[T]) -> TypeGuard[T]:
    """Whether `value` is of the type, of which a truth value is no number."""
    return isinstance(value, type_) and not isinstance(value, bool)


_EARLIEST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999, as datetime knows it


def _moment(seconds: int) -> dt.datetime:
    return _EARLIEST + dt.timedelta(seconds=min(max(seconds, 0), _LATEST_SECONDS))
