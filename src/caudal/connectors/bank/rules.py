"""What the bank's objects and errors mean in our words. Pure: JSON goes in, our types come out."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from caudal.connectors.drift import NO_CURRENCY, Drift, DriftKind, Reading
from caudal.connectors.texts import for_operators
from caudal.connectors.types import (
    Direction,
    ErrorClass,
    LineKind,
    PartnerError,
    PartnerFee,
    Settlement,
    SettlementLine,
    Snapshot,
    Status,
    Subject,
)


class Resource(msgspec.Struct, frozen=True):
    """One kind of object of the bank's API."""

    name: str
    """As the objects themselves say it."""
    path: str
    subject: Subject
    statuses: Mapping[str, Status]


TRANSFER: Final = Resource(
    "transfer",
    "/bank/v1/transfers",
    Subject.PAYMENT,
    {
        "pending": Status.PENDING,
        "settled": Status.SUCCEEDED,
        "rejected": Status.FAILED,
        "cancelled": Status.CANCELLED,
        "returned": Status.RETURNED,
    },
)
DIRECT_DEBIT: Final = Resource(
    "direct_debit",
    "/bank/v1/direct_debits",
    Subject.PAYMENT,
    {
        "pending": Status.PENDING,
        "collected": Status.SUCCEEDED,
        "failed": Status.FAILED,
        "cancelled": Status.CANCELLED,
        "returned": Status.RETURNED,
    },
)
REFUND: Final = Resource(
    "refund",
    "/bank/v1/refunds",
    Subject.REFUND,
    {"pending": Status.PENDING, "settled": Status.SUCCEEDED, "failed": Status.FAILED},
)
ORDERS: Final = {resource.name: resource for resource in (TRANSFER, DIRECT_DEBIT, REFUND)}

SETTLEMENTS: Final = "/bank/v1/settlements"


def lines_path(settlement_id: str) -> str:
    """Where a settlement's lines are."""
    return f"{SETTLEMENTS}/{quote(settlement_id, safe='')}/lines"


_SETTLEMENT: Final = "settlement"
_SETTLEMENT_STATUSES: Final = {"announced": Status.PENDING, "posted": Status.SUCCEEDED}

_HAD_SUCCEEDED: Final = frozenset({Status.SUCCEEDED, Status.RETURNED})

REASONS: Final = {
    "AC01": ErrorClass.HARD_DECLINE,  # no such account number
    "AC04": ErrorClass.HARD_DECLINE,  # closed
    "AC06": ErrorClass.HARD_DECLINE,  # blocked
    "AC13": ErrorClass.HARD_DECLINE,  # not a debtor account for this scheme
    "AG01": ErrorClass.HARD_DECLINE,  # the account takes no such transactions
    "AM04": ErrorClass.SOFT_DECLINE,  # insufficient funds
    "AM05": ErrorClass.CONFLICT,  # a duplicate
    "MD01": ErrorClass.HARD_DECLINE,  # no mandate
    "MD06": ErrorClass.HARD_DECLINE,  # the payer wants it back
    "MD07": ErrorClass.HARD_DECLINE,  # the payer has died
    "MS02": ErrorClass.SOFT_DECLINE,  # the customer gives no reason
    "MS03": ErrorClass.SOFT_DECLINE,  # the agent gives no reason
    "RC01": ErrorClass.HARD_DECLINE,  # no such bank
    "RR04": ErrorClass.HARD_DECLINE,  # regulation
    "SL01": ErrorClass.HARD_DECLINE,  # the payer's bank blocks it for this payer
}
"""ISO 20022 external reason codes, of rejections and returns."""

