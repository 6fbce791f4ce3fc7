"""The vocabulary of payments: the objects, their states, and what they keep.

Amounts are integers in minor units of the payment's currency (ISO 4217). Ids are the external form
(`pay_…`, `att_…`, `cap_…`, `re_…`, `dp_…`). Every struct is immutable: a change is a new one.
"""

import datetime as dt
import enum
from collections.abc import Mapping

import msgspec

from caudal.connectors import CaptureMode, Method, Operation
from caudal_base.decide import Context
from caudal_base.enums import QuickEnum


class PaymentKind(QuickEnum):
    """Which way the money goes, seen from the customer."""

    PAY_IN = "pay_in"
    """From a card or a bank account, through a partner, to the customer's balance."""
    PAYOUT = "payout"
    """From the customer's balance, through a partner, to a bank account."""
    INTERNAL = "internal"
    """From the customer's balance to another customer's; no partner, immediate."""


class PaymentState(QuickEnum):
    """Where a payment stands. Which may follow which says the table in `rules`."""

    SCHEDULED = "scheduled"
    """Waits for its `execute_at`; nothing is reserved."""
    REVIEW = "review"
    """A person decides; funds are reserved."""
    PROCESSING = "processing"
    """With the partner, or on the way there; its outcome is not known yet."""
    REQUIRES_ACTION = "requires_action"
    """The customer must do something at the partner's: a 3-D Secure redirect."""
    AUTHORISED = "authorised"
    """The partner has reserved the customer's money; it may be captured."""
    CAPTURING = "capturing"
    """A capture is with the partner."""
    INCREMENTING = "incrementing"
    """A raise of the authorised amount is with the partner."""
    CANCELLING = "cancelling"
    """A void is with the partner."""
    SUCCEEDED = "succeeded"
    """The money has moved: all of it, or the parts that were captured."""
    DECLINED = "declined"
    """Our own decision was no. Nothing moved."""
    FAILED = "failed"
    """The partner said no. Nothing moved."""
    CANCELLED = "cancelled"
    """Called off, nothing was captured."""
    EXPIRED = "expired"
    """The authorisation, or the time for the customer's action, ran out; nothing was captured."""
    RETURNED = "returned"
    """It had succeeded, and came back."""


class AttemptState(QuickEnum):
    """Where one call to a partner stands."""

    CREATED = "created"
    """To be sent; certainly without effect so far."""
    SUBMITTING = "submitting"
    """Committed before the call: from here on it may have had its effect."""
    UNKNOWN = "unknown"
    """The call ended without an answer; the resolver asks."""
    ACCEPTED = "accepted"
    """The partner has it; how it ends is open."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Never sent."""


LIVE_ATTEMPTS = frozenset({AttemptState.CREATED, AttemptState.SUBMITTING, AttemptState.UNKNOWN})
"""Of a payment at most one attempt that is no refund is in one of these (`attempt_live_key`)."""


class PartState(enum.Enum):
    """Where a capture or a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DisputeState(enum.Enum):
    """Where a dispute stands."""

    INQUIRY = "inquiry"
    """A question; no money has moved."""
    CLOSED = "closed"
    """A question that came to nothing."""
    OPEN = "open"
    """The funds have left."""
    WON = "won"
    """The funds are back; the fee is not."""
    LOST = "lost"


class ReviewReason(enum.Enum):
    """Why a person is asked."""

    RISK = "risk"
    """The decision says so."""
    MISMATCH = "mismatch"
    """The partner answered with another amount or currency than was asked."""
    OUTCOME = "outcome"
    """What became of the call is unknown, and the partner cannot be asked."""


class ReviewDefault(enum.Enum):
    """What happens to a review that nobody has decided in time."""

    APPROVE = "approve"
    DECLINE = "decline"


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a partner said no."""

    code: str
    class_: str = msgspec.field(name="class")
    """A value of `connectors.ErrorClass`."""
    message: str = ""


