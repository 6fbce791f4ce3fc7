"""The SQL that keeps the table in order: expired claims, periods, and what is to be deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from caudal.jobs.store import UNFINISHED
from caudal.jobs.types import Released
from caudal_base import arrays
from caudal_base.database import Connection

RELEASE_EXPIRED: Final[LiteralString] = """
with expired as materialized (
    select id
      from jobs.job
     where book_id = %(book_id)s
       and state = 'running'
       and claimed_until <= %(now)s
     limit %(limit)s
       for no key update skip locked
)
update jobs.job
   set state = 'ready',
       attempts = case losses when 0 then attempts - 1 else attempts end,
       losses = greatest(losses, 1),
       last_error = 'the worker did not finish in time, or died',
       claim = null,
       claimed_until = null
 where book_id = %(book_id)s
   and id = any(array(select expired.id from expired))
returning id, kind, attempts
"""

BEGIN_PERIODS: Final[LiteralString] = """
insert into jobs.period as period (book_id, name, started_at)
select %(book_id)s, due.name, due.started_at
  from unnest(%(names)s, %(starts)s) as due (name, started_at)
    on conflict (book_id, name) do update
   set started_at = excluded.started_at
 where period.started_at < excluded.started_at
returning period.name
"""

UNFINISHED_OF_KEYS: Final[LiteralString] = f"""
select distinct queue, key
  from jobs.job
 where book_id = %(book_id)s
   and queue = any(%(queues)s)
   and key = any(%(keys)s)
   and state in {UNFINISHED}
"""

# Materialized: a subquery with a limit may be run more than once in a join, and then bounds nothing.
PURGE: Final[LiteralString] = """
with old as materialized (
    select id
      from jobs.job
     where book_id = %(book_id)s
       and ended_at < %(before)s
       and state in ('skipped', 'cancelled')
     order by ended_at, id
     limit %(limit)s
       for update skip locked
)
delete from jobs.job
 where book_id = %(book_id)s
   and id = any(array(select old.id from old))
"""


async def release_expired(
    connection: Connection, *, book_id: int, now: datetime, limit: int
) -> list[Released]:
    """Make ready the jobs of at most `limit` claims that have expired."""
    cursor = await connection.execute(RELEASE_EXPIRED, {"book_id": book_id, "now": now, "limit": limit})
    return [
        Released(id=job_id, kind=kind, attempts=attempts)
        for job_id, kind, attempts in await cursor.fetchall()
    ]


async def begin_periods(
    connection: Connection, *, book_id: int, starts: Sequence[tuple[str, datetime]]
) -> set[str]:
    """Record that the periods (name, start) have begun; the names of those that nobody had recorded yet."""
    cursor = await connection.execute(
        BEGIN_PERIODS,
        {
            "book_id": book_id,
            "names": arrays.texts([name for name, _ in starts]),
            "starts": arrays.timestamps([start for _, start in starts]),
        },
    )
    return {name for (name,) in await cursor.fetchall()}


async def unfinished_lanes(
    connection: Connection, *, book_id: int, lanes: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of `lanes` (queue, key) that have an unfinished job."""
    cursor = await connection.execute(
        UNFINISHED_OF_KEYS,
        {
            "book_id": book_id,
            "queues": arrays.texts([queue for queue, _ in lanes]),
            "keys": arrays.texts([key for _, key in lanes]),
        },
    )
    found: set[tuple[str, str]] = {(queue, key) for queue, key in await cursor.fetchall()}
    return found & set(lanes)


async def purge(connection: Connection, *, book_id: int, before: datetime, limit: int) -> int:
    """Delete up to `limit` skipped and cancelled jobs that ended before `before`. How many it did."""
    cursor = await connection.execute(PURGE, {"book_id": book_id, "before": before, "limit": limit})
    return cursor.rowcount
