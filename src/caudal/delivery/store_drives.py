"""The SQL of driving endpoints: claiming them, recording what came of deliveries, finding those that are due.

An endpoint is driven by one worker at a time, under a claim that expires. Every transaction of a driver
begins with the renewal of its claim, so a driver that lost it can record nothing more.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from caudal_base import arrays
from caudal_base.database import Connection

HELD: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When a delivery is due that waits for an earlier one of its object: not before somebody promotes it."""

CLAIM: Final[LiteralString] = """
with due as materialized (
    select endpoint_id, claim is not null as abandoned
      from delivery.drive
     where book_id = %(book_id)s
       and active
       and (claimed_until is null or claimed_until <= %(now)s)
       and (
               through_seq < %(head)s
            or claim is not null
            or exists (
                   select
                     from delivery.delivery as waiting
                    where waiting.book_id = %(book_id)s
                      and waiting.endpoint_id = drive.endpoint_id
                      and waiting.state = 'pending'
                      and waiting.next_at <= %(now)s
               )
           )
     order by endpoint_id
     limit %(limit)s
       for no key update skip locked
)
update delivery.drive
   set claim = %(claim)s,
       claimed_until = %(until)s
  from due
 where drive.book_id = %(book_id)s
   and drive.endpoint_id = due.endpoint_id
returning drive.endpoint_id, drive.revision, drive.through_seq, due.abandoned
"""

RENEW: Final[LiteralString] = """
update delivery.drive
   set claimed_until = %(until)s,
       through_seq = %(through_seq)s,
       failing_since = case
           when %(succeeded)s then null
           when %(failed)s then coalesce(failing_since, %(now)s)
           else failing_since
       end
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and claim = %(claim)s
returning revision, failing_since
"""

RELEASE: Final[LiteralString] = """
update delivery.drive
   set claim = null,
       claimed_until = null,
       through_seq = %(through_seq)s
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and claim = %(claim)s
"""

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

# What a driver that died had at hand: of each object the first becomes due.
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

BUSY: Final[LiteralString] = """
select distinct object_id
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'pending'
   and object_id = any(%(object_ids)s)
   and seq <> all(%(known)s)
"""

BACKLOG: Final[LiteralString] = """
select count(*), coalesce(sum(%(head)s - through_seq), 0), min(through_seq)
  from delivery.drive
 where book_id = %(book_id)s
   and active
"""

OLDEST_PENDING: Final[LiteralString] = """
select count(*), min(seq)
  from delivery.delivery
  join delivery.drive
    on drive.book_id = %(book_id)s
   and drive.endpoint_id = delivery.endpoint_id
   and drive.active
 where delivery.book_id = %(book_id)s
   and delivery.state = 'pending'
"""


class Claimed(msgspec.Struct, frozen=True):
    """An endpoint that is ours to drive."""

    endpoint_id: UUID
    revision: int
    through_seq: int
    abandoned: bool
    """Whoever drove it before did not give it up: it died."""


class Renewed(msgspec.Struct, frozen=True):
    """What a renewal found."""

    revision: int
    failing_since: dt.datetime | None


class Due(msgspec.Struct, frozen=True):
    """A delivery that is to be tried again."""

    seq: int
    attempts: int
    tried: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How far the endpoints of a book are behind."""

    endpoints: int
    unread: int
    """Events that they have not looked at yet, summed over endpoints."""
    oldest_unread: int | None
    """The seq up to which all of them have looked."""
    pending: int
    oldest_pending: int | None
    """The lowest seq of those."""


async def claim(
    connection: Connection,
    book_id: int,
    *,
    head: int,
    claim: UUID,
    limit: int,
    now: dt.datetime,
    until: dt.datetime,
) -> list[Claimed]:
    """Claim up to `limit` endpoints that have something to do and that nobody drives."""
    values = {
        "book_id": book_id, "head": head, "claim": claim, "limit": limit, "now": now, "until": until,
    }  # fmt: skip
    cursor = await connection.execute(CLAIM, values, binary=True)
    return [Claimed(*row) for row in await cursor.fetchall()]


async def renew(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    claim: UUID,
    *,
    through_seq: int,
    succeeded: bool,
    failed: bool,
    now: dt.datetime,
    until: dt.datetime,
) -> Renewed | None:
    """Go on driving; None where the claim is no longer ours."""
    cursor = await connection.execute(
        RENEW,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "claim": claim,
            "through_seq": through_seq,
            "succeeded": succeeded,
            "failed": failed,
            "now": now,
            "until": until,
        },
        binary=True,
    )
    row = await cursor.fetchone()
    return None if row is None else Renewed(*row)


async def release(
    connection: Connection, book_id: int, endpoint_id: UUID, claim: UUID, *, through_seq: int
) -> None:
    """Let others drive it on from `through_seq`."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "claim": claim, "through_seq": through_seq}
    await connection.execute(RELEASE, values)


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
) -> list[Due]:
    """Up to `limit` deliveries that are due now, but for those that are `known` already."""
    values: dict[str, Any] = {
        "book_id": book_id,
        "endpoint_id": endpoint_id,
        "known": arrays.bigints(known),
        "now": now,
        "limit": limit,
    }
    cursor = await connection.execute(DUE, values, binary=True)
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


async def backlog(connection: Connection, book_id: int, *, head: int) -> Backlog:
    """How far the endpoints that are enabled are behind `head`."""
    values = {"book_id": book_id, "head": head}
    endpoints, unread, oldest = await (await connection.execute(BACKLOG, values)).fetchone() or (0, 0, None)
    pending, first = await (await connection.execute(OLDEST_PENDING, values)).fetchone() or (0, None)
    return Backlog(
        endpoints=endpoints,
        unread=int(unread),
        oldest_unread=oldest,
        pending=pending,
        oldest_pending=first,
    )
