"""The deliverer: finds endpoints that have something to do and drives them, as many at once as it may.

Any number of them may run, in any number of processes: an endpoint is driven by one at a time. Like the
worker of jobs it looks often while it finds work, and less often while it finds none.
"""

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import psycopg
import structlog

from caudal import audit, events
from caudal.delivery import store_claims, store_drives
from caudal.delivery.driving import Drive
from caudal.delivery.lanes import Claim
from caudal.delivery.service import Endpoints
from caudal.delivery.store_claims import Claimed
from caudal.delivery.tools import Tools
from caudal.delivery.types import DisableReason
from caudal_base import database, ids
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource

_log = structlog.get_logger("caudal.delivery")

_PRINCIPAL: Final = "delivery"


class Deliverer:
    """Delivers the events of some books until `stop`. Belongs to one event loop, and runs once."""

    def __init__(
        self,
        tools: Tools,
        endpoints: Endpoints,
        *,
        books: Callable[[], Awaitable[Sequence[int]]],
        new_ids: IdSource,
    ) -> None:
        """`books` lists the books to serve; it is asked every second."""
        self._tools = tools
        self._endpoints = endpoints
        self._list_books = books
        self._ids = new_ids
        self._books: Sequence[int] = ()
        self._books_at = float("-inf")
        self._backlog_at = float("-inf")
        self._drives: dict[asyncio.Task[None], Drive] = {}
        self._astray: defaultdict[int, set[UUID]] = defaultdict(set)
        """By book: claims that may have been made and of which no drive came, as the database went away."""
        self._stopping = asyncio.Event()
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Deliver until `stop` is called, then wait for what is out. Survives the database going away."""
        options = self._tools.options
        pause, failures = options.poll_min_s, 0
        beating = asyncio.create_task(self._beat())
        try:
            while not self._stopping.is_set():
                try:
                    found = await self._search()
                    failures = 0
                    pause = options.poll_min_s if found else min(2 * pause, options.poll_max_s)
                except (psycopg.Error, CaudalError, OSError) as error:
                    failures += 1
                    pause = min(options.trouble_max_s, 0.05 * 2.0 ** min(failures, 20))
                    self._trouble("webhooks_search_failed", error)
                self._measure()
                # Who drives much already looks less often: so the work spreads over processes.
                await self._rest(pause * (1 + len(self._drives) / 8))
            for drive in self._drives.values():
                drive.stop()
            if self._drives:
                await asyncio.wait(self._drives, timeout=options.grace_s)
        finally:
            beating.cancel()
            for task in self._drives:
                task.cancel()
            await asyncio.wait([beating, *self._drives])

    def stop(self) -> None:
        """Drive nothing more, and let `run` return when what is out has come back, or after the grace."""
        self._stopping.set()
        for drive in self._drives.values():
            drive.stop()
        self._bell.set()

    async def disable(self, book_id: int, endpoint_id: UUID, reason: DisableReason) -> None:
        """Disable an endpoint, with an event and a record in the audit log."""
        async with self._tools.database.transaction() as connection:
            disabled = await self._endpoints.disable(connection, book_id, endpoint_id, reason)
            if disabled is None:
                return
            record = audit.Record(
                book_id=book_id,
                at=self._tools.clock.now(),
                principal=_PRINCIPAL,
                action="webhook_endpoint.disable",
                object_id=ids.encode(ids.ENDPOINT, endpoint_id),
                request_id=ids.encode(ids.REQUEST, self._ids.new()),
                result=reason.value,
            )
            await audit.append(connection, [record])
        counts = self._tools.counts.disabled
        counts[reason.value] = counts.get(reason.value, 0) + 1
        _log.error("webhook_endpoint_disabled", endpoint=endpoint_id, book_id=book_id, reason=reason.value)

    async def behind(self, book_id: int, endpoint_id: UUID, behind: bool, /) -> None:
        """Tell that so many deliveries wait for an endpoint that it is given nothing new, or no longer."""
        async with self._tools.database.transaction() as connection:
            news = await self._endpoints.mark_behind(connection, book_id, endpoint_id, behind=behind)
        if news:
            said = "webhook_endpoint_behind" if behind else "webhook_endpoint_caught_up"
            _log.warning(said, endpoint=endpoint_id, book_id=book_id)

    async def _beat(self) -> None:
        """Extend the claims of this process, as long as it runs."""
        while True:
            await asyncio.sleep(self._tools.options.beat_s)
            for book_id in {drive.book_id for drive in self._drives.values()}:
                try:
                    await self._extend(book_id)
                except (psycopg.Error, CaudalError, OSError) as error:
                    self._trouble("webhook_claims_not_extended", error, book=book_id)

    async def _extend(self, book_id: int) -> None:
        """Those of a book that their own drivers have not renewed lately."""
        tools, options = self._tools, self._tools.options
        moment = tools.monotonic()
        fresh = moment + options.lease_s - options.beat_s
        drives = {
            drive.held[0]: drive
            for drive in self._drives.values()
            if drive.book_id == book_id and drive.held_until < fresh
        }
        if not drives:
            return
        until = tools.clock.now() + dt.timedelta(seconds=options.lease_s)
        async with tools.database.connection() as connection:
            held = [drive.held for drive in drives.values()]
            revisions = await store_claims.extend(connection, book_id, held, until=until)
        for endpoint_id, revision in revisions.items():
            drives[endpoint_id].extended(moment + options.lease_s, revision)

    async def _rest(self, seconds: float) -> None:
        self._bell.clear()
        if not self._stopping.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._bell.wait()
            except TimeoutError:
                return

    async def _search(self) -> bool:
        """One round over all books; whether it found an endpoint to drive."""
        tools, moment = self._tools, self._tools.monotonic()
        if moment >= self._books_at + tools.options.books_s:
            self._books = await self._list_books()
            self._books_at = moment
        count = moment >= self._backlog_at + tools.options.backlog_s
        if count:
            self._backlog_at = moment
        found = False
        for book_id in self._books:
            found = await self._look(book_id) or found
            if count:
                await self._count(book_id)
        return found

    async def _look(self, book_id: int) -> bool:
        """Tell those that drive an endpoint of the book how far it is; drive more, if there is room."""
        async with self._tools.database.connection() as connection:
            head = await (await events.queue_head(connection, book_id)).finish()
            for drive in self._drives.values():
                if drive.book_id == book_id:
                    drive.told(head)
            room = self._tools.options.endpoints - len(self._drives)
            return head > 0 and room > 0 and await self._claim(connection, book_id, head, room)

    async def _claim(self, connection: database.Connection, book_id: int, head: int, room: int) -> bool:
        tools, token = self._tools, self._ids.new()
        # Taken before the statement: the lease ends no earlier than this says.
        until, now = tools.monotonic() + tools.options.lease_s, tools.clock.now()
        astray = self._astray[book_id]
        before = list(astray)
        astray.add(token)
        claimed = await store_claims.claim(
            connection,
            book_id,
            head=head,
            claim=token,
            limit=room,
            max_pending=tools.options.max_pending,
            astray=before,
            now=now,
            until=now + dt.timedelta(seconds=tools.options.lease_s),
        )
        ready = []
        for one in claimed:
            try:
                endpoint = await self._endpoints.get(connection, book_id, one.endpoint_id)
                signers = await self._endpoints.signers(connection, book_id, one.endpoint_id)
            except CaudalError as error:
                # It stays claimed until the claim expires: a pause for whatever is wrong.
                self._trouble("webhook_endpoint_unusable", error, endpoint=one.endpoint_id)
                continue
            claim = Claim(
                book_id=book_id, token=token, until=until, claimed=one, endpoint=endpoint, signers=signers
            )
            ready.append((claim, one))
        for claim, one in ready:
            self._start(claim, one)
        # Had there been more of them than there was room for, they come with the next.
        astray.difference_update([token], before if len(claimed) < room else ())
        return bool(claimed)

    def _start(self, claim: Claim, claimed: Claimed) -> None:
        drive = Drive(self._tools, claim, self)
        task = asyncio.get_running_loop().create_task(drive.run())
        self._drives[task] = drive

        def end(task: asyncio.Task[None]) -> None:
            del self._drives[task]
            self._bell.set()
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._trouble("webhook_drive_failed", error, endpoint=claimed.endpoint_id)

        task.add_done_callback(end)

    def _trouble(self, event: str, error: BaseException, **fields: object) -> None:
        self._tools.counts.troubles += 1
        _log.warning(event, exc_info=error, **fields)

    def _measure(self) -> None:
        counts = self._tools.counts
        counts.driven = len(self._drives)
        counts.open_breakers = sum(drive.breaker_open for drive in self._drives.values())

    async def _count(self, book_id: int) -> None:
        """How far the book's endpoints are behind, for the measurements."""
        counts = self._tools.counts
        async with self._tools.database.connection() as connection:
            head = await (await events.queue_head(connection, book_id)).finish()
            found = await store_drives.backlog(connection, book_id, head=head)
            oldest = [seq for seq in (found.oldest_pending,) if seq is not None]
            if found.oldest_unread is not None and found.oldest_unread < head:
                oldest.append(found.oldest_unread + 1)
            told = await events.by_seq(connection, book_id, [min(oldest)] if oldest else [])
        counts.behind[book_id] = found.behind
        counts.unread[book_id] = found.unread
        counts.pending[book_id] = found.pending
        now = self._tools.clock.now()
        counts.oldest_s[book_id] = max((now - told[0].at).total_seconds(), 0.0) if told else 0.0
