"""A partner that signs its webhooks by Standard Webhooks, and payments that write down what was applied."""

import asyncio
import datetime as dt
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from standardwebhooks.webhooks import Webhook

from caudal import events, jobs, webhooks
from caudal.connectors import (
    Drift,
    Inbound,
    KeyNeeded,
    Registry,
    Snapshot,
    StandardWebhooks,
    Status,
    Subject,
)
from caudal.events import NewEvent
from caudal.jobs import operators
from caudal.ledger import BookDirectory, BookInfo, Ledger
from caudal.payments import Applied, AppliedStatus
from caudal.webhooks import Inbox, Listed
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Connection, Database
from caudal_base.ids import IdSource
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.events import payment_id
from support.ledgers import new_book
from support.partners import Scripted

NOW = dt.datetime(2026, 3, 2, 9, 30, 15, tzinfo=dt.UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
FOREIGN_SECRET = "whsec_gTxpGMvGIH7BcgdSCmDVYkGcCXAeS4bI"

_numbers = itertools.count(1)


class Acme(Scripted):
    """Its webhooks are `{"type": …, "objects": [partner ids]}`; one of type `keyed` needs a key first."""

    def __init__(self, name: str, settings: PartnerSettings) -> None:
        super().__init__()
        self.name = name
        self.keys: set[str] = set()
        self._scheme = StandardWebhooks(settings.webhook_secrets)

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        signed = self._scheme.verify(headers, body, now=now)
        key_id = headers.get("acme-key")
        if key_id is not None and key_id not in self.keys:
            raise KeyNeeded(key_id)
        assert signed.id is not None
        assert signed.at is not None
        kind = headers.get("acme-type", "payment")
        return [Inbound(event_id=signed.id, type=kind, created_at=signed.at, body=body)]

    async def learn_key(self, key_id: str) -> bool:
        if key_id.startswith("good"):
            self.keys.add(key_id)
        return key_id in self.keys

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        return [
            Snapshot(
                subject=Subject.PAYMENT, partner_id=name, status=Status.SUCCEEDED, amount=1, currency="EUR"
            )
            for name in json.loads(inbound.body)["objects"]
        ]


def acme(name: str, settings: PartnerSettings, drift: Drift) -> Acme:
    """As settings name it: `support.webhooks:acme`."""
    return Acme(name, settings)


def partner_settings(book: str, *secrets: str) -> PartnerSettings:
    """Acme's, for a book."""
    return PartnerSettings(
        connector="support.webhooks:acme",
        book=book,
        api_key=Secret("key"),
        webhook_secrets=[Secret(secret) for secret in secrets or (SECRET,)],
    )


@dataclass(frozen=True)
class Sent:
    """A webhook as it arrives."""

    headers: dict[str, str]
    body: bytes


def signed(
    *objects: str,
    event_id: str | None = None,
    at: dt.datetime = NOW,
    secret: str = SECRET,
    body: bytes | None = None,
) -> Sent:
    """A webhook about these objects, signed by the scheme's own library."""
    event_id = f"msg_{next(_numbers)}" if event_id is None else event_id
    text = json.dumps({"objects": objects}) if body is None else body.decode()
    signature = Webhook(secret).sign(event_id, at, text)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }
    return Sent(headers, text.encode())


@dataclass
class Effects:
    """Payments as webhooks see them. What it applies is an event of the book, so a rollback takes it back.

    An object `later-…` is not known until it is in `known`; `never-…` contradicts what is known; `broken-…`
    breaks the transaction.
    """

    ledger: Ledger
    ids: IdSource
    known: set[str] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)

    async def apply_snapshots(
        self, connection: Connection, book_id: int, partner: str, snapshots: Sequence[Snapshot]
    ) -> list[Applied]:
        self.batches.append(len(snapshots))
        async with connection.pipeline():
            load = await self.ledger.begin(connection, book_id, ())
            book = await load.finish()
        done = await applied(connection, book_id)
        results = []
        for snapshot in snapshots:
            name = snapshot.partner_id
            if name.startswith("later") and name not in self.known:
                results.append(Applied(AppliedStatus.WAITING, f"nothing is known of {name}"))
            elif name.startswith("never"):
                results.append(Applied(AppliedStatus.REFUSED, "it has failed before"))
            elif name in done:
                results.append(Applied(AppliedStatus.UNCHANGED))
            else:
                done.append(name)
                effect = NewEvent(
                    type="payment.applied",
                    object_type="payment",
                    object_id=payment_id(1),
                    at=book.recorded_at,
                    data={"object": name},
                )
                await events.append(connection, book_id, [effect], self.ids)
                results.append(Applied(AppliedStatus.APPLIED))
            if name.startswith("broken"):
                await connection.execute("select 1 / 0")
        return results


