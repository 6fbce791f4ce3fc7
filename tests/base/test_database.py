import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg import _pipeline_base, generators
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caudal_base import database as module
from caudal_base.database import (
    Connection,
    Database,
    Failure,
    Timeouts,
    UnsupportedServer,
    classify,
    register_constraint,
    require_supported,
    translate,
)
from caudal_base.embedded import EmbeddedPostgres
from caudal_base.errors import Conflict, InvariantError, Unavailable
from caudal_base.pipelines import queue_commit

CANARY = "row-data-4f1d"


@asynccontextmanager
async def opened(dsn: str, **options: Any) -> AsyncIterator[Database]:
    database = await Database.open(dsn, **options)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def dsn(shared_dsn: str) -> str:
    """The file's database: tests leave nothing in it. Pools on it are each test's own."""
    return shared_dsn


@pytest.fixture
def table(dsn: str) -> Iterator[str]:
    """An empty table `item` with a unique name."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "create table public.item (name text not null, constraint item_name_unique unique (name))"
        )
    yield "public.item"
    # By then a test may have left sessions that its pool has given up: the server still ends them.
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop table public.item")


async def names(database: Database) -> list[str]:
    async with database.connection() as connection:
        rows = await (await connection.execute("select name from public.item order by name")).fetchall()
    return [name for (name,) in rows]


async def insert(connection: Connection, name: str) -> None:
    await connection.execute("insert into public.item (name) values (%s)", [name])


async def setting(connection: Connection, name: str) -> str:
    row = await (await connection.execute("select current_setting(%s)", [name])).fetchone()
    assert row is not None
    return str(row[0])


async def kill_connections(database: Database) -> None:
    """End every other connection to the database, as a restart of the server does."""
    async with database.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        )


# Opening


@pytest.mark.parametrize("version", [90624, 130014, 140012])
def test_a_server_that_is_too_old_is_refused_with_its_version(version: int) -> None:
    with pytest.raises(UnsupportedServer, match=f"PostgreSQL {version // 10_000}; 15 or later"):
        require_supported(version)


@pytest.mark.parametrize("version", [150000, 160004, 180006, 190000])
def test_any_server_from_15_on_is_accepted(version: int) -> None:
    require_supported(version)


async def test_a_server_that_is_not_there_is_unavailable_and_the_password_stays_secret(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        await Database.open(f"host={tmp_path} user=caudal password={CANARY}")
    assert CANARY not in str(caught.value.problem())


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(Unavailable):
            await Database.open(f"host=127.0.0.1 port={port}", timeouts=Timeouts(connect_ms=1))


async def test_a_session_is_set_up_for_short_transactions(database: Database) -> None:
    async with database.connection() as connection:
        assert await setting(connection, "statement_timeout") == "30s"
        assert await setting(connection, "lock_timeout") == "10s"
        assert await setting(connection, "idle_in_transaction_session_timeout") == "30s"
        assert await setting(connection, "default_transaction_isolation") == "read committed"
        assert await setting(connection, "timezone") == "UTC"
        assert await setting(connection, "jit") == "off"
        assert await setting(connection, "application_name") == "caudal"


async def test_what_the_connection_string_says_wins(dsn: str) -> None:
    own = make_conninfo(dsn, application_name="mine", options="-c statement_timeout=7s -c work_mem=8MB")
    async with opened(own) as database, database.connection() as connection:
        assert await setting(connection, "statement_timeout") == "7s"
        assert await setting(connection, "work_mem") == "8MB"
        assert await setting(connection, "lock_timeout") == "10s"
        assert await setting(connection, "application_name") == "mine"


# Transactions


async def test_a_transaction_is_kept_when_its_block_ends(database: Database, table: str) -> None:
    async with database.transaction() as connection:
        await insert(connection, "a")
        await insert(connection, "b")
        assert await names(database) == []
    assert await names(database) == ["a", "b"]


async def test_a_transaction_is_undone_when_its_block_raises(database: Database, table: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await insert(connection, "a")
            _ = 1 / 0
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with database.transaction() as connection:
            await insert(connection, "b")
            await insert(connection, "b")
    assert await names(database) == []


async def test_a_transaction_is_undone_when_its_task_is_cancelled(dsn: str, table: str) -> None:
    async with opened(dsn, max_size=1) as database:
        inside = asyncio.Event()

        async def work() -> None:
            async with database.transaction() as connection:
                await insert(connection, "a")
                inside.set()
                await connection.execute("select pg_sleep(60)")

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names(database) == []


async def test_a_connection_has_no_transaction_between_its_statements(database: Database, table: str) -> None:
    async with database.connection() as connection:
        await insert(connection, "a")
        assert await names(database) == ["a"]


async def test_every_transaction_is_read_committed_whatever_the_database_defaults_to(dsn: str) -> None:
    change = f'alter database "{conninfo_to_dict(dsn)["dbname"]}"'
    async with opened(dsn) as database, database.connection() as connection:
        await connection.execute(f"{change} set default_transaction_isolation to serializable")
    async with opened(dsn) as database, database.transaction() as connection:
        assert await setting(connection, "transaction_isolation") == "read committed"
    async with opened(dsn) as database, database.connection() as connection:
        await connection.execute(f"{change} reset default_transaction_isolation")


async def test_a_snapshot_sees_one_state_and_changes_nothing(database: Database, table: str) -> None:
    count = "select count(*) from public.item"
    async with database.snapshot() as snapshot:
        assert await (await snapshot.execute(count)).fetchone() == (0,)
        async with database.transaction() as connection:
            await insert(connection, "a")
        assert await (await snapshot.execute(count)).fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await insert(snapshot, "b")
    assert await names(database) == ["a"]


async def test_a_connection_that_comes_back_is_as_good_as_new(dsn: str, table: str) -> None:
    async with opened(dsn, max_size=1) as database:
        async with database.snapshot() as connection:
            await connection.execute("select 1")
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with database.snapshot() as connection:
                await connection.execute("select * from nowhere")
        async with database.transaction() as connection:
            assert await setting(connection, "transaction_isolation") == "read committed"
            assert await setting(connection, "transaction_read_only") == "off"
            await insert(connection, "a")
        async with database.connection() as connection:
            await insert(connection, "b")
        assert await names(database) == ["a", "b"]


# Round trips


@pytest.fixture
def messages(tmp_path: Path) -> Iterator[Any]:
    """Start to trace a connection; the second call says what was sent (F) and received (B), in order."""
    trace = (tmp_path / "trace").open("w+b")
    traced: list[Connection] = []

    def call(connection: Connection | None = None) -> list[tuple[str, str]]:
        if connection is not None:
            connection.pgconn.trace(trace.fileno())
            connection.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
            traced.append(connection)
            return []
        traced.pop().pgconn.untrace()
        lines = (tmp_path / "trace").read_text().splitlines()
        return [(parts[0], parts[2]) for parts in (line.split("\t") for line in lines)]

    yield call
    trace.close()


def round_trips(messages: list[tuple[str, str]]) -> int:
    """How often something was sent after something had been received."""
    directions = [direction for direction, _ in messages]
    return sum(1 for i, way in enumerate(directions) if way == "F" and (i == 0 or directions[i - 1] == "B"))


async def test_begin_shares_the_round_trip_of_a_pipelines_first_statements(
    database: Database, table: str, messages: Any
) -> None:
    async with database.transaction() as connection:
        messages(connection)
        async with connection.pipeline():
            first = await connection.execute("select 1")
            second = await connection.execute("select 2")
        assert (await first.fetchone(), await second.fetchone()) == ((1,), (2,))
        assert round_trips(messages()) == 1


async def test_a_whole_transaction_of_one_pipeline_takes_two_round_trips(
    dsn: str, table: str, messages: Any
) -> None:
    async with opened(dsn, max_size=1) as database:
        async with database.connection() as connection:
            messages(connection)
        async with database.transaction() as connection, connection.pipeline():
            await insert(connection, "a")
            await insert(connection, "b")
        assert round_trips(messages()) == 2
        assert await names(database) == ["a", "b"]


async def test_a_pipeline_sends_what_was_queued_at_once(database: Database, monkeypatch: Any) -> None:
    sent = 0

    def counted(pgconn: Any, commands: Any) -> Any:
        nonlocal sent
        sent += 1
        return (yield from communicate(pgconn, commands))

    communicate = _pipeline_base.pipeline_communicate
    monkeypatch.setattr(_pipeline_base, "pipeline_communicate", counted)

    async with database.transaction() as connection, connection.pipeline():
        for number in range(10):
            last = await connection.execute("select %s::int", (number,))
        assert sent == 0
        assert await last.fetchone() == (9,)
        assert sent == 1


async def test_a_queued_commit_makes_a_whole_transaction_one_round_trip(
    dsn: str, table: str, messages: Any
) -> None:
    async with opened(dsn, max_size=1) as database:
        async with database.connection() as connection:
            messages(connection)
        async with database.transaction() as connection, connection.pipeline():
            await insert(connection, "a")
            await insert(connection, "b")
            await queue_commit(connection)
        assert round_trips(messages()) == 1
        assert await names(database) == ["a", "b"]


async def test_a_queued_commit_ends_the_transaction_when_its_pipeline_ends(
    database: Database, table: str
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await insert(connection, "a")
            async with connection.pipeline():
                await insert(connection, "b")
                await queue_commit(connection)
            assert await names(database) == ["a", "b"]
            raise ZeroDivisionError
    assert await names(database) == ["a", "b"]


async def test_a_queued_commit_behind_a_statement_that_fails_commits_nothing(
    database: Database, table: str
) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with database.transaction() as connection:
            await insert(connection, "a")
            async with connection.pipeline():
                await insert(connection, "b")
                await insert(connection, "b")
                await queue_commit(connection)
    assert await names(database) == []
    async with database.transaction() as connection:
        await insert(connection, "c")
    assert await names(database) == ["c"]


async def test_a_failure_that_is_answered_while_sending_is_told_and_the_connection_stays(
    database: Database, table: str, monkeypatch: Any
) -> None:
    """The answers to BEGIN and both inserts are there before the sending is over, as they may be."""

    def answered_at_once(pgconn: Any, commands: Any) -> Any:
        fetched = yield from communicate(pgconn, commands)
        while len(fetched) < 3:
            fetched.append((yield from generators.fetch_many(pgconn)))
        return fetched

    communicate = _pipeline_base.pipeline_communicate
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with database.transaction() as connection:
            monkeypatch.setattr(_pipeline_base, "pipeline_communicate", answered_at_once)
            try:
                async with connection.pipeline():
                    await insert(connection, "a")
                    await insert(connection, "a")
                    await queue_commit(connection)
            finally:
                monkeypatch.undo()
                assert not connection.broken

    assert await names(database) == []


async def test_a_commit_is_queued_in_a_pipeline_only(database: Database) -> None:
    async with database.transaction() as connection:
        with pytest.raises(InvariantError):
            await queue_commit(connection)


async def test_a_pipeline_runs_in_the_transaction_also_when_it_reads_in_between(
    database: Database, table: str
) -> None:
    async with database.transaction() as connection:
        async with connection.pipeline():
            await insert(connection, "a")
            found = await (await connection.execute("select count(*) from public.item")).fetchone()
            assert found == (1,)
            await insert(connection, "b")
            assert await names(database) == []
        await insert(connection, "c")
        async with connection.pipeline():
            await insert(connection, "d")
        assert await names(database) == []
    assert await names(database) == ["a", "b", "c", "d"]


async def test_a_pipeline_that_fails_undoes_the_transaction(database: Database, table: str) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with database.transaction() as connection:
            await insert(connection, "a")
            async with connection.pipeline():
                await insert(connection, "b")
                await insert(connection, "b")
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection, connection.pipeline():
            await insert(connection, "c")
            _ = 1 / 0
    assert await names(database) == []


async def test_copy_works_between_pipelines(database: Database, table: str) -> None:
    async with database.transaction() as connection:
        async with connection.pipeline():
            await insert(connection, "a")
        async with (
            connection.cursor() as cursor,
            cursor.copy("copy public.item (name) from stdin") as copy,
        ):
            await copy.write_row(["b"])
        assert await names(database) == []
    assert await names(database) == ["a", "b"]


async def test_commit_and_rollback_by_hand_work_within_a_pipeline(database: Database, table: str) -> None:
    async with database.transaction() as connection, connection.pipeline() as pipeline:
        await insert(connection, "a")
        await (await connection.execute("select 1")).fetchone()
        await connection.commit()
        assert await names(database) == ["a"]
        await insert(connection, "b")
        await connection.rollback()
        await insert(connection, "c")
        await pipeline.sync()
        assert await names(database) == ["a"]
    assert await names(database) == ["a", "c"]


# A server that goes away


async def test_dead_connections_are_replaced_at_once_however_many(dsn: str, database: Database) -> None:
    async with opened(dsn, min_size=8, max_size=8) as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(use(pool))
        await kill_connections(database)
        started = monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(use(pool))
        assert monotonic() - started < 2


async def use(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("select 1")


async def test_a_connection_that_dies_in_a_transaction_is_lost_and_the_next_one_works(
    database: Database, table: str
) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        async with database.transaction() as connection:
            await insert(connection, "a")
            await kill_connections(database)
            await insert(connection, "b")
    assert classify(caught.value) is Failure.LOST
    assert await names(database) == []


async def test_the_error_of_the_block_is_seen_also_when_the_connection_is_dead(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("select 1")
            await kill_connections(database)
            _ = 1 / 0
    await use(database)


async def test_after_a_restart_of_the_server_the_pool_works_again_by_itself(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off"})
    server.start()
    try:
        timeouts = Timeouts(checkout_ms=500)
        async with opened(server.dsn(), min_size=3, max_size=3, timeouts=timeouts) as database:
            await use(database)
            server.stop()
            with pytest.raises(psycopg_pool.PoolTimeout) as caught:
                await use(database)
            assert classify(caught.value) is Failure.TRANSIENT
            assert isinstance(translate(caught.value), Unavailable)
            server.start()
            await use_until_it_works(database)
    finally:
        server.stop()


async def use_until_it_works(database: Database) -> None:
    """Each try waits for a connection itself; two must do, the first may have begun too early."""
    try:
        await use(database)
    except psycopg_pool.PoolTimeout:
        await use(database)


async def test_when_all_connections_are_busy_a_caller_waits_and_then_is_told(dsn: str) -> None:
    async with opened(dsn, max_size=1, timeouts=Timeouts(checkout_ms=300)) as database:
        async with database.connection():
            with pytest.raises(psycopg_pool.PoolTimeout):
                await use(database)
            assert database.statistics()["requests_num"] >= 2
        await use(database)


async def test_a_closed_database_gives_no_connections(dsn: str) -> None:
    database = await Database.open(dsn)
    await database.close()
    with pytest.raises(psycopg_pool.PoolClosed) as caught:
        await use(database)
    assert classify(caught.value) is Failure.TRANSIENT


# What errors mean


async def raised_by(database: Database, statement: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        async with database.transaction() as connection:
            await connection.execute(statement)
    return caught.value


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("23505", Failure.REFUSED),
        ("23514", Failure.REFUSED),
        ("23503", Failure.REFUSED),
        ("22003", Failure.REFUSED),
        ("22P05", Failure.REFUSED),
        ("40001", Failure.TRANSIENT),
        ("40P01", Failure.TRANSIENT),
        ("55P03", Failure.TRANSIENT),
        ("57014", Failure.TRANSIENT),
        ("53300", Failure.TRANSIENT),
        ("53100", Failure.TRANSIENT),
        ("25006", Failure.TRANSIENT),
        ("57P03", Failure.TRANSIENT),
        ("40003", Failure.LOST),
        ("57P01", Failure.LOST),
        ("57P02", Failure.LOST),
        ("25P03", Failure.LOST),
        ("08006", Failure.LOST),
        ("42601", Failure.FATAL),
        ("42P01", Failure.FATAL),
        ("42501", Failure.FATAL),
        ("XX000", Failure.FATAL),
        ("P0001", Failure.FATAL),
    ],
)
async def test_every_state_of_the_server_means_one_thing(
    database: Database, state: str, failure: Failure
) -> None:
    error = await raised_by(database, f"do $$ begin raise exception using errcode = '{state}'; end $$")
    assert error.sqlstate == state
    assert classify(error) is failure


async def test_a_lock_that_is_held_too_long_is_transient(dsn: str, table: str) -> None:
    async with opened(dsn, timeouts=Timeouts(lock_ms=50)) as database, database.transaction() as holder:
        await holder.execute("lock table public.item")
        error = await raised_by(database, "insert into public.item (name) values ('a')")
    assert isinstance(error, psycopg.errors.LockNotAvailable)
    assert classify(error) is Failure.TRANSIENT


async def test_a_statement_that_takes_too_long_is_transient(dsn: str) -> None:
    async with opened(dsn, timeouts=Timeouts(statement_ms=50)) as database:
        error = await raised_by(database, "select pg_sleep(60)")
    assert isinstance(error, psycopg.errors.QueryCanceled)
    assert classify(error) is Failure.TRANSIENT


async def test_a_transaction_that_goes_silent_is_ended_and_lost(dsn: str, table: str) -> None:
    async with opened(dsn, timeouts=Timeouts(idle_in_transaction_ms=50)) as database:
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout) as caught:
            async with database.transaction() as connection:
                await insert(connection, "a")
                await until_readable(connection)
                await insert(connection, "b")
        assert classify(caught.value) is Failure.LOST
        assert await names(database) == []


async def until_readable(connection: Connection) -> None:
    """Wait until the server has said something unasked."""
    readable = asyncio.Event()
    loop = asyncio.get_running_loop()
    descriptor = os.dup(connection.fileno())
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def test_connections_that_cannot_be_made_are_lost(tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        await psycopg.AsyncConnection.connect(f"host={tmp_path}")
    assert classify(caught.value) is Failure.LOST


@pytest.mark.parametrize("error", [ValueError("x"), InvariantError("x"), psycopg.ProgrammingError("x")])
def test_what_did_not_come_from_the_server_is_fatal(error: Exception) -> None:
    assert classify(error) is Failure.FATAL


class NameTaken(Conflict):
    code = "name_taken"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "constraint_errors", {})
    register_constraint("item_name_unique", name_taken)


def name_taken(error: psycopg.Error) -> NameTaken:
    return NameTaken("this name is taken", field="name")


async def test_a_constraint_has_one_typed_error(database: Database, table: str, registered: None) -> None:
    error = await raised_by(database, "insert into public.item (name) values ('a'), ('a')")
    assert isinstance(translate(error), NameTaken)
    register_constraint("item_name_unique", name_taken)
    with pytest.raises(InvariantError, match="item_name_unique twice"):
        register_constraint("item_name_unique", lambda _: NameTaken("other"))


async def test_a_constraint_that_nobody_registered_is_a_bug_and_no_row_gets_out(
    database: Database, table: str
) -> None:
    statement = f"insert into public.item (name) values ('{CANARY}'), ('{CANARY}')"
    error = await raised_by(database, statement)
    assert CANARY in str(error)
    translated = translate(error)
    assert isinstance(translated, InvariantError)
    assert translated.detail == "the database refused a statement: constraint item_name_unique"


async def test_other_refusals_are_bugs_named_by_their_state(database: Database) -> None:
    translated = translate(await raised_by(database, f"select '{CANARY}'::int"))
    assert isinstance(translated, InvariantError)
    assert translated.detail == "the database refused a statement: SQLSTATE 22P02"


async def test_what_may_pass_later_is_unavailable_for_now(database: Database) -> None:
    error = await raised_by(database, "do $$ begin raise exception using errcode = '40001'; end $$")
    translated = translate(error)
    assert isinstance(translated, Unavailable)
    assert (translated.status, translated.retry_after) == (503, 1)