class Routed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a payment came to its partner."""

    version: int
    """Of the rule set."""
    rule: str
    partners: tuple[str, ...]
    """Whom it may go to, in this order: where it is tried again, it is with one of these."""


class Retried(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why an attempt was made when there had been one before."""

    cause: str
    """A value of `routing.Cause`."""
    reason: str
    """In words: at whom the one before failed, and with which code."""


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """The intent to move money, and how far it got."""

    id: str
    kind: PaymentKind
    state: PaymentState
    customer: str
    amount: int
    """What was asked."""
    currency: str
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int = 1
    """Counts its changes."""
    destination: str | None = None
    """Of an internal payment: the customer who receives."""
    partner: str | None = None
    """Who carries it out, or is trying to; None of internal ones."""
    named: bool = False
    """The caller named the partner, and so it stays there."""
    route: Routed | None = None
    """By which rule the partner was chosen; None: it was named, or there were no rules."""
    method: Method | None = None
    instrument: str | None = None
    """What is charged or paid to: a vault token or the partner's own token."""
    capture: CaptureMode = CaptureMode.AUTOMATIC
    partner_id: str | None = None
    """The partner's id of the payment."""
    related: Mapping[str, str] = {}
    """Other ids of the partner that later calls need."""
    authorised_amount: int = 0
    """In total, captured parts included."""
    captured_amount: int = 0
    refunded_amount: int = 0
    """Paid back."""
    refunding_amount: int = 0
    """On its way back."""
    disputed_amount: int = 0
    """Withdrawn by open or lost disputes."""
    fee_amount: int = 0
    """Ours, as charged so far."""
    fee: int = 0
    """Ours, to be charged for the whole amount."""
    hold_id: str | None = None
    """The open pending transfer that reserves the amount, or what is left of it."""
    fee_hold_id: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    context: Context | None = None
    execute_at: dt.datetime | None = None
    return_url: str | None = None
    expires_at: dt.datetime | None = None
    """Of what the state waits for: the authorisation, the customer's action, the review."""
    customer_asked: bool = False
    """The customer has been asked to do something at the partner's."""
    action_url: str | None = None
    action_secret: str | None = None
    """Where there is no `action_url`: what the partner's script in the customer's browser needs."""
    failure: Failure | None = None
    review: ReviewReason | None = None
    """While in review: why."""
    review_default: ReviewDefault | None = None
    """What happens at `expires_at` to a review that nobody decided; None: it waits."""
    verdict: str | None = None
    """What was decided before anything was sent."""
    reasons: tuple[str, ...] = ()
    decision: str | None = None
    """The id of the record of it (`dec_…`), where there is one."""
    reported_amount: int | None = None
    """Of a mismatch: what the partner says."""
    reported_currency: str | None = None
    reported_captured: bool = False
    """The partner has taken what it reports, not just reserved it."""
    ends_as: PaymentState | None = None
    """While cancelling: where a void leads."""
    counted_on: dt.date | None = None
    """The day, of UTC, against whose limits it counts; None: no limit per day holds for it."""
    uncounted: int = 0
    """Of its amount what does not count against that day: it has ended without moving that."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try with one partner. Its id is the partner's idempotency key."""

    id: str
    payment_id: str
    operation: Operation
    state: AttemptState
    partner: str
    amount: int
    created_at: dt.datetime
    updated_at: dt.datetime
    part_id: str | None = None
    """The capture or refund that it carries out."""
    captured_before: int = 0
    partner_id: str | None = None
    """Of the object that it made."""
    submitted_at: dt.datetime | None = None
    """When it was first sent; None: it never was."""
    sent_at: dt.datetime | None = None
    """When it was last sent."""
    sends: int = 0
    looks: int = 0
    """How often the partner has been asked since."""
    failure: Failure | None = None
    note: str | None = None
    """For operators: why it is unknown."""
    retried: Retried | None = None
    """Of one that begins the payment once more: why."""
    superseded: bool = False
    """It came to nothing, and another has begun the payment since: what is heard of it is no news of that."""
    target_id: str | None = None
    """Of one that gives back what a superseded attempt took after all: the partner's id of that payment."""
    asked_at: dt.datetime | None = None
    """Of a refund: since when a person is asked how it ended."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what is authorised, taken."""

    id: str
    payment_id: str
    amount: int
    final: bool
    state: PartState
    created_at: dt.datetime
    updated_at: dt.datetime
    transfer_id: str | None = None
    failure: Failure | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money on its way back to whom it came from."""

    id: str
    payment_id: str
    amount: int
    state: PartState
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None
    metadata: Mapping[str, str] | None = None
    partner_id: str | None = None
    hold_id: str | None = None
    """The transfer that reserves the amount, or that paid it."""
    failure: Failure | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """The payer asks their bank for the money back."""

    id: str
    payment_id: str
    partner: str
    partner_id: str
    amount: int
    currency: str
    state: DisputeState
    created_at: dt.datetime
    updated_at: dt.datetime
    reason: str | None = None
    """What the payer claims, in the partner's words."""
    fees: Mapping[str, int] = {}
    """What the partner has charged for it, by the partner's ids, in the dispute's currency."""
    respond_by: dt.datetime | None = None
    """Until when the partner takes evidence."""

    @property
    def fee_amount(self) -> int:
        """What the partner has charged for it, less what it has given back."""
        return sum(self.fees.values())


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A payment with everything that belongs to it, as the rules see it."""

    payment: Payment
    attempts: tuple[Attempt, ...] = ()
    captures: tuple[Capture, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()

    @property
    def live(self) -> Attempt | None:
        """The attempt under way, refunds aside."""
        for attempt in self.attempts:
            if attempt.state in LIVE_ATTEMPTS and attempt.operation is not Operation.REFUND:
                return attempt
        return None

    @property
    def begun(self) -> Attempt | None:
        """The attempt that began the payment at its partner, once there is one; of several the last."""
        for attempt in self.attempts:
            if attempt.operation is Operation.SUBMIT and not attempt.superseded:
                return attempt
        return None

    @property
    def beginnings(self) -> tuple[Attempt, ...]:
        """All attempts to begin the payment, the one that counts last."""
        begun = [attempt for attempt in self.attempts if attempt.operation is Operation.SUBMIT]
        return tuple(sorted(begun, key=lambda attempt: not attempt.superseded))

    @property
    def capturing(self) -> Capture | None:
        """The capture under way."""
        for capture in self.captures:
            if capture.state is PartState.PENDING:
                return capture
        return None
