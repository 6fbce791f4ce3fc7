"""Reads of payments, payouts, refunds and disputes. Lists have the newest first."""

from typing import Final

from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import utc
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.payment_bodies import DisputesQuery, PaymentsQuery, PayoutsQuery
from caudal.api.payment_views import case_view
from caudal.api.payments import path_payment_id
from caudal.api.request import Request
from caudal.api.views import TransferView, json_answer, transfer_view
from caudal.idempotency import Answer
from caudal.ledger import TransferFilter, list_transfers
from caudal.payments import (
    PaymentFilter,
    PaymentKind,
    WaitingFor,
    dispute_view,
    get_dispute,
    get_payment,
    get_refund,
    list_disputes,
    list_payments,
    list_refunds,
    payment_view,
    refund_view,
)
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.ids import InvalidId

TRANSFERS_MAX: Final = 100
"""How many of a payment's transfers are shown with it: a payment can have as many refunds as minor units."""


def cursor_id(prefix: str, cursor: str | None) -> str | None:
    """The id in a cursor of a list that goes by id. Raises `InvalidParameter`."""
    if cursor is not None:
        try:
            ids.decode(prefix, cursor)
        except InvalidId:
            raise bad_cursor() from None
    return cursor


async def find_payments(request: Request[PaymentsQuery, NoBody]) -> Answer:
    """GET /v1/payments"""
    return await _find(request, request.query, request.query.kind, request.query.waiting)


async def find_payouts(request: Request[PayoutsQuery, NoBody]) -> Answer:
    """GET /v1/payouts"""
    return await _find(request, request.query, PaymentKind.PAYOUT, None)


async def _find(
    request: Request[PaymentsQuery, NoBody] | Request[PayoutsQuery, NoBody],
    query: PayoutsQuery,
    kind: PaymentKind | None,
    waiting: WaitingFor | None,
) -> Answer:
    wanted = PaymentFilter(
        customer=query.customer,
        reference=query.reference,
        kind=kind,
        state=query.state,
        amount=query.amount,
        currency=query.currency,
        partner=query.partner,
        waiting=waiting,
        created_from=utc(query.created_from, "created_from"),
        created_before=utc(query.created_before, "created_before"),
    )
    before = cursor_id(ids.PAYMENT, query.cursor)
    async with request.services.database.snapshot() as connection:
        page = await list_payments(connection, request.book_id, wanted, before=before, limit=query.limit)
    return page_answer([payment_view(payment) for payment in page.rows], page.next)


async def read_payment(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/payments/{id}; raises `PaymentNotFound`."""
    payment_id = path_payment_id(request)
    async with request.services.database.snapshot() as connection:
        case = await get_payment(connection, request.book_id, payment_id)
        transfers = await _transfers(connection, request, payment_id)
    return json_answer(200, case_view(case, transfers))


async def _transfers(
    connection: Connection, request: Request[NoQuery, NoBody], payment_id: str
) -> tuple[TransferView, ...]:
    """What the payment did in the ledger: its transfers have its id as their reference."""
    page = await list_transfers(
        connection,
        request.book_id,
        TransferFilter(reference=payment_id),
        now=request.services.clock.now(),
        newest_first=True,
        limit=TRANSFERS_MAX,
    )
    return tuple(transfer_view(detail.transfer, state=detail.state) for detail in reversed(page.rows))


async def find_refunds(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/payments/{id}/refunds; raises `PaymentNotFound`."""
    payment_id = path_payment_id(request)
    async with request.services.database.snapshot() as connection:
        case = await get_payment(connection, request.book_id, payment_id)
        refunds = await list_refunds(connection, request.book_id, payment_id)
    currency = case.payment.currency
    return page_answer([refund_view(refund, currency) for refund in refunds], None)


async def read_refund(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/refunds/{id}; raises `RefundNotFound`."""
    text = request.ids["id"]
    ids.decode(ids.REFUND, text)
    async with request.services.database.snapshot() as connection:
        refund = await get_refund(connection, request.book_id, text)
        case = await get_payment(connection, request.book_id, refund.payment_id)
    return json_answer(200, refund_view(refund, case.payment.currency))


async def find_disputes(request: Request[DisputesQuery, NoBody]) -> Answer:
    """GET /v1/disputes"""
    query = request.query
    before = cursor_id(ids.DISPUTE, query.cursor)
    async with request.services.database.connection() as connection:
        rows = await list_disputes(
            connection,
            request.book_id,
            payment=query.payment,
            state=query.state,
            before=before,
            limit=query.limit + 1,
        )
    shown = rows[: query.limit]
    next_ = shown[-1].id if len(rows) > len(shown) else None
    return page_answer([dispute_view(dispute) for dispute in shown], next_)


async def read_dispute(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/disputes/{id}; raises `DisputeNotFound`."""
    text = request.ids["id"]
    ids.decode(ids.DISPUTE, text)
    async with request.services.database.connection() as connection:
        dispute = await get_dispute(connection, request.book_id, text)
    return json_answer(200, dispute_view(dispute))
