"""What is done with partners' webhooks. Nothing here opens or commits a transaction."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal import jobs
from caudal.webhooks import rules, store
from caudal.webhooks.errors import InboundForgotten, InboundNotFound, InboundSettled
from caudal.webhooks.types import InboundState, Listed, NewInbound, Unsettled
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource

QUEUE: Final = "webhooks"
APPLY: Final = "webhooks.apply"

MAX_PAGE: Final = 1_000
"""Webhooks to a page, and ids to an action."""

FORGET_LIMIT: Final = 5_000
"""Bodies of each kind that one call of `forget_bodies` removes."""


class Apply(msgspec.Struct, frozen=True):
    """The payload of the job that applies a webhook."""

    inbound: UUID


async def receive(
    connection: Connection, book_id: int, new: Sequence[NewInbound], *, now: dt.datetime, new_ids: IdSource
) -> list[bool]:
    """Store verified webhooks with the jobs that will apply them; whether each is new, in order.

    A repeat (the same event id of the same partner) is left as it is, and enqueues nothing.
    """
    async with connection.pipeline():
        fresh = await store.insert(connection, book_id, new)
    await _enqueue(connection, book_id, [one.id for one in new if one.id in fresh], now=now, new_ids=new_ids)
    return [one.id in fresh for one in new]


async def replay(
    connection: Connection, book_id: int, wanted: Sequence[UUID], *, now: dt.datetime, new_ids: IdSource
) -> list[Listed | CaudalError]:
    """Apply webhooks again that have not had their effect, from the first attempt; one result each, in order.

    One that is not parked is tried once more at once, in case its job has been lost. Whoever calls writes
    the audit record.
    """
    check(len(wanted) <= MAX_PAGE, "too many ids in one action")
    states = await store.lock_states(connection, book_id, wanted)
    again = [id for id, (state, has_body) in states.items() if has_body and state in _UNSETTLED]
    if again:
        await store.revive(connection, book_id, again)
        await _enqueue(connection, book_id, again, now=now, new_ids=new_ids)
    found = await store.get(connection, book_id, wanted)
    return [_replayed(id, states.get(id), found) for id in wanted]


_UNSETTLED: Final = frozenset({InboundState.PARKED, InboundState.RECEIVED})


def _replayed(
    id: UUID, before: tuple[InboundState, bool] | None, found: dict[UUID, Listed]
) -> Listed | CaudalError:
    name = ids.encode(ids.INBOUND, id)
    if before is None:
        return InboundNotFound(f"no webhook {name}", field="id")
    state, has_body = before
    if state not in _UNSETTLED:
        return InboundSettled(f"{name} is {state.value}", field="id")
    if not has_body:
        return InboundForgotten(f"the body of {name} has been removed: look at the partner's", field="id")
    return found[id]


async def get(connection: Connection, book_id: int, id: UUID) -> Listed:
    """A webhook. Raises `InboundNotFound`."""
    found = (await store.get(connection, book_id, [id])).get(id)
    if found is None:
        raise InboundNotFound(f"no webhook {ids.encode(ids.INBOUND, id)}", field="id")
    return found


async def read_body(connection: Connection, book_id: int, id: UUID) -> bytes | None:
    """The body as the partner sent it; None once it has been removed, or for no such webhook.

    It may hold personal data: whoever shows it writes an audit record before.
    """
    return await store.body(connection, book_id, id)


async def find(
    connection: Connection,
    book_id: int,
    *,
    state: InboundState | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Listed]:
    """The book's webhooks, the latest first; `before` is the last id of the page before."""
    check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 webhooks")
    return await store.find(connection, book_id, state=state, before=before, limit=limit)


async def unsettled(connection: Connection, book_id: int) -> list[Unsettled]:
    """How many webhooks are received or parked, by partner."""
    return await store.unsettled(connection, book_id)


async def forget_bodies(
    connection: Connection, book_id: int, *, now: dt.datetime, keep_parked: dt.timedelta
) -> bool:
    """Remove bodies of webhooks, `FORGET_LIMIT` of each kind at most; whether there may be more to remove.

    They are those that have had their effect and came `KEEP_BODIES` ago, and parked ones that came
    `keep_parked` ago. For a periodic job, a transaction each. The rest of the row stays, so that a repeat is
    known however late it comes.
    """
    settled = await store.forget_bodies(
        connection, book_id, before=ids.uuid7(now - rules.KEEP_BODIES, bytes), limit=FORGET_LIMIT
    )
    parked = await store.forget_parked(
        connection, book_id, before=ids.uuid7(now - keep_parked, bytes), limit=FORGET_LIMIT
    )
    return FORGET_LIMIT in (settled, parked)


async def _enqueue(
    connection: Connection, book_id: int, inbound: Sequence[UUID], *, now: dt.datetime, new_ids: IdSource
) -> None:
    await jobs.enqueue(
        connection,
        [
            jobs.NewJob(
                book_id=book_id, id=new_ids.new(), kind=APPLY, payload=Apply(id), run_at=now, queue=QUEUE
            )
            for id in inbound
        ],
        now=now,
    )
