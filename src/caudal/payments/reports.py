"""What a partner's words mean to a payment: snapshots and answers to events of the table. Pure."""

from typing import Final

from caudal.connectors import Operation, Snapshot, Status
from caudal.payments.part_rules import RefundEvent
from caudal.payments.rules import FINAL
from caudal.payments.terms import Event
from caudal.payments.types import Case, DisputeState, PaymentState

_PLAIN: Final = {
    Status.PENDING: Event.PARTNER_ACCEPTED,
    Status.ACTION_REQUIRED: Event.PARTNER_ACTION_REQUIRED,
    Status.FAILED: Event.PARTNER_FAILED,
    Status.RETURNED: Event.PARTNER_RETURNED,
}

_NOTHING_MOVES: Final = frozenset({Status.FAILED, Status.CANCELLED})
"""It has ended; if nothing was captured, it does not matter what of or in which currency."""

_UNTOUCHED: Final = frozenset({PaymentState.PROCESSING, PaymentState.REQUIRES_ACTION})
"""Nothing has been authorised yet, so the partner must report exactly what was asked."""

REFUND_EVENTS: Final = {
    Status.PENDING: RefundEvent.PENDING,
    Status.ACTION_REQUIRED: RefundEvent.PENDING,
    Status.SUCCEEDED: RefundEvent.SUCCEEDED,
    Status.FAILED: RefundEvent.FAILED,
    Status.CANCELLED: RefundEvent.FAILED,
    Status.RETURNED: RefundEvent.FAILED,
}

DISPUTE_STATES: Final = {
    Status.INQUIRY: DisputeState.INQUIRY,
    Status.CANCELLED: DisputeState.CLOSED,
    Status.OPEN: DisputeState.OPEN,
    Status.WON: DisputeState.WON,
    Status.LOST: DisputeState.LOST,
}

CALL_FAILED: Final = {
    Operation.SUBMIT: Event.PARTNER_FAILED,
    Operation.CAPTURE: Event.CAPTURE_FAILED,
    Operation.INCREMENT: Event.INCREMENT_FAILED,
    Operation.CANCEL: Event.VOID_FAILED,
}
"""What it means that the partner certainly did not do what was asked."""


def event_of(case: Case, snapshot: Snapshot) -> Event | None:
    """What a snapshot of a payment says in the payment's present state; None: nothing that we understand."""
    payment = case.payment
    if snapshot.status is Status.UNKNOWN:
        return None
    captured = captured_in(snapshot)
    ended = snapshot.status in _NOTHING_MOVES or payment.state in FINAL
    if snapshot.currency != payment.currency and (captured or not ended):
        return Event.PARTNER_MISMATCHED
    if snapshot.status in _PLAIN:
        return _PLAIN[snapshot.status]
    if snapshot.status is Status.CANCELLED:
        # What was captured before the rest was released, and of which we have not heard.
        more = captured > payment.captured_amount and payment.authorised_amount > 0
        return Event.PARTNER_SUCCEEDED if more else Event.PARTNER_CANCELLED
    if snapshot.status is Status.AUTHORISED:
        return _authorised(case, snapshot, captured)
    if snapshot.status is Status.SUCCEEDED:
        return _succeeded(case, captured)
    return None


def takes_back(case: Case, snapshot: Snapshot) -> bool:
    """Whether the partner says that it is done and has captured less than it said before."""
    payment = case.payment
    done = snapshot.status is Status.SUCCEEDED and payment.state not in FINAL
    return done and snapshot.currency == payment.currency and captured_in(snapshot) < payment.captured_amount


def captured_in(snapshot: Snapshot) -> int:
    """What the partner says has been captured in total."""
    if snapshot.captured is not None:
        return snapshot.captured
    return snapshot.amount if snapshot.status is Status.SUCCEEDED else 0


def _authorised(case: Case, snapshot: Snapshot, captured: int) -> Event:
    payment = case.payment
    if payment.state in _UNTOUCHED or payment.authorised_amount == 0:
        if snapshot.amount != payment.amount or captured > payment.amount:
            return Event.PARTNER_MISMATCHED
        return Event.PARTNER_CAPTURED if captured > payment.captured_amount else Event.PARTNER_AUTHORISED
    if captured > payment.captured_amount:
        asked = payment.state is not PaymentState.SUCCEEDED and _as_asked(case, captured)
        return Event.PARTNER_CAPTURED if asked else Event.PARTNER_MISMATCHED
    if snapshot.amount > payment.authorised_amount:
        live = case.live
        asked = live is None or live.operation is not Operation.INCREMENT or live.amount == snapshot.amount
        return Event.PARTNER_INCREMENTED if asked else Event.PARTNER_MISMATCHED
    return Event.PARTNER_AUTHORISED


def _succeeded(case: Case, captured: int) -> Event:
    payment = case.payment
    if payment.state is PaymentState.SUCCEEDED:
        known = captured <= payment.captured_amount
        return Event.PARTNER_SUCCEEDED if known else Event.PARTNER_MISMATCHED
    if payment.authorised_amount == 0:
        exact = captured == payment.amount
        return Event.PARTNER_SUCCEEDED if exact else Event.PARTNER_MISMATCHED
    if payment.state is PaymentState.CANCELLING and captured == payment.captured_amount:
        return Event.PARTNER_CANCELLED  # it was done with because the rest was released, as we asked
    fits = captured <= payment.authorised_amount and _as_asked(case, captured)
    return Event.PARTNER_SUCCEEDED if fits else Event.PARTNER_MISMATCHED


def _as_asked(case: Case, captured: int) -> bool:
    """Whether a total is what the capture under way makes of it, if one is."""
    capture = case.capturing
    attempt = next((a for a in case.attempts if capture is not None and a.part_id == capture.id), None)
    if capture is None or attempt is None:
        return True
    return captured in (case.payment.captured_amount, attempt.captured_before + capture.amount)
