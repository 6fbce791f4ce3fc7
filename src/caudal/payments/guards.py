"""What the guards of the table mean, and how an event is refused that no row takes."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from caudal.connectors import AUTHORISATION_EXPIRED, CaptureMode, Operation, Snapshot, Supported
from caudal.payments.refusals import Refusal, refusal
from caudal.payments.reports import captured_in
from caudal.payments.rules import IN_FLIGHT, ROWS
from caudal.payments.terms import Event, Guard, Row
from caudal.payments.types import (
    AttemptState,
    Capture,
    Case,
    DisputeState,
    Payment,
    PaymentKind,
    PaymentState,
    ReviewDefault,
    ReviewReason,
)
from caudal.routing import Again

NOT_RECEIVED: Final = "not_received"
"""The failure of an attempt that the partner never had, as far as it could be asked."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that an event's guards and postings look at."""

    case: Case
    now: dt.datetime
    supported: Supported | None = None
    """What the payment's partner can do with its kind."""
    amount: int | None = None
    """Of a capture, increment or refund that is asked for."""
    snapshot: Snapshot | None = None
    """What the partner says."""
    again: Again | None = None
    """Where and when it is tried again, of an attempt that came to nothing."""
    code: str | None = None
    """With which code of the partner it came to nothing, where that is not the snapshot's."""
    final: bool = True

    @property
    def payment(self) -> Payment:
        """The payment itself."""
        return self.case.payment

    @property
    def left_to_capture(self) -> int:
        """Authorised and not captured."""
        return self.payment.authorised_amount - self.payment.captured_amount

    @property
    def left_to_refund(self) -> int:
        """Captured, and neither refunded, nor on its way back, nor lost in a dispute."""
        payment = self.payment
        gone = payment.refunded_amount + payment.refunding_amount + payment.disputed_amount
        return max(payment.captured_amount - gone, 0)

    @property
    def operation(self) -> Operation | None:
        """What the attempt under way is about."""
        live = self.case.live
        return None if live is None else live.operation

    @property
    def capture(self) -> Capture | None:
        """The capture under way."""
        return self.case.capturing


def _disputed(situation: Situation) -> bool:
    return any(d.state is DisputeState.OPEN for d in situation.case.disputes)


def _partner_expired(situation: Situation) -> bool:
    snapshot = situation.snapshot
    return (
        snapshot is not None and snapshot.error is not None and snapshot.error.code == AUTHORISATION_EXPIRED
    )


def _unsent(situation: Situation) -> bool:
    live = situation.case.live
    return live is not None and live.state is AttemptState.CREATED and live.sends == 0


def _partner_cancels(situation: Situation) -> bool:
    known = situation.payment.partner_id is not None and situation.case.live is None
    return known and situation.supported is not None and situation.supported.cancels


def _partner_refunds(situation: Situation) -> bool:
    # Two guards, since what it means that the partner cannot differs: see `_FAILED_GUARDS`.
    return situation.supported is not None and situation.supported.refunds


def _sent(situation: Situation) -> bool:
    begun = situation.case.begun
    return begun is not None and begun.sends > 0


def _given_up(situation: Situation) -> bool:
    failure = situation.payment.failure
    return failure is not None and failure.code == NOT_RECEIVED


def _given_back(situation: Situation) -> bool:
    return any(
        a.operation is Operation.REFUND and a.part_id is None and a.target_id is None
        for a in situation.case.attempts
    )


def _due(situation: Situation) -> bool:
    expires_at = situation.payment.expires_at
    return expires_at is not None and expires_at <= situation.now


def _final(situation: Situation) -> bool:
    capture = situation.capture
    return capture is None or capture.final


