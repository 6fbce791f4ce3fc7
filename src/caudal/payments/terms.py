"""The words of the payments' table: events, guards, postings, effects, and what a row is made of."""

from typing import NamedTuple

from caudal.payments.types import AttemptState, PartState, PaymentState
from caudal_base.enums import QuickEnum


class Event(QuickEnum):
    """What can happen to a payment."""

    # Our own decision, when the payment is created or its time has come.
    SCHEDULED = "scheduled"
    APPROVED = "approved"
    HELD = "held"
    REFUSED = "refused"
    UNFUNDED = "unfunded"
    # Callers.
    CAPTURE = "capture"
    INCREMENT = "increment"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    APPROVE = "approve"
    DECLINE = "decline"
    REFUND = "refund"
    # The clock.
    TIME_OUT = "time_out"
    # What the partner says of the payment.
    PARTNER_ACCEPTED = "partner_accepted"
    PARTNER_ACTION_REQUIRED = "partner_action_required"
    PARTNER_AUTHORISED = "partner_authorised"
    PARTNER_CAPTURED = "partner_captured"
    """A part has been captured, and more may be."""
    PARTNER_INCREMENTED = "partner_incremented"
    PARTNER_SUCCEEDED = "partner_succeeded"
    PARTNER_FAILED = "partner_failed"
    PARTNER_CANCELLED = "partner_cancelled"
    PARTNER_RETURNED = "partner_returned"
    PARTNER_MISMATCHED = "partner_mismatched"
    """Another amount or currency than was asked."""
    # What became of a call about an existing payment.
    CAPTURE_FAILED = "capture_failed"
    INCREMENT_FAILED = "increment_failed"
    VOID_FAILED = "void_failed"
    NOT_SENT = "not_sent"
    """The call that was to begin it has certainly not reached the partner."""
    UNRESOLVED = "unresolved"
    """The outcome of the call is unknown, and the partner cannot be asked."""


class Guard(QuickEnum):
    """A condition of a row; what each means stands in `guards`."""

    INTERNAL = "internal"
    UNSENT = "unsent"
    PARTNER_CANCELS = "partner_cancels"
    IN_RISK_REVIEW = "in_risk_review"
    IN_MISMATCH_REVIEW = "in_mismatch_review"
    IN_OUTCOME_REVIEW = "in_outcome_review"
    SAME_CURRENCY = "same_currency"
    REPORTED_CAPTURED = "reported_captured"
    REPORTED_RESERVED = "reported_reserved"
    WITHIN_AUTHORISED = "within_authorised"
    ABOVE_AUTHORISED = "above_authorised"
    PARTNER_INCREMENTS = "partner_increments"
    DUE = "due"
    DEFAULT_APPROVES = "default_approves"
    MANUAL = "manual"
    OF_SUBMIT = "of_submit"
    OF_CAPTURE = "of_capture"
    OF_INCREMENT = "of_increment"
    OF_CANCEL = "of_cancel"
    FINAL = "final"
    PARTLY_CAPTURED = "partly_captured"
    WAS_AUTHORISED = "was_authorised"
    PARTNER_EXPIRED = "partner_expired"
    ENDS_EXPIRED = "ends_expired"
    ENDS_FAILED = "ends_failed"
    GIVEN_UP = "given_up"
    GIVEN_BACK = "given_back"
    PARTNER_GIVES_BACK = "partner_gives_back"
    PARTNER_KEEPS = "partner_keeps"
    PARTNER_TOOK = "partner_took"
    SENT = "sent"
    REFUNDABLE = "refundable"
    UNDISPUTED = "undisputed"
    PARTNER_REFUNDS = "partner_refunds"
    RETRIED = "retried"


class Posting(QuickEnum):
    """What a row does to the ledger; the transfers stand in `postings`."""

    NOTHING = "nothing"
    RESERVE = "reserve"
    """Hold the amount, and of payouts and internal payments our fee."""
    REHOLD = "rehold"
    """Hold the same with the partner that is tried next, in one group: at no moment is it free."""
    RELEASE = "release"
    MOVE = "move"
    """Move at once from customer to customer, with our fee."""
    POST = "post"
    """Post what is held, and our fee."""
    POST_PART = "post_part"
    """Post what has been captured so far, hold the rest, and our fee's share."""
    POST_LAST = "post_last"
    """Post what has been captured in total, release the rest, and our fee's share."""
    POST_REPORTED = "post_reported"
    """Post what the partner reports, whatever was held."""
    ENLARGE = "enlarge"
    """Hold what is authorised now, by an increment or by a person who accepts the partner's amount."""
    POST_LATE = "post_late"
    """Post, beyond limits, what moved though nothing was held any more."""
    TAKE_BACK = "take_back"
    """Post back, beyond limits, what was returned."""
    POST_AND_TAKE_BACK = "post_and_take_back"
    """Post what is held and post it back: it had succeeded and was returned before we heard of either."""


class Effect(QuickEnum):
    """What is to be done once the row is committed: each becomes a job."""

    SUBMIT = "submit"
    CAPTURE = "capture"
    INCREMENT = "increment"
    VOID = "void"
    REFUND = "refund"
    GIVE_BACK = "give_back"
    """Refund at the partner what it took wrongly."""
    ASK = "ask"
    """Ask the partner how the payment stands."""
    TIMER = "timer"
    """Look again when `expires_at` has come."""


class Row(NamedTuple):
    """One transition."""

    state: PaymentState | None
    """None: the payment does not exist yet."""
    event: Event
    to: PaymentState
    guards: tuple[Guard, ...] = ()
    posting: Posting = Posting.NOTHING
    effects: tuple[Effect, ...] = ()
    attempt: AttemptState | None = None
    """What the attempt under way becomes."""
    part: PartState | None = None
    """What the capture under way becomes."""
    stale: bool = False
    """Says nothing new: nothing is written."""