async def applied(connection: Connection, book_id: int) -> list[str]:
    """The objects that were applied, in order; one that was applied twice stands twice."""
    page = await events.find(connection, book_id, type="payment.applied", limit=1_000)
    return [json.loads(bytes(event.data))["object"] for event in page.events]


class Post:
    """A book with an inbox, and workers that apply what comes in; the clock stands still."""

    def __init__(
        self,
        database: Database,
        book: BookInfo,
        *secrets: str,
        partner: str = "acme",
        settings: PartnerSettings | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.database = database
        self.book = book
        self.partner = partner
        self.clock = clock or ManualClock(NOW)
        self.ids = IdSource(self.clock)
        self.ledger = Ledger(self.clock)
        self.payments = Effects(self.ledger, self.ids)
        settings = settings or partner_settings(book.name, *secrets)
        self.partners = Registry.from_settings({partner: settings}, self.clock)
        self.inbox = Inbox(database, self.partners, BookDirectory(), self.clock, self.ids)
        self.counts = webhooks.ApplyCounts()

    async def receive(self, sent: Sent) -> bool:
        """Whether it was new."""
        return await self.inbox.receive(self.partner, sent.headers, sent.body)

    async def arrived(self, *objects: str) -> UUID:
        """The id of a webhook that came in."""
        event_id = f"msg_{next(_numbers)}"
        assert await self.receive(signed(*objects, event_id=event_id, at=self.clock.now()))
        return next(row.id for row in await self.rows() if row.event_id == event_id)

    async def rows(self) -> list[Listed]:
        """All webhooks, in the order of their receipt."""
        async with self.database.connection() as connection:
            return (await webhooks.find(connection, self.book.book_id, limit=1_000))[::-1]

    async def row(self, id: UUID) -> Listed:
        async with self.database.connection() as connection:
            return await webhooks.get(connection, self.book.book_id, id)

    async def body(self, id: UUID) -> bytes | None:
        async with self.database.connection() as connection:
            return await webhooks.read_body(connection, self.book.book_id, id)

    async def unfinished(self) -> list[jobs.Listed]:
        """Those that are unfinished."""
        async with self.database.connection() as connection:
            return await operators.list_waiting(connection, book_id=self.book.book_id, limit=500)

    async def jobs_of_webhooks(self) -> list[jobs.Listed]:
        """Those that apply webhooks."""
        return [job for job in await self.unfinished() if job.kind == webhooks.APPLY]

    async def effects(self) -> list[str]:
        async with self.database.connection() as connection:
            return await applied(connection, self.book.book_id)

    async def replay(self, *wanted: UUID) -> list[Any]:
        async with self.database.transaction() as connection:
            return await webhooks.replay(
                connection, self.book.book_id, wanted, now=self.clock.now(), new_ids=self.ids
            )

    def handlers(self) -> list[jobs.AnyHandler]:
        return webhooks.handlers(self.partners, self.payments, self.ledger, self.ids, self.counts)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker runs meanwhile."""

        async def books() -> Sequence[int]:
            return [self.book.book_id]

        options = jobs.Options(
            queues={jobs.DEFAULT_QUEUE: 1, webhooks.QUEUE: 2},
            poll_min_s=0.001, poll_max_s=0.01, upkeep_s=0.01,
        )  # fmt: skip
        worker = jobs.Worker(
            self.database,
            self.handlers(),
            books=books,
            clock=self.clock,
            ids=self.ids,
            periodics=webhooks.PERIODICS,
            options=options,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running

    async def work(self) -> None:
        """Let a worker do all that is due now."""
        async with self.working():
            await until(self._idle)

    async def work_through(self) -> int:
        """As `work`, moving the clock to whatever is due next, until nothing is left; the seconds it took."""
        began = self.clock.now()
        async with self.working():
            while True:
                await until(self._idle)
                left = await self.jobs_of_webhooks()
                if not left:
                    return round((self.clock.now() - began).total_seconds())
                self.clock.set(min(job.run_at for job in left))

    async def _idle(self) -> bool:
        now = self.clock.now()
        return not [
            job
            for job in await self.jobs_of_webhooks()
            if job.state is jobs.State.RUNNING or job.run_at <= now
        ]

    async def parked_events(self) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            page = await events.find(connection, self.book.book_id, type=webhooks.PARKED)
        return [json.loads(bytes(event.data)) for event in page.events]


def external(id: UUID) -> str:
    """`whi_…`"""
    return ids.encode(ids.INBOUND, id)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition, as long as it takes within reason."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.002)


async def new_post(database: Database, *secrets: str) -> Post:
    """A book of its own."""
    return Post(database, await new_book(database), *secrets)
