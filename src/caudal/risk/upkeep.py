"""What a worker does for this room: old sums are deleted, daily."""

import datetime as dt
from typing import Final

import msgspec

from caudal import jobs
from caudal.risk.service import PURGE_LIMIT, purge_used

PURGE_USED: Final = "risk.purge_used"


class NoPayload(msgspec.Struct, frozen=True):
    """A job that its kind and book say all about."""


def handlers() -> list[jobs.AnyHandler]:
    """What each kind of job of this room does."""
    return [jobs.Handler(PURGE_USED, NoPayload, _purge, max_batch=1, on_dead=jobs.OnDead.SKIP)]


PERIODICS: Final = (
    jobs.Periodic(name=PURGE_USED, kind=PURGE_USED, every=dt.timedelta(days=1), payload=NoPayload()),
)


async def _purge(work: jobs.Work[NoPayload]) -> None:
    """Delete a lot to a transaction, so that others get in between; the job ends with the last one."""
    last = False
    while not last:
        async with work.database.transaction() as connection:
            deleted = await purge_used(connection, work.book_id, at=work.clock.now())
            last = deleted < PURGE_LIMIT
            if last:
                await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})
