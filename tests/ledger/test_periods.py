"""Closing of periods: forward only, only days that are over, and then shut to whoever has no scope for it."""

import datetime as dt

import pytest

from caudal.ledger import (
    BookNotFound,
    CreateTransfer,
    Ledger,
    Period,
    PeriodAlreadyClosed,
    PeriodNotOver,
    close_period,
    list_periods,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START
from support.ledgers import account, new_book, transfer, two_accounts

DAY = dt.timedelta(days=1)
TODAY = START.date()


@pytest.fixture
def database(shared_database: Database) -> Database:
    """Each test makes a book of its own."""
    return shared_database


async def close(database: Database, book_id: int, through: dt.date, *, at: dt.datetime = START) -> Period:
    async with database.transaction() as connection:
        return await close_period(connection, book_id, through, closed_by="key_1", clock=ManualClock(at))


def move(number: int, effective_at: dt.datetime | None, *, scope: bool = False) -> CreateTransfer:
    return CreateTransfer(
        id=transfer(number),
        debit_account=account(1),
        credit_account=account(2),
        amount=1,
        currency="USD",
        effective_at=effective_at,
        may_post_closed=scope,
    )


async def test_a_closed_period_takes_nothing_without_the_scope(database: Database) -> None:
    book = await new_book(database)
    ledger = Ledger(ManualClock(START))
    async with database.transaction() as connection:
        await ledger.apply(connection, book.book_id, two_accounts())
    closed = TODAY - 2 * DAY
    period = await close(database, book.book_id, closed)
    end = dt.datetime.combine(closed, dt.time.max, dt.UTC)

    async with database.transaction() as connection:
        outcomes = await ledger.apply(
            connection,
            book.book_id,
            [
                move(1, end),
                move(2, end + dt.timedelta(microseconds=1)),
                move(3, end, scope=True),
                move(4, None),
            ],
        )

    assert period == Period(closed, START, "key_1", at_seq=2)
    refusals = [outcome.refusal and outcome.refusal.code for outcome in outcomes]
    assert refusals == ["period_closed", None, None, None]


@pytest.mark.parametrize("days", [0, 1, 300])
async def test_a_day_that_is_not_over_cannot_be_closed(database: Database, days: int) -> None:
    book = await new_book(database)
    with pytest.raises(PeriodNotOver):
        await close(database, book.book_id, TODAY + days * DAY)
    async with database.connection() as connection:
        assert await list_periods(connection, book.book_id) == []


async def test_a_day_is_over_at_midnight_in_utc(database: Database) -> None:
    book = await new_book(database)
    midnight = dt.datetime.combine(TODAY + DAY, dt.time.min, dt.UTC)
    tick = dt.timedelta(microseconds=1)
    # The same moments, told in a zone where it is already, or still, another day.
    east, west = dt.timezone(dt.timedelta(hours=14)), dt.timezone(dt.timedelta(hours=-12))
    with pytest.raises(PeriodNotOver):
        await close(database, book.book_id, TODAY, at=(midnight - tick).astimezone(east))
    assert (await close(database, book.book_id, TODAY, at=midnight.astimezone(west))).closed_at == midnight


async def test_closing_goes_forward_only(database: Database) -> None:
    book = await new_book(database)
    await close(database, book.book_id, TODAY - 5 * DAY)
    for through in (TODAY - 5 * DAY, TODAY - 6 * DAY):
        with pytest.raises(PeriodAlreadyClosed):
            await close(database, book.book_id, through)
    await close(database, book.book_id, TODAY - 3 * DAY)
    await close(database, book.book_id, TODAY - DAY)
    async with database.connection() as connection:
        listed = await list_periods(connection, book.book_id)
        assert [period.closed_through for period in listed] == [
            TODAY - DAY,
            TODAY - 3 * DAY,
            TODAY - 5 * DAY,
        ]
        assert await list_periods(connection, book.book_id, limit=1) == listed[:1]
        assert await list_periods(connection, book.book_id, before=TODAY - DAY) == listed[1:]


async def test_after_a_close_no_batch_is_recorded_before_it(database: Database) -> None:
    book = await new_book(database)
    later = START + DAY
    await close(database, book.book_id, TODAY, at=later)
    behind = Ledger(ManualClock(START))  # a machine whose clock is a day late
    async with database.transaction() as connection:
        await behind.apply(connection, book.book_id, two_accounts())
        (outcome,) = await behind.apply(connection, book.book_id, [move(1, None)])
    assert outcome.transfer is not None
    assert outcome.transfer.recorded_at == later


async def test_an_unknown_book_has_no_periods_to_close(database: Database) -> None:
    with pytest.raises(BookNotFound):
        await close(database, 999_999, TODAY - DAY)
