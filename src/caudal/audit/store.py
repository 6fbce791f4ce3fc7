"""The SQL of the audit log."""

import os
from collections.abc import Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.audit import rules
from caudal.audit.types import Query, Record, Stored
from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.ids import Entropy

INSERT: Final[LiteralString] = """
insert into audit.record (book_id, id, recorded_at, principal, action, object_id, leaf)
select %s, batch.id, batch.recorded_at, batch.principal, batch.action, batch.object_id, batch.leaf
  from unnest(%s, %s, %s, %s, %s, %s)
       as batch (id, recorded_at, principal, action, object_id, leaf)
"""
"""Writes any number of records of one book; its parameters come from `insert_parameters`."""

_COLUMNS: Final[LiteralString] = "book_id, id, recorded_at, principal, action, object_id, leaf"


def insert_parameters(records: Sequence[Record], entropy: Entropy = os.urandom) -> tuple[Any, ...]:
    """The parameters of `INSERT`, for a room that makes it part of a larger statement.

    There must be at least one record, and all must belong to one book.
    """
    check(len(records) > 0, "an audit statement without records")
    book_id = records[0].book_id
    check(all(record.book_id == book_id for record in records), "audit records of several books")
    record_ids = rules.new_ids(records, entropy)
    return (
        book_id,
        arrays.hex_uuids(record_ids),
        arrays.timestamps([record.at for record in records]),
        arrays.texts([record.principal for record in records]),
        arrays.texts([record.action for record in records]),
        arrays.texts([record.object_id for record in records]),
        arrays.blobs(rules.leaves(records, record_ids)),
    )


async def queue_append(
    connection: Connection, records: Sequence[Record], entropy: Entropy = os.urandom
) -> AsyncCursor[TupleRow]:
    """Send the one statement that writes `records`; inside a pipeline, without waiting for its end."""
    return await connection.execute(INSERT, insert_parameters(records, entropy))


async def find(connection: Connection, query: Query, *, before: UUID | None, limit: int) -> list[Stored]:
    """Up to `limit` records that `query` wants and whose ids come before `before`, newest first."""
    statement, parameters = search(query, before=before, limit=limit)
    cursor = await connection.execute(statement, parameters, binary=True)
    return [_stored(row) for row in await cursor.fetchall()]


def search(query: Query, *, before: UUID | None, limit: int) -> tuple[LiteralString, tuple[Any, ...]]:
    """The statement of `find`, with its parameters."""
    conditions: list[LiteralString] = []
    parameters: list[Any] = [query.book_id]
    for condition, wanted in (
        ("object_id = %s", query.object_id),
        ("principal = %s", query.principal),
        ("action = %s", query.action),
        ("id < %s", before),
    ):
        if wanted is not None:
            conditions.append(f"\n   and {condition}")
            parameters.append(wanted)
    # An id starts with its record's time, so every index of this table also serves a range of time.
    if query.since is not None:
        conditions.append("\n   and id >= %s")
        parameters.append(rules.first_id_at(query.since))
    if query.until is not None:
        conditions.append("\n   and id < %s")
        parameters.append(rules.first_id_at(query.until))
    statement: LiteralString = f"""
select {_COLUMNS}
  from audit.record
 where book_id = %s{"".join(conditions)}
 order by id desc
 limit %s
"""
    return statement, (*parameters, limit)


async def following(connection: Connection, book_id: int, *, after: UUID, limit: int) -> list[Stored]:
    """Up to `limit` records of a book whose ids come after `after`, oldest first."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from audit.record
 where book_id = %s
   and id > %s
 order by id
 limit %s
"""
    cursor = await connection.execute(statement, (book_id, after, limit), binary=True)
    return [_stored(row) for row in await cursor.fetchall()]


def _stored(row: TupleRow) -> Stored:
    book_id, record_id, recorded_at, principal, action, object_id, leaf = row
    return Stored(
        book_id=book_id,
        id=record_id,
        recorded_at=recorded_at,
        principal=principal,
        action=action,
        object_id=object_id,
        leaf=leaf,
    )
