"""The endpoint that the day's webhooks go to: it verifies them, and now and then it is not well."""

import asyncio
import contextlib
import datetime as dt
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from caudal.connectors import StandardWebhooks, WebhookRefused
from caudal_base.secret import Secret

_END_OF_HEAD: Final = b"\r\n\r\n"
_UNWELL_IN: Final = 250
"""One event in so many is answered with 503 at its first attempt."""

_REASONS: Final = {200: "OK", 400: "Bad Request", 503: "Service Unavailable"}
_ENDED: Final = frozenset({"succeeded", "declined", "failed", "cancelled", "expired", "returned"})


class Arrived(msgspec.Struct, frozen=True):
    """An event, as it arrives."""

    id: str
    seq: int
    type: str
    object: str
    created_at: dt.datetime


_decode = msgspec.json.Decoder(Arrived).decode


class Sink:
    """Takes webhooks on this machine."""

    def __init__(self) -> None:
        """It trusts nobody yet: `trust` says whom."""
        self._scheme = StandardWebhooks([])
        self.port = 0
        self.delays: dict[str, float] = {}
        """Seconds from each event to its arrival."""
        self.order: list[tuple[str, int]] = []
        """Object and seq of what arrived first, in order of arrival."""
        self.attempts: Counter[str] = Counter()
        """By event."""
        self.refused = 0
        self.ended: set[str] = set()
        """Payments that it was told have ended."""

    def trust(self, secret: Secret) -> None:
        """What this secret signs is good from now on."""
        self._scheme = StandardWebhooks([secret])

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Sink"]:
        """Serve until the block ends."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """One webhook; the status to answer with."""
        now = dt.datetime.now(dt.UTC)
        try:
            self._scheme.verify(headers, body, now=now)
        except WebhookRefused:
            self.refused += 1
            return 400
        id_ = headers["webhook-id"]
        self.attempts[id_] += 1
        if self.attempts[id_] == 1 and zlib.crc32(id_.encode()) % _UNWELL_IN == 0:
            return 503
        if id_ not in self.delays:
            event = _decode(body)
            self.delays[event.id] = (now - event.created_at).total_seconds()
            self.order.append((event.object, event.seq))
            if event.type.removeprefix("payment.") in _ENDED:
                self.ended.add(event.object)
        return 200


class _Connection(asyncio.Protocol):
    """One connection of a sender, request after request. It reads no more of HTTP than that needs."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # of a TCP connection

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(_END_OF_HEAD)) >= 0:
            lines = self._held[:end].decode("latin-1").split("\r\n")[1:]
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            start = end + len(_END_OF_HEAD)
            stop = start + int(headers.get("content-length", "0"))
            if len(self._held) < stop:
                return
            status = self._sink.take(headers, self._held[start:stop])
            self._held = self._held[stop:]
            self._transport.write(
                f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: 0\r\n\r\n".encode()
            )
