"""The log in the database: appended in the caller's transaction, found by what it is about, never changed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from caudal import audit
from caudal.audit import Query, Record, store
from caudal_base.database import Connection, Database
from caudal_base.errors import InvalidRequest, InvariantError
from support.emptying import empty

START = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)


def record(number: int = 0, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "book_id": 1,
        "at": START + timedelta(milliseconds=number),
        "principal": f"key_{number % 2}",
        "action": "transfer.create" if number % 5 else "account.create",
        "object_id": f"tr_{number % 3}",
        "request_id": f"req_{number}",
        "result": "posted",
        "details": {"number": number},
    }
    return Record(**{**fields, **changes})


async def append(database: Database, *records: Record) -> None:
    async with database.transaction() as connection:
        await audit.append(connection, records)


async def numbers(connection: Connection, query: Query, *, limit: int = 1_000) -> list[int]:
    """The numbers of the records found, page by page."""
    found: list[audit.Stored] = []
    cursor = None
    while True:
        page = await audit.page(connection, query, cursor=cursor, limit=limit)
        assert len(page.records) <= limit
        found += page.records
        cursor = page.next_cursor
        if cursor is None:
            return [int(stored.leaf.split(b'"number":')[1].split(b"}")[0]) for stored in found]


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """The file's database, without records."""
    await empty(shared_database, "audit.record")
    return shared_database


@pytest.fixture
async def filled(database: Database) -> Database:
    await append(database, *[record(number) for number in range(30)])
    await append(database, record(99, book_id=2))
    return database


async def test_what_was_appended_lies_there_as_its_leaf(database: Database) -> None:
    await append(database, record(1), record(2))

    async with database.connection() as connection:
        page = await audit.page(connection, Query(book_id=1))

    assert [stored.object_id for stored in page.records] == ["tr_2", "tr_1"]
    assert [stored.leaf for stored in page.records] == [
        audit.leaf(record(2), page.records[0].id),
        audit.leaf(record(1), page.records[1].id),
    ]
    assert page.next_cursor is None


async def test_nothing_stays_of_a_transaction_that_is_rolled_back(database: Database) -> None:
    async with database.transaction() as connection:
        await audit.append(connection, [record()])
        await connection.rollback()

    async with database.connection() as connection:
        assert await numbers(connection, Query(book_id=1)) == []


@pytest.mark.parametrize("size", [1, 14, 500])
async def test_any_number_of_records_is_one_statement_that_a_pipeline_only_queues(
    database: Database, size: int
) -> None:
    async with database.transaction() as connection:
        async with connection.pipeline():
            cursor = await audit.queue_append(connection, [record(number) for number in range(size)])
            assert cursor.rowcount == -1

        assert cursor.rowcount == size


async def test_no_records_are_no_statement(database: Database) -> None:
    async with database.transaction() as connection:
        await audit.append(connection, [])

        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


async def test_records_of_two_books_are_two_statements(database: Database) -> None:
    async with database.transaction() as connection:
        with pytest.raises(InvariantError):
            await audit.append(connection, [record(book_id=1), record(book_id=2)])


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        ({}, range(30)),
        ({"object_id": "tr_1"}, range(1, 30, 3)),
        ({"principal": "key_1"}, range(1, 30, 2)),
        ({"action": "account.create"}, range(0, 30, 5)),
        ({"action": "account.create", "principal": "key_1", "object_id": "tr_0"}, [15]),
        ({"since": START + timedelta(milliseconds=20)}, range(20, 30)),
        ({"since": START + timedelta(milliseconds=20, microseconds=1)}, range(21, 30)),
        ({"until": START + timedelta(milliseconds=20)}, range(20)),
        ({"until": START + timedelta(milliseconds=20, microseconds=1)}, range(21)),
        (
            {
                "object_id": "tr_1",
                "since": START + timedelta(milliseconds=5),
                "until": START + timedelta(seconds=1),
            },
            range(7, 30, 3),
        ),
        ({"object_id": "tr_9"}, []),
    ],
)
async def test_records_are_found_by_object_principal_action_and_time_newest_first(
    filled: Database, conditions: dict[str, Any], wanted: Sequence[int]
) -> None:
    query = Query(book_id=1, **conditions)

    async with filled.connection() as connection:
        assert await numbers(connection, query) == sorted(wanted, reverse=True)
        assert await numbers(connection, query, limit=4) == sorted(wanted, reverse=True)


async def test_pages_neither_skip_nor_repeat_while_records_are_added(filled: Database) -> None:
    async with filled.connection() as connection:
        first = await audit.page(connection, Query(book_id=1), limit=10)
        await append(filled, record(30), record(31))
        second = await audit.page(connection, Query(book_id=1), cursor=first.next_cursor, limit=10)

    assert [stored.recorded_at for stored in first.records + second.records] == [
        START + timedelta(milliseconds=number) for number in range(29, 9, -1)
    ]


@pytest.mark.parametrize("limit", [0, -1, 1_001])
async def test_a_page_has_one_to_a_thousand_records(filled: Database, limit: int) -> None:
    async with filled.connection() as connection:
        with pytest.raises(InvalidRequest) as refusal:
            await audit.page(connection, Query(book_id=1), limit=limit)

    assert refusal.value.field == "limit"


