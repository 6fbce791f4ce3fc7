"""Webhooks out, to real servers on this machine that behave as a test wants them to."""

import asyncio
import base64
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from caudal.delivery import (
    Deliverer,
    DeliveryCounts,
    Endpoints,
    Issued,
    Limits,
    Network,
    NewEndpoint,
    Options,
    Policy,
    Tools,
)
from caudal.ledger import BookInfo, Ledger
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from caudal_base.sealing import Sealing
from caudal_base.secret import Secret
from support.events import event, told
from support.ledgers import new_book

SEALING_KEY = Secret(base64.b64encode(b"k" * 32).decode())
LIMITS = Limits(connect_s=15.0, total_s=15.0, reuse_s=60.0)
IMPATIENT = Limits(connect_s=1.5, total_s=1.5, reuse_s=60.0)
"""Of tests that wait for a time-out: on a machine that is busy others must not meet one."""
OPTIONS = Options(poll_min_s=0.002, poll_max_s=0.01, linger_s=0.005, books_s=0.01, backlog_s=0.01)
SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.json.decode(self.body)
        return told


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[Received], Awaitable[bytes | None] | bytes | None]
"""What to answer, as bytes on the wire; None closes the connection without a word."""


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer's bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Listener:
    """A server on this machine that writes down what it gets."""

    answer: Answer = field(default=lambda _: OK)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    at_once: int = 0
    most_at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def seqs(self) -> list[int]:
        return [one.event["seq"] for one in self.received]

    @contextlib.asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Listener"]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.connections += 1
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            tasks.discard(task)

        server = await asyncio.start_server(connected, "127.0.0.1", self.port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        got = Received(first.split()[1], headers, body)
        self.received.append(got)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            said = self.answer(got)
            if isinstance(said, Awaitable):
                said = await said
        finally:
            self.at_once -= 1
        if said is None:
            return False
        writer.write(said)
        await writer.drain()
        return True


def verified_v1(got: Received, secret: str) -> Any:
    """What the independent library of Standard Webhooks makes of it; raises for a wrong signature."""
    return Webhook(secret).verify(got.body, got.headers)


def verified_v1a(got: Received, public_key: str) -> None:
    """Raises `InvalidSignature` unless one of its `v1a` signatures is by this key."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    (signature,) = [
        part.removeprefix("v1a,")
        for part in got.headers["webhook-signature"].split()
        if part.startswith("v1a,")
    ]
    key.verify(base64.b64decode(signature), content)


@dataclass
class Outbox:
    """A book with endpoints, and what delivers its events; the clock stands still."""

    database: Database
    book: BookInfo
    policy: Policy = field(default=Policy(development=True))
    clock: ManualClock = field(default_factory=lambda: ManualClock(dt.datetime.now(dt.UTC)))
    limits: Limits = LIMITS
    options: Options = OPTIONS
    more: dict[str, Any] = field(default_factory=dict)
    """Of the network: `resolve`, `tls`."""
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)

    def __post_init__(self) -> None:
        self.ids = IdSource(self.clock)
        self.ledger = Ledger(self.clock)
        sealing = Sealing(SEALING_KEY, Path("/nowhere"))
        self.endpoints = Endpoints(self.ledger, self.clock, self.ids, sealing, self.policy)

    async def endpoint(self, url: str, **fields: Any) -> Issued:
        """A new endpoint."""
        new = NewEndpoint(id=self.ids.new(), url=url, **{"types": ("payment.*",), **fields})
        async with self.database.transaction() as connection:
            return await self.endpoints.create(connection, self.book.book_id, new)

    async def tell(self, *numbers: int, type: str = "payment.succeeded", **data: Any) -> None:
        """Events about the payments of these numbers, in one transaction."""
        await told(
            self.database, self.book.book_id, [event(number, type, data=data or None) for number in numbers]
        )

    def deliverer(self) -> Deliverer:
        async def books() -> Sequence[int]:
            return [self.book.book_id]

        tools = Tools(
            database=self.database,
            clock=self.clock,
            network=Network(policy=self.policy, limits=self.limits, **self.more),
            counts=self.counts,
            options=self.options,
            jitter=lambda: 0.0,
        )
        return Deliverer(tools, self.endpoints, books=books, new_ids=self.ids)

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[Deliverer]:
        """A deliverer runs meanwhile."""
        deliverer = self.deliverer()
        running = asyncio.create_task(deliverer.run())
        try:
            yield deliverer
        finally:
            deliverer.stop()
            await running

    async def deliver(self, condition: Callable[[], bool]) -> None:
        """Deliver until a condition holds."""
        async with self.delivering():
            await until(condition)

    async def settled(self) -> None:
        """Deliver until nothing is due and everybody has looked at everything."""
        async with self.delivering():
            await until_async(self._idle)

    async def _idle(self) -> bool:
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                """
select (
           select count(*)
             from delivery.drive
            where book_id = %(book)s
              and active
              and (claim is not null or through_seq < (select seq from events.head where book_id = %(book)s))
       ) + (
           select count(*)
             from delivery.delivery
             join delivery.drive using (book_id, endpoint_id)
            where book_id = %(book)s
              and active
              and state = 'pending'
              and next_at <= %(now)s
       )
                """,
                {"book": self.book.book_id, "now": self.clock.now()},
            )
            row = await cursor.fetchone()
        assert row is not None
        return bool(row[0] == 0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, as long as it takes within reason."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """The same for one that has to be asked for."""
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.005)


async def log_of(outbox: Outbox, issued: Issued) -> list[dict[str, Any]]:
    """The deliveries to an endpoint, in order."""
    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            "select seq, state, attempts, tried, next_at, status, error from delivery.delivery"
            " where book_id = %s and endpoint_id = %s order by seq",
            (outbox.book.book_id, issued.endpoint.id),
        )
        names = ("seq", "state", "attempts", "tried", "next_at", "status", "error")
        return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


async def new_outbox(database: Database, **fields: Any) -> Outbox:
    """A book of its own."""
    return Outbox(database, await new_book(database), **fields)
