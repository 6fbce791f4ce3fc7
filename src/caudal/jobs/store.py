"""The SQL of enqueuing, claiming and ending jobs; `store_upkeep` and `store_operators` hold the rest.

Every statement names one book, so that it works on any shard.

Why a claim needs no lock on a key: as long as the jobs of a key are enqueued in order, the set of
unfinished jobs before a given one only shrinks. A claimer with an old snapshot may see a job there that
has just ended, and passes over one that it could have had; it never sees too few. The unique index on
running jobs holds even where that discipline was broken.

Why no parked job is forgotten: one is parked only while an unfinished job before it in its key is locked,
and so cannot end before the parking is committed; and whoever ends a job looks for the first one
unfinished of its key in a *later statement*, whose snapshot then sees it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from caudal.jobs.types import Claimed, NewJob, Settlement
from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection

UNFINISHED: Final[LiteralString] = "('ready', 'parked', 'running', 'dead')"
"""The states of `job_key_idx`, spelled as there: the planner must recognise the index's predicate."""

ENQUEUE: Final[LiteralString] = """
insert into jobs.job
       (book_id, id, queue, kind, key, state, alone, attempts, run_at, enqueued_at, payload)
select %s, new.id, new.queue, new.kind, new.key, 'ready', false, 0, new.run_at, %s, new.payload::json
  from unnest(%s, %s, %s, %s, %s, %s) with ordinality
       as new (id, queue, kind, key, run_at, payload, place)
 order by new.place
    on conflict (book_id, id) do nothing
"""
"""Enqueues any number of jobs of one book; its parameters come from `enqueue_parameters`."""

# A claim counts as an attempt, so that a call costs no statement of its own. That is wrong of what is lost
# before its call: so a lost claim is not counted (`RELEASE_EXPIRED`), and a job of which one was lost is
# counted when its call begins (`BEGIN`).
#
# The candidates are locked before they are judged: nobody else can claim, cancel or park them meanwhile.
# No joins between the steps: of their sizes the planner knows nothing, and would loop over all pairs.
CLAIM: Final[LiteralString] = f"""
with candidate as materialized (
    select id, seq, key
      from jobs.job
     where book_id = %(book_id)s
       and queue = %(queue)s
       and state = 'ready'
       and run_at <= %(now)s
     order by run_at, seq
     limit %(limit)s
       for no key update skip locked
), judged as materialized (
    select candidate.id,
           case when candidate.key is not null then coalesce(
               (
                   select running.id
                     from jobs.job as running
                    where running.book_id = %(book_id)s
                      and running.queue = %(queue)s
                      and running.key = candidate.key
                      and running.state = 'running'
               ), (
                   select earlier.id
                     from jobs.job as earlier
                    where earlier.book_id = %(book_id)s
                      and earlier.queue = %(queue)s
                      and earlier.key = candidate.key
                      and earlier.seq < candidate.seq
                      and earlier.state in {UNFINISHED}
                    order by earlier.seq
                    limit 1
               )
           ) end as behind
      from candidate
), claimed as (
    update jobs.job
       set state = 'running',
           claim = %(claim)s,
           claimed_until = %(until)s,
           attempts = case losses when 0 then attempts + 1 else attempts end
     where book_id = %(book_id)s
       and id = any(array(select judged.id from judged where judged.behind is null))
    returning id, seq, kind, key, alone, losses, run_at, enqueued_at, payload::text as payload,
              case losses when 0 then attempts else attempts + 1 end as attempt
)
select id, null::uuid as behind, seq, kind, key, attempt, alone, losses, run_at, enqueued_at, payload
  from claimed
 union all
select id, behind, null, null, null, null, null, null, null, null, null
  from judged
 where behind is not null
"""

# A head that somebody is just ending is locked, and is left alone: parking behind it could come too late.
# The states of the blocked are compared after their rows are read, so that only the primary key is of use.
PARK: Final[LiteralString] = f"""
with head as materialized (
    select id
      from jobs.job
     where book_id = %(book_id)s
       and id = any(%(behind)s)
       and state in {UNFINISHED}
       for no key update skip locked
), blocked as materialized (
    select id, state
      from jobs.job
     where book_id = %(book_id)s
       and id = any(%(ids)s)
       for no key update skip locked
)
update jobs.job
   set state = 'parked'
 where book_id = %(book_id)s
   and id = any(array(
           select blocked.id
             from unnest(%(ids)s, %(behind)s) as pair (id, behind)
             join head on head.id = pair.behind
             join blocked on blocked.id = pair.id
            where blocked.state = 'ready'
       ))
"""

# Statements that update from arrays name the ids twice: as a condition of its own, the planner looks them up
# by the primary key, whatever it believes about the table; in a join it may read the whole book.

DELETE_DONE: Final[LiteralString] = """
delete from jobs.job
 where book_id = %(book_id)s
   and id = any(%(ids)s)
   and claim = %(claim)s
returning id
"""

SETTLE: Final[LiteralString] = """
update jobs.job
   set state = verdict.state,
       run_at = verdict.run_at,
       attempts = verdict.attempts,
       alone = verdict.alone,
       losses = verdict.losses,
       last_error = coalesce(verdict.error, job.last_error),
       ended_at = verdict.ended_at,
       claim = null,
       claimed_until = null
  from unnest(
           %(ids)s, %(states)s, %(run_ats)s, %(attempts)s, %(alone)s, %(losses)s, %(errors)s, %(ended_ats)s
       ) as verdict (id, state, run_at, attempts, alone, losses, error, ended_at)
 where job.book_id = %(book_id)s
   and job.id = verdict.id
   and job.id = any(%(ids)s)
   and job.claim = %(claim)s
returning job.id
"""

