"""What keeps the table in order: periodic jobs begun, expired claims released, old rows deleted."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from caudal.jobs import rules, service
from caudal.jobs.counts import Counts
from caudal.jobs.types import Periodic
from caudal_base.clock import Clock
from caudal_base.database import Database
from caudal_base.ids import IdSource

_log = structlog.get_logger("caudal.jobs")

_PURGE_EVERY_S: Final = 3_600.0


class Upkeep:
    """Does what is due for a book when it is asked. Safe in any number of workers at once."""

    def __init__(
        self,
        database: Database,
        periodics: Sequence[Periodic],
        *,
        clock: Clock,
        ids: IdSource,
        release_every_s: float,
        keep_ended: timedelta,
        counts: Counts,
    ) -> None:
        """`keep_ended` is how long skipped and cancelled jobs are kept."""
        self._database = database
        self._periodics = tuple(periodics)
        self._clock = clock
        self._ids = ids
        self._release_every_s = release_every_s
        self._keep_ended = keep_ended
        self._counts = counts
        self._begun: dict[tuple[int, str], datetime] = {}
        self._release_at: dict[int, float] = {}
        self._purge_at: dict[int, float] = {}

    async def look_after(self, book_id: int) -> None:
        """Do what is due for the book."""
        await self._begin_periods(book_id)
        moment = time.monotonic()
        if moment >= self._release_at.get(book_id, 0.0):
            await self._release(book_id)
            self._release_at[book_id] = moment + self._release_every_s
        if moment >= self._purge_at.get(book_id, 0.0):
            await self._purge(book_id)
            self._purge_at[book_id] = moment + _PURGE_EVERY_S

    async def _begin_periods(self, book_id: int) -> None:
        now = self._clock.now()
        starts = {
            (book_id, periodic.name): rules.period_start(periodic.every, periodic.offset, now)
            for periodic in self._periodics
            if rules.belongs(periodic, book_id)
        }
        # What this worker has already seen begin costs no statement.
        if all(self._begun.get(place) == start for place, start in starts.items()):
            return
        async with self._database.transaction() as connection:
            enqueued = await service.tick(
                connection, book_id=book_id, periodics=self._periodics, now=now, new_id=self._ids.new
            )
        self._begun.update(starts)
        self._counts.periodic += len(enqueued)

    async def _release(self, book_id: int) -> None:
        while True:
            async with self._database.connection() as connection:
                released = await service.release_expired(connection, book_id=book_id, now=self._clock.now())
            if not released:
                return
            self._counts.released += len(released)
            _log.warning(
                "job_claims_released",
                book_id=book_id,
                count=len(released),
                kinds=sorted({job.kind for job in released}),
            )

    async def _purge(self, book_id: int) -> None:
        before = self._clock.now() - self._keep_ended
        async with self._database.connection() as connection:
            while purged := await service.purge(connection, book_id=book_id, before=before):
                self._counts.purged += purged
