"""The SQL of models and of what serves."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.models.drift import DriftReport
from caudal.models.serving import Measured, Registered, ServingVersion, Terms, stage_of
from caudal.models.types import Card, ModelFile, Purpose
from caudal_base import arrays
from caudal_base.database import Connection

Cursor = AsyncCursor[TupleRow]

# Under the book's lock, so that versions have no gaps and no twins.
_INSERT: Final = """
insert into models.model
       (book_id, id, name, version, hash, card, artifact, measured, registered_at, registered_by, registrar)
select %(book_id)s, %(id)s, %(name)s,
       coalesce(
           (select max(version) from models.model where book_id = %(book_id)s and name = %(name)s), 0
       ) + 1,
       %(hash)s, %(card)s, %(artifact)s, %(measured)s::json, %(at)s, %(by)s, %(registrar)s
returning version
"""

_COLUMNS: Final = """id, name, version, hash, card, measured::text, registered_at, registered_by, registrar,
       retired_at, octet_length(artifact)"""

_GET: Final = f"""
select {_COLUMNS}
  from models.model
 where book_id = %(book_id)s
   and id = %(id)s
"""

_BY_NAME: Final = f"""
select {_COLUMNS}
  from models.model
 where book_id = %(book_id)s
   and name = %(name)s
   and (version = %(version)s or %(version)s::integer is null)
 order by version desc
 limit 1
"""

_BY_HASH: Final = f"""
select {_COLUMNS}
  from models.model
 where book_id = %(book_id)s
   and hash = %(hash)s
"""

_LIST: Final = f"""
select {_COLUMNS}
  from models.model
 where book_id = %(book_id)s
   and (id < %(before)s or %(before)s::uuid is null)
 order by id desc
 limit %(limit)s
"""

CONTENTS: Final = """
select id, name, version, hash, card, artifact
  from models.model
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 order by id
"""

IDENTITIES: Final = """
select id, name, version, hash
  from models.model
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 order by id
"""

NEWEST: Final = """
select id
  from models.model
 where book_id = %(book_id)s
   and retired_at is null
 order by id desc
 limit %(limit)s
"""

_RETIRED: Final = """
update models.model
   set retired_at = %(at)s
 where book_id = %(book_id)s
   and id = %(id)s
"""

_SERVING_COLUMNS: Final = """version, purpose, terms::text, champion, challenger, share, shadows, what, model,
       reason, overridden::text, at, by"""

SERVING: Final = f"""
select {_SERVING_COLUMNS}
  from models.serving
 where book_id = %(book_id)s
   and purpose = %(purpose)s
 order by version desc
 limit 1
"""

_SERVED: Final = f"""
select {_SERVING_COLUMNS}
  from models.serving
 where book_id = %(book_id)s
   and version = %(version)s
"""

_HAD_CHAMPION: Final = """
select exists (
        select
          from models.serving
         where book_id = %(book_id)s
           and purpose = %(purpose)s
           and champion is not null
       )
"""

_HISTORY: Final = f"""
select {_SERVING_COLUMNS}
  from models.serving
 where book_id = %(book_id)s
   and version < %(before)s
 order by version desc
 limit %(limit)s
"""

_CHAMPIONS: Final = """
select what, champion
  from models.serving
 where book_id = %(book_id)s
   and purpose = %(purpose)s
   and what in ('promote', 'rollback')
   and champion is not null
 order by version
"""

_SHADOW_SINCE: Final = """
select max(at)
  from models.serving
 where book_id = %(book_id)s
   and model = %(model)s
   and what = 'shadow'
"""

# Under the book's lock, so that versions have no gaps and no twins.
_SERVE: Final = """
insert into models.serving
       (book_id, version, purpose, terms, champion, challenger, share, shadows, what, model, reason,
        overridden, at, by)
select %(book_id)s,
       coalesce((select max(version) from models.serving where book_id = %(book_id)s), 0) + 1,
       %(purpose)s, %(terms)s::json, %(champion)s, %(challenger)s, %(share)s, %(shadows)s, %(what)s,
       %(model)s, %(reason)s, %(overridden)s::json, %(at)s, %(by)s
