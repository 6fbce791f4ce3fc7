"""The SQL of looking at deliveries, of replaying them, and of removing old ones."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg.rows import TupleRow

from caudal.delivery.store_drives import HELD
from caudal.delivery.types import Attempt, Delivery, DeliveryState
from caudal_base import arrays
from caudal_base.database import Connection

_COLUMNS: Final[LiteralString] = (
    "seq, event_id, type, object_type, object_id, state, attempts, next_at, ended_at, status, error"
)

ATTEMPTS: Final[LiteralString] = """
select number, at, duration_ms, status, error, response
  from delivery.attempt
 where book_id = %s
   and endpoint_id = %s
   and seq = %s
 order by number
"""

# One that is pending already keeps its place in the schedule, and is tried at once.
REPLAY: Final[LiteralString] = """
insert into delivery.delivery
       (book_id, endpoint_id, seq, event_id, type, object_type, object_id, state, attempts, tried, next_at)
select %(book_id)s, %(endpoint_id)s, new.seq, new.event_id, new.type, new.object_type, new.object_id,
       'pending', 0, 0, %(next_at)s
  from unnest(%(seqs)s, %(event_ids)s, %(types)s, %(object_types)s, %(object_ids)s)
       as new (seq, event_id, type, object_type, object_id)
    on conflict (book_id, endpoint_id, seq) do update
   set state = 'pending',
       tried = 0,
       next_at = excluded.next_at,
       ended_at = null
"""

FAILED: Final[LiteralString] = """
select seq
  from delivery.delivery
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and state = 'failed'
   and seq > %(after)s
   and seq <= %(through)s
 order by seq
 limit %(limit)s
"""

# By the primary key, the oldest first. Those that wait may be older than others that are over.
PURGE: Final[LiteralString] = """
with old as materialized (
    select seq, state, ended_at
      from delivery.delivery
     where book_id = %(book_id)s
       and endpoint_id = %(endpoint_id)s
       and seq > %(after)s
     order by seq
     limit %(limit)s
), gone as (
    delete from delivery.delivery
     where book_id = %(book_id)s
       and endpoint_id = %(endpoint_id)s
       and seq = any(array(
               select old.seq
                 from old
                where old.ended_at < %(before)s
                   or old.state = 'pending' and %(forgotten)s
           ))
    returning seq
), attempts as (
    delete from delivery.attempt
     where book_id = %(book_id)s
       and endpoint_id = %(endpoint_id)s
       and seq = any(array(select gone.seq from gone))
)
select max(seq)
  from old
 where state = 'pending'
    or ended_at < %(before)s
"""

ENDPOINTS: Final[LiteralString] = """
select id, case when status = 'deleted' then disabled_at end
  from delivery.endpoint
 where book_id = %s
 order by id
"""

DELETE_EXPIRED_SECRETS: Final[LiteralString] = """
delete from delivery.secret
 where book_id = %(book_id)s
   and expires_at <= %(now)s
"""


async def find(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    *,
    state: DeliveryState | None,
    type: str | None = None,
    before: int | None,
    limit: int,
) -> list[Delivery]:
    """Up to `limit` deliveries of events before the seq `before`, the latest first."""
    statement, parameters = search(book_id, endpoint_id, state=state, type=type, before=before, limit=limit)
    cursor = await connection.execute(statement, parameters, binary=True)
    return [_delivery(row) for row in await cursor.fetchall()]


def search(
    book_id: int, endpoint_id: UUID, *, state: DeliveryState | None, type: str | None = None,
    before: int | None, limit: int,
) -> tuple[LiteralString, tuple[Any, ...]]:  # fmt: skip
    """The statement of `find`, with its parameters."""
    conditions: list[LiteralString] = []
    parameters: list[Any] = [book_id, endpoint_id]
    if state is not None:
        # By name, so that the planner recognises the partial indexes.
        conditions.append(_STATES[state])
    if type is not None:
        conditions.append("\n   and type = %s")
        parameters.append(type)
    if before is not None:
        conditions.append("\n   and seq < %s")
        parameters.append(before)
    statement: LiteralString = f"""
select {_COLUMNS}
  from delivery.delivery
 where book_id = %s
   and endpoint_id = %s{"".join(conditions)}
 order by seq desc
 limit %s
