"""Too many payments at once: some are turned away unread, none is lost, and each may come again."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest

from caudal.app import create_app
from support.payment_api import SETTINGS, PaymentWorld, pay_in
from support.worlds import problem

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture
async def world(server: "Server", migrated_template: str) -> AsyncIterator[PaymentWorld]:
    """A book of which one payment may wait for the next batch."""
    name = server.create_database(template=migrated_template)
    settings = msgspec.structs.replace(SETTINGS, queue_limit=1)
    application = create_app(settings, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield await PaymentWorld.make(http, services)
    server.drop_database(name)


async def until_waiting(world: PaymentWorld, *, in_flight: int, queued: int) -> None:
    """Wait until so many payments are in the batch that runs, and so many behind it."""
    async with asyncio.timeout(10):
        while True:
            stats = world.services.payments.stats().get(world.book.book_id)
            if stats is not None and (stats.in_flight, stats.queued) == (in_flight, queued):
                return
            await asyncio.sleep(0.005)


async def test_what_finds_the_queue_full_is_turned_away_unread_and_may_come_again(
    world: PaymentWorld,
) -> None:
    customer = await world.customer()
    # The batch waits for the book, as behind a slow one.
    async with world.services.database.transaction() as connection:
        await connection.execute(
            "select from ledger.book_head where book_id = %s for no key update", (world.book.book_id,)
        )
        first = asyncio.ensure_future(world.post("/v1/payments", pay_in(customer)))
        await until_waiting(world, in_flight=1, queued=0)
        second = asyncio.ensure_future(world.post("/v1/payments", pay_in(customer)))
        await until_waiting(world, in_flight=1, queued=1)

        shed = await world.post("/v1/payments", pay_in(customer), key="again")
        unread = await world.send("/v1/payments", b"{")
        unknown = await world.http.post("/v1/payments", json=pay_in(customer))

    assert problem(shed) == (503, "unavailable", None)
    assert int(shed.headers["retry-after"]) >= 1
    assert unread.status_code == 503
    assert unknown.status_code == 401
    assert [(await answer).status_code for answer in (first, second)] == [201, 201]
    again = await world.post("/v1/payments", pay_in(customer), key="again")
    assert again.status_code == 201
    assert "idempotent-replayed" not in again.headers
    listed = await world.get("/v1/payments", customer=customer)
    assert len(listed.json()["data"]) == 3
