"""What the simulation reads of deliveries, and how it lets their days pass in seconds."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from psycopg import Error

from caudal.delivery import MAX_ATTEMPTS
from caudal_base.clock import SystemClock
from caudal_base.database import Connection, Database

_AGAIN_S: Final = 0.05

# What waits for its next attempt need not wait any longer. What waits for another event does: it is held for
# thousands of years.
_HASTEN: Final = """
update delivery.delivery
   set next_at = %(now)s
 where book_id = %(book_id)s
   and endpoint_id = any(%(endpoints)s)
   and state = 'pending'
   and next_at > %(now)s
   and next_at < %(now)s + interval '30 days'
"""

# The days of the schedule have passed: the next attempt is the last.
_EXHAUST: Final = """
update delivery.delivery
   set next_at = %(now)s,
       tried = %(last)s
 where book_id = %(book_id)s
   and endpoint_id = any(%(endpoints)s)
   and state = 'pending'
   and attempts > 0
   and next_at > %(now)s
   and next_at < %(now)s + interval '30 days'
"""

_AGE: Final = """
update delivery.drive
   set failing_since = failing_since - %(age)s
 where book_id = %(book_id)s
   and endpoint_id = any(%(endpoints)s)
   and failing_since > %(now)s - %(age)s
"""

# Nobody drives an endpoint any more: all workers are dead. In real time the leases would run out.
_END_CLAIMS: Final = """
update delivery.drive
   set claimed_until = %(now)s
 where book_id = %(book_id)s
   and claim is not null
"""

_UNREST: Final = """
select drive.endpoint_id,
       (select seq from events.head where book_id = %(book_id)s) - drive.through_seq,
       (
           select count(*)
             from delivery.delivery
            where delivery.book_id = %(book_id)s
              and delivery.endpoint_id = drive.endpoint_id
              and delivery.state = 'pending'
       )
  from delivery.drive
 where drive.book_id = %(book_id)s
   and drive.endpoint_id = any(%(endpoints)s)
   and drive.active
"""

_HEAD: Final = """
select seq
  from events.head
 where book_id = %(book_id)s
"""

_FAILED: Final = """
select endpoint_id, seq
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = any(%(endpoints)s)
   and state = 'failed'
"""

_DELIVERIES: Final = """
select endpoint_id, seq, state, attempts, status
  from delivery.delivery
 where book_id = %(book_id)s
"""

_ATTEMPTS: Final = """
select endpoint_id, seq, number, coalesce(status, 0), length(response)
  from delivery.attempt
 where book_id = %(book_id)s
"""


class Row(msgspec.Struct, frozen=True):
    """A delivery as the log has it."""

    endpoint: UUID
    seq: int
    state: str
    attempts: int
    status: int | None


class Try(msgspec.Struct, frozen=True):
    """An attempt as the log has it."""

    endpoint: UUID
    seq: int
    number: int
    status: int
    """0 is no answer."""
    response_bytes: int


async def hasten(connection: Connection, book_id: int, endpoints: Sequence[UUID]) -> None:
    """Let what waits for its next attempt be tried now."""
    await connection.execute(_HASTEN, _values(book_id, endpoints))


async def exhaust(connection: Connection, book_id: int, endpoints: Sequence[UUID]) -> None:
    """Let what has failed be tried now, for the last time."""
    await connection.execute(_EXHAUST, {**_values(book_id, endpoints), "last": MAX_ATTEMPTS - 1})


async def age(connection: Connection, book_id: int, endpoints: Sequence[UUID], days: int) -> None:
    """Let endpoints that fail have done so for so many days more."""
    await connection.execute(_AGE, {**_values(book_id, endpoints), "age": dt.timedelta(days=days)})


async def end_claims(database: Database, book_id: int) -> None:
    """Let the leases of workers end now, all of which are dead."""
    while True:
        try:
            async with database.connection() as connection:
                await connection.execute(_END_CLAIMS, _values(book_id, ()))
        except Error:  # the server may be down as well; it comes back
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def unrest(connection: Connection, book_id: int, endpoints: Sequence[UUID]) -> dict[UUID, int]:
    """By endpoint that is enabled, how many events it has not been given, or not taken yet."""
    found = await connection.execute(_UNREST, _values(book_id, endpoints))
    return {row[0]: int(row[1]) + int(row[2]) for row in await found.fetchall() if row[1] or row[2]}


async def newest(connection: Connection, book_id: int) -> int:
    """The seq of the newest event."""
    row = await (await connection.execute(_HEAD, {"book_id": book_id})).fetchone()
    return 0 if row is None else int(row[0])


async def failed(connection: Connection, book_id: int, endpoints: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """What was given up: by endpoint and event's seq."""
    return list(await (await connection.execute(_FAILED, _values(book_id, endpoints))).fetchall())


async def log(connection: Connection, book_id: int) -> tuple[list[Row], list[Try]]:
    """All deliveries, and all attempts."""
    deliveries = await connection.execute(_DELIVERIES, {"book_id": book_id})
    rows = [Row(*row) for row in await deliveries.fetchall()]
    attempts = await connection.execute(_ATTEMPTS, {"book_id": book_id})
    return rows, [Try(*row) for row in await attempts.fetchall()]


def _values(book_id: int, endpoints: Sequence[UUID]) -> dict[str, object]:
    return {"book_id": book_id, "endpoints": list(endpoints), "now": SystemClock().now()}
