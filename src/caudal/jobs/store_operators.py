"""The SQL behind what operators do with jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from caudal.jobs.store import UNFINISHED
from caudal.jobs.types import Backlog, Listed, State
from caudal_base import arrays
from caudal_base.database import Connection

_COLUMNS: Final[LiteralString] = """id, queue, kind, key, state, attempts, run_at, enqueued_at,
       claimed_until, ended_at, last_error, payload::text"""

GET: Final[LiteralString] = f"""
select {_COLUMNS}
  from jobs.job
 where book_id = %(book_id)s
   and id = any(%(ids)s)
"""

LIST_ENDED: Final[LiteralString] = f"""
select {_COLUMNS}
  from jobs.job
 where book_id = %(book_id)s
   and ended_at is not null
   and (ended_at, id) > (%(after_at)s, %(after_id)s)
   and state = any(%(states)s)
   and (%(kind)s::text is null or kind = %(kind)s)
 order by ended_at, id
 limit %(limit)s
"""

LIST_UNENDED: Final[LiteralString] = f"""
select {_COLUMNS}
  from jobs.job
 where book_id = %(book_id)s
   and id > %(after_id)s
   and state = any(%(states)s)
   and (%(kind)s::text is null or kind = %(kind)s)
 order by id
 limit %(limit)s
"""

BACKLOG: Final[LiteralString] = f"""
select queue, state, count(*), min(run_at)
  from jobs.job
 where book_id = %(book_id)s
   and state in {UNFINISHED}
 group by queue, state
 order by queue, state
"""

# A job may be taken out of its key only under the lock of the key's first unfinished job: whoever ends
# that one at the same moment would not see what happens here, nor be seen, and the one that comes next
# would stay parked. Nobody waits here: what is locked is busy.
LOCK: Final[LiteralString] = f"""
with target as materialized (
    select job.id,
           (
               select first.id
                 from jobs.job as first
                where first.book_id = %(book_id)s
                  and first.queue = job.queue
                  and first.key = job.key
                  and first.state in {UNFINISHED}
                order by first.seq
                limit 1
           ) as head
      from jobs.job
     where job.book_id = %(book_id)s
       and job.id = any(%(ids)s)
), locked as materialized (
    select job.id, job.queue, job.key, job.state
      from jobs.job
     where job.book_id = %(book_id)s
       and job.id in (select target.id from target union select target.head from target)
       for no key update skip locked
)
select target.id, mine.queue, mine.key, mine.state
  from target
  left join locked as head on head.id = target.head and head.state in {UNFINISHED}
  left join locked as mine on mine.id = target.id and (target.head is null or head.id is not null)
"""

CHANGE: Final[LiteralString] = """
update jobs.job
   set state = change.state,
       attempts = case change.state when 'ready' then 0 else job.attempts end,
       alone = job.alone and change.state <> 'ready',
       losses = case change.state when 'ready' then 0 else job.losses end,
       run_at = case change.state when 'ready' then %(now)s else job.run_at end,
       ended_at = case change.state when 'ready' then null else %(now)s end
  from unnest(%(ids)s, %(states)s) as change (id, state)
 where job.book_id = %(book_id)s
   and job.id = change.id
   and job.id = any(%(ids)s)
"""

# Written anew, so that it comes after all that its key has seen since.
ENQUEUE_AGAIN: Final[LiteralString] = """
with gone as (
    delete from jobs.job
     where book_id = %(book_id)s
       and id = any(%(ids)s)
    returning id, seq, queue, kind, key, enqueued_at, last_error, payload
)
insert into jobs.job
       (book_id, id, queue, kind, key, state, alone, attempts, run_at, enqueued_at, last_error, payload)
select %(book_id)s, id, queue, kind, key, 'ready', false, 0, %(now)s, enqueued_at, last_error, payload
  from gone
 order by seq
