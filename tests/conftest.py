"""A real PostgreSQL for the tests: one server a session, one freshly migrated database a test or a file.

The server is an embedded one in a temporary directory (one per xdist worker), or the one that
CAUDAL_TEST_DATABASE_URL names, whose role must be allowed to create databases.
"""

import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from caudal.migrations import MIGRATIONS
from caudal_base.database import Database
from caudal_base.embedded import EmbeddedPostgres
from caudal_base.migrate import migrate

FAST_AND_FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "off",
}
"""Settings for servers whose data nobody misses after a crash."""


@dataclass(frozen=True)
class Server:
    """The session's server. `embedded` is None where CAUDAL_TEST_DATABASE_URL names it."""

    admin_dsn: str
    embedded: EmbeddedPostgres | None
    names: Iterator[int]
    admin: psycopg.Connection
    """Kept open: two new connections a test would cost as much as its database."""

    def dsn(self, dbname: str) -> str:
        """How the service connects: on our own server as the owner of the database, no superuser."""
        if self.embedded is not None:
            return self.embedded.dsn(dbname)
        return make_conninfo(self.admin_dsn, dbname=dbname)

    def create_database(self, *, template: str = "template0") -> str:
        """A new database and its name, unique among all sessions on this server."""
        name = f"caudal_test_{os.getpid()}_{next(self.names)}"
        parts = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
        # Of files that a crash may lose, copying takes half the time of logging every block.
        statement = "create database {name} template {template} strategy file_copy"
        if self.embedded is not None:
            statement += " owner caudal"
        self.admin.execute(sql.SQL(statement).format(**parts))
        return name

    def drop_database(self, name: str) -> None:
        """Removes the database, also from under connections that a failed test left open."""
        statement = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
        deadline = time.monotonic() + 30
        while True:
            try:
                self.admin.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                # PostgreSQL 15's autovacuum is a superuser's, whom we may not send away: it goes by itself.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One PostgreSQL server for the whole session."""
    url = os.environ.get("CAUDAL_TEST_DATABASE_URL")
    if url:
        with psycopg.connect(url, autocommit=True) as admin:
            yield Server(url, None, itertools.count(), admin)
        return
    directory: Path = tmp_path_factory.mktemp("server") / "data"
    with EmbeddedPostgres(directory, settings=FAST_AND_FORGETFUL) as embedded:
        admin_dsn = embedded.dsn("postgres", role="postgres")
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            yield Server(admin_dsn, embedded, itertools.count(), admin)


@pytest.fixture(scope="session")
def migrated_template(server: Server) -> Iterator[str]:
    """The name of a database with all migrations and no rows, to be cloned."""
    name = server.create_database()
    migrate(server.dsn(name), MIGRATIONS)
    yield name
    server.drop_database(name)


@pytest.fixture
def dsn(server: Server, migrated_template: str) -> Iterator[str]:
    """A freshly migrated database of this test alone."""
    name = server.create_database(template=migrated_template)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture
async def own_database(dsn: str) -> AsyncIterator[Database]:
    """An open pool on a database of this test alone."""
    opened = await Database.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def database(own_database: Database) -> Database:
    """The same, unless a file says otherwise: it may empty one that all its tests use in turn."""
    return own_database


@pytest.fixture(scope="module")
def shared_dsn(server: Server, migrated_template: str) -> Iterator[str]:
    """A freshly migrated database of one file, whose tests each keep to their own book or clean up.

    A database of its own costs a test more than what most of them do in it.
    """
    name = server.create_database(template=migrated_template)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
async def shared_database(shared_dsn: str) -> AsyncIterator[Database]:
    """An open pool on the file's database."""
    opened = await Database.open(shared_dsn)
    yield opened
    await opened.close()
