"""The SQL of anomalies as they are looked at, and of how far detection is."""

from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from caudal.anomalies.types import Anomaly, AnomalyFilter, AnomalyStream, Behind, Found
from caudal_base import ids
from caudal_base.database import Connection

# Up to `after` a stream learns, and nobody waits for it. The newest version of each counts.
BEHIND: Final = """
select s.name, s.declared::text, newest.ordinal - greatest(p.through, s.after), next.known_at
  from anomalies.stream as s
  join anomalies.position as p
    on p.book_id = %(book_id)s
   and p.stream = s.number
 cross join (
       select coalesce(max(ordinal), 0) as ordinal
         from features.event
        where book_id = %(book_id)s
       ) as newest
  left join lateral (
       select known_at
         from features.event
        where book_id = %(book_id)s
          and ordinal > greatest(p.through, s.after)
        order by ordinal
        limit 1
       ) as next on true
 where s.book_id = %(book_id)s
   and not exists (
       select
         from anomalies.stream as later
        where later.book_id = %(book_id)s
          and later.name = s.name
          and later.version > s.version
       )
 order by s.name
"""

_FOUND: Final = msgspec.json.Decoder(Found)
_DECLARED: Final = msgspec.json.Decoder(AnomalyStream)


async def behind(connection: Connection, book_id: int) -> list[Behind]:
    """How far each stream that is watched is behind the book's events."""
    cursor = await connection.execute(BEHIND, {"book_id": book_id})
    return [
        Behind(stream=name, events=max(events, 0), since=since)
        for name, declared, events, since in await cursor.fetchall()
        if _DECLARED.decode(declared).enabled
    ]


async def find(
    connection: Connection, book_id: int, wanted: AnomalyFilter, *, before: str | None, limit: int
) -> list[Anomaly]:
    """The newest `limit` anomalies that `wanted` wants, behind `before`, in the order of their events."""
    statement, parameters = search(book_id, wanted, before=before, limit=limit)
    cursor = await connection.execute(statement, parameters)
    return [_anomaly(row) for row in await cursor.fetchall()]


def search(
    book_id: int, wanted: AnomalyFilter, *, before: str | None, limit: int
) -> tuple[str, dict[str, Any]]:
    """The statement of `find`, with its parameters."""
    parameters: dict[str, Any] = {"book_id": book_id, "limit": limit}
    conditions = ""
    if wanted.entity is not None:
        conditions += "\n   and a.entity = %(entity)s"
        parameters["entity"] = wanted.entity
    if wanted.detector is not None:
        conditions += "\n   and a.detector = %(detector)s"
        parameters["detector"] = wanted.detector.value
    if before is not None:
        conditions += """
   and (a.ordinal, a.stream, a.detector) < (
       select ordinal, stream, detector
         from anomalies.anomaly
        where book_id = %(book_id)s
          and id = %(before)s
       )"""
        parameters["before"] = ids.decode(ids.ANOMALY, before, field="cursor")
    columns = "a.id, s.name, s.version, a.entity, a.ordinal, a.silenced, a.case_id, a.found::text"
    order = "a.ordinal desc, a.stream desc, a.detector desc"
    if wanted.stream is None:
        return (
            f"""
select {columns}
  from anomalies.anomaly as a
  join anomalies.stream as s
    on s.book_id = %(book_id)s
   and s.number = a.stream
 where a.book_id = %(book_id)s{conditions}
 order by {order}
 limit %(limit)s
""",
            parameters,
        )
    # A page of each version of the stream: however many others there are in between.
    parameters["stream"] = wanted.stream
    return (
        f"""
select {columns}
  from anomalies.stream as s
 cross join lateral (
       select a.*
         from anomalies.anomaly as a
        where a.book_id = %(book_id)s
          and a.stream = s.number{conditions}
        order by a.ordinal desc, a.detector desc
        limit %(limit)s
       ) as a
 where s.book_id = %(book_id)s
   and s.name = %(stream)s
 order by {order}
 limit %(limit)s
""",
        parameters,
    )


_GET: Final = """
select a.id, s.name, s.version, a.entity, a.ordinal, a.silenced, a.case_id, a.found::text
  from anomalies.anomaly as a
  join anomalies.stream as s
    on s.book_id = %(book_id)s
   and s.number = a.stream
 where a.book_id = %(book_id)s
   and a.id = %(id)s
"""


async def get(connection: Connection, book_id: int, id: str) -> Anomaly | None:
    """The anomaly with this id."""
    parameters = {"book_id": book_id, "id": ids.decode(ids.ANOMALY, id)}
    row = await (await connection.execute(_GET, parameters)).fetchone()
    return None if row is None else _anomaly(row)


def _anomaly(row: TupleRow) -> Anomaly:
    id, stream, version, entity, ordinal, silenced, case, found = row
    return Anomaly(
        id=ids.encode(ids.ANOMALY, id), stream=stream, version=version, entity=entity, ordinal=ordinal,
        silenced=silenced, case=None if case is None else ids.encode(ids.CASE, case),
        found=_FOUND.decode(found),
    )  # fmt: skip
