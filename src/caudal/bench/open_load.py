"""An open load: requests come at a set rate, whether or not those before them have been answered.

So a server that falls behind is not spared, and what a request waits for counts, the time in the generator's
own queue included: its latency runs from the moment when it was due. Arrivals are a Poisson process, as those
of independent customers are, and repeatable.

Raw HTTP/1.1 over connections that stay open, for the reasons in `http_load`.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec

from caudal.bench.http_load import LoadFailed
from caudal_base.check import check

ANSWER_WITHIN_S: Final = 60.0
"""How long after the last request its answer may come; beyond it the server is broken, not slow."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_RETRY_AFTER: Final = b"\r\nretry-after: "


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One request and what came of it."""

    number: int
    """What `make` was called with."""
    due: float
    """Seconds after the load began."""
    seconds: float
    """From when it was due until its answer was there."""
    status: int
    says_when: bool
    """The answer has `Retry-After`."""


class Offered(msgspec.Struct, frozen=True):
    """What a load saw."""

    rate: float
    samples: Sequence[Sample]
    """In the order of their answers."""
    elapsed: float
    """From the first request that was due to the last answer, in seconds."""
    cpu: float
    """Seconds of CPU that the generator itself took."""


class _Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, answered: Callable[["_Connection", bytes], None]) -> None:
        self.transport: asyncio.WriteTransport
        self.number = -1
        self.due = 0.0
        self._answered = answered
        self._buffer = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a TCP connection

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        if self.number >= 0:
            self._answered(self, b"")

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        head_end = data.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = data[:head_end].lower()
        start = head.find(_LENGTH) + len(_LENGTH)
        end = head.find(b"\r\n", start)
        length = int(head[start : end if end > 0 else head_end])
        if len(data) >= head_end + 4 + length:
            self._buffer = b""
            self._answered(self, head)


class Generator:
    """Offers loads to one server over the same connections."""

    def __init__(self, random: random.Random) -> None:
        """Made by `connected`."""
        self._connections: list[_Connection] = []
        self._idle: deque[_Connection] = deque()
        self._random = random
        self._waiting: deque[tuple[float, int, bytes]] = deque()
        self._samples: list[Sample] = []
        self._began = 0.0
        self._outstanding = 0
        self._quiet = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, port: int, connections: int, seed: int = 1) -> AsyncIterator["Generator"]:
        """A generator with so many connections to 127.0.0.1:`port`: they bound what is under way."""
        loop = asyncio.get_running_loop()
        generator = cls(random.Random(seed))  # noqa: S311  # repeatable, and no secret
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(generator._answered), "127.0.0.1", port
            )
            generator._connections.append(connection)
        generator._idle.extend(generator._connections)
        try:
            yield generator
        finally:
            for connection in generator._connections:
                connection.number = -1
                connection.transport.abort()
            for connection in generator._connections:
                await connection.lost.wait()

    async def offer(self, rate: float, seconds: float, make: Callable[[int], bytes]) -> Offered:
        """Send `rate` requests a second for `seconds`; `make` makes the one of a number, from 0 on.

        Ends when all are answered. Raises `LoadFailed` where a connection breaks or no answer comes.
        """
        check(self._outstanding == 0, "one load at a time")
        self._samples = []
        self._quiet.clear()
        cpu, self._began = time.process_time(), time.perf_counter()
        gap = self._random.expovariate
        due, number = gap(rate), 0
        while due < seconds:
            now = time.perf_counter() - self._began
            while due <= now and due < seconds:
                self._outstanding += 1
                self._send(due, number, make(number))
                number += 1
                due += gap(rate)
            await asyncio.sleep(max(0.0, due - (time.perf_counter() - self._began)))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while self._outstanding:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            raise LoadFailed(f"{self._outstanding} requests were not answered") from None
        elapsed = time.perf_counter() - self._began
        return Offered(rate, self._samples, elapsed, time.process_time() - cpu)

    def _send(self, due: float, number: int, request: bytes) -> None:
        if not self._idle:
            self._waiting.append((due, number, request))
            return
        connection = self._idle.popleft()
        connection.due, connection.number = due, number
        connection.transport.write(request)

    def _answered(self, connection: _Connection, head: bytes) -> None:
        now = time.perf_counter() - self._began
        # A connection that was lost has no answer: status 0.
        status = int(head[9:12]) if head else 0
        self._samples.append(
            Sample(connection.number, connection.due, now - connection.due, status, _RETRY_AFTER in head)
        )
        connection.number = -1
        if not connection.lost.is_set():
            self._idle.append(connection)
        if self._waiting and self._idle:
            self._send(*self._waiting.popleft())
        self._outstanding -= 1
        if self._outstanding == 0:
            self._quiet.set()
