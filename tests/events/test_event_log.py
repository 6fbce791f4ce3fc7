"""Events: without gaps, in the book's order, and as they were told."""

import asyncio
from uuid import UUID

import msgspec
import pytest

from caudal import events
from caudal.events import EventNotFound
from caudal_base import ids
from caudal_base.database import Database
from caudal_base.errors import InvalidRequest, InvariantError
from caudal_base.statements import Statement, execute
from support.events import AT, IDS, event, payment_id, told
from support.ledgers import new_book


async def seen(database: Database, book_id: int, **wanted: object) -> list[int]:
    async with database.connection() as connection:
        page = await events.find(connection, book_id, **wanted)  # type: ignore[arg-type]
    return [one.seq for one in page.events]


async def test_an_event_comes_back_as_it_was_told(database: Database) -> None:
    book = await new_book(database)
    written = b'{"id":"pay_1",  "amount":1050,"text":"\xc3\xa9\\u0001"}'
    await told(database, book.book_id, [event(7, "payment.created", data=written)])

    async with database.connection() as connection:
        page = await events.find(connection, book.book_id)
        (found,) = page.events
        again = await events.get(connection, book.book_id, found.id)

    assert again == found
    assert bytes(found.data) == written
    assert (found.seq, found.type, found.object_type) == (1, "payment.created", "payment")
    assert (found.object_id, found.at) == (payment_id(7), AT)
    assert (page.next_after, page.head) == (1, 1)


@pytest.mark.parametrize(
    "data", [{"state": "succeeded"}, b'{"state":"succeeded"}', msgspec.Raw(b'{"state":"succeeded"}')]
)
async def test_data_is_json_however_it_was_given(database: Database, data: object) -> None:
    book = await new_book(database)
    await told(database, book.book_id, [event(data=data)])

    async with database.connection() as connection:
        (found,) = (await events.find(connection, book.book_id)).events

    assert bytes(found.data) == b'{"state":"succeeded"}'


async def test_each_book_counts_its_own_without_gaps(database: Database) -> None:
    one, other = await new_book(database), await new_book(database)
    await told(database, one.book_id, [event(), event()])
    await told(database, other.book_id, [event()])
    await told(database, one.book_id, [event(), event(), event()])

    assert await seen(database, one.book_id) == [1, 2, 3, 4, 5]
    assert await seen(database, other.book_id) == [1]


async def test_a_rollback_leaves_no_gap(database: Database) -> None:
    book = await new_book(database)
    await told(database, book.book_id, [event()])
    async with database.transaction() as connection:
        await events.append(connection, book.book_id, [event(), event()], IDS)
        await connection.rollback()
    await told(database, book.book_id, [event()])

    assert await seen(database, book.book_id) == [1, 2]


async def test_writers_that_come_together_queue_at_the_books_lock(database: Database) -> None:
    book = await new_book(database)

    await asyncio.gather(
        *(told(database, book.book_id, [event(number)] * (number % 3 + 1)) for number in range(12))
    )

    assert await seen(database, book.book_id) == list(range(1, 25))


async def test_a_writer_without_the_lock_cannot_take_a_seq_twice(database: Database) -> None:
    book = await new_book(database)
    await told(database, book.book_id, [event()])

    with pytest.raises(Exception, match="event_pkey"):
        async with database.transaction() as connection:
            for text, values in events.statements(book.book_id, 0, [event()], IDS):
                await connection.execute(text.encode(), values)

    assert await seen(database, book.book_id) == [1]


async def test_events_share_a_statement_and_a_round_trip_with_other_writes(database: Database) -> None:
    book = await new_book(database)
    other = Statement(
        "insert into jobs.period (book_id, name, started_at) values (%(book_id)s, %(name)s, %(at)s)",
        {"book_id": book.book_id, "name": "x", "at": AT},
    )
    async with database.transaction() as connection:
        async with connection.pipeline():
            head = await events.queue_head(connection, book.book_id)
            last = await head.finish()
        both = events.statements(book.book_id, last, [event(), event()], IDS)
        await execute(connection, [other, *both])

    assert last == 0
    assert await seen(database, book.book_id) == [1, 2]


def test_nothing_is_written_for_no_events() -> None:
    assert events.statements(1, 5, [], IDS) == []


@pytest.mark.parametrize(
    ("object_type", "object_id"),
    [
        ("payment", "re_" + "1" * 32),
        ("refund", payment_id(1)),
        ("payment", "pay_" + "1" * 31),
        ("thing", payment_id(1)),
    ],
)
def test_an_object_is_of_the_kind_that_its_id_says(object_type: str, object_id: str) -> None:
    wrong = msgspec.structs.replace(event(), object_type=object_type, object_id=object_id)

    with pytest.raises(InvariantError):
        events.statements(1, 0, [wrong], IDS)


async def test_events_are_found_by_type_and_by_object(database: Database) -> None:
    book = await new_book(database)
    await told(
        database,
        book.book_id,
        [
            event(1, "payment.created"),
            event(2, "payment.created"),
            event(1, "payment.succeeded"),
            event(2, "payment.failed"),
        ],
    )

    assert await seen(database, book.book_id, type="payment.created") == [1, 2]
    assert await seen(database, book.book_id, object=payment_id(2)) == [2, 4]
    assert await seen(database, book.book_id, object=payment_id(2), type="payment.failed") == [4]
    assert await seen(database, book.book_id, object=payment_id(2), after=2) == [4]
    assert await seen(database, book.book_id, type="payment.unheard_of") == []
    assert await seen(database, book.book_id, object="re_" + payment_id(2)[-32:]) == []


async def test_pages_go_on_where_the_last_one_ended(database: Database) -> None:
    book = await new_book(database)
    await told(database, book.book_id, [event(number % 2) for number in range(1, 8)])

    async with database.connection() as connection:
        first = await events.find(connection, book.book_id, limit=3)
        second = await events.find(connection, book.book_id, after=first.next_after, limit=3)
        third = await events.find(connection, book.book_id, after=second.next_after, limit=3)
        odd = await events.find(connection, book.book_id, object=payment_id(1), limit=4)
        rest = await events.find(connection, book.book_id, object=payment_id(1), after=odd.next_after)
        beyond = await events.find(connection, book.book_id, after=99)

    pages = [first, second, third]
    assert [[one.seq for one in page.events] for page in pages] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [(page.next_after, page.head) for page in pages] == [(3, 7), (6, 7), (7, 7)]
    assert ([one.seq for one in odd.events], odd.next_after) == ([1, 3, 5, 7], 7)
    assert (rest.events, rest.next_after) == ([], 7)
    assert (beyond.events, beyond.next_after, beyond.head) == ([], 99, 7)


async def test_a_filter_that_finds_nothing_still_moves_on(database: Database) -> None:
    book = await new_book(database)
    await told(database, book.book_id, [event()] * 5)

    async with database.connection() as connection:
        page = await events.find(connection, book.book_id, type="payment.failed")

    assert (page.events, page.next_after) == ([], 5)


async def test_what_is_not_there_is_refused(database: Database) -> None:
    book, other = await new_book(database), await new_book(database)
    await told(database, other.book_id, [event()])
    async with database.connection() as connection:
        (theirs,) = (await events.find(connection, other.book_id)).events
        for unknown in (UUID(int=5), theirs.id):
            with pytest.raises(EventNotFound):
                await events.get(connection, book.book_id, unknown)
        for wrong in ("acct_" + "1" * 32, "pay_1", ids.encode(ids.EVENT, theirs.id)):
            with pytest.raises(InvalidRequest):
                await events.find(connection, book.book_id, object=wrong)
