"""`caudal bench webhooks`: events to a sink in any order, by object, and beside a dead endpoint.

Ratios are to the floor of the same run: what the same HTTP client posts to the same sink without a database.
"""

import asyncio
import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from caudal import events, worker
from caudal.bench.processes import answers, cpu, free_port, running
from caudal.bench.report import Case, Measured, Progress, Report, machine
from caudal.bench.world import World, temporary_server
from caudal.delivery import Connection, DeliveryCounts, Endpoints, Network, NewEndpoint, Options, Policy
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.sealing import Sealing
from caudal_base.settings import Settings

NAME: Final = "webhooks"
CASES: Final = ("deliver", "deliver_ordered", "slow_neighbour")

_CONNECTIONS: Final = 16
_OBJECTS: Final = 200
"""Payments that the events of the ordered case are about."""

_LOT: Final = 500
_PATIENCE_S: Final = 120.0
_CLOCK: Final = SystemClock()
_BODY: Final = b'{"id":"evt_","type":"payment.succeeded","data":{' + b'"field":"value",' * 25 + b'"last":1}}'
"""About as long as a webhook about a payment."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure."""

    events: int
    """Of each round."""
    singles: int
    """Told one by one, to see how long each takes."""
    rounds: int
    """Pairs of rounds: one with a dead neighbour, one without."""


FULL: Final = Size(events=10_000, singles=100, rounds=7)
QUICK: Final = Size(events=2_000, singles=30, rounds=5)


class _Round(msgspec.Struct, frozen=True):
    """Events that have gone to the sink, all but at once."""

    per_second: float
    cpu_us: float
    """Of the deliverer and PostgreSQL, for each of them."""


async def run(size: Size, progress: Progress) -> Report:
    """Measure everything on a temporary server. Takes half a minute with `QUICK`, three with `FULL`."""
    port = free_port()
    sink = ("caudal.bench.webhook_sink", str(port))
    with (
        temporary_server() as dsn,
        tempfile.TemporaryDirectory(prefix="caudal-bench-") as directory,
        running(sink, {}, lambda: answers(port, "/")),
    ):
        async with World.on(dsn, "bench") as world:
            bench = _Bench(world, f"http://127.0.0.1:{port}/", Path(directory))
            progress("floor", 0, len(CASES))
            floor = await bench.floor(size.events)
            progress("deliver", 0, len(CASES))
            deliver = await bench.case("deliver", size, floor, ordered=False)
            progress("deliver_ordered", 1, len(CASES))
            ordered = await bench.case("deliver_ordered", size, floor, ordered=True)
            progress("slow_neighbour", 2, len(CASES))
            neighbour = await bench.slow_neighbour(size, floor)
    return Report(
        name=NAME,
        machine=machine(),
        floor={"posts_per_second": round(floor, 1)},
        cases=[deliver, ordered, neighbour],
    )


