"""What other rooms do with events. Nothing here opens or commits a transaction.

Writers hold the book's lock. On a hot path the reading of the head shares the round trip of the lock, and
the writing that of the change:

    async with connection.pipeline():
        load = await ledger.begin(connection, book_id, commands)      # takes the lock
        head = await events.queue_head(connection, book_id)           # a later statement: sees the latest
        last_seq = await head.finish()
    …
    also += events.statements(book_id, last_seq, new_events, ids)

Elsewhere `append` does it all.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.events import rules, store
from caudal.events.errors import EventNotFound
from caudal.events.types import Event, EventPage, NewEvent
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import ManualClock
from caudal_base.database import Connection
from caudal_base.ids import IdSource
from caudal_base.statements import Statement, execute

MAX_PAGE: Final = 1_000


class Head:
    """The book's last seq, on its way."""

    def __init__(self, cursor: AsyncCursor[TupleRow]) -> None:
        """Made by `queue_head`."""
        self._cursor = cursor

    async def finish(self) -> int:
        """The seq of the book's last event; 0 where it has none."""
        return await store.head_of(self._cursor)


async def queue_head(connection: Connection, book_id: int) -> Head:
    """Ask for the book's last seq, behind the statement that takes the lock; a pipeline does not wait."""
    return Head(await store.queue_head(connection, book_id))


def statements(
    book_id: int, last_seq: int, new_events: Sequence[NewEvent], new_ids: IdSource
) -> list[Statement]:
    """What writes `new_events` behind `last_seq`, in this order: none for none, else two statements.

    They may be one with others (`caudal_base.statements.together`). Without the book's lock the primary key
    refuses one of two writers.
    """
    if not new_events:
        return []
    for event in new_events:
        rules.refuse_wrong_object(event)
    return store.inserting(book_id, last_seq, new_events, new_ids)


async def append(
    connection: Connection, book_id: int, new_events: Sequence[NewEvent], new_ids: IdSource
) -> None:
    """Write `new_events` of a book whose lock the caller holds; nothing is done for none."""
    if not new_events:
        return
    head = await queue_head(connection, book_id)
    await execute(connection, statements(book_id, await head.finish(), new_events, new_ids))


async def tell(connection: Connection, book_id: int, told: Sequence[NewEvent]) -> None:
    """`append`, with ids of the moment of the first of them."""
    if told:
        await append(connection, book_id, told, IdSource(ManualClock(told[0].at)))


async def find(
    connection: Connection,
    book_id: int,
    *,
    type: str | None = None,
    object: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> EventPage:
    """The book's events behind the seq `after`: of one type, or about the object with one external id.

    Raises `InvalidRequest` for an id that no event can be about.
    """
    check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 events")
    about = None
    if object is not None:
        kind = rules.kind_of(object)
        about = (kind, ids.decode(rules.PREFIXES[kind], object, field="object"))
    # The head first: whatever is told while the events are read has a higher seq.
    head = await (await queue_head(connection, book_id)).finish()
    found = await store.find(connection, book_id, type=type, object=about, after=after, limit=limit)
    last = found[-1].seq if found else after
    return EventPage(
        events=found,
        next_after=last if len(found) == limit else max(last, head, after),
        head=max(last, head) if found else head,
    )


async def get(connection: Connection, book_id: int, id: UUID) -> Event:
    """The event with this id. Raises `EventNotFound`."""
    found = await store.get(connection, book_id, id)
    if found is None:
        raise EventNotFound("no event has this id", field="id")
    return found


async def matching(
    connection: Connection, book_id: int, patterns: Sequence[str], *, after: int, through: int, limit: int
) -> list[Event]:
    """Up to `limit` events behind the seq `after` and up to `through`, in order.

    Of types that are like one of `patterns` (SQL's `like`): for a follower that wants only some.
    """
    return await store.matching(connection, book_id, patterns, after=after, through=through, limit=limit)


async def by_seq(connection: Connection, book_id: int, seqs: Sequence[int]) -> list[Event]:
    """The events at these places, in order."""
    return await store.by_seq(connection, book_id, seqs) if seqs else []


async def seq_before(connection: Connection, book_id: int, moment: dt.datetime) -> int:
    """The last seq of what was recorded before `moment`; 0 where nothing was.

    Times never go back as seqs rise, so it is found by halving: some thirty look-ups in the longest log.
    """
    low = 0
    high = await (await queue_head(connection, book_id)).finish() + 1
    while high - low > 1:
        middle = (low + high) // 2
        at = await store.told_at(connection, book_id, middle)
        if at is not None and at < moment:
            low = middle
        else:
            high = middle
    return low