returning version
"""

_DRIFT: Final = """
insert into models.drift (book_id, model, measured_at, drifted, report)
values (%(book_id)s, %(model)s, %(at)s, %(drifted)s, %(report)s::json)
    on conflict (book_id, model, measured_at) do nothing
"""

_DRIFTS: Final = """
select measured_at, report::text
  from models.drift
 where book_id = %(book_id)s
   and model = %(model)s
   and measured_at < %(before)s
 order by measured_at desc
 limit %(limit)s
"""

MAX_BEFORE: Final = 2**31 - 1


async def insert(
    connection: Connection, book_id: int, id: UUID, file: ModelFile, measured: Measured, *, at: dt.datetime,
    by: str, registrar: UUID,
) -> int:  # fmt: skip
    """Keep a model as the next version of its name, which is returned."""
    parameters = {
        "book_id": book_id, "id": id, "name": file.card.name, "hash": bytes.fromhex(file.hash),
        "card": file.text.decode(), "artifact": file.artifact, "measured": _json(measured), "at": at,
        "by": by, "registrar": registrar,
    }  # fmt: skip
    ((version,),) = await (await connection.execute(_INSERT, parameters)).fetchall()
    return int(version)


async def get(connection: Connection, book_id: int, id: UUID) -> Registered | None:
    """A model by its id; its stage is not looked at."""
    return await _one(connection, _GET, {"book_id": book_id, "id": id})


async def by_name(connection: Connection, book_id: int, name: str, version: int | None) -> Registered | None:
    """A model by its name and version, by default the newest."""
    return await _one(connection, _BY_NAME, {"book_id": book_id, "name": name, "version": version})


async def by_hash(connection: Connection, book_id: int, hash: str) -> Registered | None:
    """A model by its content."""
    return await _one(connection, _BY_HASH, {"book_id": book_id, "hash": bytes.fromhex(hash)})


async def page(connection: Connection, book_id: int, *, before: UUID | None, limit: int) -> list[Registered]:
    """Up to `limit` models that were registered before one, the newest first."""
    parameters = {"book_id": book_id, "before": before, "limit": limit}
    return [_registered(row) for row in await (await connection.execute(_LIST, parameters)).fetchall()]


async def identities(
    connection: Connection, book_id: int, wanted: Sequence[UUID]
) -> list[tuple[UUID, str, int, str]]:
    """Of each model that exists: id, name, version, hash."""
    cursor = await connection.execute(IDENTITIES, {"book_id": book_id, "ids": arrays.uuids(wanted)})
    return [(id, name, version, bytes(hash).hex()) for id, name, version, hash in await cursor.fetchall()]


async def newest(connection: Connection, book_id: int, limit: int) -> list[UUID]:
    """The ids of the newest models that are not retired."""
    cursor = await connection.execute(NEWEST, {"book_id": book_id, "limit": limit})
    return [id for (id,) in await cursor.fetchall()]


async def contents(
    connection: Connection, book_id: int, wanted: Sequence[UUID]
) -> list[tuple[UUID, str, int, str, bytes, bytes]]:
    """Of each model that exists: id, name, version, hash, the card's JSON, the artifact."""
    cursor = await connection.execute(CONTENTS, {"book_id": book_id, "ids": arrays.uuids(wanted)})
    return [
        (id, name, version, bytes(hash).hex(), card.encode(), bytes(artifact))
        for id, name, version, hash, card, artifact in await cursor.fetchall()
    ]


async def retire(connection: Connection, book_id: int, id: UUID, at: dt.datetime | None) -> None:
    """Note since when a model is retired; None: it is not."""
    await connection.execute(_RETIRED, {"book_id": book_id, "id": id, "at": at})


async def serving(connection: Connection, book_id: int, purpose: Purpose) -> ServingVersion | None:
    """What serves a purpose now."""
    cursor = await connection.execute(SERVING, {"book_id": book_id, "purpose": purpose.value})
    row = await cursor.fetchone()
    return None if row is None else _serving(row)


async def served(connection: Connection, book_id: int, version: int) -> ServingVersion | None:
    """A version of what served."""
    row = await (await connection.execute(_SERVED, {"book_id": book_id, "version": version})).fetchone()
    return None if row is None else _serving(row)


