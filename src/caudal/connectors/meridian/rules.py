"""What Meridian's words mean in ours, as tables. What is in none of them is drift, and unknown."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from caudal.connectors.drift import Drift, DriftKind, Reading
from caudal.connectors.meridian import amounts
from caudal.connectors.texts import for_operators
from caudal.connectors.types import (
    AUTHORISATION_EXPIRED,
    ErrorClass,
    PartnerError,
    Snapshot,
    Status,
    Subject,
)

_HARD: Final = ErrorClass.HARD_DECLINE
_SOFT: Final = ErrorClass.SOFT_DECLINE
_CONFLICT: Final = ErrorClass.CONFLICT
_INVALID: Final = ErrorClass.INVALID

SALE: Final = "SALE"

RESULTS: Final[Mapping[str, Status]] = {
    "AUTHORISED": Status.AUTHORISED,  # of a sale: captured, too
    "REFUSED": Status.FAILED,
    "REDIRECT": Status.ACTION_REQUIRED,
    "PENDING": Status.PENDING,
    "RECEIVED": Status.PENDING,
    "CANCELLED": Status.CANCELLED,
    "EXPIRED": Status.CANCELLED,
}
"""A payment's result code. `ERROR` is not among them: it says that Meridian does not know either."""

STATUSES: Final[Mapping[str, Status]] = {**RESULTS, "CAPTURED": Status.SUCCEEDED}
"""A payment's status in a search."""

PROGRESS: Final[Mapping[str, Status]] = {
    "RECEIVED": Status.PENDING,
    "SUCCEEDED": Status.SUCCEEDED,
    "FAILED": Status.FAILED,
}
"""A modification's status in a search."""

INTENTS: Final[Mapping[str, bool | None]] = {SALE: True, "AUTHORISE": False}
"""Whether what is authorised is captured."""

REFUSALS: Final[Mapping[str, ErrorClass]] = {
    "04": _HARD,  # pick up card
    "05": _SOFT,  # do not honour
    "07": _HARD,  # pick up card, fraud
    "14": _HARD,  # no such card number
    "1A": _SOFT,  # strong customer authentication required
    "41": _HARD,  # lost
    "43": _HARD,  # stolen
    "51": _SOFT,  # insufficient funds
    "54": _HARD,  # expired
    "57": _HARD,  # not permitted to the cardholder
    "59": _HARD,  # suspected fraud
    "61": _SOFT,  # exceeds the limit
    "62": _HARD,  # restricted
    "65": _SOFT,  # too often
    "75": _SOFT,  # PIN tried too often
    "91": _SOFT,  # issuer not available
    "96": _SOFT,  # system malfunction
    "R0": _HARD,  # stop payment order
    "R1": _HARD,  # authorisation revoked
}
"""Response codes of card schemes (ISO 8583, field 39), as Meridian passes them on."""

REASONS: Final[Mapping[str, ErrorClass]] = {
    "EXCEEDS_AUTHORISATION": _CONFLICT,
    "PAYMENT_CANCELLED": _CONFLICT,
    "PAYMENT_CAPTURED": _CONFLICT,
    "PAYMENT_EXPIRED": _CONFLICT,
    "PAYMENT_PENDING": _CONFLICT,
    "PAYMENT_REDIRECT": _CONFLICT,
    "PAYMENT_REFUSED": _CONFLICT,
    "REFUSED_BY_ACQUIRER": _SOFT,
    "RETURNED_BY_ISSUER": _HARD,
}
"""Why a modification that was received has failed."""

ERRORS: Final[Mapping[str, ErrorClass]] = {
    "M-100": _INVALID,  # malformed
    "M-102": _INVALID,  # value
    "M-103": _INVALID,  # currency
    "M-104": _HARD,  # no such card
    "M-200": ErrorClass.CREDENTIALS,
    "M-201": ErrorClass.CREDENTIALS,
    "M-300": _INVALID,  # no such payment
    "M-301": _CONFLICT,  # not in this state
    "M-302": _CONFLICT,  # more than is left
    "M-400": _INVALID,  # the key with another body
    "M-401": _CONFLICT,  # the key is in flight
    "M-600": ErrorClass.RATE_LIMITED,
}
"""Error codes of 4xx: this call did nothing. Of `M-400` and `M-401` see `answers`."""

_LONGEST_CODE: Final = 64


