"""What a payment keeps as it arrives in a state: why it failed, what it waits for, whose ids it has. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from caudal.connectors import Snapshot
from caudal.payments.guards import NOT_RECEIVED, Situation
from caudal.payments.reports import captured_in
from caudal.payments.terms import Event, Row
from caudal.payments.types import Failure, Payment, PaymentState, ReviewReason

ACTION_TIME: Final = dt.timedelta(hours=24)
"""How long a customer may take over what the partner asks of them."""

VOID_AGAIN_AFTER: Final = dt.timedelta(hours=1)
"""When a void that failed is tried again, where the authorisation's time is over."""

_ENDS: Final = {
    Event.CANCEL: PaymentState.CANCELLED,
    Event.TIME_OUT: PaymentState.EXPIRED,
    Event.DECLINE: PaymentState.FAILED,
}
"""Where a void leads, by what made it."""

_KEEPS_EXPIRY: Final = frozenset(
    {PaymentState.AUTHORISED, PaymentState.CAPTURING, PaymentState.INCREMENTING, PaymentState.CANCELLING}
)


def identity(payment: Payment, snapshot: Snapshot | None) -> dict[str, Any]:
    """Under which ids the partner has the payment, once it has said so."""
    if snapshot is None:
        return {}
    related = {**payment.related, **snapshot.related}
    found: dict[str, Any] = {"partner_id": payment.partner_id or snapshot.partner_id}
    if related != payment.related:
        found["related"] = related
    return found


def failure_of(snapshot: Snapshot) -> Failure | None:
    """The partner's error as payments keep it."""
    error = snapshot.error
    return (
        None
        if error is None
        else Failure(code=error.code, class_=error.class_.value, message=error.message[:500])
    )


def arrival(
    situation: Situation, row: Row, event: Event, failure: Failure | None,
    lifetimes: Mapping[str, dt.timedelta],
) -> dict[str, Any]:  # fmt: skip
    """What a payment keeps of its arrival in a state; `lifetimes` are those of partners' authorisations."""
    payment, snapshot, now = situation.payment, situation.snapshot, situation.now
    changes: dict[str, Any] = {
        "review": None,
        "review_default": None,
        "action_url": None,
        "action_secret": None,
    }
    match row.to:
        case PaymentState.AUTHORISED:
            changes["expires_at"] = _authorisation_expiry(situation, event, lifetimes)
            if payment.authorised_amount == 0:
                changes["authorised_amount"] = payment.amount if snapshot is None else snapshot.amount
        case PaymentState.REQUIRES_ACTION:
            said = payment if snapshot is None else snapshot
            changes |= {"action_url": said.action_url, "action_secret": said.action_secret}
            changes |= {"expires_at": payment.expires_at, "customer_asked": True}
            if payment.state is not PaymentState.REQUIRES_ACTION:
                changes["expires_at"] = now + ACTION_TIME
        case PaymentState.REVIEW:
            changes |= _review(payment, snapshot, event)
        case PaymentState.CANCELLING:
            if payment.state is not PaymentState.CANCELLING:
                changes["ends_as"] = _ENDS.get(event, payment.state)
        case PaymentState.CAPTURING | PaymentState.INCREMENTING:
            changes["expires_at"] = payment.expires_at
        case PaymentState.SCHEDULED:
            changes["expires_at"] = payment.execute_at
        case PaymentState.FAILED | PaymentState.CANCELLED | PaymentState.EXPIRED | PaymentState.RETURNED:
            changes |= {"expires_at": None, "failure": failure}
            if snapshot is not None and failure is None:
                changes["failure"] = failure_of(snapshot)
            if event is Event.DECLINE and payment.review is ReviewReason.MISMATCH:
                changes["failure"] = _not_as_asked(payment)
        case _:
            changes |= {"expires_at": None, "failure": None}
    return changes


def _authorisation_expiry(
    situation: Situation, event: Event, lifetimes: Mapping[str, dt.timedelta]
) -> dt.datetime:
    payment, snapshot, now = situation.payment, situation.snapshot, situation.now
    if event is Event.VOID_FAILED:
        return max(payment.expires_at or now, now + VOID_AGAIN_AFTER)
    if payment.state in _KEEPS_EXPIRY and payment.expires_at is not None:
        return payment.expires_at
    if snapshot is not None and snapshot.expires_at is not None:
        return max(snapshot.expires_at, now)
    return now + lifetimes.get(payment.partner or "", dt.timedelta(days=7))


def _review(payment: Payment, snapshot: Snapshot | None, event: Event) -> dict[str, Any]:
    if event is Event.PARTNER_MISMATCHED and snapshot is not None:
        return {
            "review": ReviewReason.MISMATCH,
            "expires_at": None,
            "reported_amount": captured_in(snapshot) or snapshot.amount,
            "reported_currency": snapshot.currency,
            "reported_captured": captured_in(snapshot) > 0,
        }
    if event is Event.UNRESOLVED:
        return {"review": ReviewReason.OUTCOME, "expires_at": None}
    if payment.state is PaymentState.REVIEW:
        return {"review": payment.review, "expires_at": None}
    # Held by the decision: `expires_at` and the default come with the event.
    return {"review": ReviewReason.RISK}


def _not_as_asked(payment: Payment) -> Failure:
    """The failure of a payment that a person has declined because of what the partner made of it."""
    reported = f"{payment.reported_amount} {payment.reported_currency}"
    asked = f"{payment.amount} {payment.currency}"
    return Failure(
        code="not_as_asked",
        class_="conflict",
        message=f"the partner said {reported} where we had asked for {asked}",
    )


def not_received() -> Failure:
    """The failure of an attempt that never reached the partner, as far as it could be asked."""
    return Failure(code=NOT_RECEIVED, class_="unavailable", message="the partner knows nothing of it")
