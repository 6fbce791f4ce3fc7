"""An HTTP/1.1 server on asyncio that can do what a proxy or a dying host does: hang up without an answer.

Servers for ASGI turn a handler that gives up into a 500, and a client that got one knows more than after a
connection that broke. So the sandbox speaks HTTP itself: keep-alive, pipelining, bodies with a length or in
chunks, bounded heads and bodies. No TLS, no upgrades, no trailers.
"""

import asyncio
import http
from collections.abc import Awaitable, Callable
from typing import Final, cast

import structlog

from caudal_sandbox.messages import Request, Response, json_response

MAX_HEAD: Final = 32 * 1024
MAX_BODY: Final = 4 * 1024 * 1024
MAX_WAITING: Final = 64
"""Pipelined requests of one connection that may wait for their turn; then it is closed."""

Handle = Callable[[Request], Response | Awaitable[Response]]

_REASONS: Final = {status.value: status.phrase for status in http.HTTPStatus}
_CHUNK_LINE: Final = 1024

_log = structlog.get_logger("caudal_sandbox.http")


class BadRequest(Exception):
    """Bytes that are no request; answered with `status`, and the connection ends."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Connection(asyncio.Protocol):
    """One client's connection: its requests are answered one after the other."""

    def __init__(self, handle: Handle, connections: set["Connection"]) -> None:
        """`connections` holds all open ones of a server, for its end."""
        self._handle = handle
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._working: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def working(self) -> "asyncio.Task[None] | None":
        """The request in work, if there is one that takes its time."""
        return self._working

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        # A request in work goes on: a caller that has gone away does not take back what it asked for.
        self._transport = None
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._working is None:
            self._proceed()
        elif len(self._buffer) > MAX_HEAD + MAX_BODY:
            self.abort()

    def finish(self) -> None:
        """End the connection: at once if it is idle, else after the request in work."""
        self._closing = True
        if self._working is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection without another byte."""
        self._buffer = b""
        if self._transport is not None:
            self._transport.abort()

    def _proceed(self) -> None:
        """Answer the requests that have arrived, until one has to be waited for."""
        while self._working is None and self._buffer and self._transport is not None:
            try:
                request = self._next()
            except BadRequest as bad:
                self._closing = True
                self._write(json_response(bad.status, {"error": str(bad)}))
                return
            if request is None:
                return
            self._answer(request)

    def _answer(self, request: Request) -> None:
        try:
            answer = self._handle(request)
        except Exception:
            self._write(self._bug(request))
            return
        if isinstance(answer, Response):
            self._write(answer)
        else:
            self._working = asyncio.ensure_future(self._answer_later(request, answer))

    async def _answer_later(self, request: Request, answer: Awaitable[Response]) -> None:
        try:
            response = await answer
        except Exception:
            response = self._bug(request)
        finally:
            self._working = None
        self._write(response)
        self._proceed()

    @staticmethod
    def _bug(request: Request) -> Response:
        _log.exception("request_failed", method=request.method, path=request.path)
        return json_response(500, {"error": "a bug of the sandbox, which it has logged"})

    def _write(self, response: Response) -> None:
        if self._transport is None:
            return
        if response.drop:
            self.abort()
            return
        reason = _REASONS.get(response.status, "")
        lines = [f"HTTP/1.1 {response.status} {reason}\r\ncontent-length: {len(response.body)}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in response.headers]
        lines.append("connection: close\r\n\r\n" if self._closing else "\r\n")
        self._transport.write("".join(lines).encode("latin-1") + response.body)
        if self._closing:
            self._transport.close()

    def _next(self) -> Request | None:
        """Take the first request from the buffer; None while it is not there to its end."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_HEAD:
                raise BadRequest(431, "the head is too large")
            return None
        if end > MAX_HEAD:
            raise BadRequest(431, "the head is too large")
        lines = buffer[:end].decode("latin-1").split("\r\n")
        method, target = self._request_line(lines[0])
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name[-1] in " \t" or name[0] in " \t":
                raise BadRequest(400, "a header line without a name")
            headers[name.lower()] = value.strip()
        body = self._body(headers, end + 4)
        if body is None:
            return None
        if headers.get("connection", "").lower() == "close":
            self._closing = True
        return Request(method, target, headers, body)

    @staticmethod
    def _request_line(line: str) -> tuple[str, str]:
        parts = line.split(" ")
        if len(parts) != 3 or not parts[0].isalpha() or not parts[1].startswith("/"):
            raise BadRequest(400, "this is no HTTP request")
        if parts[2] != "HTTP/1.1":
            raise BadRequest(505, "HTTP/1.1 only")
        return parts[0], parts[1]

    def _body(self, headers: dict[str, str], start: int) -> bytes | None:
        """The body that begins at `start`, taken off the buffer; None while not all is there."""
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadRequest(501, "bodies come with a length or in chunks")
            read = read_chunks(self._buffer, start)
        elif length is None:
            read = (b"", start)
        else:
            if not (length.isascii() and length.isdigit()) or len(length) > 10:
                raise BadRequest(400, "the length is no number")
            size = int(length)
            if size > MAX_BODY:
                raise BadRequest(413, "the body is too large")
            ended = start + size
            read = (self._buffer[start:ended], ended) if len(self._buffer) >= ended else None
        if read is None:
            if headers.get("expect", "").lower() == "100-continue" and len(self._buffer) == start:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # type: ignore[union-attr]
            return None
        body, ended = read
        self._buffer = self._buffer[ended:]
        return body


def read_chunks(buffer: bytes, at: int) -> tuple[bytes, int] | None:
    """A chunked body (RFC 9112 section 7.1) from `at`, and where it ends; None while it is not all there."""
    parts: list[bytes] = []
    total = 0
    while True:
        end = buffer.find(b"\r\n", at, at + _CHUNK_LINE)
        if end < 0:
            if len(buffer) - at >= _CHUNK_LINE:
                raise BadRequest(400, "a chunk without a size")
            return None
        digits = buffer[at:end].partition(b";")[0].strip()
        try:
            size = int(digits, 16)
        except ValueError:
            raise BadRequest(400, "a chunk without a size") from None
        total += size
        if size < 0 or total > MAX_BODY:
            raise BadRequest(413, "the body is too large")
        at = end + 2
        if len(buffer) < at + size + 2:
            return None
        if buffer[at + size : at + size + 2] != b"\r\n":
            raise BadRequest(400, "a chunk that does not end where it should")
        if size == 0:
            return b"".join(parts), at + 2
        parts.append(buffer[at : at + size])
        at += size + 2
