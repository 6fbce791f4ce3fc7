"""A POST outside any batch has one effect per key, however often and wherever it arrives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from caudal import idempotency
from caudal.idempotency import Answer, Claim, Done, KeyReused, Replay
from caudal_base.database import Connection, Database, register_constraint
from caudal_base.errors import (
    CaudalError,
    Conflict,
    InvalidRequest,
    InvariantError,
    TooManyRequests,
    Unavailable,
)
from support.emptying import empty
from support.stored_answers import keep

AT = datetime(2026, 3, 1, tzinfo=UTC)
CLAIM = Claim(UUID(int=1), "k", b"f" * 32)
OTHER_REQUEST = Claim(UUID(int=1), "k", b"g" * 32)


class NameTaken(Conflict):
    """Another effect has this name."""

    code = "name_taken"


def name_taken(_: psycopg.Error) -> CaudalError:
    return NameTaken("the name is taken")


register_constraint("effect_name_key", name_taken)


@pytest.fixture
async def effects(shared_database: Database) -> AsyncIterator[Database]:
    """A database without answers, with a table for the effects of requests."""
    await empty(shared_database, "idempotency.answer")
    async with shared_database.connection() as connection:
        await connection.execute(
            "create table effect (number integer generated always as identity, name text)"
        )
        await connection.execute("alter table effect add constraint effect_name_key unique (name)")
    yield shared_database
    async with shared_database.connection() as connection:
        await connection.execute("drop table effect")


@pytest.fixture
async def other_process(effects: Database, shared_dsn: str) -> AsyncIterator[Database]:
    """The same database through connections of its own, as another API process has them."""
    opened = await Database.open(shared_dsn)
    yield opened
    await opened.close()


async def create(connection: Connection, name: str | None = None) -> Answer:
    cursor = await connection.execute("insert into effect (name) values (%s) returning number", (name,))
    row = await cursor.fetchone()
    assert row is not None
    return Answer(201, (("Content-Type", "application/json"),), b'{"number": %d}' % row[0])


def rendered(error: CaudalError) -> Answer:
    return Answer(error.status, (), error.code.encode())


Work = Callable[[Connection], Awaitable[Answer]]


async def post(database: Database, work: Work = create, claim: Claim = CLAIM) -> Replay | Done:
    """What the API does with such a request."""
    async with database.transaction() as connection:
        return await idempotency.run_once(
            connection, 1, claim, at=AT, work=lambda: work(connection), refused=rendered
        )


async def count(database: Database) -> int:
    async with database.connection() as connection:
        cursor = await connection.execute("select count(*) from effect")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def kept(database: Database) -> int:
    async with database.connection() as connection:
        cursor = await connection.execute("select count(*) from idempotency.answer")
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def test_the_first_request_works_and_its_repeat_gets_the_same_bytes(effects: Database) -> None:
    first = await post(effects)
    repeat = await post(effects)

    assert isinstance(first, Done)
    assert repeat == Replay(first.answer)
    assert await count(effects) == 1


async def test_fifty_repeats_at_once_from_two_processes_have_one_effect_and_one_answer(
    effects: Database, other_process: Database
) -> None:
    outcomes = await asyncio.gather(
        *[post(effects) for _ in range(25)], *[post(other_process) for _ in range(25)]
    )

    assert sum(isinstance(outcome, Done) for outcome in outcomes) == 1
    assert {outcome.answer for outcome in outcomes} == {outcomes[0].answer}
    assert await count(effects) == 1


async def test_another_request_under_the_key_is_refused_and_does_nothing(effects: Database) -> None:
    await post(effects)

    with pytest.raises(KeyReused):
        await post(effects, claim=OTHER_REQUEST)
    assert await count(effects) == 1


async def test_a_repeat_waits_for_the_one_that_works(effects: Database, other_process: Database) -> None:
    working, may_end = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> Answer:
        working.set()
        await may_end.wait()
        return await create(connection)

    first = asyncio.create_task(post(effects, slow))
    await working.wait()
    repeat = asyncio.create_task(post(other_process))
    await until_someone_waits(effects)
    assert not repeat.done()
    may_end.set()

    assert await repeat == Replay((await first).answer)
    assert await count(effects) == 1


async def test_where_the_one_that_works_dies_nothing_stays_and_the_one_that_waits_works(
    effects: Database, other_process: Database
) -> None:
    backend: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def never_ending(connection: Connection) -> Answer:
        await create(connection)
        backend.set_result(connection.info.backend_pid)
        await connection.execute("select pg_sleep(100)")
        raise AssertionError("the connection was to be terminated")

    doomed = asyncio.create_task(post(effects, never_ending))
    pid = await backend
    repeat = asyncio.create_task(post(other_process))
    await until_someone_waits(other_process)
    async with other_process.connection() as connection:
        await connection.execute("select pg_terminate_backend(%s)", (pid,))

    with pytest.raises(psycopg.errors.AdminShutdown):
        await doomed
    assert isinstance(await repeat, Done)
    assert await count(effects) == 1


async def until_someone_waits(database: Database) -> None:
    """Until a statement waits for another transaction to end."""
    async with database.connection() as connection:
        while True:
            cursor = await connection.execute(
                "select 1 from pg_locks where locktype = 'transactionid' and not granted"
            )
            if await cursor.fetchone():
                return


async def test_a_refusal_undoes_what_was_done_and_is_itself_the_answer(effects: Database) -> None:
    async def refuse(connection: Connection) -> Answer:
        await create(connection)
        raise NameTaken("the name is taken")

    first = await post(effects, refuse)
    repeat = await post(effects)

    assert first == Done(Answer(409, (), b"name_taken"))
    assert repeat == Replay(Answer(409, (), b"name_taken"))
    assert await count(effects) == 0


async def test_a_violated_constraint_is_the_refusal_that_it_means(effects: Database) -> None:
    async def named(connection: Connection) -> Answer:
        return await create(connection, "Acme")

    await post(effects, named, Claim(UUID(int=1), "another key", b"f" * 32))

    assert await post(effects, named) == Done(Answer(409, (), b"name_taken"))
    assert await post(effects, named) == Replay(Answer(409, (), b"name_taken"))
    assert await count(effects) == 1


@pytest.mark.parametrize(
    "error",
    [InvalidRequest("malformed"), TooManyRequests("slow down"), Unavailable("later"), InvariantError("bug")],
)
async def test_an_error_that_is_not_final_keeps_nothing_and_frees_the_key(
    effects: Database, error: CaudalError
) -> None:
    async def fail(connection: Connection) -> Answer:
        await create(connection)
        raise error

    with pytest.raises(type(error)):
        await post(effects, fail)

    assert (await count(effects), await kept(effects)) == (0, 0)
    assert isinstance(await post(effects), Done)


async def test_a_database_error_without_a_meaning_keeps_nothing(effects: Database) -> None:
    async def fail(connection: Connection) -> Answer:
        await create(connection)
        await connection.execute("select 1 / 0")
        raise AssertionError("unreachable")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await post(effects, fail)

    assert (await count(effects), await kept(effects)) == (0, 0)


async def test_an_answer_that_is_not_final_is_a_bug_and_keeps_nothing(effects: Database) -> None:
    async def overloaded(connection: Connection) -> Answer:
        await create(connection)
        return Answer(503, (), b"")

    with pytest.raises(InvariantError):
        await post(effects, overloaded)

    assert (await count(effects), await kept(effects)) == (0, 0)


async def test_a_claim_outside_a_transaction_is_a_bug(effects: Database) -> None:
    async with effects.connection() as connection:
        with pytest.raises(InvariantError):
            await idempotency.run_once(
                connection, 1, CLAIM, at=AT, work=lambda: create(connection), refused=rendered
            )
    assert await kept(effects) == 0


async def test_a_batch_that_meets_the_key_of_one_that_works_is_overtaken(
    effects: Database, other_process: Database
) -> None:
    async def batch() -> None:
        async with other_process.transaction() as connection:
            assert await idempotency.lookup(connection, 1, [CLAIM]) == [None]
            await keep(connection, 1, [(CLAIM, Answer(200, (), b""))], at=AT)

    working, may_end = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> Answer:
        working.set()
        await may_end.wait()
        return await create(connection)

    first = asyncio.create_task(post(effects, slow))
    await working.wait()
    late = asyncio.create_task(batch())
    await until_someone_waits(effects)
    may_end.set()

    with pytest.raises(idempotency.Overtaken):
        await late
    assert isinstance(await first, Done)
