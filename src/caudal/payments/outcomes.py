"""What comes of commands, and what a batch leaves to be written."""

import datetime as dt
import enum

import msgspec

from caudal.connectors import Settlement
from caudal.payments.refusals import Refusal
from caudal.payments.types import Attempt, Capture, Payment, Refund
from caudal.routing import Cost, Outage
from caudal_base.decide import Unmoved


class OutcomeStatus(enum.Enum):
    """What became of a command."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It said nothing new."""
    EXISTS = "exists"
    """The same payment was created before under this id."""
    WAITING = "waiting"
    """Nothing that it could be about is known yet."""
    REFUSED = "refused"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of one command. The objects are as they stand after it."""

    status: OutcomeStatus
    payment: Payment | None = None
    capture: Capture | None = None
    refund: Refund | None = None
    attempt: Attempt | None = None
    refusal: Refusal | None = None
    told: bytes | None = None
    """The payment as JSON, as `views.payment_view` has it, where an event tells of it."""


class AppliedStatus(enum.Enum):
    """What became of what a partner said."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    """It is about something that is not known yet: try again later."""
    REFUSED = "refused"
    """It contradicts what is known: a person looks at it."""


class Applied(msgspec.Struct, frozen=True):
    """The result of one snapshot."""

    status: AppliedStatus
    detail: str | None = None
    payment_id: str | None = None
    """The payment that it is about, as far as that is known."""


class Changes(msgspec.Struct):
    """What a batch leaves to be written beside the payments themselves."""

    created: set[str] = msgspec.field(default_factory=set)
    """Ids of payments that are new."""
    events: list[tuple[str, str, str, bytes]] = msgspec.field(default_factory=list)
    """Type, object's type, object's id, JSON."""
    attempt_jobs: list[tuple[str, str, dt.datetime]] = msgspec.field(default_factory=list)
    """Attempts to be driven, each with its partner and from when on."""
    timers: list[tuple[str, dt.datetime]] = msgspec.field(default_factory=list)
    """Payments to be looked at, and when."""
    asks: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """Payments of which the partner is to be asked now, each with its partner."""
    settlements: set[str] = msgspec.field(default_factory=set)
    """Partners whose settlements are to be fetched now."""
    unmoved: list[Unmoved] = msgspec.field(default_factory=list)
    """What counts against limits per day no longer, or again."""
    settled: list[tuple[str, Settlement]] = msgspec.field(default_factory=list)
    """Partners' batches to be kept, with their lines."""
    costs: list[Cost] = msgspec.field(default_factory=list)
    """Partners' fees that are posted, with what they were for."""
    outages: list[Outage] = msgspec.field(default_factory=list)
    """Partners that could not be called."""
    answering: set[str] = msgspec.field(default_factory=set)
    """Partners that were called and answered."""
