"""The SQL of events."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.events import rules
from caudal.events.types import Event, NewEvent
from caudal_base import arrays, ids
from caudal_base.database import Connection
from caudal_base.ids import IdSource
from caudal_base.statements import Statement

READ_HEAD: Final[LiteralString] = """
select seq
  from events.head
 where book_id = %s
"""

INSERT: Final[LiteralString] = """
insert into events.event (book_id, seq, id, type, object_type, object_id, at, data)
select %(book_id)s, batch.seq, batch.id, batch.type, batch.object_type, batch.object_id, batch.at,
       batch.data::json
  from unnest(%(seqs)s, %(ids)s, %(types)s, %(object_types)s, %(object_ids)s, %(ats)s, %(data)s)
       as batch (seq, id, type, object_type, object_id, at, data)
"""

SET_HEAD: Final[LiteralString] = """
insert into events.head (book_id, seq)
values (%(book_id)s, %(seq)s)
    on conflict (book_id) do update set seq = excluded.seq
"""

_COLUMNS: Final[LiteralString] = "seq, id, type, version, object_type, object_id, at, data::text"


def inserting(
    book_id: int, last_seq: int, new_events: Sequence[NewEvent], new_ids: IdSource
) -> list[Statement]:
    """The statements that write `new_events` behind `last_seq`. There must be at least one."""
    last = last_seq + len(new_events)
    values: dict[str, Any] = {
        "book_id": book_id,
        "seqs": arrays.bigints(range(last_seq + 1, last + 1)),
        "ids": arrays.uuids([new_ids.new() for _ in new_events]),
        "types": arrays.texts([event.type for event in new_events]),
        "object_types": arrays.texts([event.object_type for event in new_events]),
        "object_ids": arrays.hex_uuids([event.object_id for event in new_events]),
        "ats": arrays.timestamps([event.at for event in new_events]),
        "data": arrays.texts([rules.json_of(event) for event in new_events]),
    }
    return [Statement(INSERT, values), Statement(SET_HEAD, {"book_id": book_id, "seq": last})]


async def queue_head(connection: Connection, book_id: int) -> AsyncCursor[TupleRow]:
    """Send the statement that reads the book's last seq; inside a pipeline, without waiting for it."""
    return await connection.execute(READ_HEAD, (book_id,), binary=True)


async def head_of(cursor: AsyncCursor[TupleRow]) -> int:
    """What `queue_head` found; 0 where the book has no events."""
    row = await cursor.fetchone()
    return 0 if row is None else row[0]


async def find(
    connection: Connection,
    book_id: int,
    *,
    type: str | None,
    object: tuple[str, UUID] | None,
    after: int,
    limit: int,
) -> list[Event]:
    """Up to `limit` events behind `after`, in order; `object` is a kind and an id."""
    statement, parameters = search(book_id, type=type, object=object, after=after, limit=limit)
    cursor = await connection.execute(statement, parameters, binary=True)
    return [_event(row) for row in await cursor.fetchall()]


def search(
    book_id: int, *, type: str | None, object: tuple[str, UUID] | None, after: int, limit: int
) -> tuple[LiteralString, tuple[Any, ...]]:
    """The statement of `find`, with its parameters."""
    conditions: list[LiteralString] = ["\n   and seq > %s"]
    parameters: list[Any] = [book_id, after]
    if type is not None:
        conditions.append("\n   and type = %s")
        parameters.append(type)
    if object is not None:
        conditions.append("\n   and object_id = %s\n   and object_type = %s")
        parameters += [object[1], object[0]]
    statement: LiteralString = f"""
select {_COLUMNS}
  from events.event
 where book_id = %s{"".join(conditions)}
 order by seq
 limit %s
"""
    return statement, (*parameters, limit)


async def matching(
    connection: Connection, book_id: int, patterns: Sequence[str], *, after: int, through: int, limit: int
) -> list[Event]:
    """Up to `limit` events behind `after` and up to `through` whose types are like one of `patterns`."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from events.event
 where book_id = %s
   and seq > %s
   and seq <= %s
   and type like any(%s)
 order by seq
 limit %s
"""
    parameters = (book_id, after, through, arrays.texts(patterns), limit)
    cursor = await connection.execute(statement, parameters, binary=True)
    return [_event(row) for row in await cursor.fetchall()]


async def by_seq(connection: Connection, book_id: int, seqs: Sequence[int]) -> list[Event]:
    """The events at these places, in order."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from events.event
 where book_id = %s
   and seq = any(%s)
 order by seq
"""
    cursor = await connection.execute(statement, (book_id, arrays.bigints(seqs)), binary=True)
    return [_event(row) for row in await cursor.fetchall()]


async def told_at(connection: Connection, book_id: int, seq: int) -> dt.datetime | None:
    """When the event at this place was recorded."""
    cursor = await connection.execute(
        """
select at
  from events.event
 where book_id = %s
   and seq = %s
        """,
        (book_id, seq),
        binary=True,
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def get(connection: Connection, book_id: int, id: UUID) -> Event | None:
    """The event with this id."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from events.event
 where book_id = %s
   and id = %s
"""
    cursor = await connection.execute(statement, (book_id, id), binary=True)
    row = await cursor.fetchone()
    return None if row is None else _event(row)


def _event(row: TupleRow) -> Event:
    seq, event_id, type_, version, object_type, object_id, at, data = row
    return Event(
        seq=seq,
        id=event_id,
        type=type_,
        version=version,
        object_type=object_type,
        object_id=ids.encode(rules.PREFIXES[object_type], object_id),
        at=at,
        data=msgspec.Raw(data.encode()),
    )
