"""What is asked of the bank: a call of ours as the path and body of its API. Pure."""

from typing import Final
from urllib.parse import quote

import msgspec

from caudal.connectors.bank.rules import DIRECT_DEBIT, REFUND, Resource, resource_of
from caudal.connectors.types import (
    Call,
    CaptureMode,
    Direction,
    ErrorClass,
    Method,
    Operation,
    PartnerError,
)

METHODS: Final = {Direction.PAYOUT: Method.BANK_TRANSFER, Direction.PAY_IN: Method.BANK_DEBIT}

_LONGEST_REMITTANCE: Final = 140
"""Unstructured remittance information of a SEPA payment, in characters."""


class Amount(msgspec.Struct, frozen=True):
    """An amount in minor units, as the bank writes it."""

    amount: int
    currency: str


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Orders a transfer or a direct debit."""

    reference: str
    amount: Amount
    account: str
    remittance: str | None = None


class NewRefund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Refunds a direct debit."""

    reference: str
    amount: Amount
    remittance: str | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """Calls an order off."""

    reference: str


class Post(msgspec.Struct, frozen=True):
    """What is sent, and which kind of object is answered."""

    path: str
    body: NewOrder | NewRefund | Cancel
    answers: Resource


def post_of(call: Call) -> Post | PartnerError:
    """What carries out `call`; an error where the bank has nothing that would, or `call` lacks a part."""
    if call.method is not METHODS[call.direction]:
        return _invalid("method_not_supported", f"no {call.direction.value} by {call.method.value}")
    match call.operation:
        case Operation.SUBMIT:
            return _submit(call)
        case Operation.CANCEL:
            resource = resource_of(call.direction)
            if call.partner_id is None:
                return _invalid("partner_id_missing", "a cancellation names what it calls off")
            path = f"{order_path(resource, call.partner_id)}/cancel"
            return Post(path, Cancel(reference=call.attempt_id), resource)
        case Operation.REFUND:
            return _refund(call)
        case Operation.CAPTURE | Operation.INCREMENT:
            return _invalid("operation_not_supported", f"the bank has no {call.operation.value}")


def order_path(resource: Resource, partner_id: str) -> str:
    """Where one order is."""
    return f"{resource.path}/{quote(partner_id, safe='')}"


def search_path(resource: Resource, attempt_id: str) -> str:
    """Where the orders of an attempt are."""
    return f"{resource.path}?reference={quote(attempt_id, safe='')}"


def _submit(call: Call) -> Post | PartnerError:
    if call.capture_mode is not CaptureMode.AUTOMATIC:
        return _invalid("capture_mode_not_supported", "the bank captures at once")
    if call.instrument is None:
        return _invalid("instrument_missing", "an order names the other account")
    resource = resource_of(call.direction)
    body = NewOrder(
        reference=call.attempt_id,
        amount=Amount(call.amount, call.currency),
        account=call.instrument,
        remittance=_remittance(call),
    )
    return Post(resource.path, body, resource)


def _refund(call: Call) -> Post | PartnerError:
    if call.direction is not Direction.PAY_IN:
        return _invalid("operation_not_supported", "a transfer that has gone out is not refunded")
    if call.partner_id is None:
        return _invalid("partner_id_missing", "a refund names what it refunds")
    body = NewRefund(
        reference=call.attempt_id, amount=Amount(call.amount, call.currency), remittance=_remittance(call)
    )
    return Post(f"{order_path(DIRECT_DEBIT, call.partner_id)}/refunds", body, REFUND)


def _remittance(call: Call) -> str | None:
    return None if call.reference is None else call.reference[:_LONGEST_REMITTANCE]


def _invalid(code: str, message: str) -> PartnerError:
    return PartnerError(code=code, class_=ErrorClass.INVALID, message=message)
