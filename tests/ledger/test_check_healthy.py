"""Whatever commands did to a book, nothing is found amiss in it."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings

from caudal.ledger import INVARIANTS, Ledger, check, close_period
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START, Step
from support.ledgers import live_through, new_book, spread_histories, two_accounts


@pytest.fixture
def database(shared_database: Database) -> Database:
    """Each test makes a book of its own."""
    return shared_database


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=spread_histories())
async def test_no_history_leaves_a_finding(database: Database, history: list[Step]) -> None:
    book = await new_book(database)
    _, clock = await live_through(database, book.book_id, history)
    clock.advance(dt.timedelta(days=2))
    async with database.transaction() as connection:
        await Ledger(clock).expire_due(connection, book.book_id)
    async with database.transaction() as connection:
        yesterday = (clock.now() - dt.timedelta(days=1)).date()
        await close_period(connection, book.book_id, yesterday, closed_by="key_1", clock=clock)

    async with database.snapshot() as connection:
        assert await check(connection, [book]) == []


async def test_every_invariant_of_every_book_is_looked_at(database: Database) -> None:
    first, second = await new_book(database), await new_book(database)
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, second.book_id, two_accounts())
    seen: list[tuple[str, str]] = []

    async with database.snapshot() as connection:
        await check(connection, progress=lambda name, invariant: seen.append((name, invariant)))

    for book in (first, second):
        assert [invariant for name, invariant in seen if name == book.name] == list(INVARIANTS)
