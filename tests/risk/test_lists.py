"""What may stand on a list, and what becomes of it."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest

from caudal.jobs import Worker
from caudal.ledger import Ledger
from caudal.risk import (
    PERIODICS,
    PURGE_USED,
    AddEntry,
    Entry,
    EntryFilter,
    ListKind,
    RemoveEntry,
    SubjectKind,
    add_entries,
    handlers,
    list_entries,
    remove_entries,
)
from caudal_base.clock import ManualClock
from caudal_base.database import Connection, Database
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER, seconds
from support.histories import START
from support.ledgers import new_book


class Lists:
    """The lists of a book."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id

    async def add(self, *commands: AddEntry, at: dt.datetime = START) -> list[Entry | CaudalError]:
        async with self.database.transaction() as connection:
            return await add_entries(connection, self.book_id, commands, caller=CALLER, at=at)

    async def remove(self, *commands: RemoveEntry) -> list[CaudalError | None]:
        async with self.database.transaction() as connection:
            return await remove_entries(connection, self.book_id, commands, caller=CALLER, at=START)

    async def all(self, **wanted: Any) -> list[Entry]:
        async with self.database.connection() as connection:
            return await list_entries(connection, self.book_id, EntryFilter(**wanted))

    async def records(self) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                "select leaf from audit.record where book_id = %s and action like 'risk.%%' order by id",
                (self.book_id,),
            )
            return [json.loads(leaf) for (leaf,) in await cursor.fetchall()]


@pytest.fixture
async def lists(shared_database: Database) -> Lists:
    return Lists(shared_database, (await new_book(shared_database)).book_id)


def block(value: str = "device-1", subject: SubjectKind = SubjectKind.DEVICE, **rest: Any) -> AddEntry:
    fields: dict[str, Any] = {"list": ListKind.BLOCK, "reason": "case 17"}
    return AddEntry(subject=subject, value=value, **{**fields, **rest})


def unblock(value: str = "device-1", subject: SubjectKind = SubjectKind.DEVICE) -> RemoveEntry:
    return RemoveEntry(list=ListKind.BLOCK, subject=subject, value=value)


async def test_what_is_put_on_a_list_stands_there_with_reason_author_and_expiry(lists: Lists) -> None:
    [entry] = await lists.add(block(expires_at=START + seconds(60)))

    assert entry == Entry(
        list=ListKind.BLOCK,
        subject=SubjectKind.DEVICE,
        value="device-1",
        reason="case 17",
        created_at=START,
        created_by="operator",
        expires_at=START + seconds(60),
    )
    assert await lists.all() == [entry]


async def test_adding_again_replaces_reason_and_expiry_and_the_last_of_a_batch_counts(lists: Lists) -> None:
    await lists.add(block(expires_at=START + seconds(60)))
    await lists.add(block(reason="case 18"), block(reason="case 19"), at=START + seconds(1))

    [entry] = await lists.all()
    assert (entry.reason, entry.expires_at, entry.created_at) == ("case 19", None, START + seconds(1))


async def test_one_thing_may_stand_on_several_lists_and_is_taken_off_one(lists: Lists) -> None:
    await lists.add(block(), block(list=ListKind.WATCH))

    results = await lists.remove(unblock(), unblock(), unblock("device-2"))

    assert results[0] is None
    assert [result.code for result in results[1:] if result is not None] == ["entry_not_found"] * 2
    assert [entry.list for entry in await lists.all()] == [ListKind.WATCH]


async def test_lists_filter_and_page(lists: Lists) -> None:
    await lists.add(
        block("FR", SubjectKind.COUNTRY),
        block(),
        block(list=ListKind.WATCH),
        block("m-1", SubjectKind.MERCHANT),
    )

    everything = await lists.all()
    assert [(entry.subject.value, entry.list.value) for entry in everything] == [
        ("country", "block"),
        ("device", "block"),
        ("device", "watch"),
        ("merchant", "block"),
    ]
    assert await lists.all(list=ListKind.WATCH) == [everything[2]]
    assert await lists.all(subject=SubjectKind.DEVICE) == everything[1:3]
    assert await lists.all(value="m-1") == [everything[3]]
    async with lists.database.connection() as connection:
        last = everything[1]
        page = await list_entries(
            connection,
            lists.book_id,
            EntryFilter(),
            after=(last.subject, last.value, last.list),
            limit=1,
        )
    assert page == [everything[2]]


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        (block("cus_17", SubjectKind.CUSTOMER), "invalid_id", "value"),
        (block("ZZ", SubjectKind.COUNTRY), "unknown_country", "value"),
        (block("192.0.2.0/24", SubjectKind.IP), "entry_invalid", "value"),
        (block("4242 4242 4242 4242", SubjectKind.INSTRUMENT), "personal_data_refused", "value"),
        (block("ann@example.com", SubjectKind.MERCHANT), "personal_data_refused", "value"),
        (block(""), "entry_invalid", "value"),
        (block("x" * 256), "entry_invalid", "value"),
        (block("a\nb"), "entry_invalid", "value"),
        (block(reason=""), "entry_invalid", "reason"),
        (block(reason="call +49 151 1234567"), "personal_data_refused", "reason"),
        (block(expires_at=START), "entry_invalid", "expires_at"),
    ],
)
async def test_what_cannot_stand_on_a_list_is_refused_and_repeated_nowhere(
    lists: Lists, command: AddEntry, code: str, field: str
) -> None:
    refused, kept = await lists.add(command, block("device-2"))

    assert isinstance(refused, CaudalError)
    assert (refused.code, refused.field) == (code, field)
    assert [entry.value for entry in await lists.all()] == ["device-2"]
    assert isinstance(kept, Entry)
    records = await lists.records()
    assert [record["result"] for record in records] == [code, "added"]
    assert "details" not in records[0] or records[0]["details"] == {}


async def test_additions_and_removals_are_audited_with_their_values(lists: Lists) -> None:
    await lists.add(block("2001:db8:0::1", SubjectKind.IP))
    await lists.remove(unblock("2001:db8::0001", SubjectKind.IP))

    assert sorted(
        (record["action"], record["object_id"], record["result"], record["details"]["value"])
        for record in await lists.records()
    ) == [
        ("risk.list.add", "block:ip", "added", "2001:db8::1"),
        ("risk.list.remove", "block:ip", "removed", "2001:db8::1"),
    ]


async def test_a_worker_deletes_old_sums_daily(database: Database) -> None:
    book = await new_book(database)
    clock = ManualClock(START)
    async with database.connection() as connection:
        await connection.execute(
            """
            insert into risk.usage (book_id, customer, day, currency, kind, country, amount, count)
            select %s, lpad(to_hex(n), 32, '0')::uuid, %s::date - n, 'EUR', 'pay_in', '', 1, 1
              from generate_series(31, 34) n
            """,
            (book.book_id, START),
        )

    async def books() -> list[int]:
        return [book.book_id]

    worker = Worker(
        database, handlers(Ledger(clock)), books=books, clock=clock, ids=IdSource(clock), periodics=PERIODICS
    )
    working = asyncio.create_task(worker.run())
    async with database.connection() as connection:
        while len(ages := await days_since(connection)) != 2:
            await asyncio.sleep(0.01)
    worker.stop()
    await working

    assert ages == [31, 32]
    assert PURGE_USED in [periodic.kind for periodic in PERIODICS]


async def days_since(connection: Connection) -> list[int]:
    """How old the sums are that there are."""
    cursor = await connection.execute("select %s::date - day from risk.usage order by 1", (START,))
    return [age for (age,) in await cursor.fetchall()]
