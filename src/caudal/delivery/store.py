"""The SQL of endpoints and their secrets; `store_drives` and `store_log` hold the rest."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from caudal.delivery.signing import NewSecret
from caudal.delivery.types import DisableReason, Endpoint, EndpointStatus, NewEndpoint, SecretInfo, Signature
from caudal_base.database import Connection

INSERT: Final[LiteralString] = """
insert into delivery.endpoint
       (book_id, id, url, types, ordered, concurrency, description, status, reason, created_at, disabled_at)
values (%(book_id)s, %(id)s, %(url)s, %(types)s, %(ordered)s, %(concurrency)s, %(description)s,
        'enabled', null, %(now)s, null)
"""

INSERT_DRIVE: Final[LiteralString] = """
insert into delivery.drive (book_id, endpoint_id, active, revision, through_seq)
values (%(book_id)s, %(id)s, true, 1, %(through_seq)s)
"""

INSERT_KEY: Final[LiteralString] = """
insert into delivery.secret (book_id, endpoint_id, id, signature, sealed, public_key, created_at, expires_at)
values (%(book_id)s, %(endpoint_id)s, %(id)s, %(signature)s, %(sealed)s, %(public_key)s, %(now)s, null)
"""

# Those that end sooner anyway keep their end.
EXPIRE_SECRETS: Final[LiteralString] = """
update delivery.secret
   set expires_at = least(coalesce(expires_at, %(until)s), %(until)s)
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
"""

DELETE_SECRETS: Final[LiteralString] = """
delete from delivery.secret
 where book_id = %(book_id)s
   and endpoint_id = %(endpoint_id)s
   and (expires_at <= %(now)s or %(all)s)
"""

UPDATE: Final[LiteralString] = """
update delivery.endpoint
   set url = %(url)s,
       types = %(types)s,
       ordered = %(ordered)s,
       concurrency = %(concurrency)s,
       description = %(description)s,
       status = %(status)s,
       reason = %(reason)s,
       disabled_at = %(disabled_at)s
 where book_id = %(book_id)s
   and id = %(id)s
"""

# Whoever drives it meanwhile sees the revision, and stops.
TOUCH_DRIVE: Final[LiteralString] = """
update delivery.drive
   set active = %(active)s,
       revision = revision + 1,
       failing_since = case when %(afresh)s then null else failing_since end,
       given_up = case when %(afresh)s then 0 else given_up end,
       quiet_until = case when %(afresh)s then null else quiet_until end
 where book_id = %(book_id)s
   and endpoint_id = %(id)s
"""

_COLUMNS: Final[LiteralString] = """
endpoint.id, endpoint.url, endpoint.types, endpoint.ordered, endpoint.concurrency, endpoint.description,
       endpoint.status, endpoint.reason, endpoint.created_at, endpoint.disabled_at, drive.failing_since,
       drive.through_seq, drive.behind_since, drive.quiet_until
"""

_FROM: Final[LiteralString] = """
  from delivery.endpoint
  join delivery.drive
    on drive.book_id = %(book_id)s
   and drive.endpoint_id = endpoint.id
 where endpoint.book_id = %(book_id)s
   and endpoint.status <> 'deleted'
"""

COUNT: Final[LiteralString] = """
select count(*)
  from delivery.endpoint
 where book_id = %s
   and status <> 'deleted'
"""

SECRETS: Final[LiteralString] = """
select endpoint_id, id, signature, public_key, created_at, expires_at
  from delivery.secret
 where book_id = %(book_id)s
   and endpoint_id = any(%(ids)s)
   and (expires_at is null or expires_at > %(now)s)
 order by id desc
"""

SEALED: Final[LiteralString] = """
select id, signature, sealed, expires_at
  from delivery.secret
 where book_id = %s
   and endpoint_id = %s
 order by id desc
