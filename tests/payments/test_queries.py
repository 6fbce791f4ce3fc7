"""Searches of payments: what they find, page by page, and that none of them reads a book from end to end."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncClientCursor

from caudal.connectors import CannotAsk, Status, Unknown
from caudal.payments import (
    ApprovePayment,
    DisputeNotFound,
    DisputeState,
    Payment,
    PaymentFilter,
    PaymentKind,
    PaymentNotFound,
    PaymentState,
    RefundNotFound,
    WaitingFor,
    get_dispute,
    get_payment,
    get_refund,
    list_disputes,
    list_payments,
    list_refunds,
)
from caudal.payments.commands import Looked
from caudal.payments.queries import SCANNED, last_scanned, search
from caudal_base import ids
from caudal_base.database import Database
from support.payment_worlds import PaymentWorld, dispute_snapshot, new_id

BOOK = 900_001
ROWS = 20_000
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

# One payment a minute by 200 customers; of every thousand one waits for a person, the others have succeeded.
FILL = """
insert into payments.payment
select %(book)s,
       (lpad(to_hex((extract(epoch from %(start)s::timestamptz) + n * 60)::bigint * 1000), 12, '0')
        || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
       'pay_in', case when n %% 1000 = 0 then 'review' else 'succeeded' end,
       lpad(to_hex(n %% 200), 32, '0')::uuid, n %% 5000 + 1, 'EUR', 0, 0, 0, 0, 0, 'acquirer', 'pi_' || n,
       'order-' || n, 1, %(start)s::timestamptz + make_interval(mins => n),
       %(start)s::timestamptz + make_interval(mins => n), '{}'
  from generate_series(1, %(rows)s) n
"""

# Each by what one index serves.
SEARCHES = {
    "all": PaymentFilter(),
    "of a customer": PaymentFilter(customer=ids.encode(ids.CUSTOMER, UUID(int=7))),
    "of an amount": PaymentFilter(amount=4_321),
    "by reference": PaymentFilter(reference="order-777"),
    "in review": PaymentFilter(state=PaymentState.REVIEW),
    "succeeded": PaymentFilter(state=PaymentState.SUCCEEDED),
    "of an hour long ago": PaymentFilter(created_from=START, created_before=START + dt.timedelta(hours=1)),
    "payouts": PaymentFilter(kind=PaymentKind.PAYOUT),
    "internal ones": PaymentFilter(kind=PaymentKind.INTERNAL),
    "in review, of an hour long ago": PaymentFilter(
        state=PaymentState.REVIEW, created_from=START, created_before=START + dt.timedelta(hours=30)
    ),
    "of a customer, declined": PaymentFilter(
        customer=ids.encode(ids.CUSTOMER, UUID(int=7)), state=PaymentState.DECLINED
    ),
    "waiting for a person": PaymentFilter(waiting=WaitingFor.PERSON),
    "waiting for a person, elsewhere": PaymentFilter(waiting=WaitingFor.PERSON, partner="another"),
    "in review, at a partner": PaymentFilter(state=PaymentState.REVIEW, partner="acquirer"),
}

# None of the payments is like that, and no index says so.
NOWHERE = {
    "of a currency": PaymentFilter(currency="JPY"),
    "at a partner": PaymentFilter(partner="another"),
    "at a partner in a currency": PaymentFilter(partner="another", currency="EUR"),
    "succeeded, at a partner": PaymentFilter(partner="another", state=PaymentState.SUCCEEDED),
    "pay-ins in a currency": PaymentFilter(kind=PaymentKind.PAY_IN, currency="JPY"),
}


async def found(world: PaymentWorld, **wanted: Any) -> list[Payment]:
    async with world.database.snapshot() as connection:
        return (await list_payments(connection, world.book_id, PaymentFilter(**wanted))).rows


async def test_each_filter_finds_its_payments_newest_first(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    first = (await world.create(amount=700, reference="order-1")).payment.id
    second = (await world.create(kind=PaymentKind.INTERNAL, amount=700)).payment.id
    third = (await world.create(customer=world.bob, amount=900)).payment.id

    async def names(**wanted: Any) -> list[str]:
        return [payment.id for payment in await found(world, **wanted)]

    assert await names() == [third, second, first]
    assert await names(customer=world.ana) == [second, first]
    assert await names(amount=700) == [second, first]
    assert await names(reference="order-1") == [first]
    assert await names(kind=PaymentKind.INTERNAL) == [second]
    assert await names(state=PaymentState.SUCCEEDED) == [second]
    assert await names(state=PaymentState.PROCESSING, customer=world.bob) == [third]
    assert await names(currency="USD") == []
    assert await names(partner="acquirer") == [third, first]


async def test_what_waits_for_a_person_is_found_whatever_it_waits_with(world: PaymentWorld) -> None:
    refunded, reviewed, asked, _ = [await world.create(amount=700) for _ in range(4)]
    for case in (refunded, asked):
        await world.report(case, Status.SUCCEEDED)
        await world.refund(await world.again(case), 300)
    await world.report(reviewed, Status.SUCCEEDED, amount=701, captured=701)
    # Both refunds had no answer; only of the second nobody but a person can say how it ended.
    for case in (refunded, asked):
        attempt = (await world.again(case)).attempts[-1]
        await world.send(attempt)
        await world.answer(attempt, Unknown("timeout"))
    world.clock.advance(dt.timedelta(days=2))
    await world.one(Looked(attempt_id=attempt.id, found=CannotAsk()))

    async def waiting(**wanted: Any) -> list[str]:
        return [payment.id for payment in await found(world, waiting=WaitingFor.PERSON, **wanted)]

    assert await waiting() == [asked.payment.id, reviewed.payment.id]
    assert await waiting(state=PaymentState.SUCCEEDED) == [asked.payment.id]
    assert await waiting(customer=world.bob) == []
    async with world.database.snapshot() as connection:
        wanted = PaymentFilter(waiting=WaitingFor.PERSON)
        first = await list_payments(connection, world.book_id, wanted, limit=1)
        rest = await list_payments(connection, world.book_id, wanted, before=first.next, limit=1)
    assert [row.id for row in (*first.rows, *rest.rows)] == [asked.payment.id, reviewed.payment.id]
    assert rest.next is None
    for case in (asked, reviewed):
        await world.one(ApprovePayment(payment_id=case.payment.id))
    assert await waiting() == []


async def test_pages_follow_one_another_without_gap_or_repeat(world: PaymentWorld) -> None:
    made = [(await world.create()).payment.id for _ in range(5)]
    seen: list[str] = []
    before = None
    async with world.database.connection() as connection:
        while True:
            page = await list_payments(connection, world.book_id, PaymentFilter(), before=before, limit=2)
            seen += [payment.id for payment in page.rows]
            before = page.next
            if before is None:
                break
    assert seen == made[::-1]


async def test_what_no_index_serves_is_looked_for_among_a_few_payments_at_a_time(world: PaymentWorld) -> None:
    made = [(await world.create(customer=world.bob if n in (0, 3) else world.ana)).payment for n in range(5)]
    wanted = PaymentFilter(currency=made[0].currency, partner="acquirer", customer=world.ana)
    pages = []
    before = None
    async with world.database.snapshot() as connection:
        while True:
            page = await list_payments(connection, world.book_id, wanted, before=before, limit=1, scanned=2)
            pages.append(page)
            before = page.next
            if before is None:
                break
    assert [row.id for page in pages for row in page.rows] == [made[n].id for n in (4, 2, 1)]


async def test_a_page_may_be_empty_and_lead_on(world: PaymentWorld) -> None:
    made = [(await world.create()).payment.id for _ in range(5)]
    wanted = PaymentFilter(currency="JPY")
    async with world.database.snapshot() as connection:
        first = await list_payments(connection, world.book_id, wanted, limit=1, scanned=3)
        second = await list_payments(connection, world.book_id, wanted, before=first.next, limit=1, scanned=3)
    assert (first.rows, first.next) == ([], made[2])
    assert (second.rows, second.next) == ([], None)


async def test_what_belongs_to_a_payment_is_found_by_its_own_id(world: PaymentWorld) -> None:
    case = await world.succeeded()
    refund = (await world.refund(case, 300)).refund
    assert refund is not None
    await world.hear(dispute_snapshot(await world.again(case), Status.INQUIRY))
    (dispute,) = (await world.again(case)).disputes
    async with world.database.connection() as connection:
        assert (await get_refund(connection, world.book_id, refund.id)).amount == 300
        assert [r.id for r in await list_refunds(connection, world.book_id, case.payment.id)] == [refund.id]
        assert await get_dispute(connection, world.book_id, dispute.id) == dispute
        assert await list_disputes(connection, world.book_id, state=DisputeState.INQUIRY) == [dispute]
        assert await list_disputes(connection, world.book_id, payment=case.payment.id) == [dispute]
        assert await list_disputes(connection, world.book_id, state=DisputeState.OPEN) == []


async def test_what_is_not_there_or_of_another_book_is_not_found(world: PaymentWorld) -> None:
    case = await world.create()
    async with world.database.connection() as connection:
        with pytest.raises(PaymentNotFound):
            await get_payment(connection, world.book_id, new_id(ids.PAYMENT))
        with pytest.raises(PaymentNotFound):
            await get_payment(connection, world.book_id + 100_000, case.payment.id)
        with pytest.raises(RefundNotFound):
            await get_refund(connection, world.book_id, new_id(ids.REFUND))
        with pytest.raises(DisputeNotFound):
            await get_dispute(connection, world.book_id, new_id(ids.DISPUTE))


async def test_searches_seek_in_an_index_and_read_little_of_it(database: Database) -> None:
    sought = {name: search(BOOK, wanted, before=None, limit=20) for name, wanted in SEARCHES.items()}
    for name, plan in (await _plans(database, sought)).items():
        nodes = _nodes(plan)
        assert "Seq Scan" not in {node["Node Type"] for node in nodes}, name
        # A search by time begins a day too late, since ids may be a day off: here that is 1,440 payments.
        assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) <= 1_500, name
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 250, name


async def test_searches_that_no_index_serves_stop_after_a_bounded_number_of_payments(
    database: Database,
) -> None:
    sought = {name: search(BOOK, wanted, before=None, limit=20) for name, wanted in NOWHERE.items()}
    sought |= {f"{name}: on": last_scanned(BOOK, wanted, before=None) for name, wanted in NOWHERE.items()}
    for name, plan in (await _plans(database, sought)).items():
        nodes = _nodes(plan)
        assert "Seq Scan" not in {node["Node Type"] for node in nodes}, name
        assert max(node["Actual Rows"] for node in nodes) == SCANNED < ROWS, name
        assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) <= SCANNED, name


async def _plans(database: Database, searches: dict[str, tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """How each of them is carried out in a book of `ROWS` payments."""
    plans = {}
    with pytest.raises(_Undo):
        async with database.transaction() as connection:
            cursor = AsyncClientCursor(connection)
            await cursor.execute(FILL, {"book": BOOK, "rows": ROWS, "start": START})
            await cursor.execute("analyze payments.payment")
            for name, (statement, parameters) in searches.items():
                await cursor.execute("explain (analyze, buffers, format json) " + statement, parameters)
                row = await cursor.fetchone()
                assert row is not None
                plans[name] = row[0][0]["Plan"]
            raise _Undo
    return plans


class _Undo(Exception):
    """Leaves nothing behind of what filled the table."""


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]
