"""However much is read, a payment is accepted at once; and who has to wait is told how long."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from caudal.api import Places, Room
from caudal.app import create_app
from caudal_base.errors import Unavailable
from support.payment_api import SETTINGS, PaymentWorld, pay_in
from support.worlds import problem

if TYPE_CHECKING:
    from conftest import Server


def places(at_once: int = 1, *, waiting: int = 2, patience_s: float = 60.0) -> Places:
    return Places(at_once, waiting=waiting, what="things", patience_s=patience_s)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def figures(of: Places) -> tuple[int, int, int]:
    stats = of.stats()
    return stats.in_use, stats.waiting, stats.refused


async def test_who_comes_first_is_let_in_first_and_nobody_overtakes_the_line() -> None:
    room = places()
    assert room.try_enter()
    line = [asyncio.create_task(room.enter()) for _ in range(2)]
    await settled()
    assert figures(room) == (1, 2, 0)

    room.leave()

    assert not room.try_enter()
    await settled()
    assert [task.done() for task in line] == [True, False]
    room.leave()
    await line[1]
    room.leave()
    assert figures(room) == (0, 0, 0)


async def test_who_finds_the_line_full_is_turned_away_at_once() -> None:
    room = places(waiting=1)
    await room.enter()
    waits = asyncio.create_task(room.enter())
    await settled()

    with pytest.raises(Unavailable, match="too many things at once") as refused:
        await room.enter()

    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 60
    assert figures(room) == (1, 1, 1)
    room.leave()
    await waits


async def test_how_long_it_takes_is_judged_by_the_pace_of_a_line_and_not_by_idle_hours() -> None:
    now = [0.0]
    room = Places(1, waiting=2, what="things", patience_s=60.0, monotonic=lambda: now[0])
    await room.enter()
    now[0] = 3_600.0  # nobody waited for it
    room.leave()
    await room.enter()
    for _ in range(30):  # from here on there is a line, and each takes four seconds
        waits = asyncio.create_task(room.enter())
        await settled()
        now[0] += 4.0
        room.leave()
        await waits
    line = [asyncio.create_task(room.enter()) for _ in range(2)]
    await settled()

    with pytest.raises(Unavailable) as refused:
        await room.enter()

    assert refused.value.retry_after == 3 * 4  # two before it, and its own turn
    for _ in line:
        room.leave()
    await asyncio.gather(*line)


async def test_who_has_waited_too_long_leaves_the_line_and_takes_nobodys_place() -> None:
    room = places(patience_s=0.01)
    await room.enter()
    with pytest.raises(Unavailable):
        await room.enter()
    assert figures(room) == (1, 0, 1)

    room.leave()
    assert room.try_enter()


async def test_one_that_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    room = places()
    await room.enter()
    first, second = (asyncio.create_task(room.enter()) for _ in range(2))
    await settled()

    room.leave()
    first.cancel()
    await settled()

    assert second.done()
    room.leave()
    assert figures(room) == (0, 0, 0)


@pytest.mark.parametrize(
    ("connections", "long_reads", "ordinary", "long"),
    [(10, None, 6, 2), (200, None, 110, 50), (10, 4, 4, 4), (3, None, 1, 1), (4, None, 2, 1)],
)
def test_a_fifth_of_the_connections_is_left_to_payments(
    connections: int, long_reads: int | None, ordinary: int, long: int
) -> None:
    room = Room.of(connections, long_reads)

    assert (room.ordinary.stats().at_once, room.long.stats().at_once) == (ordinary, long)
    assert ordinary + long + max(1, connections // 5) == connections


def test_of_two_connections_one_is_left_to_payments() -> None:
    room = Room.of(2)

    assert room.ordinary is room.long
    assert room.long.stats().at_once == 1


@pytest.fixture(scope="module")
async def world(server: "Server", migrated_template: str) -> AsyncIterator[PaymentWorld]:
    """A process with four connections: one for a long read, two for others, one for payments."""
    name = server.create_database(template=migrated_template)
    application = create_app(msgspec.structs.replace(SETTINGS, pool_size=4), dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield await PaymentWorld.make(http, services)
    server.drop_database(name)


def in_use(world: PaymentWorld) -> tuple[int, int]:
    """Ordinary places and long ones."""
    room = world.services.room
    return room.ordinary.stats().in_use, room.long.stats().in_use


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_payment_is_accepted_while_reads_and_exports_have_all_their_connections(
    world: PaymentWorld,
) -> None:
    customer = await world.customer()
    async with world.services.database.connection() as connection:
        dsn = make_conninfo(connection.info.dsn, password=connection.info.password)
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        # Whoever reads these waits, as behind a slow disk. Payments do not need them.
        await other.execute("lock table ledger.template, routing.cost in access exclusive mode")
        report = asyncio.ensure_future(world.get("/v1/routing/report"))
        reads = [asyncio.ensure_future(world.get("/v1/templates")) for _ in range(5)]
        await until(lambda: in_use(world) == (2, 1))

        paid = await world.post("/v1/payments", pay_in(customer))

        assert paid.status_code == 201
        assert world.services.room.ordinary.stats().waiting == 3
        assert not any(one.done() for one in (report, *reads))
        await other.rollback()

    assert (await report).status_code == 200
    assert [(await read).status_code for read in reads] == [200] * 5
    assert in_use(world) == (0, 0)


async def test_a_payment_goes_before_exports_that_wait(world: PaymentWorld) -> None:
    customer = await world.customer()
    room = world.services.room
    held = [room.ordinary, room.ordinary, room.long]
    for kind in held:
        await kind.enter()
    try:
        export = asyncio.ensure_future(world.get("/v1/trial-balance"))
        read = asyncio.ensure_future(world.get("/v1/payments"))
        await until(lambda: room.long.stats().waiting == 1 and room.ordinary.stats().waiting == 1)

        paid = await world.post("/v1/payments", pay_in(customer))

        assert paid.status_code == 201
        assert not export.done()
        assert not read.done()
        metrics = await world.get("/metrics")
        assert re.search(r'^caudal_places_waiting\{kind="long"\} 1.0$', metrics.text, re.M)
    finally:
        for kind in held:
            kind.leave()
    assert [(await answer).status_code for answer in (export, read)] == [200, 200]


async def test_exports_beyond_the_line_are_told_when_to_come_again(world: PaymentWorld) -> None:
    room = world.services.room
    await room.long.enter()
    try:
        waiting = [asyncio.ensure_future(world.get("/v1/trial-balance")) for _ in range(16)]
        await until(lambda: room.long.stats().waiting == 16)

        refused = await world.get("/v1/trial-balance")

        assert problem(refused) == (503, "unavailable", None)
        assert int(refused.headers["retry-after"]) >= 1
        assert (await world.get("/v1/payments")).status_code == 200
    finally:
        room.long.leave()
    assert {(await answer).status_code for answer in waiting} == {200}
    assert in_use(world) == (0, 0)


async def test_a_process_that_takes_leave_says_so_and_serves_meanwhile(world: PaymentWorld) -> None:
    customer = await world.customer()
    assert (await world.http.get("/health/ready")).status_code == 200
    world.services.shared.stop()

    ready = await world.http.get("/health/ready")
    paid = await world.post("/v1/payments", pay_in(customer))

    assert problem(ready) == (503, "unavailable", None)
    assert (await world.http.get("/health/live")).status_code == 200
    assert (paid.status_code, paid.headers["connection"]) == (201, "close")