"""


class Sealed(msgspec.Struct, frozen=True):
    """A secret as it is kept."""

    id: UUID
    signature: Signature
    sealed: bytes
    expires_at: dt.datetime | None


async def insert(
    connection: Connection, book_id: int, new: NewEndpoint, *, through_seq: int, now: dt.datetime
) -> None:
    """Write an endpoint that gets what comes behind `through_seq`."""
    values = {
        "book_id": book_id,
        "id": new.id,
        "url": new.url,
        "types": list(new.types),
        "ordered": new.ordered,
        "concurrency": new.concurrency,
        "description": new.description,
        "now": now,
        "through_seq": through_seq,
    }
    await connection.execute(INSERT, values)
    await connection.execute(INSERT_DRIVE, values)


async def insert_secret(
    connection: Connection,
    book_id: int,
    endpoint_id: UUID,
    id: UUID,
    new: NewSecret,
    sealed: bytes,
    *,
    now: dt.datetime,
) -> None:
    """Write a secret, which signs from now on."""
    await connection.execute(
        INSERT_KEY,
        {
            "book_id": book_id,
            "endpoint_id": endpoint_id,
            "id": id,
            "signature": new.signature.value,
            "sealed": sealed,
            "public_key": new.public_key,
            "now": now,
        },
    )


async def expire_secrets(
    connection: Connection, book_id: int, endpoint_id: UUID, *, until: dt.datetime
) -> None:
    """Let all secrets that there are sign until `until` at most."""
    await connection.execute(EXPIRE_SECRETS, {"book_id": book_id, "endpoint_id": endpoint_id, "until": until})


async def delete_secrets(
    connection: Connection, book_id: int, endpoint_id: UUID, *, now: dt.datetime, all: bool
) -> None:
    """Delete the secrets that sign no more, or all."""
    await connection.execute(
        DELETE_SECRETS, {"book_id": book_id, "endpoint_id": endpoint_id, "now": now, "all": all}
    )


async def update(connection: Connection, book_id: int, endpoint: Endpoint, *, afresh: bool) -> None:
    """Write what has changed of an endpoint; `afresh` forgets how long it has been failing."""
    values = {
        "book_id": book_id,
        "id": endpoint.id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "ordered": endpoint.ordered,
        "concurrency": endpoint.concurrency,
        "description": endpoint.description,
        "status": endpoint.status.value,
        "reason": None if endpoint.reason is None else endpoint.reason.value,
        "disabled_at": endpoint.disabled_at,
        "active": endpoint.status is EndpointStatus.ENABLED,
        "afresh": afresh,
    }
    await connection.execute(UPDATE, values)
    await connection.execute(TOUCH_DRIVE, values)


async def count(connection: Connection, book_id: int) -> int:
    """How many endpoints the book has."""
    row = await (await connection.execute(COUNT, (book_id,))).fetchone()
    return 0 if row is None else row[0]


async def find(
    connection: Connection, book_id: int, *, before: UUID | None, limit: int, now: dt.datetime
) -> list[Endpoint]:
    """Up to `limit` endpoints whose ids come before `before`, the latest first."""
    condition: LiteralString = "" if before is None else "   and endpoint.id < %(before)s\n"
    statement: LiteralString = (
        f"select {_COLUMNS}{_FROM}{condition} order by endpoint.id desc\n limit %(limit)s"
    )
    return await _read(connection, statement, {"book_id": book_id, "before": before, "limit": limit}, now)


async def get(connection: Connection, book_id: int, id: UUID, *, now: dt.datetime) -> Endpoint | None:
    """An endpoint."""
    statement: LiteralString = f"select {_COLUMNS}{_FROM}   and endpoint.id = %(id)s"
    found = await _read(connection, statement, {"book_id": book_id, "id": id}, now)
    return found[0] if found else None


async def sealed(connection: Connection, book_id: int, endpoint_id: UUID) -> list[Sealed]:
    """The secrets of an endpoint, the newest first."""
    cursor = await connection.execute(SEALED, (book_id, endpoint_id), binary=True)
    return [
        Sealed(id, Signature(signature), raw, until) for id, signature, raw, until in await cursor.fetchall()
    ]


async def _read(
    connection: Connection, statement: LiteralString, values: dict[str, object], now: dt.datetime
) -> list[Endpoint]:
    rows = await (await connection.execute(statement, values, binary=True)).fetchall()
    if not rows:
        return []
    secrets: dict[UUID, list[SecretInfo]] = {}
    cursor = await connection.execute(
        SECRETS, {"book_id": values["book_id"], "ids": [row[0] for row in rows], "now": now}, binary=True
    )
    for endpoint_id, id, signature, public_key, created_at, expires_at in await cursor.fetchall():
        secrets.setdefault(endpoint_id, []).append(
            SecretInfo(
                id=id,
                signature=Signature(signature),
                public_key=public_key,
                created_at=created_at,
                expires_at=expires_at,
            )
        )
    return [_endpoint(row, secrets.get(row[0], ()), now) for row in rows]


def _endpoint(row: TupleRow, secrets: Sequence[SecretInfo], now: dt.datetime) -> Endpoint:
    (
        id, url, types, ordered, concurrency, description, status, reason, created_at, disabled_at,
        failing_since, through_seq, behind_since, quiet_until,
    ) = row  # fmt: skip
    return Endpoint(
        id=id,
        url=url,
        types=tuple(types),
        ordered=ordered,
        concurrency=concurrency,
        description=description,
        status=EndpointStatus(status),
        reason=None if reason is None else DisableReason(reason),
        created_at=created_at,
        disabled_at=disabled_at,
        failing_since=failing_since,
        behind_since=behind_since,
        quiet_until=None if quiet_until is None or quiet_until <= now else quiet_until,
        delivered_through=through_seq,
        secrets=tuple(secrets),
    )