class _Bench:
    """A book with events, and endpoints that they go to."""

    def __init__(self, world: World, url: str, directory: Path) -> None:
        self._world = world
        self._url = url
        self._settings = Settings(data_dir=directory)
        self._ledger = Ledger(_CLOCK)
        policy = Policy(development=True)
        self._network = Network(policy=policy)
        self._endpoints = Endpoints(self._ledger, _CLOCK, world.ids, Sealing(None, directory), policy)

    async def floor(self, count: int) -> float:
        """Posts per second without a database."""
        left = count
        headers = [
            ("webhook-id", "evt_"),
            ("webhook-timestamp", "1"),
            ("webhook-signature", "v1," + "x" * 44),
        ]

        async def lane() -> None:
            nonlocal left
            connection = Connection(self._network, self._url)
            while left > 0:
                left -= 1
                check((await connection.post(headers, _BODY)).status == 200, "the sink answers")
            connection.close()

        began = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(_CONNECTIONS)))
        return count / (time.perf_counter() - began)

    async def case(self, name: str, size: Size, floor: float, *, ordered: bool) -> Case:
        """Events that have piled up, and then single ones: from their commit to the sink's answer."""
        async with self._endpoint(ordered=ordered):
            elapsed = await self._drain(size.events)
            waits = await self._singles(size.singles)
        return Measured(name, size.events, waits, elapsed).compared(floor)

    async def slow_neighbour(self, size: Size, floor: float) -> Case:
        """The same beside an endpoint that takes connections and never answers.

        In pairs, one after the other in changing order, since the machine is never the same for long: each
        pair has a ratio, and the median of them counts. The processor's time says the same with less noise.
        """
        pairs: list[tuple[_Round, _Round]] = []
        with self._dead() as dead:
            for number in range(size.rounds + 1):
                # The one that comes second finds the disk busy with what the first has left.
                if number % 2:
                    beside = await self._round(size.events, dead)
                    alone = await self._round(size.events, None)
                else:
                    alone = await self._round(size.events, None)
                    beside = await self._round(size.events, dead)
                pairs.append((alone, beside))
        pairs = pairs[1:]  # the first one warms up
        rate = statistics.median(beside.per_second for _, beside in pairs)
        return Case(
            case="slow_neighbour",
            per_second=round(rate, 1),
            p50_ms=None,
            p99_ms=None,
            ratio_to_floor=round(rate / floor, 3),
            figures={
                "alone_per_second": round(statistics.median(alone.per_second for alone, _ in pairs), 1),
                "kept": round(statistics.median(b.per_second / a.per_second for a, b in pairs), 3),
                "kept_cpu": round(statistics.median(a.cpu_us / b.cpu_us for a, b in pairs), 3),
                "cpu_us": round(statistics.median(beside.cpu_us for _, beside in pairs), 1),
            },
        )

    async def _round(self, count: int, dead: str | None) -> _Round:
        """So many events to the sink, and to an endpoint that is dead."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._endpoint(ordered=False))
            if dead is not None:
                await stack.enter_async_context(self._endpoint(ordered=False, url=dead))
            await self._tell(range(count))
            # Nobody waits for what is out to the dead one.
            async with self._delivering(grace_s=0.0) as counts:
                before, began = _cpu_s(), time.perf_counter()
                await _arrived(counts, count)
                elapsed, spent = time.perf_counter() - began, _cpu_s() - before
        return _Round(per_second=count / elapsed, cpu_us=spent / count * 1e6)

    @contextlib.asynccontextmanager
    async def _endpoint(self, *, ordered: bool, url: str | None = None) -> AsyncIterator[UUID]:
        """An endpoint that hears of payments, as long as the block lasts."""
        new = NewEndpoint(
            id=self._world.ids.new(),
            url=url or self._url,
            types=("payment.*",),
            ordered=ordered,
            concurrency=_CONNECTIONS,
        )
        async with self._world.database.transaction() as connection:
            await self._endpoints.create(connection, self._world.book_id, new)
        yield new.id
        async with self._world.database.transaction() as connection:
            await self._endpoints.delete(connection, self._world.book_id, new.id)

    @contextlib.contextmanager
    def _dead(self) -> Iterator[str]:
        """The URL of an endpoint whose connections the kernel takes, and nobody ever answers."""
        with socket.create_server(("127.0.0.1", 0), backlog=1_024) as server:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"

    @contextlib.asynccontextmanager
    async def _delivering(self, grace_s: float = 20.0) -> AsyncIterator[DeliveryCounts]:
        """A deliverer as a worker runs it; at its end requests that are out have `grace_s` left."""
        counts = DeliveryCounts()
        options = Options(grace_s=grace_s)
        deliverer = worker.build_delivery(
            self._world.database, _CLOCK, self._settings, counts=counts, options=options
        )
        task = asyncio.create_task(deliverer.run())
        try:
            yield counts
        finally:
            deliverer.stop()
            await task

    async def _drain(self, count: int) -> float:
        """In how many seconds so many events, written before, are with the sink."""
        await self._tell(range(count))
        async with self._delivering() as counts:
            began = time.perf_counter()
            await _arrived(counts, count)
            return time.perf_counter() - began

    async def _singles(self, count: int) -> list[float]:
        """How long single events take from their commit to the sink's answer."""
        waits = []
        async with self._delivering() as counts:
            for number in range(1, count + 1):
                await self._tell([number])
                began = time.perf_counter()
                await _arrived(counts, number)
                waits.append(time.perf_counter() - began)
        return waits

    async def _tell(self, numbers: Sequence[int]) -> None:
        """Write an event about a payment for each number."""
        book_id = self._world.book_id
        for start in range(0, len(numbers), _LOT):
            async with self._world.database.transaction() as connection:
                async with connection.pipeline():
                    load = await self._ledger.begin(connection, book_id, ())
                    book = await load.finish()
                at = max(_CLOCK.now(), book.recorded_at)
                told = [
                    NewEvent(
                        type="payment.succeeded",
                        object_type="payment",
                        object_id=ids.encode(ids.PAYMENT, UUID(int=1 + number % _OBJECTS)),
                        at=at,
                        data=_BODY,
                    )
                    for number in numbers[start : start + _LOT]
                ]
                await events.append(connection, book_id, told, self._world.ids)


def _cpu_s() -> float:
    """Seconds of the processor that this process and PostgreSQL have had."""
    spent = cpu()
    return spent["generator"] + spent.get("postgres", 0.0)


async def _arrived(counts: DeliveryCounts, count: int) -> None:
    """Wait until so many have been answered. A sleep, since counts wake nobody: a millisecond of error."""
    deadline = time.perf_counter() + _PATIENCE_S
    for _ in iter(lambda: counts.attempts.get("2xx", 0) < count, False):
        check(time.perf_counter() < deadline, "webhooks arrive")
        await asyncio.sleep(0.001)
