"""The SQL of webhooks from partners."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import TupleRow

from caudal.connectors import Inbound
from caudal.webhooks.rules import Verdict
from caudal.webhooks.types import InboundState, Listed, NewInbound, Stored, Unsettled
from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection

INSERT: Final[LiteralString] = """
insert into webhooks.inbound
       (book_id, id, partner, event_id, type, state, occurred_at, received_at, attempts, body)
select %(book_id)s, new.id, new.partner, new.event_id, new.type, 'received', new.occurred_at,
       new.received_at, 0, new.body
  from unnest(%(ids)s, %(partners)s, %(event_ids)s, %(types)s, %(occurred)s, %(received)s, %(bodies)s)
       with ordinality as new (id, partner, event_id, type, occurred_at, received_at, body, place)
 order by new.place
    on conflict (book_id, partner, event_id) do nothing
returning id
"""

LOCK: Final[LiteralString] = """
select id, partner, event_id, type, occurred_at, received_at, body
  from webhooks.inbound
 where book_id = %(book_id)s
   and id = any(%(ids)s)
   and state = 'received'
 order by id
   for no key update
"""

# The ids stand twice, so that they are looked up by the primary key whatever the planner believes.
SETTLE: Final[LiteralString] = """
update webhooks.inbound
   set state = verdict.state,
       attempts = verdict.attempts,
       reason = verdict.reason,
       settled_at = case when verdict.state = 'received' then null else %(now)s end
  from unnest(%(ids)s, %(states)s, %(attempts)s, %(reasons)s) as verdict (id, state, attempts, reason)
 where inbound.book_id = %(book_id)s
   and inbound.id = any(%(ids)s)
   and inbound.id = verdict.id
"""

REVIVE: Final[LiteralString] = """
update webhooks.inbound
   set state = 'received',
       settled_at = null,
       attempts = 0
 where book_id = %(book_id)s
   and id = any(%(ids)s)
   and state = 'parked'
   and body is not null
"""

STATES: Final[LiteralString] = """
select id, state, body is not null
  from webhooks.inbound
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 order by id
   for no key update
"""

_FORGET: Final[LiteralString] = """
with due as materialized (
    select id
      from webhooks.inbound
     where book_id = %(book_id)s
       and body is not null
       and {states}
       and id < %(before)s
     order by id
     limit %(limit)s
       for no key update skip locked
)
update webhooks.inbound
   set body = null
 where book_id = %(book_id)s
   and id = any(array(select due.id from due))
"""

# The states in the text, as the two partial indexes have them.
FORGET_BODIES: Final[LiteralString] = _FORGET.replace("{states}", "state in ('applied', 'ignored')")
FORGET_PARKED: Final[LiteralString] = _FORGET.replace("{states}", "state = 'parked'")

UNSETTLED: Final[LiteralString] = """
select partner, state, count(*), min(received_at)
  from webhooks.inbound
 where book_id = %(book_id)s
   and state in ('received', 'parked')
 group by partner, state
 order by partner, state
"""

_COLUMNS: Final[LiteralString] = (
    "id, partner, event_id, type, state, occurred_at, received_at, attempts, settled_at, reason"
)


async def insert(connection: Connection, book_id: int, new: Sequence[NewInbound]) -> set[UUID]:
    """Store webhooks that are not there yet; the ids of those that it stored.

    They are written in the order of their keys: two batches that share some wait, and do not deadlock.
    """
    ordered = sorted(new, key=lambda one: (one.partner, one.inbound.event_id))
    cursor = await connection.execute(
        INSERT,
        {
            "book_id": book_id,
            "ids": arrays.uuids([one.id for one in ordered]),
            "partners": arrays.texts([one.partner for one in ordered]),
            "event_ids": arrays.texts([one.inbound.event_id for one in ordered]),
            "types": arrays.texts([one.inbound.type for one in ordered]),
            "occurred": arrays.timestamps([one.inbound.created_at for one in ordered]),
            "received": arrays.timestamps([one.received_at for one in ordered]),
            "bodies": arrays.blobs([one.inbound.body for one in ordered]),
        },
    )
    return {id for (id,) in await cursor.fetchall()}


async def lock_received(connection: Connection, book_id: int, ids: Sequence[UUID]) -> list[Stored]:
    """Those of the webhooks that are still to be applied; nobody else applies or replays them meanwhile."""
    cursor = await connection.execute(LOCK, {"book_id": book_id, "ids": arrays.uuids(ids)}, binary=True)
    return [_stored(row) for row in await cursor.fetchall()]


async def settle(
    connection: Connection,
    book_id: int,
    verdicts: Sequence[tuple[UUID, int, Verdict]],
    *,
    now: dt.datetime,
) -> None:
    """Write down how attempts ended: the webhook, the attempt's number, and its verdict."""
    cursor = await connection.execute(
        SETTLE,
        {
            "book_id": book_id,
            "now": now,
            "ids": arrays.uuids([id for id, _, _ in verdicts]),
            "states": arrays.texts([verdict.state.value for _, _, verdict in verdicts]),
            "attempts": arrays.integers([attempt for _, attempt, _ in verdicts]),
            "reasons": arrays.texts([verdict.reason for _, _, verdict in verdicts]),
        },
    )
    check(cursor.rowcount == len(verdicts), "a webhook has gone while it was applied")


