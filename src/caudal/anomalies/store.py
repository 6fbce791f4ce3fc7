"""The SQL of anomalies."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from caudal.anomalies.types import (
    Anomaly,
    AnomalyStream,
    History,
    Profile,
    Silence,
    StreamVersion,
)
from caudal_base import arrays, ids
from caudal_base.database import Connection

STREAMS: Final = """
select s.number, s.version, s.declared::text, s.after, s.created_at, s.created_by, p.through
  from anomalies.stream as s
  join anomalies.position as p
    on p.book_id = %(book_id)s
   and p.stream = s.number
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

_INSERT_STREAM: Final = """
insert into anomalies.stream (book_id, number, name, version, declared, after, created_at, created_by)
select %(book_id)s,
       coalesce((select max(number) from anomalies.stream where book_id = %(book_id)s), 0) + 1,
       %(name)s,
       coalesce(
           (select max(version) from anomalies.stream where book_id = %(book_id)s and name = %(name)s), 0
       ) + 1,
       %(declared)s::json,
       coalesce((select max(ordinal) from features.event where book_id = %(book_id)s), 0),
       %(at)s, %(by)s
returning number, version, after
"""

_INSERT_POSITION: Final = """
insert into anomalies.position (book_id, stream, through, profile)
values (%(book_id)s, %(stream)s, 0, %(profile)s::json)
"""

# Whoever follows a stream holds its position: one at a time.
LOCK: Final = """
select through, profile::text
  from anomalies.position
 where book_id = %(book_id)s
   and stream = %(stream)s
 order by stream
   for update
"""

_ADVANCE: Final = """
update anomalies.position
   set through = %(through)s,
       profile = %(profile)s::json
 where book_id = %(book_id)s
   and stream = %(stream)s
"""

HISTORIES: Final = """
select entity, state::text
  from anomalies.history
 where book_id = %(book_id)s
   and stream = %(stream)s
   and entity = any(%(entities)s)
"""

_PUT_HISTORIES: Final = """
insert into anomalies.history (book_id, stream, entity, state)
select %(book_id)s, %(stream)s, n.entity, n.state
  from unnest(%(entities)s, %(states)s) as n(entity, state)
    on conflict (book_id, stream, entity) do update set state = excluded.state
"""

COUNTERPARTIES: Final = """
select c.entity, c.value
  from unnest(%(entities)s, %(values)s) as n(entity, value)
  join anomalies.counterparty as c
    on c.book_id = %(book_id)s
   and c.stream = %(stream)s
   and c.entity = n.entity
   and c.value = n.value
"""

_PUT_COUNTERPARTIES: Final = """
insert into anomalies.counterparty (book_id, stream, entity, value)
select %(book_id)s, %(stream)s, n.entity, n.value
  from unnest(%(entities)s, %(values)s) as n(entity, value)
    on conflict (book_id, stream, entity, value) do nothing
"""

_INSERT: Final = """
insert into anomalies.anomaly (book_id, id, stream, detector, entity, ordinal, at, silenced, case_id, found)
select %(book_id)s, n.id, n.stream, n.detector, n.entity, n.ordinal, n.at, n.silenced, n.case_id::uuid,
       n.found
  from unnest(%(ids)s, %(streams)s, %(detectors)s, %(entities)s, %(ordinals)s, %(ats)s, %(silenced)s,
              %(cases)s, %(found)s)
       as n(id, stream, detector, entity, ordinal, at, silenced, case_id, found)
"""

_SILENCE: Final = """
insert into anomalies.silence (book_id, number, stream, entity, until, reason, created_at, created_by)
select %(book_id)s,
       coalesce((select max(number) from anomalies.silence where book_id = %(book_id)s), 0) + 1,
       %(stream)s, %(entity)s, %(until)s, %(reason)s, %(at)s, %(by)s
returning number
"""

_SILENCES: Final = """
select number, stream, entity, until, reason, created_at, created_by
  from anomalies.silence
 where book_id = %(book_id)s
   and until > %(at)s
 order by number
"""

_PURGE: Final = """
with old as (
    select h.stream, h.entity
      from anomalies.history as h
      join anomalies.stream as s
        on s.book_id = %(book_id)s
       and s.number = h.stream
     where h.book_id = %(book_id)s
       and exists (
           select
             from anomalies.stream as later
            where later.book_id = %(book_id)s
              and later.name = s.name
              and later.version > s.version
           )
     limit %(limit)s
)
delete from anomalies.history as h
 using old
 where h.book_id = %(book_id)s
   and h.stream = old.stream
   and h.entity = old.entity
"""

_DECLARED: Final = msgspec.json.Decoder(AnomalyStream)
_HISTORY: Final = msgspec.json.Decoder(History)
_PROFILE: Final = msgspec.json.Decoder(Profile)


async def streams(connection: Connection, book_id: int) -> list[StreamVersion]:
    """Of every name the version that counts, by name."""
    cursor = await connection.execute(STREAMS, {"book_id": book_id})
    return [
        StreamVersion(
            number=number, version=version, declared=_DECLARED.decode(declared), after=after, created_at=at,
            created_by=by, through=through,
        )
        for number, version, declared, after, at, by, through in await cursor.fetchall()
    ]  # fmt: skip


