"""The words between payments and partners: what is asked of a partner, and what it says.

Amounts are integers in minor units of the currency (ISO 4217), also where a partner counts otherwise: a
connector converts. Every struct is immutable.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from caudal_base.enums import QuickEnum


class Direction(QuickEnum):
    """Which way money goes."""

    PAY_IN = "pay_in"
    PAYOUT = "payout"


class Method(QuickEnum):
    """By which rail."""

    CARD = "card"
    BANK_DEBIT = "bank_debit"
    BANK_TRANSFER = "bank_transfer"


class CaptureMode(QuickEnum):
    """Whether an authorised payment is captured at once or by a call of its own."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Operation(QuickEnum):
    """What an attempt asks of a partner."""

    SUBMIT = "submit"
    """Begin the payment: charge, authorise, or send."""
    CAPTURE = "capture"
    INCREMENT = "increment"
    """Raise what is authorised to `Call.amount` in total."""
    CANCEL = "cancel"
    """Void what is authorised and not captured, or call off what has not been carried out."""
    REFUND = "refund"


class Supported(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a capability matrix: what a partner can do with one kind of payment."""

    direction: Direction
    method: Method
    currencies: frozenset[str] | None
    """None is every currency."""
    capture_modes: frozenset[CaptureMode] = frozenset({CaptureMode.AUTOMATIC})
    multiple_captures: bool = False
    increments: bool = False
    cancels: bool = False
    refunds: bool = False
    authenticates: bool = False
    """The customer can be made to authenticate (3-D Secure), whatever the issuer would want by itself."""
    minimum_amount: int = 1


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner can do, and how long it remembers."""

    supported: tuple[Supported, ...]
    key_lifetime: dt.timedelta | None
    """How long the partner answers a repeated idempotency key with the first answer; None: it knows none."""
    search_horizon: dt.timedelta | None
    """After so long a search sees whatever the partner has accepted; None: it cannot be asked."""
    authorisation_lifetime: dt.timedelta = dt.timedelta(days=7)
    poll_after: dt.timedelta = dt.timedelta(minutes=10)
    """When to ask about what the partner has accepted and said nothing of since."""
    calls_per_second: float | None = None
    """What the partner allows one key, where it says so; settings may set another bound."""
    api_version: str = ""
    """The version of the partner's API that the connector speaks, and asks for with every call."""


class ErrorClass(enum.Enum):
    """What a partner's error means for whoever might try again. Partners' codes map to these by a table."""

    HARD_DECLINE = "hard_decline"
    """Never again with this instrument: stolen card, closed account."""
    SOFT_DECLINE = "soft_decline"
    """Perhaps later or elsewhere: insufficient funds, issuer not available."""
    INVALID = "invalid"
    """The call itself is wrong: a bug, or a setting."""
    CONFLICT = "conflict"
    """The object is in a state that does not allow it: already captured, disputed."""
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    CREDENTIALS = "credentials"
    """The partner does not accept our key."""


AUTHORISATION_EXPIRED: Final = "authorisation_expired"
"""The code of the error with which a cancelled payment says that its authorisation ran out."""


class PartnerError(msgspec.Struct, frozen=True, kw_only=True):
    """An error of a partner, as its connector understands it."""

    code: str
    """Stable: the partner's own code, or ours where it has none."""
    class_: ErrorClass
    message: str = ""
    """For operators. Holds no personal data."""


class Status(enum.Enum):
    """Where a partner says that something stands, in our words."""

    PENDING = "pending"
    """Accepted; how it ends is not known yet."""
    ACTION_REQUIRED = "action_required"
    """The customer must do something: `Snapshot.action_url`."""
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    """Of a payment: captured, or sent and settled. Of a refund: paid back."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Voided, expired or called off: no more money moves. Of a dispute: an inquiry that came to nothing."""
    RETURNED = "returned"
    """It had succeeded, and came back: a returned transfer or direct debit."""
    INQUIRY = "inquiry"
    """Of a dispute: a question, no money moves."""
    OPEN = "open"
    """Of a dispute: funds are withdrawn, the outcome is open."""
    WON = "won"
    """Of a dispute: the funds are, or will be, given back."""
    LOST = "lost"
    """Of a dispute: the funds stay withdrawn. A direct debit that is reversed may say so at once."""
    UNKNOWN = "unknown"
    """The partner said something that the connector does not know: counted, logged, and nothing moves."""


class Subject(enum.Enum):
    """What a snapshot is of."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    SETTLEMENT = "settlement"
    """A batch paid out to our bank, or arrived there."""
    STEP = "step"
    """A capture, increment or cancellation that the partner carries out later: PENDING, or FAILED without
    effect. `attempt_id` says which. Once it has taken place, what is told of is the payment."""


class PartnerFee(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner took for something."""

    partner_id: str
    """The partner's id of this fee (of its balance transaction); each is posted once."""
    amount: int
    """Positive: a cost. Negative: given back."""
    currency: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner says of one object at one moment, from a call's answer, a query or a webhook."""

    subject: Subject
    partner_id: str
    """The partner's id of the object (`pi_…`, `re_…`, `dp_…`)."""
    status: Status
    amount: int
    """Of the object: what was asked, of a payment what is authorised in total."""
    currency: str
    attempt_id: str | None = None
    """Ours, from the object's metadata: of the attempt that made the object."""
    parent_id: str | None = None
    """Of a refund or dispute: the partner's id of the payment."""
    captured: int | None = None
    """Of a payment: what has been captured (received, or paid out) in total."""
    error: PartnerError | None = None
    action_url: str | None = None
    action_secret: str | None = None
    """Of an action without an address: what the partner's own script in the customer's browser needs."""
    reason: str | None = None
    """Of a dispute: what the payer claims, in the partner's words (`fraudulent`)."""
    respond_by: dt.datetime | None = None
    """Of a dispute: until when the partner takes evidence."""
    fees: tuple[PartnerFee, ...] = ()
    """The partner's fees so far known of this object, each with an id of its own."""
    expires_at: dt.datetime | None = None
    """Of an authorisation: when it lapses, where the partner says so."""
    related: Mapping[str, str] = {}
    """Other partner ids that later calls need, such as `charge`; kept with the payment."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt asks of a partner. The same attempt always asks the same."""

    attempt_id: str
    """`att_…`: the partner's idempotency key, and in the metadata of whatever it makes."""
    payment_id: str
    operation: Operation
    direction: Direction
    method: Method
    amount: int
    """Of SUBMIT what is asked, of CAPTURE and REFUND how much, of INCREMENT the new total."""
    currency: str
    capture_mode: CaptureMode = CaptureMode.AUTOMATIC
    final: bool = True
    """Of a capture: nothing is to follow, the rest is released."""
    instrument: str | None = None
    """What is charged or paid to: a vault token (`tok_…`) or the partner's own token (`pm_…`)."""
    partner_id: str | None = None
    """The payment's id at the partner, for all but SUBMIT."""
    related: Mapping[str, str] = {}
    """As in `Snapshot.related`, as far as known."""
    captured_before: int = 0
    """Of CAPTURE: what had been captured before it, so that a query can tell whether it took place."""
    reference: str | None = None
    return_url: str | None = None
    """Where the customer's browser comes back to from a redirect."""
    authenticate: bool = False
    """Of SUBMIT: the customer is to authenticate; only where `Supported.authenticates`."""
    reason: str | None = None
    submitted_at: dt.datetime | None = None
    """When it was first sent; None before. Decides how long the key holds and when a search must see it."""


class Reported(msgspec.Struct, frozen=True):
    """The partner answered: the object as it stands after the call. A decline is a snapshot too (FAILED)."""

    snapshot: Snapshot


class Refused(msgspec.Struct, frozen=True):
    """The partner refused the call, and certainly did nothing."""

    error: PartnerError


class Why(enum.StrEnum):
    """Reasons of `NotSent` and `Unknown`. Connectors may give others of their own."""

    RATE_LIMITED = "rate_limited"
    """The partner's limit, or ours for it, is reached."""
    BUSY = "busy"
    """Too many calls to the partner are under way."""
    BREAKER_OPEN = "breaker_open"
    """The partner has failed too often of late to be called."""
    UNREACHABLE = "unreachable"
    """No connection came about."""
    CREDENTIALS = "credentials"
    """The partner does not accept our key: it looked at nothing else."""
    TIMEOUT = "timeout"
    DROPPED = "dropped_connection"
    SERVER_ERROR = "server_error"
    UNREADABLE = "unreadable_answer"
    IN_FLIGHT = "in_flight"
    """The partner is still at work on an earlier call of the same attempt."""
    KEY_REUSED = "idempotency_key_reused"
    """The partner knows the attempt's key with other content: a bug of ours, and a person must look."""
    SEVERAL_FOUND = "several_found"
    """The partner knows more than one object of the attempt: a person must look."""
    CONNECTOR_FAILED = "connector_failed"
    """The connector raised what it should have answered."""


class NotSent(msgspec.Struct, frozen=True):
    """The call certainly had no effect, and may be sent again: rate limit, breaker, nobody listening."""

    reason: str
    retry_after: dt.timedelta | None = None


class Unknown(msgspec.Struct, frozen=True):
    """It may have had its effect or not: time-out, dropped connection, 5xx, an answer that is none."""

    reason: str


class NotFound(msgspec.Struct, frozen=True):
    """The partner knows of no such thing *now*: final only after the search horizon."""


class CannotAsk(msgspec.Struct, frozen=True):
    """The partner has no way of being asked about this operation: a person decides."""


Answer: TypeAlias = Reported | Refused | NotSent | Unknown
"""What comes of a call."""

Found: TypeAlias = Reported | Refused | NotFound | CannotAsk | Unknown
"""What comes of a query. `Refused`: the partner knows the attempt, and that it failed without effect."""


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a webhook whose signature has been verified."""

    event_id: str
    """The partner's own: a repeat has the same."""
    type: str
    created_at: dt.datetime
    """When the partner says that it happened."""
    body: bytes
    """As it came; where several events came together, the part that is this one's."""


class LineKind(enum.Enum):
    """What a line of a settlement is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    FEE = "fee"
    ADJUSTMENT = "adjustment"


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One movement on the partner's balance that a settlement pays out. `amount - fee` is its net."""

    partner_id: str
    """Of the balance transaction; unique at the partner."""
    kind: LineKind
    source_id: str | None
    """The partner's id of the charge, refund or dispute."""
    payment_partner_id: str | None
    attempt_id: str | None
    amount: int
    """Signed: positive is to our credit."""
    fee: int
    currency: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that a partner has paid out to our bank account; negative where it has drawn on it."""

    partner_id: str
    amount: int
    """Net; the sum of its lines' nets."""
    currency: str
    arrived: bool
    """It has reached the bank; False while on its way, and then nothing is posted."""
    arrived_at: dt.datetime | None
    lines: tuple[SettlementLine, ...]
