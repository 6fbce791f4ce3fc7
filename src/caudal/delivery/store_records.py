"""The SQL of writing down deliveries and attempts."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from caudal.delivery.types import DeliveryState
from caudal.events import Event
from caudal_base import arrays
from caudal_base.database import Connection

RECORD: Final[LiteralString] = """
insert into delivery.delivery
       (book_id, endpoint_id, seq, event_id, type, object_type, object_id, state, attempts, tried, next_at,
        ended_at, status, error)
select %(book_id)s, %(endpoint_id)s, new.seq, new.event_id, new.type, new.object_type, new.object_id,
       new.state, new.attempts, new.tried, new.next_at, new.ended_at, new.status, new.error
  from unnest(
           %(seqs)s, %(event_ids)s, %(types)s, %(object_types)s, %(object_ids)s, %(states)s, %(attempts)s,
           %(tried)s, %(next_ats)s, %(ended_ats)s, %(statuses)s, %(errors)s
       ) as new (seq, event_id, type, object_type, object_id, state, attempts, tried, next_at, ended_at,
                 status, error)
    on conflict (book_id, endpoint_id, seq) do update
   set state = excluded.state,
       attempts = excluded.attempts,
       tried = excluded.tried,
       next_at = excluded.next_at,
       ended_at = excluded.ended_at,
       status = excluded.status,
       error = excluded.error
"""

# A driver whose commit was lost on the way records again what it has recorded.
RECORD_ATTEMPTS: Final[LiteralString] = """
insert into delivery.attempt
       (book_id, endpoint_id, seq, number, at, duration_ms, status, error, response)
select %(book_id)s, %(endpoint_id)s, new.seq, new.number, new.at, new.duration_ms, new.status, new.error,
       new.response
  from unnest(
           %(seqs)s, %(numbers)s, %(ats)s, %(durations)s, %(statuses)s, %(errors)s, %(responses)s
       ) as new (seq, number, at, duration_ms, status, error, response)
    on conflict (book_id, endpoint_id, seq, number) do nothing
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery to be written."""

    seq: int
    event_id: UUID
    type: str
    object_type: str
    object_id: str
    """External."""
    state: DeliveryState
    attempts: int
    tried: int
    next_at: dt.datetime | None
    ended_at: dt.datetime | None
    status: int | None
    error: str | None


def first_try(event: Event, now: dt.datetime) -> Row:
    """A delivery that is to be tried at once, from the beginning of the schedule."""
    return Row(
        seq=event.seq,
        event_id=event.id,
        type=event.type,
        object_type=event.object_type,
        object_id=event.object_id,
        state=DeliveryState.PENDING,
        attempts=0,
        tried=0,
        next_at=now,
        ended_at=None,
        status=None,
        error=None,
    )


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to be written."""

    seq: int
    number: int
    at: dt.datetime
    duration_ms: int
    status: int | None
    error: str | None
    response: bytes


async def record(connection: Connection, book_id: int, endpoint_id: UUID, rows: Sequence[Row]) -> None:
    """Write deliveries, new ones and those that are there."""
    await connection.execute(
        RECORD,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "seqs": arrays.bigints([row.seq for row in rows]),
            "event_ids": arrays.uuids([row.event_id for row in rows]),
            "types": arrays.texts([row.type for row in rows]),
            "object_types": arrays.texts([row.object_type for row in rows]),
            "object_ids": arrays.hex_uuids([row.object_id for row in rows]),
            "states": arrays.texts([row.state.value for row in rows]),
            "attempts": arrays.integers([row.attempts for row in rows]),
            "tried": arrays.smallints([row.tried for row in rows]),
            "next_ats": arrays.timestamps([row.next_at for row in rows]),
            "ended_ats": arrays.timestamps([row.ended_at for row in rows]),
            "statuses": arrays.smallints([row.status for row in rows]),
            "errors": arrays.texts([row.error for row in rows]),
        },
    )


async def record_attempts(
    connection: Connection, book_id: int, endpoint_id: UUID, rows: Sequence[AttemptRow]
) -> None:
    """Write attempts."""
    await connection.execute(
        RECORD_ATTEMPTS,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "seqs": arrays.bigints([row.seq for row in rows]),
            "numbers": arrays.integers([row.number for row in rows]),
            "ats": arrays.timestamps([row.at for row in rows]),
            "durations": arrays.integers([row.duration_ms for row in rows]),
            "statuses": arrays.smallints([row.status for row in rows]),
            "errors": arrays.texts([row.error for row in rows]),
            "responses": arrays.blobs([row.response for row in rows]),
        },
    )
