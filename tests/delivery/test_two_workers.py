"""Two worker processes deliver to the same endpoints, and one of them is killed on the way."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from caudal_base.database import Database
from support.deliveries import OK, SEALING_KEY, Listener, Outbox, Received, new_outbox
from support.processes import CAUDAL, ENVIRONMENT

if TYPE_CHECKING:
    from conftest import Server

OBJECTS = 20
LOT = 60
WITHIN_S = 60.0


@pytest.fixture
async def shared(server: "Server", migrated_template: str) -> AsyncIterator[tuple[Outbox, str]]:
    """A book in a database of its own, and where that is."""
    name = server.create_database(template=migrated_template)
    database = await Database.open(server.dsn(name), max_size=5)
    yield await new_outbox(database), server.dsn(name)
    await database.close()
    server.drop_database(name)


@contextlib.contextmanager
def worker(dsn: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`caudal worker`, as in production."""
    environment = {
        **ENVIRONMENT,
        "CAUDAL_DATABASE_URL": dsn,
        "CAUDAL_SEALING_KEY": SEALING_KEY.reveal(),
        "CAUDAL_POOL_SIZE": "5",
    }
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*CAUDAL, "worker"], env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


class Ordered(Listener):
    """Notes when two of one object are under way at once."""

    def __init__(self) -> None:
        super().__init__(answer=self._take)
        self._under_way: set[str] = set()
        self.overlapping: list[int] = []

    async def _take(self, got: Received) -> bytes:
        name = got.event["object"]
        if name in self._under_way:
            self.overlapping.append(got.event["seq"])
        self._under_way.add(name)
        await asyncio.sleep(0.002)
        self._under_way.discard(name)
        return OK

    def arrivals(self) -> dict[str, list[int]]:
        """The events of each object as they came for the first time."""
        found: dict[str, list[int]] = {}
        for one in self.received:
            seqs = found.setdefault(one.event["object"], [])
            if one.event["seq"] not in seqs:
                seqs.append(one.event["seq"])
        return found


async def test_order_holds_among_processes_and_what_a_dead_one_had_arrives_soon(
    shared: tuple[Outbox, str], tmp_path: Path
) -> None:
    outbox, dsn = shared
    listeners = [Ordered() for _ in range(3)]
    narrow = Listener()
    numbers = [number % OBJECTS + 1 for number in range(LOT)]
    async with contextlib.AsyncExitStack() as stack:
        for one in (*listeners, narrow):
            await stack.enter_async_context(one.serving())
        for one in listeners:
            await outbox.endpoint(one.url, ordered=True)
        await outbox.endpoint(narrow.url, concurrency=1)
        first = stack.enter_context(worker(dsn, tmp_path / "first.log"))
        await outbox.tell(*numbers)
        await until(lambda: all(len(one.received) >= LOT for one in (*listeners, narrow)))
        stack.enter_context(worker(dsn, tmp_path / "second.log"))
        for _ in range(3):
            await outbox.tell(*numbers)
        await until(lambda: len(listeners[0].received) > LOT + LOT // 2)
        first.kill()
        for _ in range(2):
            await outbox.tell(*numbers)
        told = set(range(5, 5 + 6 * LOT))
        await until(lambda: all(set(one.seqs) == told for one in (*listeners, narrow)))

    for one in listeners:
        assert one.overlapping == []
        assert len(one.arrivals()) == OBJECTS
        assert all(seqs == sorted(seqs) for seqs in one.arrivals().values())
    # Of an endpoint that takes one at a time two workers would have sent two.
    assert narrow.most_at_once == 1
