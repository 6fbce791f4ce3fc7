"""What is asked of payments: one of them whole, and lists, newest first."""

import datetime as dt
import enum
from collections.abc import Sequence
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

SCANNED: Final = 5_000
"""Payments that are read for one page, where an index serves a part of the conditions or none."""

_SUCCEEDED: Final = PaymentState.SUCCEEDED

_FILTERED: Final = ("reference", "customer", "amount", "state", "kind", "partner", "currency")

_PARTIAL: Final = {"state": "state <> 'succeeded'", "kind": "kind <> 'pay_in'"}
"""What the indexes are about that begin with these columns: the planner must see it in the text."""

# Of each list as many as a search looks at: what it does not see of one, it does not see of both.
_WAITS_FOR_A_PERSON: Final = f"""
id = any (array(
        (select p.id
           from payments.payment p
          where p.book_id = %s
            and p.state = 'review'
            and p.state <> 'succeeded'
            and (%s::uuid is null or p.id < %s)
          order by p.id desc
          limit {SCANNED})
          union all
        (select a.payment_id
           from payments.attempt a
          where a.book_id = %s
            and a.state = 'unknown'
            and a.data ->> 'asked_at' is not null
            and (%s::uuid is null or a.payment_id < %s)
          order by a.payment_id desc
          limit {SCANNED})
       ))""".strip()

_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""The first time that an id can hold."""

_AND: Final = "\n   and "


class WaitingFor(enum.Enum):
    """Whose word a payment needs to go on."""

    PERSON = "person"
    """One who approves or declines: the payment is in review, or a call to its partner is asked about."""


class PaymentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which payments: those that meet every condition; None is any."""

    customer: str | None = None
    reference: str | None = None
    kind: PaymentKind | None = None
    state: PaymentState | None = None
    amount: int | None = None
    currency: str | None = None
    partner: str | None = None
    waiting: WaitingFor | None = None
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


class PaymentPage(msgspec.Struct, frozen=True):
    """Some of the payments that were looked for, the newest first."""

    rows: list[Payment]
    next: str | None
    """The id to go on behind, None at the end. A page that is not full may have one: see `SCANNED`."""


def seek(book_id: int, wanted: PaymentFilter, *, before: str | None) -> tuple[list[str], list[Any]]:
    """What one index answers of `wanted`: conditions beside the book, with the book's and their parameters.

    The most telling condition that has an index, and the ids between which the payments lie. Left out is
    what has to be looked at row by row: see `look`.
    """
    conditions: list[str] = []
    parameters: list[Any] = [book_id]
    last = None if before is None else ids.decode(ids.PAYMENT, before, field="cursor")
    if wanted.waiting is WaitingFor.PERSON:
        conditions.append(_WAITS_FOR_A_PERSON)
        parameters += 2 * [book_id, last, last]
    for name, value in _sought(wanted):
        conditions.append(f"{name} = %s")
        parameters.append(value)
        if name in _PARTIAL:
            conditions.append(_PARTIAL[name])
    # An id starts with a time that is a day from its creation at most (`creation`), so it bounds the search.
    for operator, moment, slack in (
        (">=", wanted.created_from, -ID_SLACK),
        ("<", wanted.created_before, ID_SLACK),
    ):
        if moment is not None:
            conditions += [f"created_at {operator} %s", f"id {operator} %s"]
            parameters += [moment, ids.uuid7(max(moment + slack, _FIRST), bytes)]
    if last is not None:
        conditions.append("id < %s")
        parameters.append(last)
    return conditions, parameters


def look(wanted: PaymentFilter) -> tuple[list[str], list[Any]]:
    """What is left of `wanted` besides `seek`: conditions with their parameters."""
    sought = {name for name, _ in _sought(wanted)}
    left = [(name, value) for name, value in _equal(wanted) if name not in sought]
    return [f"{name} = %s" for name, _ in left], [value for _, value in left]


def search(
    book_id: int, wanted: PaymentFilter, *, before: str | None, limit: int, scanned: int = SCANNED
) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds the payments, with its parameters."""
    sought, parameters = seek(book_id, wanted, before=before)
    looked, more = look(wanted)
    if not looked:
        return f"select id, data::text{_in_order(sought)}", (*parameters, limit)
    # The inner limit keeps the conditions apart, and bounds what is read, however long the book.
    statement = f"""
select id, data::text
  from (
        select id, {", ".join(_FILTERED)}, data{_in_order(sought)}
       ) as scanned
 where {_AND.join(looked)}
 order by id desc
 limit %s
"""
    return statement, (*parameters, scanned, *more, limit)


def last_scanned(
    book_id: int, wanted: PaymentFilter, *, before: str | None, scanned: int = SCANNED
) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds where `search` stopped, with its parameters; no row where it saw the end."""
    sought, parameters = seek(book_id, wanted, before=before)
    return f"select id{_in_order(sought)}\noffset %s", (*parameters, 1, scanned - 1)


async def list_payments(
    connection: Connection,
    book_id: int,
    wanted: PaymentFilter,
    *,
    before: str | None = None,
    limit: int = 50,
    scanned: int = SCANNED,
) -> PaymentPage:
    """Up to `limit` payments that come before the id `before`, newest first. Raises `InvalidId`.

    What no index serves is looked for among the next `scanned` payments that an index finds, so that a page
    may be short, even empty, and yet there is more. To be called in a snapshot.
    """
    check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 payments")
    statement, parameters = search(book_id, wanted, before=before, limit=limit + 1, scanned=scanned)
    found = await (await connection.execute(statement.encode(), parameters)).fetchall()
    rows = [store.PAYMENT.decode(data) for _, data in found[:limit]]
    if len(found) > limit:
        return PaymentPage(rows, rows[-1].id)
    if not look(wanted)[0]:
        return PaymentPage(rows, None)
    statement, parameters = last_scanned(book_id, wanted, before=before, scanned=scanned)
    last = await (await connection.execute(statement.encode(), parameters)).fetchone()
    return PaymentPage(rows, None if last is None else ids.encode(ids.PAYMENT, last[0]))


def _equal(wanted: PaymentFilter) -> list[tuple[str, Any]]:
    """The columns that must have a value, the most telling first."""
    columns = (
        ("reference", wanted.reference),
        ("customer", None if wanted.customer is None else ids.decode(ids.CUSTOMER, wanted.customer)),
        ("amount", wanted.amount),
        ("state", None if wanted.state is None else wanted.state.value),
        ("kind", None if wanted.kind is None else wanted.kind.value),
        ("partner", wanted.partner),
        ("currency", wanted.currency),
    )
    return [(name, value) for name, value in columns if value is not None]


def _sought(wanted: PaymentFilter) -> list[tuple[str, Any]]:
    """That of `_equal` which is sought in an index that begins with it, if any is."""
    if wanted.waiting is not None:
        return []
    without = {"partner", "currency"}
    if wanted.state is _SUCCEEDED:
        without.add("state")
    if wanted.kind is PaymentKind.PAY_IN:
        without.add("kind")
    return [(name, value) for name, value in _equal(wanted) if name not in without][:1]


def _in_order(conditions: Sequence[str]) -> str:
    return f"""
  from payments.payment
 where book_id = %s{"".join(f"{_AND}{condition}" for condition in conditions)}
 order by id desc
 limit %s"""


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
