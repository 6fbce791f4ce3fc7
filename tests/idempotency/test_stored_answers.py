"""Answers in the database: stored with their effects, found again byte for byte, purged after 30 days."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from caudal import idempotency
from caudal.idempotency import Answer, Claim, Overtaken, Stored
from caudal_base.database import Connection, Database
from caudal_base.errors import InvariantError
from support.emptying import empty
from support.stored_answers import keep

AT = datetime(2026, 3, 1, tzinfo=UTC)
ALICE, BOB = UUID(int=1), UUID(int=2)
BODY = b'{"amount": 1050,\n "text": "\\u0000 \xff"}'


@pytest.fixture
async def database(shared_database: Database) -> Database:
    """The file's database, without answers."""
    await empty(shared_database, "idempotency.answer")
    return shared_database


def claim(key: str = "k", *, principal: UUID = ALICE) -> Claim:
    return Claim(principal, key, b"f" * 32)


def answer(status: int = 201, body: bytes = BODY) -> Answer:
    return Answer(status, (("Content-Type", "application/json"), ("Location", "/v1/transfers/ñ")), body)


async def save(database: Database, *claims: Claim, book_id: int = 1, at: datetime = AT) -> None:
    async with database.transaction() as connection:
        await keep(connection, book_id, [(each, answer()) for each in claims], at=at)


async def look(database: Database, *claims: Claim, book_id: int = 1) -> list[Stored | None]:
    async with database.connection() as connection:
        return await idempotency.lookup(connection, book_id, claims)


async def test_an_answer_comes_back_byte_for_byte(database: Database) -> None:
    await save(database, claim())

    assert await look(database, claim()) == [Stored(b"f" * 32, answer())]


async def test_a_lookup_answers_each_claim_at_its_place(database: Database) -> None:
    await save(database, claim("a"), claim("c"))

    found = await look(database, claim("b"), claim("c"), claim("a"), claim("c"))

    assert [stored is not None for stored in found] == [False, True, True, True]


async def test_a_key_is_scoped_to_its_principal_and_its_book(database: Database) -> None:
    await save(database, claim())

    assert await look(database, claim(principal=BOB)) == [None]
    assert await look(database, claim(), book_id=2) == [None]


@pytest.mark.parametrize("key", ["K", "k ", " k", "'; drop table x; --", "%s", "{a,b}", '"', "\\", "~" * 255])
async def test_keys_are_compared_exactly(database: Database, key: str) -> None:
    await save(database, claim("k"), claim(key))

    assert [stored is not None for stored in await look(database, claim("k"), claim(key))] == [True, True]


async def test_nothing_stays_of_a_transaction_that_is_rolled_back(database: Database) -> None:
    async with database.transaction() as connection:
        await keep(connection, 1, [(claim(), answer())], at=AT)
        await connection.rollback()

    assert await look(database, claim()) == [None]


@pytest.mark.parametrize("size", [1, 14, 500])
async def test_any_number_is_one_statement_each_and_a_pipeline_only_queues_them(
    database: Database, size: int
) -> None:
    claims = [claim(f"k{number}") for number in range(size)]
    async with database.transaction() as connection:
        async with connection.pipeline():
            looked = await idempotency.queue_lookup(connection, 1, claims)
            columns = idempotency.insert_parameters(1, [(each, answer()) for each in claims], AT)
            written = await connection.execute(idempotency.INSERT, columns)
            assert (looked.rowcount, written.rowcount) == (-1, -1)

        assert await idempotency.found(looked, size) == [None] * size
        assert written.rowcount == size

    assert await look(database, *claims) == [Stored(b"f" * 32, answer())] * size


async def test_no_claims_are_no_statement(database: Database) -> None:
    async with database.transaction() as connection:
        assert await idempotency.lookup(connection, 1, []) == []

        assert connection.info.transaction_status.name == "IDLE"


async def test_a_transaction_that_was_overtaken_is_told(database: Database) -> None:
    async with database.transaction() as connection:
        assert await idempotency.lookup(connection, 1, [claim("a"), claim("b")]) == [None, None]
        await save(database, claim("b"))

        with pytest.raises(Overtaken):
            await keep(connection, 1, [(claim("a"), answer()), (claim("b"), answer())], at=AT)
        await connection.rollback()

    assert [stored is not None for stored in await look(database, claim("a"), claim("b"))] == [False, True]