def payment(fields: Mapping[str, Any], drift: Drift, *, code: str, table: Mapping[str, Status]) -> Snapshot:
    """What an answer (`code` is `resultCode`) or a search (`status`) says of a payment.

    UNKNOWN where it cannot be relied on; of a payment without a reference the id is empty.
    """
    reading = Reading(drift, "payment", fields)
    status = reading.mapped(code, table, Status.UNKNOWN)
    captures = reading.mapped("intent", INTENTS, None)
    amount, currency = amounts.read(reading, "amount", drift, least=1)
    captured = 0
    if status is Status.SUCCEEDED:
        captured, captured_in = amounts.read(reading, "captured", drift, least=1)
        if captured_in != currency:
            reading.contradiction("captured", "in_another_currency")
    elif status is Status.AUTHORISED and captures:
        status, captured = Status.SUCCEEDED, amount
    until = reading.optional_text("authorisedUntil") if status is Status.AUTHORISED else None
    partner_id, attempt_id = reading.text("pspReference"), reading.text("merchantReference")
    action = reading.optional_object("action") if status is Status.ACTION_REQUIRED else None
    error = refusal(reading) if status is Status.FAILED else None
    if status is Status.CANCELLED and fields.get(code) == "EXPIRED":
        error = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.SOFT_DECLINE)
    expires_at = None if until is None else moment(reading, "authorisedUntil")
    known = not reading.broken and captures is not None
    return Snapshot(
        subject=Subject.PAYMENT,
        partner_id=partner_id,
        status=status if known else Status.UNKNOWN,
        amount=amount,
        currency=currency,
        attempt_id=attempt_id or None,
        captured=captured if known else 0,
        error=error,
        action_url=None if action is None else action.optional_text("url"),
        expires_at=expires_at,
    )


def modification(fields: Mapping[str, Any], drift: Drift, *, code: str) -> Snapshot:
    """What an answer or a search says of a capture, a cancellation or a refund (see `as_refund`).

    UNKNOWN where it cannot be relied on.
    """
    reading = Reading(drift, "modification", fields)
    status = reading.mapped(code, PROGRESS, Status.UNKNOWN)
    amount, currency = amounts.read(reading, "amount", drift, least=1)
    partner_id, parent_id = reading.text("pspReference"), reading.text("originalReference")
    attempt_id = reading.text("merchantReference")
    reason = reading.optional_text("reason")
    return Snapshot(
        subject=Subject.STEP,
        partner_id=partner_id,
        status=Status.UNKNOWN if reading.broken else status,
        amount=amount,
        currency=currency,
        attempt_id=attempt_id or None,
        parent_id=parent_id or None,
        error=failure(reason, drift) if status is Status.FAILED else None,
    )


def as_refund(step: Snapshot) -> Snapshot:
    """A modification that is a refund."""
    return msgspec.structs.replace(step, subject=Subject.REFUND)


def carried_out(step: Snapshot, *, captured: int) -> Snapshot:
    """The payment after a capture of all that is ever captured of it, or after its cancellation (0)."""
    return Snapshot(
        subject=Subject.PAYMENT,
        partner_id=step.parent_id or "",
        status=Status.SUCCEEDED if captured else Status.CANCELLED,
        amount=step.amount,
        currency=step.currency,
        attempt_id=step.attempt_id,
        captured=captured,
    )


def refusal(reading: Reading) -> PartnerError:
    """Why an issuer refused."""
    inner = reading.optional_object("refusal")
    if inner is None:
        return PartnerError(code="refused", class_=_SOFT)
    class_ = inner.mapped("code", REFUSALS, _SOFT)
    code = inner.text("code")[:_LONGEST_CODE] or "refused"
    return PartnerError(code=code, class_=class_, message=for_operators(inner.optional_text("reason")))


def failure(reason: str | None, drift: Drift) -> PartnerError:
    """Why a modification failed."""
    if reason not in REASONS:
        drift.record(DriftKind.UNKNOWN_VALUE, "modification.reason", reason or "")
    code = (reason or "unknown")[:_LONGEST_CODE]
    return PartnerError(code=code, class_=REASONS.get(reason or "", ErrorClass.CONFLICT))


def refused_call(status: int, fields: Mapping[str, Any], drift: Drift) -> PartnerError | None:
    """What an answer of 4xx says; None where it is not in Meridian's form, so that it may be anybody's."""
    code = fields.get("errorCode")
    if not isinstance(code, str) or fields.get("status") != status:
        return None
    code = code[:_LONGEST_CODE]
    class_ = ERRORS.get(code)
    if class_ is None:
        drift.record(DriftKind.UNKNOWN_VALUE, "error.errorCode", code)
        class_ = ErrorClass.CREDENTIALS if status in (401, 403) else ErrorClass.INVALID
    return PartnerError(code=code, class_=class_, message=for_operators(fields.get("message")))


def moment(reading: Reading, field: str) -> dt.datetime | None:
    """A time in RFC 3339; None, and the reading is broken, where there is none."""
    text = reading.text(field)
    if not text:
        return None
    try:
        return msgspec.convert(text, dt.datetime).astimezone(dt.UTC)
    except (msgspec.ValidationError, ValueError, OverflowError):
        reading.contradiction(field)
        return None
