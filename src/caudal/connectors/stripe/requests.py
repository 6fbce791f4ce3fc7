"""What is sent to Stripe for each operation. Pure: the same call always gives the same parameters."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from caudal.connectors.stripe.amounts import to_stripe
from caudal.connectors.types import (
    Call,
    CaptureMode,
    Direction,
    ErrorClass,
    Method,
    Operation,
    PartnerError,
    Refused,
)
from caudal_base.money import currencies

DEBITS: Final[Mapping[str, str]] = {
    "AUD": "au_becs_debit",
    "CAD": "acss_debit",
    "EUR": "sepa_debit",
    "GBP": "bacs_debit",
    "USD": "us_bank_account",
}
"""Stripe's direct debit of each currency."""

EXPANDED: Final = ["latest_charge.balance_transaction"]
"""So that fees come with the answer."""


_REFUND_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
_CANCEL_REASONS: Final = _REFUND_REASONS | {"abandoned"}

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)


class Request(msgspec.Struct, frozen=True):
    """A POST to Stripe."""

    path: str
    params: Mapping[str, Any]


def request_of(call: Call) -> Request | Refused:
    """The request that carries out `call`, or why Stripe cannot."""
    amount = to_stripe(call.amount, call.currency) if call.currency in currencies() else None
    if amount is None:
        return refused("amount_not_representable", f"Stripe has no such amount of {call.currency}")
    if call.operation is Operation.SUBMIT:
        return _submit(call, amount)
    if call.partner_id is None or not is_id(call.partner_id):
        return refused("no_partner_id", "the call does not name the payment at Stripe")
    path = f"/v1/payment_intents/{call.partner_id}"
    match call.operation:
        case Operation.CAPTURE:
            params: dict[str, Any] = {"amount_to_capture": amount, "expand": EXPANDED}
            if not call.final:
                # Stripe takes the parameter only where the card allows several captures.
                params["final_capture"] = False
            return Request(f"{path}/capture", params)
        case Operation.INCREMENT:
            return Request(f"{path}/increment_authorization", {"amount": amount, "expand": EXPANDED})
        case Operation.CANCEL:
            params = {"expand": EXPANDED}
            if call.reason in _CANCEL_REASONS:
                params["cancellation_reason"] = call.reason
            return Request(f"{path}/cancel", params)
        case Operation.REFUND:
            return _refund(call, amount)


def refused(code: str, message: str) -> Refused:
    """Our own refusal of what Stripe cannot do: nothing was sent."""
    return Refused(PartnerError(code=code, class_=ErrorClass.INVALID, message=message))


def is_id(text: str) -> bool:
    """Whether `text` may stand in a path as an id."""
    return _ID.fullmatch(text) is not None


def search_query(attempt_id: str) -> str:
    """A search for what an attempt has made, in Stripe's query language."""
    return f"metadata['attempt_id']:'{attempt_id}'"


def _submit(call: Call, amount: int) -> Request | Refused:
    if call.direction is not Direction.PAY_IN or call.instrument is None:
        return refused("unsupported", "Stripe takes pay-ins by a payment method")
    params: dict[str, Any] = {
        "amount": amount,
        "currency": call.currency.lower(),
        "confirm": True,
        "payment_method": call.instrument,
        "capture_method": call.capture_mode.value,
        "metadata": _metadata(call),
        "expand": EXPANDED,
    }
    if call.return_url is not None:
        params["return_url"] = call.return_url
    match call.method:
        case Method.CARD:
            params |= {"allowed_payment_method_types": ["card"], "off_session": False}
            options = {}
            if call.capture_mode is CaptureMode.MANUAL:
                options["request_multicapture"] = "if_available"
                options["request_incremental_authorization"] = "if_available"
            if call.authenticate:
                # "challenge" asks the issuer for a challenge, "any" would be content with none.
                options["request_three_d_secure"] = "challenge"
            if options:
                params["payment_method_options"] = {"card": options}
        case Method.BANK_DEBIT:
            debit = DEBITS.get(call.currency)
            if debit is None or call.capture_mode is CaptureMode.MANUAL:
                return refused("unsupported", f"Stripe has no such direct debit in {call.currency}")
            # The customer gave the mandate to us, before the payment was made.
            params |= {
                "allowed_payment_method_types": [debit],
                "mandate_data": {"customer_acceptance": {"type": "offline"}},
            }
        case Method.BANK_TRANSFER:
            return refused("unsupported", "bank transfers do not go through Stripe")
    return Request("/v1/payment_intents", params)


def _refund(call: Call, amount: int) -> Request:
    params: dict[str, Any] = {
        "payment_intent": call.partner_id,
        "amount": amount,
        "metadata": _metadata(call),
        "expand": ["balance_transaction"],
    }
    if call.reason in _REFUND_REASONS:
        params["reason"] = call.reason
    return Request("/v1/refunds", params)


def _metadata(call: Call) -> dict[str, str]:
    metadata = {"attempt_id": call.attempt_id, "payment_id": call.payment_id}
    if call.reference is not None:
        metadata["reference"] = call.reference[:500]
    return metadata
