"""What other rooms and the worker do with jobs. Nothing here opens or commits a transaction.

Other rooms need `enqueue` alone. The rest is the worker's; what operators do is in `operators`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal.jobs import rules, store, store_upkeep
from caudal.jobs.errors import ClaimLost, JobPayloadTooLarge
from caudal.jobs.types import Claim, Claimed, NewJob, Periodic, Released, Settlement
from caudal_base.database import Connection

MAX_PAYLOAD_BYTES: Final = 65_536
"""A job refers to its data; it does not carry it. As `job_payload_check` has it."""

Ending = tuple[Claimed, Settlement | None]
"""A claimed job and what becomes of it; None for one that is done."""


async def enqueue(connection: Connection, jobs: Sequence[NewJob], *, now: datetime) -> None:
    """Add `jobs`, all of one book, in the caller's transaction, with one statement (none for none).

    Jobs of one key run in the order given here. A job whose id is there already is left as it is. Inside
    a pipeline this does not wait. Raises `JobPayloadTooLarge` before anything is sent.
    """
    if jobs:
        await store.enqueue(connection, enqueue_parameters(jobs, now=now))


def enqueue_parameters(jobs: Sequence[NewJob], *, now: datetime) -> tuple[Any, ...]:
    """The parameters of the statement `ENQUEUE`, for a room that makes it part of a larger one.

    There must be at least one job, and all must belong to one book. Raises `JobPayloadTooLarge`.
    """
    return store.enqueue_parameters(jobs, [_encoded(job) for job in jobs], now)


async def claim(
    connection: Connection,
    *,
    book_id: int,
    queue: str,
    limit: int,
    now: datetime,
    lease: timedelta,
    token: UUID,
) -> Claim:
    """Claim up to `limit` jobs that are due, for `lease`; at most one of each key, its first unfinished.

    Each statement is safe as a transaction of its own: use an autocommit connection, since nothing
    should wait for the locks that this holds.
    """
    claimed, blocked = await store.claim(
        connection, book_id=book_id, queue=queue, limit=limit, now=now, until=now + lease, token=token
    )
    parked = await store.park(connection, book_id=book_id, blocked=blocked) if blocked else 0
    more = parked > 0 or len(claimed) + len(blocked) >= limit
    return Claim(token=token, jobs=claimed, more=more and len(claimed) + parked > 0)


async def begin(connection: Connection, *, book_id: int, token: UUID, jobs: Sequence[Claimed]) -> None:
    """Count an attempt at jobs of which claims were lost: others were counted when they were claimed.

    Raises `ClaimLost` if the claim no longer holds every one of them.
    """
    begun = await store.begin(connection, book_id=book_id, ids=[job.id for job in jobs], token=token)
    if begun < len(jobs):
        raise ClaimLost(f"{len(jobs) - begun} of {len(jobs)} jobs are no longer this claim's")


async def finish(connection: Connection, *, book_id: int, token: UUID, endings: Sequence[Ending]) -> None:
    """End claimed jobs in the transaction of their effects.

    Raises `ClaimLost` if the claim no longer holds every one of them: the transaction must then be
    rolled back, since another worker has, or has had, the same job.
    """
    ended = await surrender(connection, book_id=book_id, token=token, endings=endings)
    if ended < len(endings):
        raise ClaimLost(f"{len(endings) - ended} of {len(endings)} jobs are no longer this claim's")


async def surrender(connection: Connection, *, book_id: int, token: UUID, endings: Sequence[Ending]) -> int:
    """End those of the jobs that the claim still holds, and say how many: for jobs without an effect."""
    done = [job.id for job, settlement in endings if settlement is None]
    settlements = [settlement for _, settlement in endings if settlement is not None]
    ended = 0
    if done:
        ended += await store.delete_done(connection, book_id=book_id, ids=done, token=token)
    if settlements:
        ended += await store.settle(connection, book_id=book_id, settlements=settlements, token=token)
    lanes = sorted(
        {
            (job.queue, job.key)
            for job, settlement in endings
            if job.key is not None and (settlement is None or rules.lets_past(settlement.state))
        }
    )
    if lanes:
        await store.promote(connection, book_id=book_id, lanes=lanes)
    return ended


async def release_expired(
    connection: Connection, *, book_id: int, now: datetime, limit: int = 1_000
) -> list[Released]:
    """Make ready the jobs whose claims have expired: their worker died, hangs, or lost the database."""
    return await store_upkeep.release_expired(connection, book_id=book_id, now=now, limit=limit)


async def tick(
    connection: Connection,
    *,
    book_id: int,
    periodics: Sequence[Periodic],
    now: datetime,
    new_id: Callable[[], UUID],
) -> list[str]:
    """Enqueue the periodic jobs of the book whose period nobody has begun yet; their names.

    However many workers do this at once, and whatever their clocks say, one period has one job. A period
    whose predecessor's job is unfinished begins without one, so that nothing piles up.
    """
    mine = {periodic.name: periodic for periodic in periodics if rules.belongs(periodic, book_id)}
    if not mine:
        return []
    begun = await store_upkeep.begin_periods(
        connection,
        book_id=book_id,
        starts=sorted((p.name, rules.period_start(p.every, p.offset, now)) for p in mine.values()),
    )
    if not begun:
        return []
    busy = await store_upkeep.unfinished_lanes(
        connection, book_id=book_id, lanes=[(mine[name].queue, _period_key(name)) for name in sorted(begun)]
    )
    due = [mine[name] for name in sorted(begun) if (mine[name].queue, _period_key(name)) not in busy]
    jobs = [
        NewJob(
            book_id=book_id,
            id=new_id(),
            kind=periodic.kind,
            payload=periodic.payload,
            run_at=now,
            key=_period_key(periodic.name),
            queue=periodic.queue,
        )
        for periodic in due
    ]
    await enqueue(connection, jobs, now=now)
    return [periodic.name for periodic in due]


async def purge(connection: Connection, *, book_id: int, before: datetime, limit: int = 10_000) -> int:
    """Delete up to `limit` skipped and cancelled jobs that ended before `before`; how many it deleted."""
    return await store_upkeep.purge(connection, book_id=book_id, before=before, limit=limit)


def _period_key(name: str) -> str:
    return f"period/{name}"


def _encoded(job: NewJob) -> str:
    payload = msgspec.json.encode(job.payload)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise JobPayloadTooLarge(f"a payload for {job.kind} has {len(payload)} bytes")
    return payload.decode()
