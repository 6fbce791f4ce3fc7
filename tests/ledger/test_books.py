"""The directory of books: numbers handed out once, names unique, entries that never change."""

import asyncio
from uuid import UUID

import pytest

from caudal.ledger import (
    BookDirectory,
    BookMode,
    BookNameInvalid,
    BookNameTaken,
    BookNotFound,
    Ledger,
    OpenAccount,
    Side,
    changed_exponents,
    create_book,
    currency_exponents,
    list_books,
    require_book,
    require_book_number,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from support.histories import START
from support.ledgers import account


async def create(database: Database, name: str, number: int = 1) -> int:
    async with database.transaction() as connection:
        book = await create_book(connection, id=UUID(int=number), name=name, mode=BookMode.LIVE, now=START)
    return book.book_id


async def test_a_book_is_found_by_its_id_its_name_and_its_number(database: Database) -> None:
    async with database.transaction() as connection:
        made = await create_book(connection, id=UUID(int=7), name="main", mode=BookMode.TEST, now=START)
    assert (made.book_id, made.id, made.mode) == (1, f"book_{7:032x}", BookMode.TEST)
    async with database.connection() as connection:
        assert await require_book(connection, made.id) == made
        assert await require_book(connection, "main") == made
        assert await require_book_number(connection, 1) == made
        assert await list_books(connection) == [made]
        for wrong in ("other", f"book_{8:032x}", "book_7", "", "MAIN", "a\0b"):
            with pytest.raises(BookNotFound):
                await require_book(connection, wrong)
        with pytest.raises(BookNotFound):
            await require_book_number(connection, 2)


async def test_a_new_book_takes_postings_from_seq_1_on(database: Database) -> None:
    book_id = await create(database, "main")
    opening = OpenAccount(id=account(1), currency="USD", normal_side=Side.DEBIT)
    async with database.transaction() as connection:
        (outcome,) = await Ledger(ManualClock(START)).apply(connection, book_id, [opening])
    assert outcome.account is not None
    assert outcome.account.version == 1


@pytest.mark.parametrize("name", ["", "Main", "a b", "-a", "é", "a" * 64, "book_" + "0" * 32, "a\n"])
async def test_names_that_could_be_mistaken_are_refused(database: Database, name: str) -> None:
    with pytest.raises(BookNameInvalid):
        await create(database, name)
    async with database.connection() as connection:
        assert await list_books(connection) == []


async def test_a_name_is_taken_once(database: Database) -> None:
    await create(database, "main", 1)
    with pytest.raises(BookNameTaken):
        await create(database, "main", 2)
    async with database.connection() as connection:
        assert [book.id for book in await list_books(connection)] == [f"book_{1:032x}"]


async def test_books_made_at_once_get_numbers_of_their_own_and_names_stay_unique(database: Database) -> None:
    names = [f"book-{number % 6}" for number in range(12)]

    async def attempt(number: int) -> int | CaudalError:
        try:
            return await create(database, names[number], number + 1)
        except CaudalError as error:
            return error

    results = await asyncio.gather(*(attempt(number) for number in range(12)))

    assert sorted(result for result in results if isinstance(result, int)) == [1, 2, 3, 4, 5, 6]
    refused = [result for result in results if not isinstance(result, int)]
    assert [type(error) for error in refused] == [BookNameTaken] * 6
    async with database.connection() as connection:
        assert {book.name for book in await list_books(connection)} == set(names)


async def test_the_directory_asks_once_per_book(database: Database) -> None:
    await create(database, "main")
    directory = BookDirectory()
    async with database.connection() as connection:
        with pytest.raises(BookNotFound):
            await directory.require(connection, "later")
        book = await directory.require(connection, "main")
        await connection.execute("update ledger.book set name = 'gone'")
        assert await directory.require(connection, "main") is book
        assert await directory.require(connection, book.id) is book
        assert await directory.require_number(connection, book.book_id) is book
    await create(database, "later", 2)
    async with database.connection() as connection:
        assert (await directory.require(connection, "later")).book_id == 2


async def test_a_book_keeps_the_exponent_with_which_it_first_used_a_currency(database: Database) -> None:
    book_id = await create(database, "main")
    commands = [
        OpenAccount(id=account(number), currency=currency, normal_side=Side.DEBIT)
        for number, currency in ((1, "USD"), (2, "JPY"), (3, "USD"))
    ]
    async with database.transaction() as connection:
        await Ledger(ManualClock(START)).apply(connection, book_id, commands)
    async with database.connection() as connection:
        assert await currency_exponents(connection, book_id) == {"JPY": 0, "USD": 2}
        assert await changed_exponents(connection, book_id) == {}
        await connection.execute("update ledger.currency set exponent = 2 where currency = 'JPY'")
        assert await changed_exponents(connection, book_id) == {"JPY": (2, 0)}
