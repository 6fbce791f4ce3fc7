"""The job of delivery: removing what is older than the log is kept."""

import datetime as dt
from typing import Final

import msgspec

from caudal import jobs
from caudal.delivery import store_log

PURGE: Final = "delivery.purge"

_EVERY: Final = dt.timedelta(hours=1)

PURGE_LOT: Final = 5_000
"""Deliveries looked at in one transaction."""


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


PERIODICS: Final = (
    jobs.Periodic(name=PURGE, kind=PURGE, every=_EVERY, payload=Nothing(), offset=dt.timedelta(minutes=40)),
)


def handlers(keep: dt.timedelta) -> list[jobs.AnyHandler]:
    """What each kind of job does; `keep` is how long the log is kept."""

    async def purge(work: jobs.Work[Nothing]) -> None:
        """A lot to a transaction, endpoint by endpoint; the job ends with the last one."""
        now = work.clock.now()
        async with work.database.connection() as connection:
            endpoints = await store_log.all_endpoints(connection, work.book_id)
        for endpoint_id in endpoints:
            more = True
            while more:
                async with work.database.transaction() as connection:
                    more = bool(
                        await store_log.purge(
                            connection, work.book_id, endpoint_id, before=now - keep, limit=PURGE_LOT
                        )
                    )
        async with work.database.transaction() as connection:
            await store_log.delete_expired_secrets(connection, work.book_id, now=now)
            await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    return [jobs.Handler(PURGE, Nothing, purge, max_batch=1, on_dead=jobs.OnDead.SKIP)]
