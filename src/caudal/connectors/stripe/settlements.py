"""Stripe's payouts to our bank as settlements: what each is the sum of."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from caudal.connectors.drift import Drift, DriftKind, Reading
from caudal.connectors.errors import PartnerUnavailable
from caudal.connectors.stripe.amounts import from_stripe
from caudal.connectors.stripe.failures import Failed
from caudal.connectors.stripe.snapshots import PAYOUT_STATUSES, attempt_of
from caudal.connectors.types import LineKind, Settlement, SettlementLine, Status

PAGE: Final = 100
"""The most that Stripe lists at once."""

MOST_PAGES: Final = 10_000
"""A list that goes on for longer is taken for one that never ends."""

PAYOUT_CATEGORIES: Final = frozenset({"payout", "payout_reversal"})
"""The payout's own movement, which is not among what it pays out."""

CATEGORIES: Final[Mapping[str, LineKind]] = {
    "charge": LineKind.PAYMENT,
    "charge_failure": LineKind.PAYMENT,
    "refund": LineKind.REFUND,
    "partial_capture_reversal": LineKind.REFUND,
    "refund_failure": LineKind.REFUND,
    "dispute": LineKind.DISPUTE,
    "dispute_reversal": LineKind.DISPUTE,
    "fee": LineKind.FEE,
    "network_cost": LineKind.FEE,
    "tax": LineKind.FEE,
    "advance": LineKind.ADJUSTMENT,
    "advance_funding": LineKind.ADJUSTMENT,
    "connect_collection_transfer": LineKind.ADJUSTMENT,
    "contribution": LineKind.ADJUSTMENT,
    "other_adjustment": LineKind.ADJUSTMENT,
    "payout_minimum_balance_hold": LineKind.ADJUSTMENT,
    "payout_minimum_balance_release": LineKind.ADJUSTMENT,
    "risk_reserved_funds": LineKind.ADJUSTMENT,
    "topup": LineKind.ADJUSTMENT,
    "topup_reversal": LineKind.ADJUSTMENT,
    "transfer": LineKind.ADJUSTMENT,
    "transfer_reversal": LineKind.ADJUSTMENT,
}
"""Stripe's `reporting_category` of balance transactions."""

List = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any] | Failed]]
"""Gets one page of a list: its path and parameters."""


async def settlements(list_: List, drift: Drift, since: dt.datetime) -> AsyncIterator[Settlement]:
    """The payouts created since then, oldest first. Raises `PartnerUnavailable`.

    A payout that is not the sum of its lines is drift, and left out: nothing may be posted of it. So are
    payouts that were made by hand, of which Stripe does not say what they are made of.
    """
    created = {"created": {"gte": int(since.timestamp())}}
    payouts = [payout async for payout in pages(list_, drift, "/v1/payouts", created)]
    for fields in reversed(payouts):
        payout = Reading(drift, "payout", fields)
        partner_id = payout.text("id")
        status = payout.mapped("status", PAYOUT_STATUSES, Status.UNKNOWN)
        if payout.broken or status not in (Status.PENDING, Status.SUCCEEDED):
            continue
        params = {"payout": partner_id, "expand": ["data.source"]}
        transactions = [
            transaction
            async for transaction in pages(list_, drift, "/v1/balance_transactions", params)
            if transaction.get("reporting_category") not in PAYOUT_CATEGORIES
        ]
        lines = [line(Reading(drift, "balance_transaction", fields)) for fields in transactions]
        settlement = _settlement(payout, partner_id, status, lines)
        if settlement is not None:
            yield settlement


def _settlement(
    payout: Reading, partner_id: str, status: Status, lines: list[SettlementLine | None]
) -> Settlement | None:
    currency = payout.currency()
    amount = from_stripe(payout.integer("amount"), currency)
    arrival = payout.optional_moment("arrival_date")
    read = tuple(line for line in lines if line is not None)
    whole = len(read) == len(lines) and all(line.currency == currency for line in read)
    if payout.broken or not whole or amount != sum(line.amount - line.fee for line in read):
        payout.contradiction("amount")
        return None
    arrived = status is Status.SUCCEEDED
    return Settlement(
        partner_id=partner_id,
        amount=amount,
        currency=currency,
        arrived=arrived,
        arrived_at=arrival if arrived else None,
        lines=read,
    )


def line(transaction: Reading) -> SettlementLine | None:
    """What a balance transaction with its source expanded says; None where it cannot be read."""
    currency = transaction.currency()
    amount = from_stripe(transaction.integer("amount"), currency)
    fee = from_stripe(transaction.integer("fee"), currency)
    partner_id = transaction.text("id")
    kind = transaction.mapped("reporting_category", CATEGORIES, LineKind.ADJUSTMENT)
    source_id, source = transaction.reference("source")
    if transaction.broken or amount is None or fee is None:
        return None
    return SettlementLine(
        partner_id=partner_id,
        kind=kind,
        source_id=source_id,
        payment_partner_id=source.reference("payment_intent")[0] if source is not None else None,
        attempt_id=attempt_of(source),
        amount=amount,
        fee=fee,
        currency=currency,
    )


async def pages(
    list_: List, drift: Drift, path: str, params: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """All objects of a list, in Stripe's order: newest first. Raises `PartnerUnavailable`."""
    after: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = await list_(path, {**params, **after, "limit": PAGE})
        if isinstance(page, Failed):
            raise PartnerUnavailable(f"listing {path} failed: {page.status or page.why.value}")
        objects = page.get("data")
        if not isinstance(objects, list) or not all(isinstance(it, dict) for it in objects):
            drift.record(DriftKind.UNEXPECTED_TYPE, "list.data", type(objects).__name__)
            raise PartnerUnavailable(f"listing {path} gave no list")
        for fields in objects:
            yield fields
        last = objects[-1].get("id") if objects else None
        if page.get("has_more") is not True or not isinstance(last, str):
            return
        after = {"starting_after": last}
    raise PartnerUnavailable(f"listing {path} did not end")
