"""PostgreSQL: the pool, transactions, and what the database's errors mean.

`Database` hands out psycopg connections. Services get one and never open or commit; whoever stands at the
edge does `async with database.transaction() as connection`. Errors reach the caller as psycopg raised
them: `classify` says what can be done about one, `translate` makes it the typed error of the API.
"""

import enum
import select
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final, Self

import msgspec
import psycopg
import psycopg_pool
from psycopg import AsyncConnection, IsolationLevel, conninfo
from psycopg.rows import TupleRow

from caudal_base.check import check
from caudal_base.errors import CaudalError, InvariantError, Unavailable
from caudal_base.pipelines import PipelinedConnection

OLDEST_SERVER: Final = 15
"""The oldest major version of PostgreSQL that the schema and the statements work on."""

_MAX_WAITING: Final = 1_000
"""How many tasks may wait for a connection before the next is refused at once."""

_RECONNECT_SECONDS: Final = 0.5
"""How long the pool itself tries again; after that each checkout tries, so recovery is prompt."""

Connection = AsyncConnection[TupleRow]
"""What services get: rows are tuples."""


class UnsupportedServer(CaudalError):
    """The PostgreSQL server is older than `OLDEST_SERVER`."""

    code = "unsupported_server"
    title = "This PostgreSQL is too old"


class Failure(enum.Enum):
    """What an exception out of a transaction means for the work that was in it."""

    REFUSED = "refused"
    """The database refused some of the data and kept nothing: the rest may pass without it."""
    LOST = "lost"
    """The connection died, perhaps after the commit: only a repeat with the same ids tells."""
    TRANSIENT = "transient"
    """Nothing was kept, and the same work may succeed in a moment."""
    FATAL = "fatal"
    """Nothing was kept, and a repeat will fail the same way."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a connection waits, in milliseconds, before the server or the pool gives up."""

    statement_ms: int = 30_000
    """A single statement."""
    lock_ms: int = 10_000
    """A lock that another transaction holds."""
    idle_in_transaction_ms: int = 30_000
    """A transaction whose owner has gone silent; the server then drops the connection."""
    checkout_ms: int = 5_000
    """A free connection of the pool."""
    connect_ms: int = 5_000
    """The server's answer to a new connection."""


ConstraintError = Callable[[psycopg.Error], CaudalError]
"""Makes the typed error of a violated constraint; must not copy row data into it."""

constraint_errors: dict[str, ConstraintError] = {}
"""The typed error of each named constraint; filled by `register_constraint`."""


def register_constraint(name: str, factory: ConstraintError) -> None:
    """Let a violation of the constraint `name` be translated by `factory`. A name has one meaning."""
    check(name not in constraint_errors or constraint_errors[name] is factory, f"constraint {name} twice")
    constraint_errors[name] = factory


