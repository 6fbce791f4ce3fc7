"""Migrations: plain SQL files, applied once, in order, forward only.

A folder holds `0001_name.sql`, `0002_name.sql`, … without gaps. Each is run in a transaction of its own,
which also records it, under an advisory lock that dies with its runner's connection. A file that was
edited after it ran is refused.
"""

import hashlib
import re
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
import psycopg

from caudal_base.errors import CaudalError, Unavailable

ADVISORY_LOCK: Final = 0x63617564616C
"""The key of the lock that one runner at a time holds: "caudal" in ASCII."""

_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql", re.ASCII)

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
        found.append(
            Migration(
                number=int(match.group(1)),
                name=file.name.removesuffix(".sql"),
                sql=content.decode(),
                sha256=hashlib.sha256(content).digest(),
            )
        )
    found.sort(key=lambda migration: (migration.number, migration.name))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationRefused(f"{migration.name}: number {expected:04} is expected here")
    return found


def migrate(dsn: str, migrations: Traversable) -> list[str]:
    """Bring the database at `dsn` to the newest of `migrations` (a folder); the names that were applied.

    Waits for another runner. Raises `MigrationRefused` when a file contradicts what was applied, and
    `Unavailable` when the server or a lock cannot be had.
    """
    wanted = read_migrations(migrations)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
            connection.execute(_CREATE_RECORD)
            return _apply_missing(connection, wanted)
    except psycopg.OperationalError as error:
        raise Unavailable(f"the migrations could not run: {error}") from error


def _apply_missing(connection: psycopg.Connection[Any], wanted: list[Migration]) -> list[str]:
    rows = connection.execute("select number, name, sha256 from migration.applied order by number").fetchall()
    for migration, (number, name, sha256) in zip(wanted, rows, strict=False):
        if (migration.number, migration.name) != (number, name):
            raise MigrationRefused(f"the database has {name} where {migration.name} is expected")
        if migration.sha256 != sha256:
            raise MigrationRefused(f"{name} was changed after it was applied")
    applied = []
    for migration in wanted[len(rows) :]:
        with connection.transaction():
            connection.execute("set local lock_timeout = '5s'")
            connection.execute("set local statement_timeout = '10min'")
            # Without parameters psycopg takes many statements at once and leaves % alone.
            connection.execute(migration.sql)
            connection.execute(
                "insert into migration.applied (number, name, sha256) values (%s, %s, %s)",
                [migration.number, migration.name, migration.sha256],
            )
        applied.append(migration.name)
    return applied
