"""The server that all endpoints of a run are at: one path for each, on this machine.

HTTP as far as webhooks need it, like the simulation's own client: a run of thousands of payments shares two
cores with all that it drives.
"""

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from caudal.simulation.receivers import Manner
from caudal.simulation.targets import Arrival, Reaction, Target, Way

FLOOD_BYTES: Final = 16 * 1024 * 1024
"""Whoever reads that much of an endless answer reads on for ever."""

_FLOOD: Final = b"x" * 65_536
_END_OF_HEAD: Final = b"\r\n\r\n"
_NOISE: Final = b"220 mail.example ESMTP\r\n"


class Sink:
    """All endpoints of a run. Belongs to one event loop."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        """`targets` are the programs behind them, by name."""
        self.targets = targets
        self.strays: list[str] = []
        """Requests that no endpoint was asked for."""
        self.flooded: list[int] = []
        """How many bytes of endless answers could be written, each time."""
        self.open: set[_Connection] = set()
        self._order = itertools.count(1)
        self._port = 0
        self._dead_port = 0

    def url(self, target: Target) -> str:
        """Where its webhooks go."""
        receiver = target.receiver
        refusing = receiver.manner is Manner.DEAD and not receiver.silent
        port = self._dead_port if refusing else self._port
        return f"http://127.0.0.1:{port}/hooks/{receiver.name}"

    def next(self) -> int:
        """The next place in the order of all that happens here."""
        return next(self._order)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Sink"]:
        """Serve meanwhile."""
        loop = asyncio.get_running_loop()
        # Bound and not listening: nobody else gets the port, and who connects is refused.
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as dead:
            dead.bind(("127.0.0.1", 0))
            self._port, self._dead_port = listening.getsockname()[1], dead.getsockname()[1]
            server = await loop.create_server(lambda: _Connection(self), sock=listening)
            try:
                yield self
            finally:
                server.close()
                self.hang_up()

    def hang_up(self) -> None:
        """End all connections."""
        for connection in list(self.open):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection of somebody who delivers, with one webhook at a time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._flooding = -1
        """Bytes of an endless answer so far; -1: there is none."""

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a TCP connection
        self._sink.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.open.discard(self)
        if self._flooding >= 0:
            self._sink.flooded.append(self._flooding)
            self._flooding = -1

    def resume_writing(self) -> None:
        if self._flooding >= 0:
            self._flood()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        start, length = end + len(_END_OF_HEAD), int(headers.get("content-length", "0"))
        if len(self._buffer) < start + length:
            return
        body, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
        self._take(first, headers, body)

    def _take(self, first: str, headers: Mapping[str, str], body: bytes) -> None:
        method, path, _ = first.split(" ", 2)
        target = self._sink.targets.get(path.removeprefix("/hooks/"))
        if target is None or method != "POST" or not path.startswith("/hooks/"):
            self._sink.strays.append(first)
            self.abort()
            return
        if target.receiver.manner is Manner.DEAD:
            # A silent one takes what comes and says nothing, until the run wants to come to its end.
            if target.calm:
                self.abort()
            return
        arrival, reaction = target.receive(headers, body, now=time.time(), order=self._sink.next())
        if reaction.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(reaction.delay_s, self._react, arrival, reaction)
        else:
            self._react(arrival, reaction)

    def _react(self, arrival: Arrival, reaction: Reaction) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if reaction.way is Way.HANG_UP:
            self.abort()
            return
        if reaction.way is Way.NOISE:
            transport.write(_NOISE)
            transport.close()
            return
        arrival.status, arrival.answered, arrival.answered_at = (
            reaction.status,
            self._sink.next(),
            time.time(),
        )
        for line in reaction.headers:
            name, _, value = line.partition(": ")
            if name == "Retry-After":
                arrival.asked_quiet_s = int(value)
        flood = reaction.way is Way.FLOOD
        length = 2**30 if flood else 0
        lines = [f"HTTP/1.1 {reaction.status} X", f"Content-Length: {length}", *reaction.headers, "", ""]
        transport.write("\r\n".join(lines).encode())
        if flood:
            self._flooding = 0
            self._flood()

    def _flood(self) -> None:
        """Write until whoever reads hangs up; the transport says when there is room for more."""
        transport = self._transport
        while transport is not None and not transport.is_closing():
            if self._flooding >= FLOOD_BYTES:
                transport.abort()
                return
            transport.write(_FLOOD)
            self._flooding += len(_FLOOD)
            if transport.get_write_buffer_size() > len(_FLOOD):
                return  # `resume_writing` goes on
