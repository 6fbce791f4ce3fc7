"""Meridian's objects as its API shows them."""

import datetime as dt
from typing import Any, Final

from caudal_sandbox.meridian.cards import REFUSALS
from caudal_sandbox.meridian.types import Modification, Payment, Report, Status, money

_RESULTS: Final = {Status.CAPTURED: "AUTHORISED"}
"""Of a sale that is captured the call says that it is authorised; other statuses are result codes too."""


def moment(at: float) -> str:
    """A time as Meridian writes it, in UTC."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def payment_fields(payment: Payment) -> dict[str, Any]:
    """What answers and searches show alike."""
    fields: dict[str, Any] = {
        "pspReference": payment.id,
        "merchantReference": payment.reference,
        "intent": payment.intent.value,
        "amount": money(payment.amount, payment.currency),
        "createdAt": moment(payment.created_at),
    }
    if payment.refusal is not None:
        fields["refusal"] = {"code": payment.refusal, "reason": REFUSALS[payment.refusal]}
    if payment.action_url is not None:
        fields["action"] = {"type": "REDIRECT", "url": payment.action_url}
    if payment.expires_at is not None:
        fields["authorisedUntil"] = moment(payment.expires_at)
    return fields


def result(payment: Payment) -> dict[str, Any]:
    """The answer to a payment."""
    code = payment.shown or _RESULTS.get(payment.status, payment.status.value)
    return {"resultCode": code, **payment_fields(payment)}


def received(one: Modification) -> dict[str, Any]:
    """The answer to a modification: nothing is known yet but that it is received."""
    return {
        "resultCode": "RECEIVED",
        "pspReference": one.id,
        "originalReference": one.payment,
        "merchantReference": one.reference,
        "amount": money(one.amount, one.currency),
    }


def found(one: Payment | Modification) -> dict[str, Any]:
    """A search's result."""
    if isinstance(one, Payment):
        captured = money(one.captured, one.currency)
        status = one.status.value if one.shown in (None, "ERROR") else one.shown
        return {"type": "PAYMENT", "status": status, "captured": captured, **payment_fields(one)}
    return {
        "type": one.kind.value,
        "status": one.progress.value,
        "pspReference": one.id,
        "originalReference": one.payment,
        "merchantReference": one.reference,
        "amount": money(one.amount, one.currency),
        "reason": one.reason,
        "createdAt": moment(one.created_at),
    }


def report(one: Report) -> dict[str, Any]:
    """A report in the list of them."""
    return {
        "name": one.id,
        "type": "SETTLEMENT",
        "status": "PAID" if one.is_paid else "ANNOUNCED",
        "currency": one.currency,
        "createdAt": moment(one.created_at),
    }
