"""What a worker does for this room: it follows payments, fills new features, and deletes what is old."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from caudal import jobs
from caudal.ledger import Ledger
from caudal.risk.decisions import purge_decisions
from caudal.risk.drifting import look_for_drift
from caudal.risk.following import FOLLOW, FOLLOW_EVERY, Following
from caudal.risk.service import PURGE_LIMIT, purge_used

PURGE_USED: Final = "risk.purge_used"
FILL: Final = "risk.fill_features"
FILL_EVERY: Final = dt.timedelta(seconds=30)
"""How long after its publication a new feature begins to be counted, at most."""
PURGE_DECISIONS: Final = "risk.purge_decisions"
DRIFT: Final = "risk.look_for_drift"
DRIFT_EVERY: Final = dt.timedelta(hours=1)


class NoPayload(msgspec.Struct, frozen=True):
    """A job that its kind and book say all about."""


def handlers(ledger: Ledger) -> list[jobs.AnyHandler]:
    """What each kind of job of this room does."""
    following = Following(ledger)

    async def _look_for_drift(work: jobs.Work[NoPayload]) -> None:
        await look_for_drift(work, ledger)

    return [
        jobs.Handler(PURGE_USED, NoPayload, _purge, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(PURGE_DECISIONS, NoPayload, _purge_decisions, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(FOLLOW, NoPayload, following.run, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(FILL, NoPayload, following.fill, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(DRIFT, NoPayload, _look_for_drift, max_batch=1, on_dead=jobs.OnDead.SKIP),
    ]


PERIODICS: Final = (
    jobs.Periodic(name=PURGE_USED, kind=PURGE_USED, every=dt.timedelta(days=1), payload=NoPayload()),
    jobs.Periodic(
        name=PURGE_DECISIONS, kind=PURGE_DECISIONS, every=dt.timedelta(days=1), payload=NoPayload()
    ),
    jobs.Periodic(name=FOLLOW, kind=FOLLOW, every=FOLLOW_EVERY, payload=NoPayload()),
    jobs.Periodic(name=FILL, kind=FILL, every=FILL_EVERY, payload=NoPayload()),
    jobs.Periodic(name=DRIFT, kind=DRIFT, every=DRIFT_EVERY, payload=NoPayload()),
)


async def _purge(work: jobs.Work[NoPayload]) -> None:
    await _lot_by_lot(work, purge_used)


async def _purge_decisions(work: jobs.Work[NoPayload]) -> None:
    await _lot_by_lot(work, purge_decisions)


async def _lot_by_lot(work: jobs.Work[NoPayload], purge: Callable[..., Awaitable[int]]) -> None:
    """Delete a lot to a transaction, so that others get in between; the job ends with the last one."""
    last = False
    while not last:
        async with work.database.transaction() as connection:
            deleted = await purge(connection, work.book_id, at=work.clock.now())
            last = deleted < PURGE_LIMIT
            if last:
                await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})
