"""A small HTTP/1.1 client for webhooks: keep-alive connections, POST, the answer as it came, nothing else.

httpx costs a millisecond of CPU a call; the sandbox shares its cores with what it tests.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from caudal_sandbox.http import BadRequest, read_chunks

MAX_ANSWER: Final = 1024 * 1024


class Unreachable(Exception):
    """No answer: refused, broken off, too late, or not HTTP."""


class _Link(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reusable = True
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail("the connection broke")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            status = self._status()
        except (BadRequest, ValueError):
            self.close()
            self._fail("the answer is no HTTP")
            return
        if status is not None and self._answer is not None and not self._answer.done():
            answer, self._buffer = bytes(self._buffer), b""
            self._answer.set_result((status, answer))

    def send(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send `request`; the status of its answer and all of it come when it has arrived."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport is None:
            self._fail("the connection broke")
        else:
            self.transport.write(request)
        return self._answer

    def close(self) -> None:
        """Break off."""
        self.reusable = False
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, why: str) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unreachable(why))

    def _status(self) -> int | None:
        """The status of the answer, once all of it is there."""
        end = self._buffer.find(b"\r\n\r\n")
        if len(self._buffer) > MAX_ANSWER:
            raise ValueError
        if end < 0:
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(version)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if headers.get("connection", "").lower() == "close" or version == "HTTP/1.0":
            self.reusable = False
        if not self._has_body(int(status), headers, end + 4):
            return None
        return int(status)

    def _has_body(self, status: int, headers: dict[str, str], start: int) -> bool:
        if status in (204, 304):
            return True
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return read_chunks(self._buffer, start) is not None
        if "content-length" in headers:
            return len(self._buffer) - start >= int(headers["content-length"])
        self.reusable = False  # it ends with the connection, and nobody reads it
        return True


class Client:
    """Posts to any number of hosts. Bound its concurrency from outside."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        """`timeout_s` bounds one post from the connection to the end of the answer."""
        self._timeout_s = timeout_s
        self._idle: dict[tuple[str, str, int], list[_Link]] = {}

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        """The status of the answer, and all of it, headers included. Raises `Unreachable`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise Unreachable(f"{url} is no address of HTTP")
        host = (parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"POST {target} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        request = f"{head}\r\n".encode("latin-1") + body
        link: _Link | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                link = self._idle_link(host) or await self._connect(host)
                answer = await link.send(request)
        except (TimeoutError, OSError) as error:
            if link is not None:
                link.close()
            raise Unreachable(str(error) or "too late") from error
        if link.reusable:
            self._idle.setdefault(host, []).append(link)
        else:
            link.close()
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        for links in self._idle.values():
            for link in links:
                link.close()
        self._idle.clear()

    def _idle_link(self, host: tuple[str, str, int]) -> _Link | None:
        links = self._idle.get(host, [])
        while links:
            link = links.pop()
            if link.reusable and link.transport is not None:
                return link
        return None

    @staticmethod
    async def _connect(host: tuple[str, str, int]) -> _Link:
        scheme, name, port = host
        context = ssl.create_default_context() if scheme == "https" else None
        _, link = await asyncio.get_running_loop().create_connection(_Link, name, port, ssl=context)
        return link