ERRORS: Final = {
    "amount_too_large": ErrorClass.CONFLICT,
    "authentication_failed": ErrorClass.CREDENTIALS,
    "currency_mismatch": ErrorClass.INVALID,
    "currency_not_supported": ErrorClass.INVALID,
    "idempotency_in_flight": ErrorClass.CONFLICT,
    "idempotency_key_reused": ErrorClass.INVALID,
    "invalid_amount": ErrorClass.INVALID,
    "invalid_request": ErrorClass.INVALID,
    "not_cancellable": ErrorClass.CONFLICT,
    "not_found": ErrorClass.INVALID,
    "not_permitted": ErrorClass.CREDENTIALS,
    "not_refundable": ErrorClass.CONFLICT,
    "unknown_account": ErrorClass.HARD_DECLINE,
}
"""The bank's errors, all of which say that this call did nothing."""

_LONGEST_CODE: Final = 64
"""What of a code is kept, should it be longer."""

_LINES: Final = {
    "transfer": LineKind.PAYMENT,
    "transfer_return": LineKind.PAYMENT,
    "direct_debit": LineKind.PAYMENT,
    "direct_debit_return": LineKind.PAYMENT,
    "refund": LineKind.REFUND,
}
"""A return is a line about the payment that came back, with the opposite sign."""


def resource_of(direction: Direction) -> Resource:
    """Where payments of this direction are."""
    return TRANSFER if direction is Direction.PAYOUT else DIRECT_DEBIT


def order_snapshot(resource: Resource, fields: Mapping[str, Any], drift: Drift) -> Snapshot:
    """What a transfer, direct debit or refund says; `Status.UNKNOWN` where it cannot be relied on.

    The snapshot of an object without an id has the empty id.
    """
    reading = Reading(drift, resource.name, fields)
    status = reading.mapped("status", resource.statuses, Status.UNKNOWN)
    partner_id = reading.text("id")
    reference = reading.text("reference")
    amount, currency, readable = _money(reading, "amount", drift, least=1)
    parent = reading.text("direct_debit") if resource is REFUND else None
    if reading.broken or not readable:
        status = Status.UNKNOWN
    captured = None
    if resource.subject is Subject.PAYMENT and status is not Status.UNKNOWN:
        captured = amount if status in _HAD_SUCCEEDED else 0
    return Snapshot(
        subject=resource.subject,
        partner_id=partner_id,
        status=status,
        amount=amount,
        currency=currency,
        attempt_id=reference or None,
        parent_id=parent or None,
        captured=captured,
        error=_reason(reading),
        fees=_fees(reading, drift),
    )


def settlement_snapshot(fields: Mapping[str, Any], drift: Drift) -> Snapshot:
    """What an event says of a settlement."""
    reading = Reading(drift, _SETTLEMENT, fields)
    status = reading.mapped("status", _SETTLEMENT_STATUSES, Status.UNKNOWN)
    partner_id = reading.text("id")
    amount, currency, readable = _money(reading, "amount", drift)
    return Snapshot(
        subject=Subject.SETTLEMENT,
        partner_id=partner_id,
        status=Status.UNKNOWN if reading.broken or not readable else status,
        amount=amount,
        currency=currency,
    )


def event_snapshot(fields: Mapping[str, Any], drift: Drift) -> Snapshot | None:
    """What an event's body says; None where it is of nothing that concerns us, or that cannot be named."""
    data = fields.get("data")
    if not isinstance(data, dict):
        drift.record(DriftKind.UNEXPECTED_TYPE, "event.data", type(data).__name__)
        return None
    kind = data.get("object")
    if kind == _SETTLEMENT:
        snapshot = settlement_snapshot(data, drift)
    elif isinstance(kind, str) and kind in ORDERS:
        snapshot = order_snapshot(ORDERS[kind], data, drift)
    else:
        drift.record(DriftKind.UNKNOWN_VALUE, "event.data.object", str(kind))
        return None
    return snapshot if snapshot.partner_id else None