"""
    return statement, (*parameters, limit)


_STATES: Final[dict[DeliveryState, LiteralString]] = {
    DeliveryState.PENDING: "\n   and state = 'pending'",
    DeliveryState.DELIVERED: "\n   and state = 'delivered'",
    DeliveryState.FAILED: "\n   and state = 'failed'",
}


async def get(connection: Connection, book_id: int, endpoint_id: UUID, seq: int) -> Delivery | None:
    """The delivery of the event at this place."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from delivery.delivery
 where book_id = %s
   and endpoint_id = %s
   and seq = %s
"""
    row = await (await connection.execute(statement, (book_id, endpoint_id, seq), binary=True)).fetchone()
    return None if row is None else _delivery(row)


async def attempts(connection: Connection, book_id: int, endpoint_id: UUID, seq: int) -> list[Attempt]:
    """All attempts at a delivery, the first first."""
    cursor = await connection.execute(ATTEMPTS, (book_id, endpoint_id, seq), binary=True)
    return [
        Attempt(number=number, at=at, duration_ms=duration, status=status, error=error, response=response)
        for number, at, duration, status, error, response in await cursor.fetchall()
    ]


async def replay(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    deliveries: Sequence[tuple[int, UUID, str, str, str]],
    *,
    ordered: bool,
    now: dt.datetime,
) -> None:
    """Try again, from the first attempt: by seq, event, type, kind of object and object of each."""
    await connection.execute(
        REPLAY,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "seqs": arrays.bigints([seq for seq, *_ in deliveries]),
            "event_ids": arrays.uuids([event_id for _, event_id, *_ in deliveries]),
            "types": arrays.texts([type_ for _, _, type_, *_ in deliveries]),
            "object_types": arrays.texts([kind for *_, kind, _ in deliveries]),
            "object_ids": arrays.hex_uuids([object_id for *_, object_id in deliveries]),
            "next_at": HELD if ordered else now,
        },
    )


async def failed(
    connection: Connection, book_id: int, endpoint_id: UUID, *, after: int, through: int, limit: int
) -> list[int]:
    """The places of up to `limit` deliveries that were given up, behind `after`."""
    values = {
        "book_id": book_id, "endpoint_id": endpoint_id, "after": after, "through": through, "limit": limit,
    }  # fmt: skip
    return [seq for (seq,) in await (await connection.execute(FAILED, values, binary=True)).fetchall()]


async def purge(
    connection: Connection, book_id: int, endpoint_id: UUID, *, after: int, before: dt.datetime, limit: int,
    forgotten: bool,
) -> int | None:  # fmt: skip
    """Look at the next `limit` deliveries behind `after`, and delete those that ended before `before`.

    Of an endpoint that is `forgotten` those that wait go too: nobody will send them. Where the next lot
    begins; None where this one has none but those that are kept.
    """
    values = {
        "book_id": book_id, "endpoint_id": endpoint_id, "after": after, "before": before, "limit": limit,
        "forgotten": forgotten,
    }  # fmt: skip
    row = await (await connection.execute(PURGE, values)).fetchone()
    return None if row is None else row[0]


async def all_endpoints(connection: Connection, book_id: int) -> list[tuple[UUID, dt.datetime | None]]:
    """The ids of all endpoints that there ever were, each with when it was deleted."""
    return list(await (await connection.execute(ENDPOINTS, (book_id,), binary=True)).fetchall())


async def delete_expired_secrets(connection: Connection, book_id: int, *, now: dt.datetime) -> None:
    """Delete the secrets that sign no more."""
    await connection.execute(DELETE_EXPIRED_SECRETS, {"book_id": book_id, "now": now})


def _delivery(row: TupleRow) -> Delivery:
    (
        seq, event_id, type_, object_type, object_id, state, attempts_, next_at, ended_at, status, error,
    ) = row  # fmt: skip
    return Delivery(
        seq=seq,
        event_id=event_id,
        type=type_,
        object_id=object_id,
        object_type=object_type,
        state=DeliveryState(state),
        attempts=attempts_,
        next_at=None if next_at == HELD else next_at,
        ended_at=ended_at,
        status=status,
        error=error,
    )
