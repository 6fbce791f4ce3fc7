"""What the API answers about payments. Amounts are integers of minor units of the payment's currency."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from caudal.client.types import Answer, OpenEnum, Transfer


class PaymentKind(OpenEnum):
    """Which way the money goes, seen from the customer."""

    PAY_IN = "pay_in"
    PAYOUT = "payout"
    INTERNAL = "internal"
    """To another customer of the book; no partner, immediate."""


class Method(OpenEnum):
    """By which rail."""

    CARD = "card"
    BANK_DEBIT = "bank_debit"
    BANK_TRANSFER = "bank_transfer"


class CaptureMode(OpenEnum):
    """Whether an authorised payment is captured at once or by a call of its own."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class WaitingFor(OpenEnum):
    """Whose word a payment needs to go on."""

    PERSON = "person"
    """`approve` or `decline`: it is in review, or the partner cannot be asked how a refund ended."""


class PaymentState(OpenEnum):
    """Where a payment stands."""

    SCHEDULED = "scheduled"
    REVIEW = "review"
    """A person decides; funds are reserved."""
    PROCESSING = "processing"
    """With the partner, or on the way there; its outcome is not known yet."""
    REQUIRES_ACTION = "requires_action"
    """The customer must do something: see `next_action`."""
    AUTHORISED = "authorised"
    """It may be captured."""
    CAPTURING = "capturing"
    INCREMENTING = "incrementing"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    """Our own decision was no."""
    FAILED = "failed"
    """The partner said no."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETURNED = "returned"
    """It had succeeded, and came back."""

    @property
    def is_final(self) -> bool:
        """Whether it waits for nothing. Of a word that this client does not know it is not."""
        return self in _FINAL


_FINAL = frozenset(
    {
        PaymentState.SUCCEEDED,
        PaymentState.DECLINED,
        PaymentState.FAILED,
        PaymentState.CANCELLED,
        PaymentState.EXPIRED,
        PaymentState.RETURNED,
    }
)


class Operation(OpenEnum):
    """What an attempt asks of a partner."""

    SUBMIT = "submit"
    CAPTURE = "capture"
    INCREMENT = "increment"
    CANCEL = "cancel"
    REFUND = "refund"


class AttemptState(OpenEnum):
    """Where one call to a partner stands."""

    CREATED = "created"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    """The call ended without an answer; the partner is being asked."""
    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Never sent."""


class PartState(OpenEnum):
    """Where a capture or a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DisputeState(OpenEnum):
    """Where a dispute stands."""

    INQUIRY = "inquiry"
    """A question; no money has moved."""
    CLOSED = "closed"
    """An inquiry that came to nothing."""
    OPEN = "open"
    """The funds have left."""
    WON = "won"
    """The funds are back; the fee is not."""
    LOST = "lost"


class ReviewReason(OpenEnum):
    """Why a person is asked."""

    RISK = "risk"
    MISMATCH = "mismatch"
    """The partner answered with another amount or currency than was asked."""
    OUTCOME = "outcome"
    """What became of the call is unknown, and the partner cannot be asked."""


class PaymentContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a payment comes from, for the decision on it. Tokens and codes only."""

    device: str | None = None
    ip: str | None = None
    merchant: str | None = None
    card_token: str | None = None
    country: str | None = None


class PaymentFailure(Answer, frozen=True, kw_only=True):
    """Why a partner said no."""

    code: str
    class_: str = msgspec.field(name="class")
    """What it means for whoever might try again: `hard_decline`, `soft_decline`, …"""
    message: str = ""


class NextAction(Answer, frozen=True, kw_only=True):
    """What the customer must do for the payment to go on."""

    type: str
    """`redirect`: send the customer's browser to `url`. `use_stripe_sdk`: give `client_secret` to
    `stripe.handleNextAction` in the customer's browser. `at_partner`: the partner asks the customer."""
    url: str | None = None
    client_secret: str | None = None
    """For the customer's browser alone. Events do not have it: read the payment."""


class PaymentReview(Answer, frozen=True, kw_only=True):
    """What a person is asked to decide."""

    reason: ReviewReason
    until: dt.datetime | None = None
    """When `default` decides; None: it waits for a person."""
    default: str | None = None
    reported_amount: int | None = None
    """Of a mismatch: what the partner says."""
    reported_currency: str | None = None