async def insert_stream(
    connection: Connection, book_id: int, stream: AnomalyStream, *, at: dt.datetime, by: str
) -> StreamVersion:
    """Keep a stream as the next version of its name. It begins with the book's first event."""
    declared = msgspec.json.encode(stream).decode()
    parameters = {"book_id": book_id, "name": stream.name, "declared": declared, "at": at, "by": by}
    ((number, version, after),) = await (await connection.execute(_INSERT_STREAM, parameters)).fetchall()
    profile = msgspec.json.encode(Profile()).decode()
    await connection.execute(_INSERT_POSITION, {"book_id": book_id, "stream": number, "profile": profile})
    return StreamVersion(
        number=number, version=version, declared=stream, after=after, created_at=at, created_by=by
    )


async def lock(connection: Connection, book_id: int, stream: int) -> tuple[int, Profile]:
    """Up to which event a stream has come, and its profile; nobody else follows it until the end."""
    cursor = await connection.execute(LOCK, {"book_id": book_id, "stream": stream})
    ((through, profile),) = await cursor.fetchall()
    return through, _PROFILE.decode(profile)


async def advance(connection: Connection, book_id: int, stream: int, through: int, profile: Profile) -> None:
    """It has come so far."""
    text = msgspec.json.encode(profile).decode()
    parameters = {"book_id": book_id, "stream": stream, "through": through, "profile": text}
    await connection.execute(_ADVANCE, parameters)


async def histories(
    connection: Connection, book_id: int, stream: int, entities: Sequence[str]
) -> dict[str, History]:
    """The pasts of these entities; an empty one of who has none."""
    parameters = {"book_id": book_id, "stream": stream, "entities": arrays.texts(entities)}
    cursor = await connection.execute(HISTORIES, parameters)
    found = {entity: _HISTORY.decode(state) for entity, state in await cursor.fetchall()}
    return {entity: found.get(entity) or History() for entity in entities}


async def put_histories(
    connection: Connection, book_id: int, stream: int, histories: Mapping[str, History]
) -> None:
    """Write pasts as they stand."""
    await connection.execute(
        _PUT_HISTORIES,
        {
            "book_id": book_id,
            "stream": stream,
            "entities": arrays.texts(list(histories)),
            "states": arrays.jsons([msgspec.json.encode(one) for one in histories.values()]),
        },
    )


async def counterparties(
    connection: Connection, book_id: int, stream: int, pairs: Sequence[tuple[str, UUID]]
) -> set[tuple[str, UUID]]:
    """Which of these have dealt with each other before."""
    cursor = await connection.execute(COUNTERPARTIES, _pairs(book_id, stream, pairs))
    return {(entity, value) for entity, value in await cursor.fetchall()}


async def put_counterparties(
    connection: Connection, book_id: int, stream: int, pairs: Sequence[tuple[str, UUID]]
) -> None:
    """They have from now on."""
    await connection.execute(_PUT_COUNTERPARTIES, _pairs(book_id, stream, pairs))


def _pairs(book_id: int, stream: int, pairs: Sequence[tuple[str, UUID]]) -> dict[str, Any]:
    return {
        "book_id": book_id,
        "stream": stream,
        "entities": arrays.texts([entity for entity, _ in pairs]),
        "values": arrays.uuids([value for _, value in pairs]),
    }


async def insert(connection: Connection, book_id: int, stream: int, anomalies: Sequence[Anomaly]) -> None:
    """Keep what was found."""
    cases = [None if one.case is None else str(ids.decode(ids.CASE, one.case)) for one in anomalies]
    await connection.execute(
        _INSERT,
        {
            "book_id": book_id,
            "ids": arrays.hex_uuids([one.id for one in anomalies]),
            "streams": arrays.integers([stream for _ in anomalies]),
            "detectors": arrays.texts([one.found.detector.value for one in anomalies]),
            "entities": arrays.texts([one.entity for one in anomalies]),
            "ordinals": arrays.bigints([one.ordinal for one in anomalies]),
            "ats": arrays.timestamps([one.found.at for one in anomalies]),
            "silenced": arrays.booleans([one.silenced for one in anomalies]),
            "cases": arrays.texts(cases),
            "found": arrays.jsons([msgspec.json.encode(one.found) for one in anomalies]),
        },
    )


async def silence(
    connection: Connection, book_id: int, *, stream: str | None, entity: str | None, until: dt.datetime,
    reason: str, at: dt.datetime, by: str,
) -> Silence:  # fmt: skip
    """Keep a silence."""
    parameters = {
        "book_id": book_id, "stream": stream, "entity": entity, "until": until, "reason": reason, "at": at,
        "by": by,
    }  # fmt: skip
    ((number,),) = await (await connection.execute(_SILENCE, parameters)).fetchall()
    return Silence(
        number=number, stream=stream, entity=entity, until=until, reason=reason, created_at=at, created_by=by
    )


async def silences(connection: Connection, book_id: int, at: dt.datetime) -> list[Silence]:
    """Those that are not over, in the order in which they were made."""
    cursor = await connection.execute(_SILENCES, {"book_id": book_id, "at": at})
    return [
        Silence(
            number=number, stream=stream, entity=entity, until=until, reason=reason, created_at=made,
            created_by=by,
        )
        for number, stream, entity, until, reason, made, by in await cursor.fetchall()
    ]  # fmt: skip


async def purge(connection: Connection, book_id: int, limit: int) -> int:
    """Delete pasts of streams that another version has replaced, up to `limit`; how many."""
    return (await connection.execute(_PURGE, {"book_id": book_id, "limit": limit})).rowcount
