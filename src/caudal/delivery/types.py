"""The words of delivery: webhooks out."""

import datetime as dt
import enum
from typing import Final
from uuid import UUID

import msgspec

from caudal_base.secret import Secret

MAX_TYPES: Final = 50
MAX_URL: Final = 2_048
MAX_DESCRIPTION: Final = 200
MAX_CONCURRENCY: Final = 64
MAX_SECRETS: Final = 5
"""Of an endpoint that sign at a time: each adds a signature to every webhook."""
MAX_OVERLAP: Final = dt.timedelta(days=7)


class Signature(enum.Enum):
    """How deliveries to an endpoint are signed, by the identifiers of Standard Webhooks."""

    V1 = "v1"
    """HMAC-SHA256 with a secret that both sides know."""
    V1A = "v1a"
    """ed25519: the endpoint needs only the public key."""


class EndpointStatus(enum.Enum):
    """Whether an endpoint gets anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """What happens meanwhile waits, and is delivered once it is enabled."""
    DELETED = "deleted"
    """For good. Its log is kept until it is old enough to go."""


class DisableReason(enum.Enum):
    """Why an endpoint is disabled."""

    REQUESTED = "requested"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Every attempt failed for too long."""


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Send events there from now on."""

    id: UUID
    url: str
    types: tuple[str, ...] = ("*",)
    """Types of events: `payment.succeeded`, `payment.*` or `*`."""
    ordered: bool = False
    """Whether the events of one object go out one after the other, each once its predecessor has arrived."""
    concurrency: int = 16
    """Deliveries that may be under way at once."""
    signature: Signature = Signature.V1
    description: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Of an endpoint; None leaves as it is."""

    url: str | None = None
    types: tuple[str, ...] | None = None
    ordered: bool | None = None
    concurrency: int | None = None
    description: str | None = None


class SecretInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, without what is secret of it."""

    id: UUID
    signature: Signature
    public_key: str | None
    """`whpk_…`, of ed25519."""
    created_at: dt.datetime
    expires_at: dt.datetime | None
    """From then on it signs no more; None for the one that is newest."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where events are sent."""

    id: UUID
    url: str
    types: tuple[str, ...]
    ordered: bool
    concurrency: int
    description: str | None
    status: EndpointStatus
    reason: DisableReason | None
    """Why it is disabled."""
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    failing_since: dt.datetime | None
    """When the first attempt failed since which none has succeeded; none where nothing waits any more."""
    behind_since: dt.datetime | None
    """When so many deliveries waited for it that it was given nothing new."""
    quiet_until: dt.datetime | None
    """It has asked by `Retry-After` for nothing before then, tests excepted."""
    delivered_through: int
    """All events up to this seq have been looked at for it; some may still be waiting for another attempt."""
    secrets: tuple[SecretInfo, ...]
    """Those that sign now, the newest first."""


class Issued(msgspec.Struct, frozen=True):
    """An endpoint with the secret that it has just been given: shown once."""

    endpoint: Endpoint
    secret: Secret | None
    """`whsec_…`; None for ed25519, whose private half never leaves."""


class DeliveryState(enum.Enum):
    """Where the delivery of an event to an endpoint stands."""

    PENDING = "pending"
    """It is tried, or will be."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up: after the last attempt of the schedule."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event and an endpoint: one of each pair."""

    seq: int
    """The event's."""
    event_id: UUID
    type: str
    object_id: UUID
    object_type: str
    state: DeliveryState
    attempts: int
    """So far, replays included."""
    next_at: dt.datetime | None
    """Of a pending one, not before then."""
    ended_at: dt.datetime | None
    status: int | None
    """Of the last answer; None where there was none."""
    error: str | None
    """Why the last attempt did not succeed."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a delivery."""

    number: int
    """1 for the first."""
    at: dt.datetime
    duration_ms: int
    status: int | None
    error: str | None
    response: bytes
    """The beginning of the answer's body."""


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries: those that meet every condition."""

    state: DeliveryState | None = None
    type: str | None = None
    """Of the event."""
    before: int | None = None
    """Of events with a lower seq."""


class Replayed(msgspec.Struct, frozen=True):
    """What a replay has set going again."""

    count: int
    next_after: int | None
    """Where the next replay of the same range goes on; None when it is done."""