async def had_champion(connection: Connection, book_id: int, purpose: Purpose) -> bool:
    """Whether a model has ever decided."""
    cursor = await connection.execute(_HAD_CHAMPION, {"book_id": book_id, "purpose": purpose.value})
    return any(found for (found,) in await cursor.fetchall())


async def history(
    connection: Connection, book_id: int, *, before: int | None, limit: int
) -> list[ServingVersion]:
    """Up to `limit` versions of what serves, below `before`, the newest first."""
    parameters = {"book_id": book_id, "before": before or MAX_BEFORE, "limit": limit}
    return [_serving(row) for row in await (await connection.execute(_HISTORY, parameters)).fetchall()]


async def champions(connection: Connection, book_id: int, purpose: Purpose) -> list[tuple[str, UUID]]:
    """Every change of the champion in its order: `promote` or `rollback`, and who it was from then on."""
    cursor = await connection.execute(_CHAMPIONS, {"book_id": book_id, "purpose": purpose.value})
    return [(what, champion) for what, champion in await cursor.fetchall()]


async def shadow_since(connection: Connection, book_id: int, model: UUID) -> dt.datetime | None:
    """When a model was last made a shadow."""
    row = await (await connection.execute(_SHADOW_SINCE, {"book_id": book_id, "model": model})).fetchone()
    return None if row is None else row[0]


async def serve(connection: Connection, book_id: int, made: ServingVersion) -> ServingVersion:
    """Keep what serves as the book's next version, under the book's lock; that version."""
    parameters = {
        "book_id": book_id, "purpose": made.purpose.value, "terms": _json(made.terms),
        "champion": made.champion,
        "challenger": made.challenger, "share": made.share, "shadows": arrays.uuids(made.shadows),
        "what": made.what, "model": made.model, "reason": made.reason, "overridden": _json(made.overridden),
        "at": made.at, "by": made.by,
    }  # fmt: skip
    ((version,),) = await (await connection.execute(_SERVE, parameters)).fetchall()
    return msgspec.structs.replace(made, version=version)


async def note_drift(
    connection: Connection, book_id: int, model: UUID, report: DriftReport, at: dt.datetime
) -> None:
    """Keep what came of looking at a model's drift."""
    parameters = {
        "book_id": book_id, "model": model, "at": at, "drifted": bool(report.over), "report": _json(report),
    }  # fmt: skip
    await connection.execute(_DRIFT, parameters)


async def drifts(
    connection: Connection, book_id: int, model: UUID, *, before: dt.datetime, limit: int
) -> list[tuple[dt.datetime, DriftReport]]:
    """What came of looking at a model's drift before a moment, the newest first."""
    parameters = {"book_id": book_id, "model": model, "before": before, "limit": limit}
    cursor = await connection.execute(_DRIFTS, parameters)
    return [(at, msgspec.json.decode(report, type=DriftReport)) for at, report in await cursor.fetchall()]


async def _one(connection: Connection, statement: str, parameters: dict[str, Any]) -> Registered | None:
    row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    return None if row is None else _registered(row)


def _registered(row: TupleRow) -> Registered:
    id, name, version, hash, card, measured, at, by, registrar, retired_at, size = row
    return Registered(
        id=id, name=name, version=version, hash=bytes(hash).hex(),
        card=msgspec.json.decode(card, type=Card), measured=msgspec.json.decode(measured, type=Measured),
        registered_at=at, registered_by=by, registrar=registrar, size=size,
        stage=stage_of(id, None, retired_at), retired_at=retired_at,
    )  # fmt: skip


def _serving(row: TupleRow) -> ServingVersion:
    version, purpose, kept, champion, challenger, share, shadows, what, model, reason, overridden, at, by = (
        row
    )
    terms = msgspec.json.decode(kept, type=Terms)
    return ServingVersion(
        version=version, terms=msgspec.structs.replace(terms, purpose=Purpose(purpose)), champion=champion,
        challenger=challenger, share=share, shadows=tuple(shadows), what=what, model=model, reason=reason,
        overridden=msgspec.json.decode(overridden, type=tuple[str, ...]), at=at, by=by,
    )  # fmt: skip


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
