"""What Stripe's objects mean in our words. Pure, but for the drift that reading them may meet."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from caudal.connectors.drift import Drift, Reading
from caudal.connectors.stripe.amounts import from_stripe
from caudal.connectors.stripe.failures import declined
from caudal.connectors.types import (
    AUTHORISATION_EXPIRED,
    ErrorClass,
    PartnerError,
    PartnerFee,
    Snapshot,
    Status,
    Subject,
)

PAYMENT_STATUSES: Final[Mapping[str, Status]] = {
    "requires_payment_method": Status.PENDING,  # or FAILED, where it has an error: see `payment`
    "requires_confirmation": Status.PENDING,
    "requires_action": Status.ACTION_REQUIRED,
    "processing": Status.PENDING,
    "requires_capture": Status.AUTHORISED,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELLED,
}

REFUND_STATUSES: Final[Mapping[str, Status]] = {
    "pending": Status.PENDING,
    "requires_action": Status.PENDING,  # Stripe asks the customer itself
    "succeeded": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "canceled": Status.CANCELLED,
}

DISPUTE_STATUSES: Final[Mapping[str, Status]] = {
    "warning_needs_response": Status.INQUIRY,
    "warning_under_review": Status.INQUIRY,
    "warning_closed": Status.CANCELLED,
    "prevented": Status.CANCELLED,
    "needs_response": Status.OPEN,
    "under_review": Status.OPEN,
    "won": Status.WON,
    "lost": Status.LOST,
}

PAYOUT_STATUSES: Final[Mapping[str, Status]] = {
    "pending": Status.PENDING,
    "in_transit": Status.PENDING,
    "paid": Status.SUCCEEDED,
    "failed": Status.FAILED,
    "canceled": Status.CANCELLED,
}


_RAN_OUT: Final = frozenset({"automatic", "expired"})
"""Why Stripe itself cancels a PaymentIntent: `expired` since 2025-03-31, `automatic` before."""


def payment(drift: Drift, fields: Mapping[str, Any]) -> Snapshot | None:
    """What a PaymentIntent says; None where it has no id."""
    reading = Reading(drift, "payment_intent", fields)
    currency = reading.currency()
    amount = _amount(reading, "amount", currency)
    captured = _amount(reading, "amount_received", currency)
    status = reading.mapped("status", PAYMENT_STATUSES, Status.UNKNOWN)
    failure = reading.optional_object("last_payment_error")
    error = None
    if fields.get("status") == "requires_payment_method" and failure is not None:
        # Before its first confirmation a PaymentIntent is in the same state, without an error.
        status = Status.FAILED
        error = declined(fields["last_payment_error"], drift)
    elif status is Status.CANCELLED and reading.optional_text("cancellation_reason") in _RAN_OUT:
        error = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.SOFT_DECLINE)
    charge_id, charge = reading.reference("latest_charge")
    return _snapshot(
        reading,
        subject=Subject.PAYMENT,
        status=status,
        amount=amount,
        currency=currency,
        captured=captured,
        error=error,
        action_url=_action_url(reading) if status is Status.ACTION_REQUIRED else None,
        action_secret=_action_secret(reading) if status is Status.ACTION_REQUIRED else None,
        fees=_fees_of(charge),
        expires_at=_capture_before(charge) if status is Status.AUTHORISED else None,
        related={"charge": charge_id} if charge_id else {},
    )


def refund(drift: Drift, fields: Mapping[str, Any]) -> Snapshot | None:
    """What a Refund says; None where it has no id."""
    reading = Reading(drift, "refund", fields)
    currency = reading.currency()
    status = reading.mapped("status", REFUND_STATUSES, Status.UNKNOWN)
    reason = reading.optional_text("failure_reason")
    error = None
    if status is Status.FAILED:
        error = PartnerError(code=(reason or "unknown")[:64], class_=ErrorClass.HARD_DECLINE)
    return _snapshot(
        reading,
        subject=Subject.REFUND,
        status=status,
        amount=_amount(reading, "amount", currency),
        currency=currency,
        error=error,
        parent_id=reading.reference("payment_intent")[0],
        fees=_fees_of(reading),
    )


def dispute(drift: Drift, fields: Mapping[str, Any]) -> Snapshot | None:
    """What a Dispute says; None where it has no id. Its fees are in its balance transactions."""
    reading = Reading(drift, "dispute", fields)
    currency = reading.currency()
    charge_id, _ = reading.reference("charge")
    fees = [fee(transaction) for transaction in reading.optional_objects("balance_transactions")]
    evidence = reading.optional_object("evidence_details")
    return _snapshot(
        reading,
        subject=Subject.DISPUTE,
        status=reading.mapped("status", DISPUTE_STATUSES, Status.UNKNOWN),
        amount=_amount(reading, "amount", currency),
        currency=currency,
        parent_id=reading.reference("payment_intent")[0],
        reason=reading.optional_text("reason"),
        respond_by=None if evidence is None else evidence.optional_moment("due_by"),
        fees=tuple(taken for taken in fees if taken is not None),
        related={"charge": charge_id} if charge_id else {},
    )


def payout(drift: Drift, fields: Mapping[str, Any]) -> Snapshot | None:
    """What a Payout to our bank says; None where it has no id. Negative where Stripe draws on the bank."""
    reading = Reading(drift, "payout", fields)
    currency = reading.currency()
    return _snapshot(
        reading,
        subject=Subject.SETTLEMENT,
        status=reading.mapped("status", PAYOUT_STATUSES, Status.UNKNOWN),
        amount=from_stripe(reading.integer("amount"), currency) or 0,
        currency=currency,
    )


def fee(transaction: Reading) -> PartnerFee | None:
    """The fee in a balance transaction, if it has one."""
    currency = transaction.currency()
    amount = from_stripe(transaction.integer("fee"), currency)
    partner_id = transaction.text("id")
    if transaction.broken or not amount:
        return None
    return PartnerFee(partner_id=partner_id, amount=amount, currency=currency)


def attempt_of(reading: Reading | None) -> str | None:
    """Our attempt's id in an object's metadata."""
    metadata = reading.optional_object("metadata") if reading is not None else None
    return metadata.optional_text("attempt_id") if metadata is not None else None


def _snapshot(
    reading: Reading,
    *,
    subject: Subject,
    status: Status,
    amount: int,
    currency: str,
    parent_id: str | None = None,
    captured: int | None = None,
    error: PartnerError | None = None,
    action_url: str | None = None,
    action_secret: str | None = None,
    reason: str | None = None,
    respond_by: dt.datetime | None = None,
    fees: tuple[PartnerFee, ...] = (),
    expires_at: dt.datetime | None = None,
    related: Mapping[str, str] = {},  # never changed
) -> Snapshot | None:
    """The snapshot, UNKNOWN if anything in it could not be read."""
    partner_id = reading.text("id")
    if not partner_id:
        return None
    return Snapshot(
        subject=subject,
        partner_id=partner_id,
        status=Status.UNKNOWN if reading.broken else status,
        amount=amount,
        currency=currency,
        attempt_id=attempt_of(reading),
        parent_id=parent_id,
        captured=captured,
        error=error,
        action_url=action_url,
        action_secret=action_secret,
        reason=reason,
        respond_by=respond_by,
        fees=fees,
        expires_at=expires_at,
        related=related,
    )


def with_decline(snapshot: Snapshot, error: PartnerError) -> Snapshot:
    """The PaymentIntent of a declined confirmation, which may not say itself that it failed."""
    if snapshot.status not in (Status.PENDING, Status.FAILED):
        return snapshot
    return msgspec.structs.replace(snapshot, status=Status.FAILED, error=snapshot.error or error)


def _amount(reading: Reading, field: str, currency: str) -> int:
    amount = from_stripe(reading.integer(field), currency)
    if amount is None or amount < 0:
        reading.contradiction(field)
        return 0
    return amount


def _action_url(reading: Reading) -> str | None:
    """Where the customer goes, if the payment has an address to come back to."""
    action = reading.optional_object("next_action")
    redirect = action.optional_object("redirect_to_url") if action is not None else None
    return redirect.optional_text("url") if redirect is not None else None


def _action_secret(reading: Reading) -> str | None:
    """With what Stripe.js carries out any other kind of action than a redirect."""
    return None if _action_url(reading) is not None else reading.optional_text("client_secret")


def _fees_of(owner: Reading | None) -> tuple[PartnerFee, ...]:
    """The fee of a charge or refund whose balance transaction is expanded."""
    if owner is None:
        return ()
    _, transaction = owner.reference("balance_transaction")
    taken = fee(transaction) if transaction is not None else None
    return () if taken is None else (taken,)


def _capture_before(charge: Reading | None) -> dt.datetime | None:
    details = charge.optional_object("payment_method_details") if charge is not None else None
    card = details.optional_object("card") if details is not None else None
    return card.optional_moment("capture_before") if card is not None else None