@pytest.mark.parametrize("cursor", ["", "x", "tr_0193a1b2c3d47e8f9a0b1c2d3e4f5a6b", "aud_0193"])
async def test_a_cursor_is_one_that_was_handed_out(filled: Database, cursor: str) -> None:
    async with filled.connection() as connection:
        with pytest.raises(InvalidRequest) as refusal:
            await audit.page(connection, Query(book_id=1), cursor=cursor)

    assert refusal.value.field == "cursor"


async def test_a_record_can_be_sealed_once_no_open_transaction_can_precede_it(database: Database) -> None:
    async with database.transaction() as slow:
        await audit.append(slow, [record(1)])
        await append(database, record(2))

        assert await sealable(database) == []

    # The frontier is the server's: transactions of other tests' databases may hold it back for a while.
    while not (found := await sealable(database)):
        pass
    assert found == [START + timedelta(milliseconds=1), START + timedelta(milliseconds=2)]


async def sealable(database: Database) -> list[datetime]:
    """The times of the records behind the frontier, in the order of sealing."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            select recorded_at
              from audit.record
             where inserted_by < pg_snapshot_xmin(pg_current_snapshot())
             order by inserted_by, id
            """
        )
        return [row[0] for row in await cursor.fetchall()]


async def test_nobody_is_granted_more_than_reading_and_appending(database: Database) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            select distinct acl.privilege_type
              from pg_class as relation, aclexplode(relation.relacl) as acl
             where relation.oid = 'audit.record'::regclass
            """
        )
        granted = {row[0] for row in await cursor.fetchall()}

    assert {"INSERT", "SELECT"} <= granted
    assert granted.isdisjoint({"UPDATE", "DELETE", "TRUNCATE"})


@pytest.mark.parametrize(
    "statement",
    ["update audit.record set leaf = '{}'", "delete from audit.record", "truncate audit.record"],
)
async def test_the_owner_cannot_change_or_remove_a_record(filled: Database, statement: str) -> None:
    async with filled.connection() as connection:
        cursor = await connection.execute("select rolsuper from pg_roles where rolname = current_user")
        if await cursor.fetchone() == (True,):
            pytest.skip("connected as a superuser, who is bound by no privilege")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(statement)

        assert len(await numbers(connection, Query(book_id=1))) == 30


async def test_a_log_that_nobody_touched_verifies(filled: Database) -> None:
    async with filled.connection() as connection:
        assert await audit.verify(connection, 1) == audit.Verification(
            checked=30, mismatches=(), mismatched=0
        )


async def test_a_record_whose_columns_do_not_say_what_its_leaf_says_is_found(filled: Database) -> None:
    async with filled.connection() as connection:
        await connection.execute(
            """
            insert into audit.record (book_id, id, recorded_at, principal, action, object_id, leaf)
            select book_id, id, recorded_at, principal, 'transfer.void', object_id, leaf
              from (select 3 as book_id, id, recorded_at, principal, object_id, leaf
                      from audit.record where book_id = 2) as forged
            """
        )
        result = await audit.verify(connection, 3)

    assert result.checked == 1
    assert result.mismatched == 1
    assert [mismatch.fields for mismatch in result.mismatches] == [("book_id", "action")]


async def test_every_record_is_verified_in_lots_and_only_the_first_mismatches_are_listed(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            """
            insert into audit.record (book_id, id, recorded_at, principal, action, object_id, leaf)
            select 1, lpad(to_hex(n), 32, '0')::uuid, now(), 'x', 'x', 'x', '{}'
              from generate_series(1, 4500) as n
            """
        )
        result = await audit.verify(connection, 1)

    assert (result.checked, result.mismatched, len(result.mismatches)) == (4_500, 4_500, 100)


async def test_each_way_to_search_has_its_index_at_size(own_database: Database) -> None:
    searches: list[tuple[str, dict[str, Any]]] = [
        ("record_pkey", {}),
        ("record_pkey", {"since": START, "until": START + timedelta(seconds=1)}),
        ("record_object_idx", {"object_id": "o777"}),
        ("record_principal_idx", {"principal": "p7"}),
        ("record_action_idx", {"action": "rare"}),
    ]
    async with own_database.connection() as connection:
        await connection.execute(
            """
            insert into audit.record (book_id, id, recorded_at, principal, action, object_id, leaf)
            select 1 + n % 2, lpad(to_hex(n), 32, '0')::uuid, now(), 'p' || n % 21,
                   case when n % 5000 = 0 then 'rare' else 'common' end, 'o' || n, '{}'
              from generate_series(1, 50000) as n
            """
        )
        await connection.execute("analyze audit.record")
        for index, conditions in searches:
            statement, parameters = store.search(Query(book_id=1, **conditions), before=None, limit=50)
            cursor = await connection.execute("explain " + statement, parameters)
            plan = "\n".join(row[0] for row in await cursor.fetchall())

            assert f" using {index} " in plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan
