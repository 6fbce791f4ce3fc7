"""The vocabulary of features: what is declared, the events that they are computed of, what is served.

Amounts are integers in minor units; times are aware. Every struct is immutable.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from caudal_base.enums import QuickEnum


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people write: whatever is not known is refused."""


class Entity(QuickEnum):
    """Whose history a feature tells of."""

    CUSTOMER = "customer"
    ACCOUNT = "account"
    CARD = "card"
    """The card token of a payment's context, or else its instrument."""
    DEVICE = "device"
    IP = "ip"
    MERCHANT = "merchant"


class Aggregate(QuickEnum):
    """What is made of the events in a window."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    STDDEV = "stddev"
    """Of a sample (n - 1); missing for fewer than two events."""
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    """How many different values, at most `MOST_DISTINCT`."""
    SINCE_LAST = "since_last"
    """Seconds since the newest event in the window; missing where there is none."""
    RATIO = "ratio"
    """The value of what is decided on, over the mean in the window; missing where that is nothing."""


class Filter(_Written, frozen=True, kw_only=True):
    """Which events count: of a list one must fit, and what is empty holds for all."""

    source: tuple[str, ...] = ("payment",)
    where: Mapping[str, tuple[str, ...]] = {}
    """Tags of an event: `{"kind": ["pay_in"], "verdict": ["approve", "review"]}`."""
    at_least: Mapping[str, int] = {}
    """Values of an event, this bound included."""
    below: Mapping[str, int] = {}
    """Values of an event, this bound excluded."""


class Feature(_Written, frozen=True, kw_only=True):
    """A number that is known of an entity at any moment."""

    name: str
    """A lower-case word, `card_count_1h`; rules call it `features.card_count_1h`."""
    by: tuple[Entity, ...]
    """One entity, or a pair."""
    aggregate: Aggregate
    same: tuple[str, ...] = ()
    """Tags in which events must be like what is decided on: `("currency",)` wherever amounts are summed."""
    of: Filter = Filter()
    value: str | None = None
    """What is aggregated: `amount`; with `distinct` an entity or a tag; not with `count`, `since_last`."""
    window: str = "1d"
    """How far back: a number of seconds, minutes, hours or days (`90s`, `15m`, `6h`, `30d`), 1m to 180d."""
    delay: str = "0s"
    """Labels come late: the window ends so long before the moment of the decision. Up to 90d."""
    about: str = ""
    """In words that a customer understands, for reasons: `payments with this card in the last hour`."""


class FeatureSet(_Written, frozen=True, kw_only=True):
    """All features of a book: what is published together, and versioned together."""

    features: tuple[Feature, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened, with what features need of it."""

    id: str
    """The source's own; the same id again has no effect."""
    source: str
    event_at: dt.datetime
    """When it happened."""
    known_at: dt.datetime
    """When we learned of it: never before it happened."""
    entities: Mapping[str, str]
    """Values by `Entity`."""
    tags: Mapping[str, str] = {}
    values: Mapping[str, int] = {}


class Sums(NamedTuple):
    """What is added up of events: exact integers."""

    events: int = 0
    total: int = 0
    squares: int = 0
    """The sum of the values' squares."""

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(self.events + other.events, self.total + other.total, self.squares + other.squares)

    def less(self, other: "Sums") -> "Sums":
        """What is left without `other`."""
        return Sums(self.events - other.events, self.total - other.total, self.squares - other.squares)


class Kind(enum.Enum):
    """How a series is kept."""

    SUMS = "sums"
    """Running sums, a row for each event: count, sum, mean, stddev, since_last, ratio."""
    EXTREMES = "extremes"
    """Least and greatest in buckets of time: min, max."""
    MEMBERS = "members"
    """Each value with the moment it was last seen: distinct."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What several features share: the same events of the same entity, with the same value."""

    kind: Kind
    by: tuple[Entity, ...]
    same: tuple[str, ...]
    of: Filter
    value: str | None
    grain_s: int = 0
    """The length of a bucket, for extremes."""


class Missing(enum.Enum):
    """Why a feature has no value."""

    NO_ENTITY = "no_entity"
    """What is decided on has no such entity or tag: a payment without a device."""
    NO_EVENTS = "no_events"
    """Too few events to say."""
    NOT_FILLED = "not_filled"
    """It is new, and its history is still being counted."""


Value = int | float | None
"""What is served: None where it is missing."""
