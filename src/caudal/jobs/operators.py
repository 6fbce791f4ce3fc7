"""What operators do with jobs: look, replay, skip, cancel. Nothing here opens or commits a transaction.

Each action takes a batch of ids and returns one result per id, in order: the job's new state, or the error
that says why nothing was changed. An action never waits for a worker: what is being worked on at that
moment is `JobBusy`. Whoever calls writes the audit record, in the same transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from caudal.jobs import rules, store, store_operators
from caudal.jobs.errors import JobBusy, JobNotFound, JobStateConflict
from caudal.jobs.types import Backlog, Listed, State
from caudal_base import ids as external
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

Result = State | CaudalError

MAX_PAGE: Final = 500
"""Jobs to a page, and ids to an action."""

_ENDED: Final = frozenset({State.DEAD, State.SKIPPED, State.CANCELLED})

_BEGINNING: Final = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


async def replay(connection: Connection, *, book_id: int, ids: Sequence[UUID], now: datetime) -> list[Result]:
    """Try dead jobs again, from the beginning and in their place before the others of their key.

    A skipped or cancelled one goes behind all others of its key, since those did not wait for it.
    """
    back = {State.SKIPPED, State.CANCELLED}
    moves = {State.DEAD: State.READY} | dict.fromkeys(back, State.READY)
    locked = await store_operators.lock(connection, book_id=book_id, ids=_bounded(ids))
    results = [_result(locked, job_id, moves) for job_id in ids]
    again = [job_id for job_id, job in locked.items() if job is not None and job.state in back]
    in_place = [job_id for job_id, job in locked.items() if job is not None and job.state is State.DEAD]
    if in_place:
        states = [(job_id, State.READY) for job_id in in_place]
        await store_operators.change(connection, book_id=book_id, states=states, now=now)
    if again:
        await store_operators.enqueue_again(connection, book_id=book_id, ids=again, now=now)
    return results


async def skip(connection: Connection, *, book_id: int, ids: Sequence[UUID], now: datetime) -> list[Result]:
    """Set dead jobs aside for good, so that their keys go on without them."""
    return await _end(connection, book_id=book_id, ids=ids, now=now, moves={State.DEAD: State.SKIPPED})


async def cancel(connection: Connection, *, book_id: int, ids: Sequence[UUID], now: datetime) -> list[Result]:
    """Call off jobs that wait. One that runs cannot be called off, and one that is dead is skipped."""
    moves = {State.READY: State.CANCELLED, State.PARKED: State.CANCELLED}
    return await _end(connection, book_id=book_id, ids=ids, now=now, moves=moves)


async def get(connection: Connection, *, book_id: int, ids: Sequence[UUID]) -> list[Listed | JobNotFound]:
    """The jobs with these ids."""
    found = await store_operators.get(connection, book_id=book_id, ids=_bounded(ids))
    return [found.get(job_id) or _not_found(job_id) for job_id in ids]


async def list_ended(
    connection: Connection,
    *,
    book_id: int,
    states: Sequence[State] = (State.DEAD,),
    kind: str | None = None,
    after: Listed | None = None,
    limit: int = 100,
) -> list[Listed]:
    """Dead letters (or skipped and cancelled jobs), longest ago first; `after` the last one of a page."""
    check(set(states) <= _ENDED, "these states have not ended")
    place = _BEGINNING if after is None or after.ended_at is None else (after.ended_at, after.id)
    return await store_operators.list_ended(
        connection, book_id=book_id, states=states, kind=kind, after=place, limit=_page(limit)
    )


async def list_waiting(
    connection: Connection,
    *,
    book_id: int,
    states: Sequence[State] = (State.READY, State.PARKED, State.RUNNING),
    kind: str | None = None,
    after: Listed | None = None,
    limit: int = 100,
) -> list[Listed]:
    """Jobs that wait or run, by id; `after` the last one of a page. Reads past those of other kinds."""
    check(not set(states) & _ENDED, "these states have ended")
    place = UUID(int=0) if after is None else after.id
    return await store_operators.list_unended(
        connection, book_id=book_id, states=states, kind=kind, after=place, limit=_page(limit)
    )


async def backlog(connection: Connection, *, book_id: int) -> list[Backlog]:
    """The book's unfinished jobs, counted by queue and state. Reads them all: not for every second."""
    return await store_operators.backlog(connection, book_id=book_id)


async def _end(
    connection: Connection,
    *,
    book_id: int,
    ids: Sequence[UUID],
    now: datetime,
    moves: Mapping[State, State],
) -> list[Result]:
    locked = await store_operators.lock(connection, book_id=book_id, ids=_bounded(ids))
    results = [_result(locked, job_id, moves) for job_id in ids]
    changed = {
        job_id: (job, moves[job.state])
        for job_id, job in locked.items()
        if job is not None and job.state in moves
    }
    if changed:
        states = [(job_id, state) for job_id, (_, state) in changed.items()]
        await store_operators.change(connection, book_id=book_id, states=states, now=now)
    lanes = {
        (job.queue, job.key)
        for job, state in changed.values()
        if job.key is not None and rules.lets_past(state)
    }
    if lanes:
        await store.promote(connection, book_id=book_id, lanes=sorted(lanes))
    return results


def _result(
    locked: Mapping[UUID, store_operators.Locked | None], job_id: UUID, moves: Mapping[State, State]
) -> Result:
    if job_id not in locked:
        return _not_found(job_id)
    job = locked[job_id]
    if job is None:
        return JobBusy(f"{external.encode(external.JOB, job_id)} is being worked on")
    if job.state not in moves:
        return JobStateConflict(
            f"{external.encode(external.JOB, job_id)} is {job.state.value}", state=job.state.value
        )
    return moves[job.state]


def _not_found(job_id: UUID) -> JobNotFound:
    return JobNotFound(f"no job {external.encode(external.JOB, job_id)}")


def _bounded(ids: Sequence[UUID]) -> Sequence[UUID]:
    check(len(ids) <= MAX_PAGE, "too many ids in one action")
    return ids


def _page(limit: int) -> int:
    check(1 <= limit <= MAX_PAGE, "a page has 1 to 500 jobs")
    return limit
