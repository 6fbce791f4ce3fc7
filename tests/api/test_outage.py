"""A database that goes away is a 503 with Retry-After, and the way back needs no restart."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from psycopg import sql

from caudal.app import create_app
from caudal_base.settings import Settings
from support.worlds import World, new_book, new_key, problem, transfer

if TYPE_CHECKING:
    from conftest import Server


_TERMINATE = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
    " where datname = %s and backend_type = 'client backend'"
)


class Outage:
    """Puts a database out of reach, and back."""

    def __init__(self, server: "Server", name: str) -> None:
        self._server = server
        self._name = name

    def begin(self) -> None:
        """No new connections, and the end of those that there are."""
        self._allow(False)
        self.cut()

    def end(self) -> None:
        """Connections are taken again."""
        self._allow(True)

    def cut(self) -> None:
        """End the connections that there are."""
        with psycopg.connect(self._server.admin_dsn, autocommit=True) as connection:
            connection.execute(_TERMINATE, (self._name,))

    def _allow(self, allowed: bool) -> None:
        statement = sql.SQL("alter database {} allow_connections {}").format(
            sql.Identifier(self._name), sql.Literal(allowed)
        )
        with psycopg.connect(self._server.admin_dsn, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture
async def fragile(server: "Server", migrated_template: str) -> AsyncIterator[tuple[World, Outage]]:
    name = server.create_database(template=migrated_template)
    app = create_app(Settings(), dsn=server.dsn(name))
    async with app.running() as services:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            book = await new_book(services)
            key = await new_key(services, frozenset({book.book_id}))
            yield World(http, services, book, key), Outage(server, name)
    server.drop_database(name)


async def test_connections_that_were_cut_are_made_anew_and_nobody_notices(
    fragile: tuple[World, Outage],
) -> None:
    world, outage = fragile
    debit, credit = await world.pair()
    outage.cut()

    assert (await world.get(f"/v1/accounts/{debit}")).status_code == 200
    outage.cut()
    await world.moved(debit, credit)

    assert await world.balance(credit) == 100


async def test_while_the_database_is_away_requests_get_503_and_afterwards_their_answer(
    fragile: tuple[World, Outage],
) -> None:
    world, outage = fragile
    debit, credit = await world.pair()
    body = transfer(debit, credit)
    outage.begin()

    ready = await world.http.get("/health/ready")
    refused = await world.post("/v1/transfers", body, key="once")
    live = await world.http.get("/health/live")

    for response in (ready, refused):
        assert problem(response)[:2] == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
    assert live.status_code == 200
    outage.end()
    assert (await world.http.get("/health/ready")).status_code == 200
    assert (await world.post("/v1/transfers", body, key="once")).status_code == 201
    assert await world.balance(credit) == 100