async def lock_states(
    connection: Connection, book_id: int, ids: Sequence[UUID]
) -> dict[UUID, tuple[InboundState, bool]]:
    """In which states the webhooks are, and whether with a body; both stay so until the transaction's end."""
    cursor = await connection.execute(STATES, {"book_id": book_id, "ids": arrays.uuids(ids)}, binary=True)
    return {id: (InboundState(state), has_body) for id, state, has_body in await cursor.fetchall()}


async def revive(connection: Connection, book_id: int, ids: Sequence[UUID]) -> None:
    """Make parked webhooks ones that are to be applied."""
    await connection.execute(REVIVE, {"book_id": book_id, "ids": arrays.uuids(ids)})


async def forget_bodies(connection: Connection, book_id: int, *, before: UUID, limit: int) -> int:
    """Remove up to `limit` bodies of applied and ignored webhooks before the id; how many it were."""
    return await _forget(connection, FORGET_BODIES, book_id, before, limit)


async def forget_parked(connection: Connection, book_id: int, *, before: UUID, limit: int) -> int:
    """Remove up to `limit` bodies of parked webhooks before the id; how many it were."""
    return await _forget(connection, FORGET_PARKED, book_id, before, limit)


async def _forget(
    connection: Connection, statement: LiteralString, book_id: int, before: UUID, limit: int
) -> int:
    cursor = await connection.execute(statement, {"book_id": book_id, "before": before, "limit": limit})
    return cursor.rowcount


async def unsettled(connection: Connection, book_id: int) -> list[Unsettled]:
    """What is received or parked, by partner."""
    cursor = await connection.execute(UNSETTLED, {"book_id": book_id}, binary=True)
    return [
        Unsettled(partner=partner, state=InboundState(state), count=count, oldest_received_at=oldest)
        for partner, state, count, oldest in await cursor.fetchall()
    ]


async def find(
    connection: Connection,
    book_id: int,
    *,
    state: InboundState | None,
    before: UUID | None,
    limit: int,
) -> list[Listed]:
    """Up to `limit` webhooks whose ids come before `before`, the latest first."""
    statement, parameters = search(book_id, state=state, before=before, limit=limit)
    cursor = await connection.execute(statement, parameters, binary=True)
    return [_listed(row) for row in await cursor.fetchall()]


def search(
    book_id: int, *, state: InboundState | None, before: UUID | None, limit: int
) -> tuple[LiteralString, tuple[object, ...]]:
    """The statement of `find`, with its parameters."""
    conditions: list[LiteralString] = []
    parameters: list[object] = [book_id]
    if state is not None:
        conditions.append("\n   and state = %s")
        parameters.append(state.value)
    if before is not None:
        conditions.append("\n   and id < %s")
        parameters.append(before)
    statement: LiteralString = f"""
select {_COLUMNS}
  from webhooks.inbound
 where book_id = %s{"".join(conditions)}
 order by id desc
 limit %s
"""
    return statement, (*parameters, limit)


async def get(connection: Connection, book_id: int, ids: Sequence[UUID]) -> dict[UUID, Listed]:
    """The webhooks with these ids, as far as there are any."""
    statement: LiteralString = f"""
select {_COLUMNS}
  from webhooks.inbound
 where book_id = %s
   and id = any(%s)
"""
    cursor = await connection.execute(statement, (book_id, arrays.uuids(ids)), binary=True)
    return {row[0]: _listed(row) for row in await cursor.fetchall()}


async def body(connection: Connection, book_id: int, id: UUID) -> bytes | None:
    """The body of a webhook, as long as it is kept."""
    cursor = await connection.execute(
        """
select body
  from webhooks.inbound
 where book_id = %s
   and id = %s
        """,
        (book_id, id),
        binary=True,
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


def _stored(row: TupleRow) -> Stored:
    id, partner, event_id, type_, occurred_at, received_at, raw = row
    return Stored(
        id=id,
        partner=partner,
        received_at=received_at,
        inbound=Inbound(event_id=event_id, type=type_, created_at=occurred_at, body=raw),
    )


def _listed(row: TupleRow) -> Listed:
    id, partner, event_id, type_, state, occurred_at, received_at, attempts, settled_at, reason = row
    return Listed(
        id=id,
        partner=partner,
        event_id=event_id,
        type=type_,
        state=InboundState(state),
        occurred_at=occurred_at,
        received_at=received_at,
        attempts=attempts,
        settled_at=settled_at,
        reason=reason,
    )
