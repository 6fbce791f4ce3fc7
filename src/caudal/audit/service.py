"""What other rooms and commands do with the audit log. Nothing here opens or commits a transaction."""

import os
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from caudal.audit import rules, store
from caudal.audit.types import Mismatch, Page, Query, Record, Verification
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.ids import Entropy

_VERIFY_LOT: Final = 2_000
"""Records read at a time by `verify`: bounds its memory."""

_MISMATCHES_KEPT: Final = 100
"""How many mismatches `verify` lists; it counts them all."""


async def append(connection: Connection, records: Sequence[Record], *, entropy: Entropy = os.urandom) -> None:
    """Write `records`, all of one book, in the caller's transaction, with one statement (none for none)."""
    if records:
        await store.queue_append(connection, records, entropy)


async def page(connection: Connection, query: Query, *, cursor: str | None = None, limit: int = 50) -> Page:
    """The records that `query` wants, newest first.

    `cursor` is a former page's `next_cursor`, with the same query; records that are added meanwhile are
    newer and neither shift nor repeat what follows. `InvalidRequest` for a bad cursor or limit.
    """
    limit = rules.checked_limit(limit)
    before = None if cursor is None else ids.decode(ids.AUDIT, cursor, field="cursor")
    found = await store.find(connection, query, before=before, limit=limit + 1)
    records = tuple(found[:limit])
    more = len(found) > limit
    return Page(records=records, next_cursor=ids.encode(ids.AUDIT, records[-1].id) if more else None)


async def verify(connection: Connection, book_id: int) -> Verification:
    """Compare every record of the book with its leaf. Reads all of them, some thousands at a time."""
    checked, mismatched = 0, 0
    kept: list[Mismatch] = []
    after = UUID(int=0)
    while lot := await store.following(connection, book_id, after=after, limit=_VERIFY_LOT):
        after = lot[-1].id
        checked += len(lot)
        found = rules.mismatches(lot)
        mismatched += len(found)
        kept += found[: _MISMATCHES_KEPT - len(kept)]
    return Verification(checked=checked, mismatches=tuple(kept), mismatched=mismatched)
