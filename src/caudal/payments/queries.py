"""What is asked of payments: one of them whole, and lists, newest first."""

import datetime as dt
from typing import Any, Final

import msgspec

from caudal.payments import store
from caudal.payments.creation import ID_SLACK
from caudal.payments.errors import DisputeNotFound, PaymentNotFound, RefundNotFound
from caudal.payments.types import Case, Dispute, DisputeState, Payment, PaymentKind, PaymentState, Refund
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection

MAX_PAGE: Final = 1_000

_SUCCEEDED: Final = PaymentState.SUCCEEDED

_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""The first time that an id can hold."""

_AND: Final = "\n   and "


class PaymentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which payments: those that meet every condition; None is any."""

    customer: str | None = None
    reference: str | None = None
    kind: PaymentKind | None = None
    state: PaymentState | None = None
    amount: int | None = None
    currency: str | None = None
    partner: str | None = None
    created_from: dt.datetime | None = None
    created_before: dt.datetime | None = None


class SettlementRow(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that a partner has paid out to our bank account."""

    partner: str
    partner_id: str
    amount: int
    currency: str
    arrived_at: dt.datetime | None
    recorded_at: dt.datetime


async def get_payment(connection: Connection, book_id: int, payment_id: str) -> Case:
    """A payment with everything that belongs to it. Raises `PaymentNotFound`."""
    found = await store.load(connection, book_id, [payment_id])
    if not found:
        raise PaymentNotFound("no payment of this book has this id", field="id")
    return found[0]


def search(
    book_id: int, wanted: PaymentFilter, *, before: str | None, limit: int
) -> tuple[str, tuple[Any, ...]]:
    """The statement of `list_payments`, with its parameters."""
    conditions: list[str] = []
    parameters: list[Any] = [book_id]
    columns = (
        ("customer", None if wanted.customer is None else ids.decode(ids.CUSTOMER, wanted.customer)),
        ("reference", wanted.reference),
        ("kind", None if wanted.kind is None else wanted.kind.value),
        ("state", None if wanted.state is None else wanted.state.value),
        ("amount", wanted.amount),
        ("currency", wanted.currency),
        ("partner", wanted.partner),
    )
    for name, value in columns:
        if value is not None:
            conditions.append(f"{name} = %s")
            parameters.append(value)
    if wanted.state not in (None, _SUCCEEDED):
        conditions.append("state <> 'succeeded'")  # what the index is about
    # An id starts with a time that is a day from its creation at most (`creation`), so it bounds the search.
    for operator, moment, slack in (
        (">=", wanted.created_from, -ID_SLACK),
        ("<", wanted.created_before, ID_SLACK),
    ):
        if moment is not None:
            conditions += [f"created_at {operator} %s", f"id {operator} %s"]
            parameters += [moment, ids.uuid7(max(moment + slack, _FIRST), bytes)]
    if before is not None:
        conditions.append("id < %s")
        parameters.append(ids.decode(ids.PAYMENT, before, field="cursor"))
    statement = f"""
select data::text
  from payments.payment
 where book_id = %s{"".join(f"{_AND}{condition}" for condition in conditions)}
 order by id desc
 limit %s
"""
    return statement, (*parameters, limit)


async def list_payments(
    connection: Connection, book_id: int, wanted: PaymentFilter, *, before: str | None = None, limit: int = 50
) -> list[Payment]:
    """Up to `limit` payments that come before the id `before`, newest first. Raises `InvalidId`."""
    check(1 <= limit <= MAX_PAGE + 1, "a page has 1 to 1,000 payments")
    statement, parameters = search(book_id, wanted, before=before, limit=limit)
    cursor = await connection.execute(statement.encode(), parameters)
    return [store.PAYMENT.decode(row[0]) for row in await cursor.fetchall()]


async def list_refunds(connection: Connection, book_id: int, payment_id: str) -> list[Refund]:
    """The refunds of a payment, oldest first. Raises `PaymentNotFound`."""
    return list((await get_payment(connection, book_id, payment_id)).refunds)


async def get_refund(connection: Connection, book_id: int, refund_id: str) -> Refund:
    """A refund. Raises `RefundNotFound`."""
    cursor = await connection.execute(
        """
select data::text
  from payments.refund
 where book_id = %s
   and id = %s
        """,
        (book_id, ids.decode(ids.REFUND, refund_id)),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RefundNotFound("no refund of this book has this id", field="id")
    refund: Refund = store.PART_DECODERS["refund"].decode(row[0])
    return refund


async def get_dispute(connection: Connection, book_id: int, dispute_id: str) -> Dispute:
    """A dispute. Raises `DisputeNotFound`."""
    cursor = await connection.execute(
        """
select data::text
  from payments.dispute
 where book_id = %s
   and id = %s
        """,
        (book_id, ids.decode(ids.DISPUTE, dispute_id)),
    )
    row = await cursor.fetchone()
    if row is None:
        raise DisputeNotFound("no dispute of this book has this id", field="id")
    dispute: Dispute = store.PART_DECODERS["dispute"].decode(row[0])
    return dispute


async def list_disputes(
    connection: Connection,
    book_id: int,
    *,
    payment: str | None = None,
    state: DisputeState | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Dispute]:
    """Up to `limit` disputes that come before the id `before`, newest first. Raises `InvalidId`."""
    check(1 <= limit <= MAX_PAGE + 1, "a page has 1 to 1,000 disputes")
    conditions: list[str] = []
    parameters: list[Any] = [book_id]
    if payment is not None:
        conditions.append("payment_id = %s")
        parameters.append(ids.decode(ids.PAYMENT, payment, field="payment"))
    if state is not None:
        conditions.append("state = %s")
        parameters.append(state.value)
    if before is not None:
        conditions.append("id < %s")
        parameters.append(ids.decode(ids.DISPUTE, before, field="cursor"))
    statement = f"""
select data::text
  from payments.dispute
 where book_id = %s{"".join(f"{_AND}{condition}" for condition in conditions)}
 order by id desc
 limit %s
"""
    cursor = await connection.execute(statement.encode(), (*parameters, limit))
    return [store.PART_DECODERS["dispute"].decode(row[0]) for row in await cursor.fetchall()]


async def list_settlements(
    connection: Connection, book_id: int, *, partner: str | None = None, limit: int = 100
) -> list[SettlementRow]:
    """Up to `limit` settlements, latest first."""
    cursor = await connection.execute(
        """
select partner, partner_id, amount, currency, arrived_at, recorded_at
  from payments.settlement
 where book_id = %s
   and (%s::text is null or partner = %s)
 order by recorded_at desc, partner_id desc
 limit %s
        """,
        (book_id, partner, partner, limit),
    )
    return [
        SettlementRow(
            partner=row[0], partner_id=row[1], amount=row[2], currency=row[3], arrived_at=row[4],
            recorded_at=row[5],
        )
        for row in await cursor.fetchall()
    ]  # fmt: skip
