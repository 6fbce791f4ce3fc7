"""Migrations: plain SQL files, applied once, in order, forward only.

A folder holds `0001_name.sql`, `0002_name.sql`, … without gaps. Each is run in a transaction of its own,
which also records it, under an advisory lock that dies with its runner's connection. A file that was
edited after it ran is refused.

A migration is safe while the previous version of the code still runs: first expand, later contract.
"""

import hashlib
import re
from importlib.resources.abc import Traversable
from typing import Final

import msgspec
import psycopg
import structlog
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from caudal_base.database import require_supported
from caudal_base.errors import CaudalError, Unavailable

ADVISORY_LOCK: Final = 0x63617564616C
"""The key of the lock that one runner at a time holds: "caudal" in ASCII."""

_log = structlog.get_logger()

_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql", re.ASCII)

# A runner that was killed must not go on: the server looks every second whether its client is still there.
_SESSION: Final = """
set client_connection_check_interval = '1s';
set lock_timeout = '2min';
set statement_timeout = '10min';
set idle_in_transaction_session_timeout = '1min';
"""

# What waits for a lock holds up everyone who comes after it, so it must not wait for long.
_TRANSACTION: Final = "set local lock_timeout = '5s'"

_TRANSACTION_ID: Final = "select pg_current_xact_id()"

_CREATE_RECORD: Final = """
create schema if not exists migration;

create table if not exists migration.applied (
    number     integer     not null,
    name       text        not null,
    sha256     bytea       not null,
    applied_at timestamptz not null default now(),
    constraint applied_primary_key primary key (number)
);
"""


class MigrationRefused(CaudalError):
    """The files and the database contradict each other, or a file did not do what a migration may."""

    code = "migration_refused"
    title = "The migrations do not fit this database"


class Migration(msgspec.Struct, frozen=True):
    """One file: its number, its name, its SQL, and the SHA-256 of its bytes."""

    number: int
    name: str
    sql: str
    sha256: bytes


def read_migrations(folder: Traversable) -> list[Migration]:
    """The migrations of `folder`, in order. Refuses gaps, duplicates and names out of pattern."""
    found = []
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise MigrationRefused(f"{file.name}: a migration is named NNNN_name.sql")
        content = file.read_bytes()
        try:
            sql = content.decode()
        except UnicodeDecodeError as error:
            raise MigrationRefused(f"{file.name} is not UTF-8") from error
        name = file.name.removesuffix(".sql")
        found.append(Migration(int(match.group(1)), name, sql, hashlib.sha256(content).digest()))
    found.sort(key=lambda migration: (migration.number, migration.name))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationRefused(f"{migration.name}: number {expected:04} is expected here")
    return found


class Standing(msgspec.Struct, frozen=True):
    """How far a database has been migrated: names of migrations, in order."""

    applied: list[str]
    missing: list[str]
    """Known to this code, and not applied yet."""
    ahead: list[str]
    """Applied by newer code, and not known to this one."""


def inspect(dsn: str, migrations: Traversable) -> Standing:
    """Compare the database at `dsn` with `migrations`; changes nothing.

    Raises `MigrationRefused` when files and database contradict each other, `Unavailable` when the server
    cannot be reached.
    """
    wanted = read_migrations(migrations)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            require_supported(connection.info.server_version)
            if connection.execute("select to_regclass('migration.applied')").fetchone() == (None,):
                return Standing([], [migration.name for migration in wanted], [])
            applied = _applied(connection)
            missing = _unapplied(wanted, applied)
    except psycopg.OperationalError as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {error}") from error
    except psycopg.Error as error:
        raise MigrationRefused(f"the record of migrations cannot be used: {error}") from error
    names = [name for _, name, _ in applied]
    return Standing(names, [migration.name for migration in missing], names[len(wanted) :])


def migrate(dsn: str, migrations: Traversable) -> list[str]:
    """Bring the database at `dsn` to the newest of `migrations` (a folder); the names that were applied.

    Waits for another runner, whose work it then finds done. Of a database that newer code has migrated
    further, nothing is changed: the schema is made so that the previous version still runs, and a warning
    says what is ahead. Raises `MigrationRefused` when files and database contradict each other or a file
    fails, and `Unavailable` when the server or a lock cannot be had in time.
    """
    wanted = read_migrations(migrations)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            require_supported(connection.info.server_version)
            connection.execute(_SESSION)
            connection.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
            connection.execute(_CREATE_RECORD)
            return [_apply(connection, migration) for migration in _missing(connection, wanted)]
    except psycopg.OperationalError as error:
        raise Unavailable(f"the migrations could not run, try again: {error}") from error
    except psycopg.Error as error:
        raise MigrationRefused(f"the record of migrations cannot be used: {error}") from error


def _missing(connection: psycopg.Connection[TupleRow], wanted: list[Migration]) -> list[Migration]:
    """Those of `wanted` that the database does not have yet, after a check of those that it has."""
    rows = _applied(connection)
    missing = _unapplied(wanted, rows)
    ahead = [name for _, name, _ in rows[len(wanted) :]]
    if ahead:
        _log.warning("database_is_ahead", migrations=ahead)
    return missing


def _applied(connection: psycopg.Connection[TupleRow]) -> list[TupleRow]:
    return connection.execute("select number, name, sha256 from migration.applied order by number").fetchall()


def _unapplied(wanted: list[Migration], rows: list[TupleRow]) -> list[Migration]:
    for migration, (number, name, sha256) in zip(wanted, rows, strict=False):
        if (migration.number, migration.name) != (number, name):
            raise MigrationRefused(f"the database has {name} where {migration.name} is expected")
        if migration.sha256 != sha256:
            raise MigrationRefused(f"{name} was changed after it was applied")
    return wanted[len(rows) :]


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> str:
    """Run one file and record it, in one transaction; its name."""
    try:
        with connection.transaction():
            connection.execute(_TRANSACTION)
            before = connection.execute(_TRANSACTION_ID).fetchone()
            # Without parameters psycopg takes many statements at once and leaves % alone.
            connection.execute(migration.sql)
            in_transaction = connection.info.transaction_status == TransactionStatus.INTRANS
            if not in_transaction or connection.execute(_TRANSACTION_ID).fetchone() != before:
                raise MigrationRefused(f"{migration.name} must not begin or end transactions")
            connection.execute(
                "insert into migration.applied (number, name, sha256) values (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationRefused(f"{migration.name}: {error}") from error
    _log.info("migration_applied", migration=migration.name)
    return migration.name
