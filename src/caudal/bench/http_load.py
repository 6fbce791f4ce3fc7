"""A load generator for one endpoint: as many connections as clients, each with one request at a time.

Raw HTTP/1.1 over asyncio's protocols, since it shares the machine with what it measures: some 25 microseconds
of CPU a request. It refuses to measure anything but the expected status.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class LoadFailed(Exception):
    """The server answered something else than what is measured."""


class Load(msgspec.Struct, frozen=True):
    """What a run of the load generator saw."""

    seconds: list[float]
    """Of each request."""
    elapsed: float
    cpu: float
    """Seconds of CPU that the generator itself took."""


class _Client(asyncio.Protocol):
    """One connection: sends a request, waits for the whole response, sends the next."""

    def __init__(self, make: Callable[[], bytes], expected: bytes, deadline: float) -> None:
        self.make = make
        self.expected = expected
        self.deadline = deadline
        self.seconds: list[float] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a TCP connection
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self.transport.write(self.make())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.find(_LENGTH) + len(_LENGTH)
        length = int(head[start : head.find(b"\r\n", start) if b"\r\n" in head[start:] else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        now = time.perf_counter()
        self.seconds.append(now - self._sent_at)
        if not head.startswith(self.expected):
            self._finish(LoadFailed(self._buffer[:600].decode(errors="replace")))
            return
        self._buffer = b""
        if now < self.deadline:
            self._send()
        else:
            self._finish(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(LoadFailed("the server closed the connection"))

    def _finish(self, error: Exception | None) -> None:
        if not self.finished.done():
            if error is None:
                self.finished.set_result(None)
            else:
                self.finished.set_exception(error)
        self.transport.close()


async def run(port: int, clients: int, seconds: float, make: Callable[[], bytes], status: int) -> Load:
    """Send requests that `make` makes to 127.0.0.1:`port` from `clients` connections for `seconds`.

    Raises `LoadFailed` for any other status than `status`.
    """
    loop = asyncio.get_running_loop()
    expected = f"http/1.1 {status} ".encode()
    cpu, start = time.process_time(), time.perf_counter()
    deadline = start + seconds
    connected = [
        await loop.create_connection(lambda: _Client(make, expected, deadline), "127.0.0.1", port)
        for _ in range(clients)
    ]
    protocols = [protocol for _, protocol in connected]
    await asyncio.gather(*(protocol.finished for protocol in protocols))
    elapsed = time.perf_counter() - start
    measured = [each for protocol in protocols for each in protocol.seconds]
    return Load(measured, elapsed, time.process_time() - cpu)


def request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """The bytes of one HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + body