GUARDS: Final[Mapping[Guard, Callable[[Situation], bool]]] = {
    Guard.INTERNAL: lambda s: s.payment.kind is PaymentKind.INTERNAL,
    Guard.UNSENT: _unsent,
    Guard.PARTNER_CANCELS: _partner_cancels,
    Guard.IN_RISK_REVIEW: lambda s: s.payment.review is ReviewReason.RISK,
    Guard.IN_MISMATCH_REVIEW: lambda s: s.payment.review is ReviewReason.MISMATCH,
    Guard.IN_OUTCOME_REVIEW: lambda s: s.payment.review is ReviewReason.OUTCOME,
    Guard.SAME_CURRENCY: lambda s: s.payment.reported_currency == s.payment.currency,
    Guard.REPORTED_CAPTURED: lambda s: s.payment.reported_captured,
    Guard.REPORTED_RESERVED: lambda s: not s.payment.reported_captured,
    Guard.WITHIN_AUTHORISED: lambda s: s.amount is not None and 0 < s.amount <= s.left_to_capture,
    Guard.ABOVE_AUTHORISED: lambda s: s.amount is not None and s.amount > s.payment.authorised_amount,
    Guard.PARTNER_INCREMENTS: lambda s: s.supported is not None and s.supported.increments,
    Guard.DUE: _due,
    Guard.DEFAULT_APPROVES: lambda s: s.payment.review_default is ReviewDefault.APPROVE,
    Guard.MANUAL: lambda s: s.payment.capture is CaptureMode.MANUAL,
    Guard.OF_SUBMIT: lambda s: s.operation is Operation.SUBMIT,
    Guard.OF_CAPTURE: lambda s: s.operation is Operation.CAPTURE,
    Guard.OF_INCREMENT: lambda s: s.operation is Operation.INCREMENT,
    Guard.OF_CANCEL: lambda s: s.operation is Operation.CANCEL,
    Guard.FINAL: _final,
    Guard.PARTLY_CAPTURED: lambda s: s.payment.captured_amount > 0,
    Guard.WAS_AUTHORISED: lambda s: s.payment.authorised_amount > 0,
    Guard.PARTNER_EXPIRED: _partner_expired,
    Guard.ENDS_EXPIRED: lambda s: s.payment.ends_as is PaymentState.EXPIRED,
    Guard.ENDS_FAILED: lambda s: s.payment.ends_as is PaymentState.FAILED,
    Guard.GIVEN_UP: _given_up,
    Guard.GIVEN_BACK: _given_back,
    Guard.PARTNER_GIVES_BACK: _partner_refunds,
    Guard.PARTNER_KEEPS: lambda s: s.supported is not None and not s.supported.refunds,
    Guard.PARTNER_TOOK: lambda s: s.snapshot is not None and captured_in(s.snapshot) > 0,
    Guard.SENT: _sent,
    Guard.REFUNDABLE: lambda s: s.amount is not None and 0 < s.amount <= s.left_to_refund,
    Guard.UNDISPUTED: lambda s: not _disputed(s),
    Guard.PARTNER_REFUNDS: _partner_refunds,
    Guard.RETRIED: lambda s: s.again is not None,
}

_FAILED_GUARDS: Final[Mapping[Guard, tuple[str, str | None]]] = {
    Guard.WITHIN_AUTHORISED: ("exceeds_authorised_amount", "amount"),
    Guard.ABOVE_AUTHORISED: ("increment_not_above", "amount"),
    Guard.PARTNER_INCREMENTS: ("increment_unsupported", None),
    Guard.REFUNDABLE: ("exceeds_captured_amount", "amount"),
    Guard.UNDISPUTED: ("payment_disputed", None),
    Guard.PARTNER_REFUNDS: ("refund_unsupported", None),
    Guard.SAME_CURRENCY: ("review_other_currency", None),
    Guard.PARTNER_GIVES_BACK: ("review_cannot_decline", None),
}
"""Guards whose failure has a reason of its own."""

_REFUSED: Final[Mapping[Event, str]] = {
    Event.CAPTURE: "payment_not_capturable",
    Event.INCREMENT: "payment_not_incrementable",
    Event.CANCEL: "payment_not_cancellable",
    Event.CONFIRM: "payment_not_confirmable",
    Event.APPROVE: "payment_not_in_review",
    Event.DECLINE: "payment_not_in_review",
    Event.REFUND: "payment_not_refundable",
}
_WAITS: Final = frozenset({Event.CAPTURE, Event.INCREMENT, Event.CANCEL, Event.REFUND})
"""Events that may find their row once what is in flight has ended."""


def choose(situation: Situation, state: PaymentState | None, event: Event) -> Row | Refusal:
    """The row that an event takes, or why it takes none."""
    rows = ROWS[state, event]
    for row in rows:
        if not row.guards or all(GUARDS[guard](situation) for guard in row.guards):
            return row
    return _refusal_of(situation, state, event, rows)


def _refusal_of(
    situation: Situation, state: PaymentState | None, event: Event, rows: tuple[Row, ...]
) -> Refusal:
    for row in rows:
        failed = next((guard for guard in row.guards if not GUARDS[guard](situation)), None)
        if failed is not None and failed in _FAILED_GUARDS:
            return refusal(*_FAILED_GUARDS[failed])
    name = "none" if state is None else state.value
    if event in _WAITS and state in IN_FLIGHT:
        return refusal("payment_in_flight", detail=f"the payment is {name}: its outcome is not known yet")
    code = _REFUSED.get(event, "contradicts_state")
    return refusal(code, detail=f"{event.value} of a payment that is {name}")
