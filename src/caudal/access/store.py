"""The SQL of API keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from caudal.access.types import ApiKey, Credential, Environment
from caudal_base import arrays
from caudal_base.database import Connection

_COLUMNS: Final[LiteralString] = """
key.id, key.principal_id, key.environment, key.public_id, key.name, key.scopes, key.books, key.created_at,
key.created_by, key.expires_at, key.revoked_at, key.revoked_by, key.last_used_at, key.requests_per_second
"""


async def credentials(connection: Connection, public_ids: Sequence[str]) -> dict[str, Credential]:
    """The stored keys with these public ids, by public id."""
    cursor = await connection.execute(
        f"""
select {_COLUMNS}, key.digest
  from access.key
 where key.public_id = any(%s)
        """,
        (arrays.texts(public_ids),),
        binary=True,
    )
    found = [Credential(_key(row[:-1]), row[-1]) for row in await cursor.fetchall()]
    return {credential.key.public_id: credential for credential in found}


async def insert(connection: Connection, credentials: Iterable[Credential]) -> None:
    """Add keys."""
    rows = [{**msgspec.to_builtins(each.key), "digest": f"\\x{each.digest.hex()}"} for each in credentials]
    await connection.execute(
        """
insert into access.key
       (id, principal_id, public_id, digest, environment, name, scopes, books,
        created_at, created_by, expires_at, requests_per_second)
select id, principal_id, public_id, digest, environment, name, scopes, books,
       created_at, created_by, expires_at, requests_per_second
  from jsonb_to_recordset(%s::jsonb)
       as batch (id uuid, principal_id uuid, public_id text, digest bytea, environment text, name text,
                 scopes text[], books integer[],
                 created_at timestamptz, created_by text, expires_at timestamptz,
                 requests_per_second integer)
        """,
        (msgspec.json.encode(rows).decode(),),
    )


async def get(connection: Connection, key_ids: Iterable[UUID]) -> dict[UUID, ApiKey]:
    """The keys with these ids, by id; locked until the end of the transaction, in the order of their ids."""
    cursor = await connection.execute(
        f"""
select {_COLUMNS}
  from access.key
 where key.id = any(%s)
 order by key.id
   for no key update
        """,
        (list(key_ids),),
        binary=True,
    )
    keys = [_key(row) for row in await cursor.fetchall()]
    return {key.id: key for key in keys}


async def revoke(connection: Connection, key_ids: Iterable[UUID], *, at: datetime, by: str) -> None:
    """Mark keys as revoked that are not yet."""
    await connection.execute(
        """
update access.key
   set revoked_at = %s,
       revoked_by = %s
 where id = any(%s)
   and revoked_at is null
        """,
        (at, by, list(key_ids)),
    )


async def limit(connection: Connection, rates: Mapping[UUID, int | None]) -> None:
    """Set what keys may ask in a second."""
    await connection.execute(
        """
update access.key
   set requests_per_second = wanted.requests_per_second
  from unnest(%s, %s) as wanted (id, requests_per_second)
 where key.id = wanted.id
        """,
        (arrays.uuids(list(rates)), arrays.integers(list(rates.values()))),
    )


async def page(
    connection: Connection, *, books: frozenset[int] | None, before: UUID | None, limit: int
) -> list[ApiKey]:
    """Up to `limit` keys that reach nothing beyond `books`, newest first, with ids less than `before`."""
    within = None if books is None else sorted(books)
    cursor = await connection.execute(
        f"""
select {_COLUMNS}
  from access.key
 where (%(before)s::uuid is null or key.id < %(before)s)
   and (%(within)s::integer[] is null or key.books <@ %(within)s::integer[])
 order by key.id desc
 limit %(limit)s
        """,
        {"before": before, "within": within, "limit": limit},
        binary=True,
    )
    return [_key(row) for row in await cursor.fetchall()]


async def any_active(connection: Connection, at: datetime) -> bool:
    """Whether some key works at the moment `at`."""
    cursor = await connection.execute(
        """
select exists (
    select from access.key where revoked_at is null and (expires_at is null or expires_at > %s)
)
        """,
        (at,),
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def touch(connection: Connection, uses: Mapping[UUID, datetime], precision: timedelta) -> None:
    """Move `last_used_at` forward where it lags by `precision` or more. Locks in the order of the ids."""
    await connection.execute(
        """
with used as (
    select key.id, use.at
      from unnest(%s, %s) as use (id, at)
      join access.key
        on key.id = use.id
     where key.last_used_at is null
        or key.last_used_at <= use.at - %s::interval
     order by key.id
       for no key update of key
)
update access.key
   set last_used_at = used.at
  from used
 where key.id = used.id
        """,
        (arrays.uuids(list(uses)), arrays.timestamps(list(uses.values())), precision),
    )


def _key(row: TupleRow) -> ApiKey:
    key_id, principal_id, environment, public_id, name, scopes, books, *rest = row
    created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at, requests_per_second = rest
    return ApiKey(
        id=key_id,
        principal_id=principal_id,
        environment=Environment(environment),
        public_id=public_id,
        name=name,
        scopes=frozenset(scopes),
        books=None if books is None else frozenset(books),
        created_at=created_at,
        created_by=created_by,
        expires_at=expires_at,
        revoked_at=revoked_at,
        revoked_by=revoked_by,
        last_used_at=last_used_at,
        requests_per_second=requests_per_second,
    )
