"""HTTP/1.1 as the simulation's clients speak it: connections that are reused, and the loss of an answer.

A client of its own, since a run of thousands of payments shares two cores with everything that it drives: a
request costs it a tenth of what a full client library takes, and it can hang up on purpose.
"""

import asyncio
import time
from typing import Final

import msgspec

from caudal_base.check import check

_END_OF_HEAD: Final = b"\r\n\r\n"

_AGAIN_S: Final = 0.1
_NOT_FINAL: Final = frozenset({408, 425, 429})
INSIST_S: Final = 90.0
"""Longer than any kill keeps the API away: what is not answered by then never will be."""


class NoAnswer(Exception):
    """The connection failed, or nothing came in time: what became of the request is not known."""


class Reply(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    headers: dict[str, str]
    """By lower-case names."""
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection, with at most one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._buffer = b""
        self._waiting: asyncio.Future[Reply] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a TCP connection

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail("the connection was closed")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        reply = self._parsed()
        if reply is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(reply)

    def send(self, request: bytes) -> asyncio.Future[Reply]:
        self._buffer = b""
        self._waiting = asyncio.get_running_loop().create_future()
        if self.closed or self.transport is None:
            self._fail("the connection was closed")
        else:
            self.transport.write(request)
        return self._waiting

    def abort(self) -> None:
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, reason: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NoAnswer(reason))

    def _parsed(self) -> Reply | None:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        start, length = end + len(_END_OF_HEAD), int(headers.get("content-length", "0"))
        if len(self._buffer) < start + length:
            return None
        return Reply(int(lines[0].split(" ", 2)[1]), headers, self._buffer[start : start + length])


class Http:
    """Requests to one host and port, from one event loop."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        """`headers` go with every request to 127.0.0.1:`port`."""
        self.port = port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._idle: list[_Connection] = []

    async def request(
        self, method: str, path: str, body: bytes = b"", *, headers: str = "", timeout_s: float = 10.0
    ) -> Reply:
        """Send once and wait for the answer; raises `NoAnswer`. `headers` are whole lines."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        data = f"{head}{self._headers}{headers}\r\n".encode("latin-1") + body
        connection = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connected()
                reply = await connection.send(data)
        except (OSError, TimeoutError) as error:
            if connection is not None:
                connection.abort()
            raise NoAnswer(type(error).__name__) from None
        except asyncio.CancelledError:
            if connection is not None:
                connection.abort()
            raise
        if reply.headers.get("connection", "").lower() == "close":
            connection.abort()
        else:
            self._idle.append(connection)
        return reply

    async def insist(self, method: str, path: str, body: bytes = b"", *, headers: str = "") -> Reply:
        """Ask again until there is a final answer, which must be a 2xx: whoever answers may be killed.

        Raises `NoAnswer` if there is none in `INSIST_S`.
        """
        deadline = time.monotonic() + INSIST_S
        while time.monotonic() < deadline:
            try:
                reply = await self.request(method, path, body, headers=headers, timeout_s=5.0)
            except NoAnswer:
                await asyncio.sleep(_AGAIN_S)
                continue
            if reply.status < 500 and reply.status not in _NOT_FINAL and "retry-after" not in reply.headers:
                check(reply.status < 300, f"{method} {path}: {reply.status} {reply.body[:300].decode()}")
                return reply
            await asyncio.sleep(_AGAIN_S)
        raise NoAnswer(f"{method} {path} was not answered in {INSIST_S:.0f} s")

    def close(self) -> None:
        """Close the connections that are idle."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def _connected(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, "127.0.0.1", self.port
        )
        return connection
