"""The words of the anomalies room: what is watched, what is kept of the past, what was found."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.cases import CaseSeverity
from caudal.features import Entity, Filter
from caudal_base.enums import QuickEnum


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people write: whatever is not known is refused."""


class AnomalyPeriod(QuickEnum):
    """What an observation is of: whole hours or days, UTC."""

    HOUR = "hour"
    DAY = "day"


class AnomalyDetector(QuickEnum):
    """How it was found."""

    LEVEL = "level"
    """Too much in a period, against the median of the entity's own."""
    BURST = "burst"
    """Too many events in a short time, against the entity's own rate."""
    NEW_COUNTERPARTY = "new_counterparty"
    """A large first payment to somebody, by an entity with a history."""


class AnomalyLevel(_Written, frozen=True, kw_only=True):
    """Too much in a period."""

    score: float = 4.0
    """How many robust standard deviations above the median: 3 to 100."""
    at_least: int = 0
    """Nothing below this much is told."""


class AnomalyBurst(_Written, frozen=True, kw_only=True):
    """Too many events in a short time. For streams that count."""

    window: str = "10m"
    """1m to 6h, and no longer than the period."""
    odds: int = 1_000_000
    """Told where chance alone would do it in one window of so many: 1,000 to 10^12."""
    at_least: int = 3


class AnomalyCounterparty(_Written, frozen=True, kw_only=True):
    """A large first payment to somebody. For streams with a value."""

    counterparty: Entity = Entity.MERCHANT
    at_least: int = 1
    """Of the stream's value: nothing smaller is told."""
    times: float = 3.0
    """And at least so many times the entity's own 95th percentile."""
    history: int = 20
    """Events that the entity must have had before."""


class AnomalyStream(_Written, frozen=True, kw_only=True):
    """What is watched of whom, and what is found in it."""

    name: str
    """A lower-case word."""
    entity: Entity
    """Each of these is held against its own past."""
    of: Filter = Filter()
    """Which events of features count."""
    value: str | None = None
    """What is added up: `amount`; not said: events are counted."""
    same: tuple[str, ...] = ()
    """Tags that keep a past of their own: `("currency",)` wherever amounts are added up."""
    period: AnomalyPeriod = AnomalyPeriod.HOUR
    seasonal: bool = True
    """Whether the hour of the week (of days: the day of the week) counts: one profile for all entities."""
    level: AnomalyLevel | None = AnomalyLevel()
    burst: AnomalyBurst | None = None
    new_counterparty: AnomalyCounterparty | None = None
    warm_up: int = 72
    """Nothing is told of an entity before so many of its periods have been observed: 10 to 1,000."""
    cool_down: str = "24h"
    """For how long after an anomaly the same detector says nothing more of the entity: 1h to 30d."""
    severity: CaseSeverity = CaseSeverity.MEDIUM
    about: str = "events"
    """What the events are, in words: `payments`."""
    enabled: bool = True


RING: Final = {AnomalyPeriod.HOUR: 168, AnomalyPeriod.DAY: 56}
"""How many of an entity's newest periods are kept: a week of hours, eight weeks of days."""

SIZES: Final = 64
"""How many of an entity's newest values are kept."""

SLOTS: Final = {AnomalyPeriod.HOUR: 168, AnomalyPeriod.DAY: 7}


class History(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of an entity's past in a stream: bounded, whatever its length."""

    open: int | None = None
    """The number of its newest period, in periods since 1970."""
    total: int = 0
    """In that period, so far."""
    seen: int = 0
    """How many periods have been observed."""
    ring: list[float] = []
    """The newest observations, the season taken out; of sums their logarithms. The oldest first."""
    recent: list[int] = []
    """When the newest events happened, for bursts: microseconds since 1970, in order."""
    sizes: list[int] = []
    """The newest values, the oldest first."""
    events: int = 0
    late: int = 0
    """Events of periods that were over already: not counted in any."""
    quiet: dict[str, int] = {}
    """By detector, until when nothing more is told: microseconds since 1970."""
    held_back: int = 0
    """How many times something was not told for that."""


class Profile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What all entities of a stream have in common: how much there is, by place in the week."""

    open: int | None = None
    total: int = 0
    events: int = 0
    sums: list[float] = []
    weights: list[float] = []


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An anomaly, with all that it was computed of."""

    detector: AnomalyDetector
    score: float
    """Robust standard deviations; of bursts the decimal logarithm of the odds; of counterparties how many
    times the 95th percentile."""
    observed: int
    usual_low: int
    usual_high: int
    """Between the 5th and the 95th percentile of the entity's own past, at this time of the week."""
    words: str
    at: dt.datetime
    """When the event happened that brought it about."""
    source: str
    event: str
    """The event's source and id."""
    subjects: Mapping[str, str]
    """The event's entities."""
    tags: Mapping[str, str] = {}
    """Those that keep a past of their own."""
    factor: float = 1.0
    """How busy this time of the week is; 1: as the average."""
    median: float = 0.0
    spread: float = 0.0
    past: tuple[float, ...] = ()
    """The observations that it was held against, the oldest first; of counterparties the values."""


class StreamVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it was declared. Never changes."""

    number: int
    """Of all the book's."""
    version: int
    """Of its name: 1, 2, 3, …"""
    declared: AnomalyStream
    after: int
    """Events up to this ordinal teach what is usual, and nothing is told of them."""
    created_at: dt.datetime
    created_by: str
    through: int = 0
    """Up to which event it has come."""


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, as it is kept."""

    id: str
    """External, such as `ano_…`; made of the book, the stream, the event and the detector."""
    stream: str
    version: int
    entity: str
    """`customer:cus_…`"""
    ordinal: int
    silenced: bool
    case: str | None
    found: Found


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """How far a stream is behind the events of its book; those that it only learns from do not count."""

    stream: str
    events: int
    since: dt.datetime | None
    """When the first of them became known; None: it is not behind."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Until a moment, anomalies of a stream or an entity (or both) open no cases."""

    number: int
    stream: str | None
    entity: str | None
    until: dt.datetime
    reason: str
    created_at: dt.datetime
    created_by: str


class AnomalyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which anomalies: those that meet every condition."""

    stream: str | None = None
    entity: str | None = None
    detector: AnomalyDetector | None = None
