"""The SQL of claims on endpoints.

An endpoint is driven by one worker at a time, under a claim that expires. Every transaction of a driver
begins with the renewal of its claim, so a driver that lost it can record nothing more.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from caudal_base import arrays
from caudal_base.database import Connection

CLAIM: Final[LiteralString] = """
with due as materialized (
    select endpoint_id, claim is not null as abandoned
      from delivery.drive
     where book_id = %(book_id)s
       and active
       and (claimed_until is null or claimed_until <= %(now)s or claim = any(%(astray)s))
       and (
               quiet_until is null
            or quiet_until <= %(now)s
            or exists (
                   select
                     from delivery.delivery as test
                    where test.book_id = %(book_id)s
                      and test.endpoint_id = drive.endpoint_id
                      and test.state = 'pending'
                      and test.object_id = drive.endpoint_id
                      and test.type = 'webhook_endpoint.test'
                      and test.tried = 0
                      and test.next_at <= %(now)s
               )
           )
       and (
               through_seq < %(head)s and coalesce(pending, 0) < %(max_pending)s
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
returning drive.endpoint_id, drive.revision, drive.through_seq, due.abandoned, drive.pending,
          drive.oldest_pending, drive.counted_at, drive.behind_since is not null,
          coalesce(quiet_until > %(now)s, false)
"""

# All claims of a process at once. One that is locked is being renewed by its own driver.
EXTEND: Final[LiteralString] = """
with ours as materialized (
    select drive.endpoint_id
      from delivery.drive
      join unnest(%(endpoint_ids)s, %(claims)s) as held (endpoint_id, claim)
        on held.endpoint_id = drive.endpoint_id
       and held.claim = drive.claim
     where drive.book_id = %(book_id)s
     order by drive.endpoint_id
       for no key update of drive skip locked
)
update delivery.drive
   set claimed_until = %(until)s
  from ours
 where drive.book_id = %(book_id)s
   and drive.endpoint_id = ours.endpoint_id
returning drive.endpoint_id, drive.revision
"""

RENEW: Final[LiteralString] = """
update delivery.drive
   set claimed_until = %(until)s,
       through_seq = %(through_seq)s,
       failing_since = case
           when %(succeeded)s then null
           when %(failed)s then coalesce(failing_since, %(now)s)
           else failing_since
       end,
       given_up = case when %(succeeded)s then 0 else given_up end,
       pending = case when pending is not null then %(pending)s::integer end,
       oldest_pending = %(oldest_pending)s::bigint,
       quiet_until = greatest(quiet_until, %(quiet_until)s::timestamptz)
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and claim = %(claim)s
returning revision, failing_since, pending is null
"""

FORGET_FAILING: Final[LiteralString] = """
update delivery.drive
   set failing_since = null,
       given_up = given_up + %s
 where book_id = %s
   and endpoint_id = %s
returning given_up
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


class Claimed(msgspec.Struct, frozen=True):
    """An endpoint that is ours to drive."""

    endpoint_id: UUID
    revision: int
    through_seq: int
    abandoned: bool
    """Whoever drove it before did not give it up: it died."""
    pending: int | None
    """How many deliveries wait; None where they have to be counted."""
    oldest_pending: int | None
    counted_at: dt.datetime | None
    behind: bool
    """Whether it was told that too many wait."""
    quiet: bool
    """It has asked for nothing for now: only tests are sent."""


class Renewed(msgspec.Struct, frozen=True):
    """What a renewal found."""

    revision: int
    failing_since: dt.datetime | None
    uncounted: bool
    """Whether somebody else has written deliveries: those that wait have to be counted."""


async def claim(
    connection: Connection,
    book_id: int,
    *,
    head: int,
    claim: UUID,
    limit: int,
    max_pending: int,
    astray: Sequence[UUID],
    now: dt.datetime,
    until: dt.datetime,
) -> list[Claimed]:
    """Claim up to `limit` endpoints that have something to do, are not to be left alone, and nobody drives.

    One for which `max_pending` wait already has something to do when one of those is due. `astray` are claims
    of the caller's own under which it drives nothing.
    """
    values = {
        "book_id": book_id, "head": head, "claim": claim, "limit": limit, "max_pending": max_pending,
        "astray": arrays.uuids(astray), "now": now, "until": until,
    }  # fmt: skip
    cursor = await connection.execute(CLAIM, values, binary=True)
    return [Claimed(*row) for row in await cursor.fetchall()]


async def extend(
    connection: Connection, book_id: int, held: Sequence[tuple[UUID, UUID]], *, until: dt.datetime
) -> dict[UUID, int]:
    """Extend claims, by endpoint and token; the revision of each endpoint whose claim is still ours.

    Those that are being renewed at this moment are left out.
    """
    values = {
        "book_id": book_id,
        "endpoint_ids": arrays.uuids([endpoint_id for endpoint_id, _ in held]),
        "claims": arrays.uuids([claim for _, claim in held]),
        "until": until,
    }
    return dict(await (await connection.execute(EXTEND, values, binary=True)).fetchall())


async def renew(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    claim: UUID,
    *,
    through_seq: int,
    succeeded: bool,
    failed: bool,
    pending: int | None,
    oldest_pending: int | None,
    quiet_until: dt.datetime | None,
    now: dt.datetime,
    until: dt.datetime,
) -> Renewed | None:
    """Go on driving; None where the claim is no longer ours.

    `pending` wait once this transaction is done, none of them of an event before `oldest_pending`. Nobody is
    to claim the endpoint before `quiet_until`.
    """
    cursor = await connection.execute(
        RENEW,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "claim": claim,
            "through_seq": through_seq,
            "succeeded": succeeded,
            "failed": failed,
            "pending": pending,
            "oldest_pending": oldest_pending,
            "quiet_until": quiet_until,
            "now": now,
            "until": until,
        },
        binary=True,
    )
    row = await cursor.fetchone()
    return None if row is None else Renewed(*row)


async def forget_failing(connection: Connection, book_id: int, endpoint_id: UUID, *, given_up: bool) -> int:
    """Its next failure is the first of a series; under a claim that was renewed in this transaction.

    How many series in a row have ended by being `given_up`.
    """
    cursor = await connection.execute(FORGET_FAILING, (int(given_up), book_id, endpoint_id))
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def release(
    connection: Connection, book_id: int, endpoint_id: UUID, claim: UUID, *, through_seq: int
) -> None:
    """Let others drive it on from `through_seq`."""
    values = {"book_id": book_id, "endpoint_id": endpoint_id, "claim": claim, "through_seq": through_seq}
    await connection.execute(RELEASE, values)