# If the call ends, whatever comes of it is written; if it does not, this remains.
BEGIN: Final[LiteralString] = """
update jobs.job
   set attempts = attempts + 1,
       losses = losses + 1
 where book_id = %(book_id)s
   and id = any(%(ids)s)
   and claim = %(claim)s
returning id
"""

PROMOTE: Final[LiteralString] = f"""
update jobs.job
   set state = 'ready'
 where book_id = %(book_id)s
   and state = 'parked'
   and id = any(array(
           select (
                      select first.id
                        from jobs.job as first
                       where first.book_id = %(book_id)s
                         and first.queue = lane.queue
                         and first.key = lane.key
                         and first.state in {UNFINISHED}
                       order by first.seq
                       limit 1
                  )
             from unnest(%(queues)s, %(keys)s) as lane (queue, key)
       ))
"""


def enqueue_parameters(jobs: Sequence[NewJob], payloads: Sequence[str], now: datetime) -> tuple[Any, ...]:
    """The parameters of `ENQUEUE`. There must be at least one job, and all must belong to one book."""
    book_id = jobs[0].book_id
    check(all(job.book_id == book_id for job in jobs), "jobs of several books in one statement")
    return (
        book_id,
        now,
        arrays.uuids([job.id for job in jobs]),
        arrays.texts([job.queue for job in jobs]),
        arrays.texts([job.kind for job in jobs]),
        arrays.texts([job.key for job in jobs]),
        arrays.timestamps([job.run_at for job in jobs]),
        arrays.texts(payloads),
    )


async def enqueue(connection: Connection, parameters: tuple[Any, ...]) -> None:
    """Write the jobs of `enqueue_parameters`; inside a pipeline, without waiting for the end."""
    await connection.execute(ENQUEUE, parameters)


async def claim(
    connection: Connection,
    *,
    book_id: int,
    queue: str,
    limit: int,
    now: datetime,
    until: datetime,
    token: UUID,
) -> tuple[list[Claimed], list[tuple[UUID, UUID]]]:
    """The jobs that were claimed, and those in the way: (job, the job of its key that it is behind)."""
    cursor = await connection.execute(
        CLAIM,
        {
            "book_id": book_id,
            "queue": queue,
            "limit": limit,
            "now": now,
            "until": until,
            "claim": token,
        },
        binary=True,
    )
    claimed: list[Claimed] = []
    blocked: list[tuple[UUID, UUID]] = []
    for (
        job_id,
        behind,
        seq,
        kind,
        key,
        attempt,
        alone,
        losses,
        run_at,
        enqueued_at,
        payload,
    ) in await cursor.fetchall():
        if behind is not None:
            blocked.append((job_id, behind))
        else:
            claimed.append(
                Claimed(
                    book_id=book_id,
                    id=job_id,
                    seq=seq,
                    queue=queue,
                    kind=kind,
                    key=key,
                    attempt=attempt,
                    alone=alone,
                    losses=losses,
                    run_at=run_at,
                    enqueued_at=enqueued_at,
                    payload=payload,
                )
            )
    return claimed, blocked


async def park(connection: Connection, *, book_id: int, blocked: Sequence[tuple[UUID, UUID]]) -> int:
    """Take jobs out of the claims' sight until the job each is behind has ended. How many it took."""
    cursor = await connection.execute(
        PARK,
        {
            "book_id": book_id,
            "ids": arrays.uuids([job_id for job_id, _ in blocked]),
            "behind": arrays.uuids([behind for _, behind in blocked]),
        },
    )
    return cursor.rowcount


async def begin(connection: Connection, *, book_id: int, ids: Sequence[UUID], token: UUID) -> int:
    """Count an attempt at jobs of which claims were lost, as far as the claim holds them. How many it did."""
    cursor = await connection.execute(BEGIN, {"book_id": book_id, "ids": arrays.uuids(ids), "claim": token})
    return len(await cursor.fetchall())


async def delete_done(connection: Connection, *, book_id: int, ids: Sequence[UUID], token: UUID) -> int:
    """Remove jobs that succeeded, as far as the claim still holds them. How many it did."""
    cursor = await connection.execute(
        DELETE_DONE, {"book_id": book_id, "ids": arrays.uuids(ids), "claim": token}
    )
    # Rows are counted by fetching them: in a pipeline, rowcount is not known yet.
    return len(await cursor.fetchall())


async def settle(
    connection: Connection, *, book_id: int, settlements: Sequence[Settlement], token: UUID
) -> int:
    """Write what becomes of jobs that stay, as far as the claim still holds them. How many it does."""
    cursor = await connection.execute(
        SETTLE,
        {
            "book_id": book_id,
            "claim": token,
            "ids": arrays.uuids([settlement.id for settlement in settlements]),
            "states": arrays.texts([settlement.state.value for settlement in settlements]),
            "run_ats": arrays.timestamps([settlement.run_at for settlement in settlements]),
            "attempts": arrays.integers([settlement.attempts for settlement in settlements]),
            "alone": arrays.booleans([settlement.alone for settlement in settlements]),
            "losses": arrays.integers([settlement.losses for settlement in settlements]),
            "errors": arrays.texts([settlement.error for settlement in settlements]),
            "ended_ats": arrays.timestamps([settlement.ended_at for settlement in settlements]),
        },
    )
    return len(await cursor.fetchall())


async def promote(connection: Connection, *, book_id: int, lanes: Sequence[tuple[str, str]]) -> None:
    """Make the first unfinished job of each lane (queue, key) ready if it is parked."""
    await connection.execute(
        PROMOTE,
        {
            "book_id": book_id,
            "queues": arrays.texts([queue for queue, _ in lanes]),
            "keys": arrays.texts([key for _, key in lanes]),
        },
    )
