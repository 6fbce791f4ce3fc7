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


def handlers(keep: dt.timedelta, *, lot: int = PURGE_LOT) -> list[jobs.AnyHandler]:
    """What each kind of job does; `keep` is how long the log is kept, `lot` how much goes at once."""

    async def purge(work: jobs.Work[Nothing]) -> None:
        """A lot to a transaction, endpoint by endpoint; the job ends with the last one."""
        now = work.clock.now()
        async with work.database.connection() as connection:
            endpoints = await store_log.all_endpoints(connection, work.book_id)
        for endpoint_id, deleted_at in endpoints:
            forgotten = deleted_at is not None and deleted_at < now - keep
            after: int | None = 0
            while after is not None:
                async with work.database.transaction() as connection:
                    after = await store_log.purge(
                        connection, work.book_id, endpoint_id, after=after, before=now - keep, limit=lot,
                        forgotten=forgotten,
                    )  # fmt: skip
        async with work.database.transaction() as connection:
            await store_log.delete_expired_secrets(connection, work.book_id, now=now)
            await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    return [jobs.Handler(PURGE, Nothing, purge, max_batch=1, on_dead=jobs.OnDead.SKIP)]
