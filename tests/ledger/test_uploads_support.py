"""What uploads ask of the ledger beside posting: accounts by reference, and fresh statistics behind them."""

import pytest

from caudal.ledger import (
    AccountId,
    AccountIdentity,
    Ledger,
    OpenAccount,
    Side,
    accounts_by_reference,
    refresh_statistics,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START
from support.ledgers import new_book


def account(digit: str, reference: str | None, currency: str = "EUR") -> OpenAccount:
    return OpenAccount(
        id=AccountId("acct_" + digit * 32), currency=currency, normal_side=Side.CREDIT, reference=reference
    )


@pytest.fixture
async def book_id(database: Database) -> int:
    book = await new_book(database)
    async with database.transaction() as connection:
        opened = [account("1", "a"), account("2", "b", "USD"), account("3", None)]
        await Ledger(ManualClock(START)).apply(connection, book.book_id, opened)
    return book.book_id


async def test_accounts_are_found_by_reference_and_unknown_ones_left_out(
    database: Database, book_id: int
) -> None:
    async with database.connection() as connection:
        found = await accounts_by_reference(connection, book_id, ["b", "a", "b", "none"])

    assert found == {
        "a": AccountIdentity(account("1", "a").id, "EUR", Side.CREDIT),
        "b": AccountIdentity(account("2", "b").id, "USD", Side.CREDIT),
    }


async def test_another_books_accounts_are_not_found(database: Database, book_id: int) -> None:
    other = await new_book(database)
    async with database.connection() as connection:
        assert await accounts_by_reference(connection, other.book_id, ["a"]) == {}
        assert await accounts_by_reference(connection, book_id, []) == {}


async def test_the_planner_learns_how_large_the_tables_are(database: Database, book_id: int) -> None:
    async with database.connection() as connection:
        await refresh_statistics(connection)
        cursor = await connection.execute(
            "select reltuples from pg_class where oid = 'ledger.account'::regclass"
        )
        assert await cursor.fetchone() == (3.0,)
