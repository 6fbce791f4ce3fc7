"""Where partners' webhooks come in: verified, stored once, answered; all else is a job's.

Webhooks that come together share a transaction, for each book. No lock on the book is taken.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from caudal.connectors import Inbound, KeyNeeded, Partner, Registry, WebhookRefused
from caudal.ledger import BookDirectory
from caudal.webhooks import rules, service
from caudal.webhooks.types import NewInbound, Unsettled
from caudal_base.clock import Clock
from caudal_base.coalesce import Limits, Stats
from caudal_base.coalescers import Coalescers
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource

LIMITS: Final = Limits(max_requests=200, max_queue=2_000)
"""A waiting body may have a megabyte; most have two kilobytes."""

_log = structlog.get_logger("caudal.webhooks")


class InboxCounts:
    """What came in, by partner, since this process started."""

    def __init__(self, partners: Sequence[str]) -> None:
        """Nothing yet."""
        self.received: dict[str, int] = dict.fromkeys(partners, 0)
        """Verified and stored."""
        self.repeated: dict[str, int] = dict.fromkeys(partners, 0)
        """Verified, and there already."""
        self.refused: dict[tuple[str, str], int] = {}
        """Not verified, by partner and reason."""


class Inbox:
    """Takes partners' webhooks, a coalescer per book. Belongs to one event loop."""

    def __init__(
        self,
        database: Database,
        partners: Registry,
        books: BookDirectory,
        clock: Clock,
        new_ids: IdSource,
    ) -> None:
        """`partners` are those whose webhooks are taken, each for the book that its settings name."""
        self._database = database
        self._partners = partners
        self._books = books
        self._clock = clock
        self._ids = new_ids
        self._book_ids: dict[str, int] = {}
        self._coalescers = Coalescers[NewInbound, bool](self._run, limits=LIMITS)
        self.counts = InboxCounts(partners.names)

    async def receive(self, partner_name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Verify a webhook and store its events with their jobs; False where all were there already.

        `headers` have lower-case names. Raises `PartnerUnknown`; `WebhookRefused`, counted: nothing of it is
        believed or stored; `BookNotFound` while the partner's book has not been made; and `Unavailable` when
        too much waits or the outcome could not be learned: the partner sends it again.
        """
        partner = self._partners.get(partner_name)
        events = await self._verified(partner, headers, body)
        book_id = await self._book_of(partner)
        now = self._clock.now()
        new = [
            NewInbound(id=self._ids.new(), partner=partner.name, inbound=inbound, received_at=now)
            for inbound in events
        ]
        if len(new) == 1:
            fresh = [await self._coalescers.submit(book_id, new[0])]
        else:
            # Of events that come together each is a request of its own; they end in one transaction or two.
            fresh = await asyncio.gather(*(self._coalescers.submit(book_id, each) for each in new))
        for each in fresh:
            counted = self.counts.received if each else self.counts.repeated
            counted[partner.name] = counted.get(partner.name, 0) + 1
        return any(fresh)

    def acknowledgement(self, partner_name: str) -> bytes | None:
        """How the partner's webhooks are to be answered; None: any 200 will do. Raises `PartnerUnknown`."""
        return self._partners.get(partner_name).acknowledgement

    async def unsettled(self) -> list[Unsettled]:
        """How many webhooks of this process's partners are received or parked, in all of their books."""
        found: list[Unsettled] = []
        async with self._database.connection() as connection:
            for name in dict.fromkeys(partner.book for partner in self._partners):
                book = await self._books.require(connection, name)
                found += await service.unsettled(connection, book.book_id)
        return found

    async def _verified(self, partner: Partner, headers: Mapping[str, str], body: bytes) -> Sequence[Inbound]:
        now = self._clock.now()
        try:
            try:
                events = partner.verify(headers, body, now=now)
            except KeyNeeded as needed:
                await partner.learn_key(needed.key_id)
                events = partner.verify(headers, body, now=now)
            for inbound in events:
                rules.refuse_unusable(inbound)
        except WebhookRefused as refused:
            key = (partner.name, refused.reason.value)
            self.counts.refused[key] = self.counts.refused.get(key, 0) + 1
            _log.warning("webhook_refused", partner=partner.name, reason=refused.reason.value)
            raise
        return events

    async def _book_of(self, partner: Partner) -> int:
        known = self._book_ids.get(partner.name)
        if known is None:
            async with self._database.connection() as connection:
                book = await self._books.require(connection, partner.book)
            known = self._book_ids[partner.name] = book.book_id
        return known

    def stats(self) -> dict[int, Stats]:
        """Each book's queue."""
        return self._coalescers.stats()

    async def drain(self) -> None:
        """Finish what waits, refuse what comes."""
        await self._coalescers.drain()

    async def _run(self, book_id: int, new: Sequence[NewInbound]) -> Sequence[bool | CaudalError]:
        """One transaction for all of `new`."""
        now: dt.datetime = self._clock.now()
        async with self._database.transaction() as connection:
            return await service.receive(connection, book_id, new, now=now, new_ids=self._ids)