def settlement(fields: Mapping[str, Any], lines: list[Mapping[str, Any]], drift: Drift) -> Settlement | None:
    """A settlement with its lines; None, and drift, where it does not hold together."""
    reading = Reading(drift, _SETTLEMENT, fields)
    status = reading.mapped("status", _SETTLEMENT_STATUSES, Status.UNKNOWN)
    partner_id = reading.text("id")
    amount, currency, readable = _money(reading, "amount", drift)
    posted_at = moment(reading, "posted_at") if status is Status.SUCCEEDED else None
    read = [_line(line, drift) for line in lines]
    whole = [line for line in read if line is not None]
    if reading.broken or not readable or status is Status.UNKNOWN or len(whole) < len(read):
        return None
    if sum(line.amount - line.fee for line in whole) != amount:
        reading.contradiction("amount", "not_the_sum_of_its_lines")
        return None
    if any(line.currency != currency for line in whole):
        reading.contradiction("amount", "not_the_currency_of_its_lines")
        return None
    return Settlement(
        partner_id=partner_id,
        amount=amount,
        currency=currency,
        arrived=status is Status.SUCCEEDED,
        arrived_at=posted_at,
        lines=tuple(whole),
    )


def partner_error(status: int, fields: Mapping[str, Any], drift: Drift) -> PartnerError | None:
    """What an answer of 4xx says; None where it is not in the bank's form, so that it may be anybody's."""
    error = fields.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return None
    code = error["code"][:_LONGEST_CODE]
    class_ = ERRORS.get(code)
    if class_ is None:
        drift.record(DriftKind.UNKNOWN_VALUE, "error.code", code)
        class_ = _CLASSES.get(status, ErrorClass.INVALID)
    return PartnerError(code=code, class_=class_, message=for_operators(error.get("message")))


_CLASSES: Final = {
    401: ErrorClass.CREDENTIALS,
    403: ErrorClass.CREDENTIALS,
    409: ErrorClass.CONFLICT,
}
"""By HTTP status, for codes that are not in `ERRORS`."""


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


def _money(reading: Reading, field: str, drift: Drift, *, least: int | None = None) -> tuple[int, str, bool]:
    """The number and currency of an amount within an object, and whether they can be true.

    The bank's own orders are of 1 and more (`least`); what settles them may be anything. What cannot be true
    is 0 of no currency.
    """
    inner = reading.optional_object(field) or Reading(drift, field, {})
    amount, currency = inner.integer("amount"), inner.currency()
    if not inner.broken:
        if (least is None or amount >= least) and currency != NO_CURRENCY:
            return amount, currency, True
        inner.contradiction("amount")
    return 0, NO_CURRENCY, False


def _reason(reading: Reading) -> PartnerError | None:
    reason = reading.optional_object("reason")
    if reason is None:
        return None
    code = reason.text("code")[:_LONGEST_CODE]
    class_ = reason.mapped("code", REASONS, ErrorClass.SOFT_DECLINE)
    return PartnerError(code=code, class_=class_, message=for_operators(reason.optional_text("message")))


def _fees(reading: Reading, drift: Drift) -> tuple[PartnerFee, ...]:
    """The fees that can be read. What cannot be is drift, and comes with the settlement's lines again."""
    fees = []
    for fee in reading.optional_objects("fees"):
        entry = fee.text("entry")
        amount, currency, readable = _money(fee, "amount", drift)
        if readable and not fee.broken:
            fees.append(PartnerFee(partner_id=entry, amount=amount, currency=currency))
    return tuple(fees)


def _line(fields: Mapping[str, Any], drift: Drift) -> SettlementLine | None:
    reading = Reading(drift, "settlement_line", fields)
    kind = reading.mapped("kind", _LINES, LineKind.ADJUSTMENT)
    partner_id = reading.text("id")
    amount, currency, readable = _money(reading, "amount", drift)
    fee, fee_currency, fee_readable = _money(reading, "fee", drift)
    source = reading.optional_text("source")
    if fee_readable and readable and fee_currency != currency:
        reading.contradiction("fee", "in_another_currency")
    if reading.broken or not readable or not fee_readable:
        return None
    return SettlementLine(
        partner_id=partner_id,
        kind=kind,
        source_id=source,
        payment_partner_id=reading.optional_text("direct_debit") or source,
        attempt_id=reading.optional_text("reference"),
        amount=amount,
        fee=fee,
        currency=currency,
    )
