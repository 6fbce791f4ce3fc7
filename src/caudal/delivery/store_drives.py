"""The SQL of deliveries that wait: those that are due, those behind them, and how many they are."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from caudal_base import arrays
from caudal_base.database import Connection

HELD: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When a delivery is due that waits for an earlier one of its object: not before somebody promotes it."""

# Ordered by the object too, so that only the index of pending objects will do: by seq alone the planner might
# walk through everything that was ever delivered.
PROMOTE: Final[LiteralString] = """
update delivery.delivery
   set next_at = %(now)s
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and next_at = %(held)s
   and seq = any(array(
           select (
                      select first.seq
                        from delivery.delivery as first
                       where first.book_id = %(book_id)s
                         and first.endpoint_id = %(endpoint_id)s
                         and first.object_id = ended.object_id
                         and first.state = 'pending'
                       order by first.object_id, first.seq
                       limit 1
                  )
             from unnest(%(object_ids)s) as ended (object_id)
       ))
"""

# What a driver had at hand that died or has stopped: of each object the first becomes due.
PROMOTE_ALL: Final[LiteralString] = """
update delivery.delivery
   set next_at = %(now)s
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and next_at = %(held)s
   and not exists (
           select
             from delivery.delivery as earlier
            where earlier.book_id = %(book_id)s
              and earlier.endpoint_id = %(endpoint_id)s
              and earlier.object_id = delivery.object_id
              and earlier.seq < delivery.seq
              and earlier.state = 'pending'
       )
"""

# Of changes from ordered to not: nobody waits for anybody any more.
RELEASE_HELD: Final[LiteralString] = """
update delivery.delivery
   set next_at = %(now)s
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and next_at = %(held)s
"""

DUE: Final[LiteralString] = """
select seq, attempts, tried
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and next_at <= %(now)s
   and seq <> all(%(known)s)
 order by next_at, seq
 limit %(limit)s
"""

# What alone is sent to an endpoint that has asked for nothing: tests, once each.
DUE_TESTS: Final[LiteralString] = """
select seq, attempts, tried
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and object_id = %(endpoint_id)s
   and type = 'webhook_endpoint.test'
   and tried = 0
   and next_at <= %(now)s
   and seq <> all(%(known)s)
 order by object_id, seq
 limit %(limit)s
"""

BUSY: Final[LiteralString] = """
select distinct object_id
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and object_id = any(%(object_ids)s)
   and seq <> all(%(known)s)
"""

# Whoever writes deliveries without a claim leaves the number of those that wait to the next driver. Where
# none waited, failures of long ago do not count for what is tried from now on.
UNCOUNT: Final[LiteralString] = """
update delivery.drive
   set pending = null,
       failing_since = case when pending = 0 then null else failing_since end
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
"""

COUNT: Final[LiteralString] = """
update delivery.drive
   set (pending, oldest_pending, counted_at) = (
           select count(*), min(seq), %(now)s::timestamptz
             from delivery.delivery
            where delivery.book_id = %(book_id)s
              and delivery.endpoint_id = %(endpoint_id)s
              and delivery.state = 'pending'
       )
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
returning pending, oldest_pending
"""

MARK_BEHIND: Final[LiteralString] = """
update delivery.drive
   set behind_since = case when %(behind)s then %(now)s end
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and (behind_since is not null) <> %(behind)s
"""

BACKLOG: Final[LiteralString] = """
select count(*) filter (where behind_since is not null),
       coalesce(sum(%(head)s - through_seq), 0),
       min(through_seq),
       coalesce(sum(pending), 0),
       min(oldest_pending) filter (where pending > 0)
  from delivery.drive
 where book_id = %(book_id)s
   and active
"""


class Due(msgspec.Struct, frozen=True):
    """A delivery that is to be tried again."""

    seq: int
    attempts: int
    tried: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How far the endpoints of a book are behind."""

    behind: int
    """Endpoints for which so many wait that no more is read."""
    unread: int
    """Events that they have not looked at yet, summed over endpoints."""
    oldest_unread: int | None
    """The seq up to which all of them have looked."""
    pending: int
    oldest_pending: int | None
    """None of those is of an earlier event."""


async def promote(
    connection: Connection, book_id: int, endpoint_id: UUID, object_ids: Sequence[str], *, now: dt.datetime
) -> None:
    """Make the first delivery of each of these objects due that waits for an earlier one."""
    await connection.execute(
        PROMOTE,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "object_ids": arrays.hex_uuids(object_ids),
            "held": HELD,
            "now": now,
        },
    )


async def promote_all(connection: Connection, book_id: int, endpoint_id: UUID, *, now: dt.datetime) -> None:
    """Make the first delivery of each object due that has one."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "held": HELD, "now": now}
    await connection.execute(PROMOTE_ALL, values)


async def release_held(connection: Connection, book_id: int, endpoint_id: UUID, *, now: dt.datetime) -> None:
    """Make all deliveries due that wait for an earlier one."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "held": HELD, "now": now}
    await connection.execute(RELEASE_HELD, values)


async def due(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    *,
    known: Sequence[int],
    now: dt.datetime,
    limit: int,
    tests_only: bool = False,
) -> list[Due]:
    """Up to `limit` deliveries that are due now, but for those that are `known` already.

    `tests_only` are test events that have not been tried yet.
    """
    values: dict[str, Any] = {
        "book_id": book_id,
        "endpoint_id": endpoint_id,
        "known": arrays.bigints(known),
        "now": now,
        "limit": limit,
    }
    cursor = await connection.execute(DUE_TESTS if tests_only else DUE, values, binary=True)
    return [Due(*row) for row in await cursor.fetchall()]


async def busy(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    object_ids: Sequence[str],
    *,
    known: Sequence[int],
) -> set[UUID]:
    """Those of the objects that have a delivery which is not over, but for those that are `known`."""
    values = {
        "book_id": book_id,
        "endpoint_id": endpoint_id,
        "object_ids": arrays.hex_uuids(object_ids),
        "known": arrays.bigints(known),
    }
    cursor = await connection.execute(BUSY, values, binary=True)
    return {id for (id,) in await cursor.fetchall()}


async def uncount(connection: Connection, book_id: int, endpoint_id: UUID) -> None:
    """Deliveries were written without a claim: those that wait have to be counted again."""
    await connection.execute(UNCOUNT, {"book_id": book_id, "endpoint_id": endpoint_id})


async def count(
    connection: Connection, book_id: int, endpoint_id: UUID, *, now: dt.datetime
) -> tuple[int, int | None]:
    """Count the deliveries that wait, and write it down: how many, and the lowest seq."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "now": now}
    row = await (await connection.execute(COUNT, values)).fetchone()
    return (0, None) if row is None else (row[0], row[1])


async def mark_behind(
    connection: Connection, book_id: int, endpoint_id: UUID, *, behind: bool, now: dt.datetime
) -> bool:
    """Note that too many wait for it, or no longer; whether that is news."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "behind": behind, "now": now}
    return (await connection.execute(MARK_BEHIND, values)).rowcount > 0


async def backlog(connection: Connection, book_id: int, *, head: int) -> Backlog:
    """How far the endpoints that are enabled are behind `head`: a row of each, whatever waits."""
    cursor = await connection.execute(BACKLOG, {"book_id": book_id, "head": head})
    behind, unread, through, pending, oldest = await cursor.fetchone() or (0, 0, None, 0, None)
    return Backlog(
        behind=behind,
        unread=int(unread),
        oldest_unread=through,
        pending=int(pending),
        oldest_pending=oldest,
    )