@pytest.mark.parametrize("status", [102, 400, 401, 413, 429, 500, 503])
async def test_an_answer_that_is_not_final_is_never_stored(database: Database, status: int) -> None:
    async with database.transaction() as connection:
        with pytest.raises(InvariantError):
            await keep(connection, 1, [(claim(), answer(status))], at=AT)


async def test_a_claim_that_was_committed_without_an_answer_is_a_bug(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            """
            insert into idempotency.answer
                (book_id, principal, key, fingerprint, status, headers, body, created_at)
            values (1, %s, 'k', %s, 102, '[]', '', now())
            """,
            (ALICE, b"f" * 32),
        )
        with pytest.raises(InvariantError):
            await idempotency.lookup(connection, 1, [claim()])


async def test_a_body_of_megabytes_comes_back(database: Database) -> None:
    large = answer(200, b'{"id": "tr_0193"}' * 100_000)
    async with database.transaction() as connection:
        await keep(connection, 1, [(claim(), large)], at=AT)

    assert await look(database, claim()) == [Stored(b"f" * 32, large)]


async def test_answers_are_purged_once_they_are_older_than_30_days(database: Database) -> None:
    await save(database, claim("old"), at=AT)
    await save(database, claim("old in another book"), book_id=2, at=AT)
    await save(database, claim("just old enough"), at=AT + timedelta(microseconds=1))
    await save(database, claim("new"), at=AT + timedelta(days=1))

    async with database.transaction() as connection:
        purged = await idempotency.purge(connection, 1, at=AT + timedelta(days=30, microseconds=1))

    assert purged == 1
    assert await look(database, claim("old")) == [None]
    assert None not in await look(database, claim("just old enough"), claim("new"))
    assert None not in await look(database, claim("old in another book"), book_id=2)


async def test_a_purge_takes_the_oldest_up_to_its_limit(database: Database) -> None:
    for number in range(5):
        await save(database, claim(f"k{number}"), at=AT + timedelta(hours=number))
    purged = []
    for _ in range(3):
        async with database.transaction() as connection:
            purged.append(await idempotency.purge(connection, 1, at=AT + timedelta(days=60), limit=2))
        if len(purged) == 1:
            left = await look(database, *[claim(f"k{number}") for number in range(5)])
            assert [stored is not None for stored in left] == [False, False, True, True, True]

    assert purged == [2, 2, 1]


async def test_lookup_and_purge_have_their_indexes_at_size_with_and_without_statistics(
    own_database: Database,
) -> None:
    claims = [claim(f"k{number}") for number in range(500)]
    lookups = [
        (idempotency.LOOKUP, idempotency.lookup_parameters(1, claims[:count])) for count in (1, 14, 500)
    ]
    purge = (
        "select principal, key from idempotency.answer where book_id = %s and created_at < %s "
        "order by created_at limit 5000 for update skip locked",
        (1, AT),
    )
    async with own_database.connection() as connection:
        await connection.execute("alter table idempotency.answer set (autovacuum_enabled = off)")
        await connection.execute(
            """
            insert into idempotency.answer
                (book_id, principal, key, fingerprint, status, headers, body, created_at)
            select 1 + n % 2, lpad(to_hex(n % 7), 32, '0')::uuid, md5(n::text), sha256('x'), 200, '[]', '',
                   timestamptz '2026-01-01' + n * interval '1 minute'
              from generate_series(1, 50000) as n
            """
        )
        for preparation in ("select 1", "analyze idempotency.answer"):
            await connection.execute(preparation)
            for lookup in lookups:
                assert "Index Scan using answer_pkey" in await explained(connection, *lookup)
            assert "answer_created_idx" in await explained(connection, *purge)


async def explained(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> str:
    """The statement's plan, which must read no table as a whole."""
    cursor = await connection.execute("explain " + statement, parameters)
    plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Seq Scan" not in plan
    assert "Hash" not in plan
    return plan