class Database:
    """A pool of connections to one PostgreSQL database. Survives restarts of the server."""

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool[PipelinedConnection]) -> None:
        """Use `Database.open`."""
        self._pool = pool

    @classmethod
    async def open(
        cls, dsn: str, *, min_size: int = 1, max_size: int = 10, timeouts: Timeouts | None = None
    ) -> Self:
        """Connect, check the server's version, and keep `min_size` to `max_size` connections.

        Raises `Unavailable` when the server cannot be reached, and `UnsupportedServer` for one that is
        older than PostgreSQL 15.
        """
        timeouts = timeouts or Timeouts()
        parameters = _parameters(dsn, timeouts)
        await _inspect_server(parameters)
        pool = psycopg_pool.AsyncConnectionPool(
            connection_class=PipelinedConnection,
            kwargs={**parameters, "autocommit": True},
            min_size=min_size,
            max_size=max_size,
            timeout=timeouts.checkout_ms / 1000,
            max_waiting=_MAX_WAITING,
            reconnect_timeout=_RECONNECT_SECONDS,
            open=False,
        )
        await pool.open()
        return cls(pool)

    async def close(self) -> None:
        """Close every connection; those in use are closed when they come back."""
        await self._pool.close()

    def statistics(self) -> Mapping[str, int]:
        """The pool's figures: `pool_size`, `pool_available`, `requests_waiting`, `requests_num`, …"""
        return self._pool.get_stats()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which every statement is a transaction of its own: for single reads.

        Raises `psycopg_pool.PoolTimeout` when none can be had in time (`translate`: `Unavailable`).
        """
        async with self._checkout() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A READ COMMITTED transaction: committed when the block ends, rolled back when it raises.

        BEGIN is sent with the first statement; in an `async with connection.pipeline()` it shares the round
        trip of the statements there.
        """
        async with self._checkout() as connection:
            await connection.set_autocommit(False)
            async with _finished(connection):
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A read-only REPEATABLE READ transaction: several statements that see one state of the data."""
        async with self._checkout() as connection:
            await connection.set_autocommit(False)
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            async with _finished(connection):
                yield connection

    @asynccontextmanager
    async def _checkout(self) -> AsyncIterator[Connection]:
        connection = await self._live_connection()
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    async def _live_connection(self) -> PipelinedConnection:
        """A connection that works. After a restart of the server the dead ones are dropped here.

        psycopg's own `check=` would wait a second, then two, then four between one dead connection and the
        next.
        """
        deadline = monotonic() + self._pool.timeout
        while True:
            connection = await self._pool.getconn(timeout=deadline - monotonic())
            try:
                await _probe(connection)
            except psycopg.Error:
                await connection.close()
                await self._pool.putconn(connection)
            except BaseException:
                await self._pool.putconn(connection)
                raise
            else:
                return connection


@asynccontextmanager
async def _finished(connection: Connection) -> AsyncIterator[None]:
    """Commit after the block or roll back, and make `connection` fit for its next use."""
    try:
        yield
        await connection.commit()
    except BaseException:
        try:
            await connection.rollback()
        except psycopg.Error:
            # What went wrong first is what the caller must see; a dead connection has rolled back.
            await connection.close()
        raise
    finally:
        if not connection.closed:
            await connection.set_isolation_level(None)
            await connection.set_read_only(None)
            await connection.set_autocommit(True)


def classify(error: BaseException) -> Failure:
    """What `error`, raised out of a transaction, means for the work that was in it."""
    if isinstance(error, psycopg_pool.PoolTimeout | psycopg_pool.TooManyRequests | psycopg_pool.PoolClosed):
        return Failure.TRANSIENT
    if not isinstance(error, psycopg.Error):
        return Failure.FATAL
    state = error.sqlstate
    if state is None:
        # Without a state the server did not speak: the connection broke or was never made.
        broken = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Failure.LOST if broken else Failure.FATAL
    if state in _LOST_STATES or state[:2] == "08":
        return Failure.LOST
    if state in _TRANSIENT_STATES or state[:2] in {"40", "53"}:
        return Failure.TRANSIENT
    if state[:2] in {"22", "23"}:
        return Failure.REFUSED
    return Failure.FATAL


# SQLSTATEs: appendix A of PostgreSQL's manual.
_LOST_STATES = frozenset(
    {
        "40003",  # statement_completion_unknown
        "57P01",  # admin_shutdown: may come after a local commit that still waited for a standby
        "57P02",  # crash_shutdown
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
    }
)
_TRANSIENT_STATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: a primary that has just become a standby
        "55P03",  # lock_not_available
        "57014",  # query_canceled, by statement_timeout
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
    }
)


def translate(error: psycopg.Error) -> CaudalError:
    """The typed error of the API for `error`: by constraint name, else by `classify`.

    A violated constraint that nobody registered is a bug of ours. No row data gets into the result.
    """
    name = error.diag.constraint_name
    if name is not None and name in constraint_errors:
        return constraint_errors[name](error)
    if classify(error) in {Failure.LOST, Failure.TRANSIENT}:
        return Unavailable("the database could not confirm this; repeat it with the same key")
    where = f"constraint {name}" if name is not None else f"SQLSTATE {error.sqlstate}"
    return InvariantError(f"the database refused a statement: {where}")


def _parameters(dsn: str, timeouts: Timeouts) -> dict[str, Any]:
    """The connection's parameters: the caller's, and our settings where the caller has said nothing."""
    given = conninfo.conninfo_to_dict(dsn)
    settings = {
        "statement_timeout": f"{timeouts.statement_ms}",
        "lock_timeout": f"{timeouts.lock_ms}",
        "idle_in_transaction_session_timeout": f"{timeouts.idle_in_transaction_ms}",
        "default_transaction_isolation": r"read\ committed",
        "timezone": "UTC",
        # Short statements: compiling one costs more than it saves.
        "jit": "off",
    }
    # The server takes the last of equal options, so the caller's come last.
    options = [f"-c {name}={value}" for name, value in settings.items()]
    if given.get("options"):
        options.append(str(given["options"]))
    ours = {
        "application_name": "caudal",
        "client_encoding": "UTF8",
        "connect_timeout": max(2, timeouts.connect_ms // 1000),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": timeouts.statement_ms,
    }
    return {**ours, **given, "options": " ".join(options)}


def require_supported(server_version: int) -> None:
    """Raise `UnsupportedServer` unless `server_version` (as libpq counts: 150004) is new enough."""
    major = server_version // 10_000
    if major < OLDEST_SERVER:
        raise UnsupportedServer(f"this is PostgreSQL {major}; {OLDEST_SERVER} or later is needed")


async def _inspect_server(parameters: dict[str, Any]) -> None:
    try:
        connection = await AsyncConnection.connect(**parameters)
    except psycopg.OperationalError as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error
    async with connection:
        require_supported(connection.info.server_version)


async def _probe(connection: Connection) -> None:
    """Raise if `connection` is dead, without a round trip for one that is well.

    The server says nothing to an idle client, so bytes to read mean a closed socket or a farewell.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await connection.execute("")