"""


class Locked(msgspec.Struct, frozen=True):
    """A job that no one else can change while the transaction lasts."""

    queue: str
    key: str | None
    state: State


async def get(connection: Connection, *, book_id: int, ids: Sequence[UUID]) -> dict[UUID, Listed]:
    """The jobs with these ids, as far as there are any."""
    cursor = await connection.execute(GET, {"book_id": book_id, "ids": arrays.uuids(ids)})
    jobs = [_listed(book_id, row) for row in await cursor.fetchall()]
    return {job.id: job for job in jobs}


async def list_ended(
    connection: Connection,
    *,
    book_id: int,
    states: Sequence[State],
    kind: str | None,
    after: tuple[datetime, UUID],
    limit: int,
) -> list[Listed]:
    """Jobs that ended after `after` (a moment and an id), longest ago first."""
    cursor = await connection.execute(
        LIST_ENDED,
        {
            "book_id": book_id,
            "states": arrays.texts([state.value for state in states]),
            "kind": kind,
            "after_at": after[0],
            "after_id": after[1],
            "limit": limit,
        },
    )
    return [_listed(book_id, row) for row in await cursor.fetchall()]


async def list_unended(
    connection: Connection,
    *,
    book_id: int,
    states: Sequence[State],
    kind: str | None,
    after: UUID,
    limit: int,
) -> list[Listed]:
    """Jobs that wait or run, by id after `after`."""
    cursor = await connection.execute(
        LIST_UNENDED,
        {
            "book_id": book_id,
            "states": arrays.texts([state.value for state in states]),
            "kind": kind,
            "after_id": after,
            "limit": limit,
        },
    )
    return [_listed(book_id, row) for row in await cursor.fetchall()]


async def backlog(connection: Connection, *, book_id: int) -> list[Backlog]:
    """The book's unfinished jobs, counted by queue and state."""
    cursor = await connection.execute(BACKLOG, {"book_id": book_id})
    return [
        Backlog(queue=queue, state=State(state), count=count, oldest_run_at=oldest)
        for queue, state, count, oldest in await cursor.fetchall()
    ]


async def lock(connection: Connection, *, book_id: int, ids: Sequence[UUID]) -> dict[UUID, Locked | None]:
    """Lock these jobs, without waiting; None for one that is busy, and nothing for one that is not there."""
    cursor = await connection.execute(LOCK, {"book_id": book_id, "ids": arrays.uuids(ids)})
    return {
        job_id: None if state is None else Locked(queue, key, State(state))
        for job_id, queue, key, state in await cursor.fetchall()
    }


async def change(
    connection: Connection, *, book_id: int, states: Sequence[tuple[UUID, State]], now: datetime
) -> None:
    """Give locked jobs new states; those made ready start from the beginning, at once."""
    await connection.execute(
        CHANGE,
        {
            "book_id": book_id,
            "now": now,
            "ids": arrays.uuids([job_id for job_id, _ in states]),
            "states": arrays.texts([state.value for _, state in states]),
        },
    )


async def enqueue_again(connection: Connection, *, book_id: int, ids: Sequence[UUID], now: datetime) -> None:
    """Put locked jobs behind all others of their keys, ready, from the beginning."""
    await connection.execute(ENQUEUE_AGAIN, {"book_id": book_id, "ids": arrays.uuids(ids), "now": now})


def _listed(book_id: int, row: tuple[Any, ...]) -> Listed:
    (
        job_id,
        queue,
        kind,
        key,
        state,
        attempts,
        run_at,
        enqueued_at,
        claimed_until,
        ended_at,
        error,
        payload,
    ) = row
    return Listed(
        book_id=book_id,
        id=job_id,
        queue=queue,
        kind=kind,
        key=key,
        state=State(state),
        attempts=attempts,
        run_at=run_at,
        enqueued_at=enqueued_at,
        claimed_until=claimed_until,
        ended_at=ended_at,
        last_error=error,
        payload=msgspec.Raw(payload.encode()),
    )
