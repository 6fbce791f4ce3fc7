"""What Stripe's errors mean: the map from its statuses, types and codes to our answers.

Sources: Stripe API reference, "Errors", "Idempotent requests" and "Rate limits"; "Error codes"; "Decline
codes"; "Low-level error handling".
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from caudal.connectors.drift import Drift, DriftKind
from caudal.connectors.texts import for_operators
from caudal.connectors.types import (
    Answer,
    ErrorClass,
    Found,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    Refused,
    Unknown,
    Why,
)

_HARD: Final = ErrorClass.HARD_DECLINE
_SOFT: Final = ErrorClass.SOFT_DECLINE

DECLINES: Final[Mapping[str, ErrorClass]] = {
    # Never again with this instrument.
    "account_closed": _HARD,
    "bank_account_declined": _HARD,
    "bank_account_restricted": _HARD,
    "bank_account_unusable": _HARD,
    "card_not_supported": _HARD,
    "currency_not_supported": _HARD,
    "debit_not_authorized": _HARD,
    "expired_card": _HARD,
    "fraudulent": _HARD,
    "highest_risk_level": _HARD,
    "incorrect_address": _HARD,
    "incorrect_cvc": _HARD,
    "incorrect_number": _HARD,
    "incorrect_zip": _HARD,
    "invalid_account": _HARD,
    "invalid_currency": _HARD,
    "invalid_cvc": _HARD,
    "invalid_expiry_month": _HARD,
    "invalid_expiry_year": _HARD,
    "invalid_number": _HARD,
    "lost_card": _HARD,
    "mandate_invalid": _HARD,
    "merchant_blacklist": _HARD,
    "new_account_information_available": _HARD,
    "no_account": _HARD,
    "not_permitted": _HARD,
    "pickup_card": _HARD,
    "restricted_card": _HARD,
    "revocation_of_all_authorizations": _HARD,
    "revocation_of_authorization": _HARD,
    "security_violation": _HARD,
    "stolen_card": _HARD,
    "stop_payment_order": _HARD,
    "testmode_decline": _HARD,
    "transaction_not_allowed": _HARD,
    # Perhaps later, or after the customer or the issuer has done something.
    "amount_too_large": _SOFT,
    "approve_with_id": _SOFT,
    "authentication_not_handled": _SOFT,
    "authentication_required": _SOFT,
    "authorization_expired": _SOFT,
    "call_issuer": _SOFT,
    "card_declined": _SOFT,
    "card_velocity_exceeded": _SOFT,
    "debit_failed": _SOFT,
    "generic_could_not_process": _SOFT,
    "do_not_honor": _SOFT,
    "do_not_try_again": _HARD,
    "duplicate_transaction": _SOFT,
    "generic_decline": _SOFT,
    "incorrect_pin": _SOFT,
    "insufficient_funds": _SOFT,
    "invalid_amount": _SOFT,
    "invalid_pin": _SOFT,
    "issuer_not_available": _SOFT,
    "no_action_taken": _SOFT,
    "offline_pin_required": _SOFT,
    "online_or_offline_pin_required": _SOFT,
    "payment_intent_authentication_failure": _SOFT,
    "payment_intent_payment_attempt_expired": _SOFT,
    "payment_intent_payment_attempt_failed": _SOFT,
    "payment_method_customer_decline": _SOFT,
    "payment_method_provider_decline": _SOFT,
    "payment_method_provider_timeout": _SOFT,
    "pin_try_exceeded": _SOFT,
    "processing_error": _SOFT,
    "reenter_transaction": _SOFT,
    "service_not_allowed": _SOFT,
    "try_again_later": _SOFT,
    "withdrawal_count_limit_exceeded": _SOFT,
}
"""Of a declined payment: Stripe's `decline_code`, or its `code` where it gives no decline code."""

CONFLICTS: Final = frozenset(
    {
        "amount_too_large",
        "capture_charge_authorization_expired",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_exceeds_transaction_limit",
        "charge_expired_for_capture",
        "charge_not_refundable",
        "intent_invalid_state",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
    }
)
"""Codes of refused calls that the object's state does not allow; every other code is an invalid call."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A request to Stripe that did not come to a 2xx."""

    status: int | None = None
    """None: no answer came, or none that is HTTP."""
    error: Mapping[str, Any] = {}
    """Stripe's error object; empty where the answer was not Stripe's."""
    retry_after: dt.timedelta | None = None
    why: Why = Why.UNREADABLE
    """Of a request without an answer."""


def answer_of(failed: Failed, operation: Operation, drift: Drift) -> Answer:
    """What a failed call means. `Refused` and `NotSent` only where Stripe certainly did nothing."""
    error_type, code = failed.error.get("type"), failed.error.get("code")
    match failed.status:
        case None:
            return NotSent(failed.why) if failed.why is Why.UNREACHABLE else Unknown(failed.why)
        case 401 | 403 if failed.error:
            return NotSent(Why.CREDENTIALS)
        case 409:
            return Unknown(Why.IN_FLIGHT)
        case 429 if code == "lock_timeout":
            return Unknown(Why.IN_FLIGHT)
        case 429:
            return NotSent(Why.RATE_LIMITED, failed.retry_after)
        case 400 if code == "rate_limit":
            return NotSent(Why.RATE_LIMITED, failed.retry_after)
        case 400 if error_type == "idempotency_error":
            drift.record(DriftKind.CONTRADICTION, f"{operation.value}.idempotency_key")
            return Unknown(Why.KEY_REUSED)
        case 402:
            return Refused(declined(failed.error, drift))
        case 400 | 404 if error_type in ("invalid_request_error", "card_error"):
            return Refused(_refusal(failed.error))
        case status if status >= 500:
            return Unknown(Why.SERVER_ERROR)
        case status:
            drift.record(DriftKind.UNKNOWN_VALUE, "http.status", str(status))
            return Unknown(Why.UNREADABLE)


def found_of(failed: Failed, operation: Operation, drift: Drift) -> Found:
    """What a failed query means: nothing is known, but where Stripe has no object of the id."""
    if failed.status == 404 and failed.error.get("code") == "resource_missing":
        return NotFound()
    answer = answer_of(failed, operation, drift)
    return Unknown(answer.reason if isinstance(answer, NotSent | Unknown) else Why.UNREADABLE)


def declined(error: Mapping[str, Any], drift: Drift) -> PartnerError:
    """A decline, by an error object or a PaymentIntent's `last_payment_error`."""
    code = _text(error, "decline_code") or _text(error, "code") or "card_declined"
    class_ = DECLINES.get(code)
    if class_ is None:
        drift.record(DriftKind.UNKNOWN_VALUE, "error.decline_code", code)
        class_ = ErrorClass.SOFT_DECLINE
    return PartnerError(code=code, class_=class_, message=for_operators(error.get("message")))


def _refusal(error: Mapping[str, Any]) -> PartnerError:
    code = _text(error, "code") or _text(error, "type") or "invalid_request_error"
    if code == "balance_insufficient":
        class_ = ErrorClass.SOFT_DECLINE
    else:
        class_ = ErrorClass.CONFLICT if code in CONFLICTS else ErrorClass.INVALID
    return PartnerError(code=code, class_=class_, message=for_operators(error.get("message")))


def _text(error: Mapping[str, Any], field: str) -> str | None:
    value = error.get(field)
    return value[:64] if isinstance(value, str) and value else None