class Decision(Answer, frozen=True, kw_only=True):
    """What was decided before anything was sent."""

    verdict: str
    """`approve`, `challenge` (the customer authenticates at the partner), `review` or `decline`."""
    reasons: tuple[str, ...] = ()
    id: str | None = None
    """Of the decision, where one is recorded (`dec_…`)."""


class PaymentRoute(Answer, frozen=True, kw_only=True):
    """How a payment came to its partner."""

    rule: str
    rule_set: str
    """`v3`"""
    partners: Sequence[str]
    """Whom it may go to, in this order."""


class Retried(Answer, frozen=True, kw_only=True):
    """Why an attempt was made when there had been one before."""

    cause: str
    reason: str


class Payment(Answer, frozen=True, kw_only=True):
    """A payment as it stands."""

    id: str
    kind: PaymentKind
    state: PaymentState
    customer: str
    amount: int
    """What was asked."""
    currency: str
    authorised_amount: int
    """In total, captured parts included."""
    captured_amount: int
    refunded_amount: int
    refunding_amount: int
    """On its way back."""
    disputed_amount: int
    fee_amount: int
    """What the customer has been charged for it so far."""
    capture: CaptureMode
    created_at: dt.datetime
    updated_at: dt.datetime
    destination: str | None = None
    partner: str | None = None
    partner_id: str | None = None
    route: PaymentRoute | None = None
    """By which rule the partner was chosen; None: the caller named it, or there are no rules."""
    method: Method | None = None
    instrument: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    context: PaymentContext | None = None
    execute_at: dt.datetime | None = None
    return_url: str | None = None
    expires_at: dt.datetime | None = None
    """When what the state waits for runs out."""
    next_action: NextAction | None = None
    failure: PaymentFailure | None = None
    review: PaymentReview | None = None
    decision: Decision | None = None


class Attempt(Answer, frozen=True, kw_only=True):
    """One call to a partner; its id is the partner's idempotency key."""

    id: str
    operation: Operation
    state: AttemptState
    partner: str
    amount: int
    created_at: dt.datetime
    updated_at: dt.datetime
    part: str | None = None
    """The capture or refund that it carries out."""
    partner_id: str | None = None
    submitted_at: dt.datetime | None = None
    """When it was first sent; None: it never was."""
    sends: int = 0
    looks: int = 0
    """How often the partner has been asked since."""
    failure: PaymentFailure | None = None
    note: str | None = None
    asked_at: dt.datetime | None = None
    """Of a refund: since when a person is asked how it ended, by approving or declining the payment."""
    retried: Retried | None = None
    """Of one that begins the payment once more: why."""


class Capture(Answer, frozen=True, kw_only=True):
    """A part of what was authorised, taken."""

    id: str
    payment: str
    amount: int
    final: bool
    state: PartState
    created_at: dt.datetime
    updated_at: dt.datetime
    transfer: str | None = None
    failure: PaymentFailure | None = None


class Refund(Answer, frozen=True, kw_only=True):
    """Money on its way back to whom it came from."""

    id: str
    payment: str
    amount: int
    currency: str
    state: PartState
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None
    metadata: Mapping[str, str] | None = None
    partner_id: str | None = None
    failure: PaymentFailure | None = None


class Dispute(Answer, frozen=True, kw_only=True):
    """The payer asks their bank for the money back."""

    id: str
    payment: str
    partner: str
    partner_id: str
    amount: int
    currency: str
    state: DisputeState
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None
    """What the payer claims, in the partner's words."""
    fee_amount: int = 0
    """What the partner has charged for it, less what it has given back."""
    respond_by: dt.datetime | None = None
    """Until when the partner takes evidence."""


class PaymentDetail(Payment, frozen=True, kw_only=True):
    """A payment with everything that belongs to it."""

    attempts: tuple[Attempt, ...]
    captures: tuple[Capture, ...]
    refunds: tuple[Refund, ...]
    disputes: tuple[Dispute, ...]
    transfers: tuple[Transfer, ...]
    """What it did in the ledger so far, in order; the newest 100 if there are more."""
