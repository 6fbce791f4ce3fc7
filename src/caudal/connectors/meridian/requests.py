"""What is sent to Meridian for each operation. Pure: the same call always gives the same body."""

import re
from typing import Any, Final

import msgspec

from caudal.connectors.meridian.amounts import to_decimal
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
from caudal_base.money import exponent

CURRENCIES: Final = frozenset({"EUR", "GBP", "SEK"})

ROOT: Final = "/meridian/v3"

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)
_STATEMENT: Final = re.compile(r"[^A-Za-z0-9 ./-]", re.ASCII)
_LONGEST_STATEMENT: Final = 22

_encoder: Final = msgspec.json.Encoder(order="deterministic")

_STEPS: Final = {
    Operation.CAPTURE: "captures",
    Operation.CANCEL: "cancellations",
    Operation.REFUND: "refunds",
}


class Post(msgspec.Struct, frozen=True):
    """A request that changes something."""

    path: str
    body: bytes


def post_of(call: Call) -> Post | Refused:
    """The request that carries out `call`, or why Meridian cannot."""
    if (call.direction, call.method) != (Direction.PAY_IN, Method.CARD):
        return refused("unsupported", "Meridian takes pay-ins by card")
    if call.currency not in CURRENCIES:
        return refused("currency_not_supported", f"Meridian does not settle {call.currency}")
    if call.operation is Operation.SUBMIT:
        return _submit(call)
    step = _STEPS.get(call.operation)
    if step is None:
        return refused("unsupported", f"Meridian has no {call.operation.value}")
    if call.operation is Operation.CAPTURE and not call.final:
        return refused("unsupported", "Meridian captures once")
    if call.partner_id is None or not is_id(call.partner_id):
        return refused("no_partner_id", "the call does not name the payment at Meridian")
    body: dict[str, Any] = {"merchantReference": call.attempt_id}
    if call.operation is not Operation.CANCEL:
        body["amount"] = _amount(call)
    return Post(f"{ROOT}/payments/{call.partner_id}/{step}", _encoder.encode(body))


def refused(code: str, message: str) -> Refused:
    """Our own refusal of what Meridian cannot do: nothing was sent."""
    return Refused(PartnerError(code=code, class_=ErrorClass.INVALID, message=message))


def is_id(text: str) -> bool:
    """Whether `text` may stand in a path as a reference."""
    return _ID.fullmatch(text) is not None


def _submit(call: Call) -> Post | Refused:
    if call.instrument is None:
        return refused("instrument_missing", "a payment names its card")
    body: dict[str, Any] = {
        "merchantReference": call.attempt_id,
        "amount": _amount(call),
        "intent": "SALE" if call.capture_mode is CaptureMode.AUTOMATIC else "AUTHORISE",
        "cardToken": call.instrument,
    }
    if call.return_url is not None:
        body["returnUrl"] = call.return_url
    statement = _STATEMENT.sub(" ", call.reference or "")[:_LONGEST_STATEMENT].strip()
    if statement:
        body["statementText"] = statement
    return Post(f"{ROOT}/payments", _encoder.encode(body))


def _amount(call: Call) -> dict[str, Any]:
    value = to_decimal(call.amount, call.currency)
    return {"value": value, "currency": call.currency, "exponent": exponent(call.currency)}
