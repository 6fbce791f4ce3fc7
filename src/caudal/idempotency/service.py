"""One effect per idempotency key. Nothing here opens or commits a transaction.

There are two ways to use it. A batch under its book's lock: `queue_lookup` after the lock (in a statement of
its own, or it sees the state before the wait), `plan`, work, `INSERT` within `detect_overtaking`, all in one
transaction. A single request: `run_once`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import psycopg

from caudal.idempotency import rules, store
from caudal.idempotency.errors import KeyReused, Overtaken
from caudal.idempotency.types import RETENTION, Answer, Claim, Done, Replay, Stored
from caudal_base.check import check
from caudal_base.database import Connection, translate
from caudal_base.errors import CaudalError

PURGE_LIMIT: Final = 5_000
"""Answers deleted by one call of `purge`: some tens of milliseconds."""


async def lookup(connection: Connection, book_id: int, claims: Sequence[Claim]) -> list[Stored | None]:
    """What lies under each claim's key, in order: one statement (none for no claims)."""
    if not claims:
        return []
    cursor = await store.queue_lookup(connection, book_id, claims)
    return await store.found(cursor, len(claims))


async def run_once(
    connection: Connection,
    book_id: int,
    claim: Claim,
    *,
    at: datetime,
    work: Callable[[], Awaitable[Answer]],
    refused: Callable[[CaudalError], Answer],
) -> Replay | Done:
    """Do `work` unless the key has an answer, in the caller's transaction, and keep its answer.

    Repeats that arrive together, in whatever process, wait for the one that works and get its answer; if
    that one rolls back, the next of them works. A `CaudalError` out of `work` (or a constraint that means
    one) undoes what `work` did; if it is final, `refused` renders it and that is the answer; otherwise it
    is raised, and the caller's transaction must roll back, which frees the key.

    Raises `KeyReused` for another request under this key, and psycopg's `LockNotAvailable` after the
    connection's lock time-out: transient, as is `Overtaken`.
    """
    check(not connection.autocommit, "an idempotency key is claimed inside a transaction")
    if not await store.claim(connection, book_id, claim, at):
        return await _replay(connection, book_id, claim)
    answer = await _answer(connection, work, refused)
    check(rules.is_final(answer.status), "an answer that is not final")
    await store.fill(connection, book_id, claim, answer)
    return Done(answer)


async def purge(connection: Connection, book_id: int, *, at: datetime, limit: int = PURGE_LIMIT) -> int:
    """Delete answers that are older than `RETENTION`, up to `limit` of them; how many it were.

    For a periodic job, a transaction each, until it returns less than `limit`.
    """
    return await store.delete_before(connection, book_id, at - RETENTION, limit)


async def _replay(connection: Connection, book_id: int, claim: Claim) -> Replay:
    (stored,) = await lookup(connection, book_id, [claim])
    decision = rules.decide(stored, claim.fingerprint)
    if isinstance(decision, KeyReused):
        raise decision
    if isinstance(decision, Replay):
        return decision
    # The answer that stood in the way has been purged in between.
    raise Overtaken("an idempotency key was freed while it was being looked up")


async def _answer(
    connection: Connection,
    work: Callable[[], Awaitable[Answer]],
    refused: Callable[[CaudalError], Answer],
) -> Answer:
    try:
        async with connection.transaction():
            return await work()
    except CaudalError as error:
        if not rules.is_final(error.status):
            raise
        return refused(error)
    except psycopg.Error as error:
        refusal = translate(error)
        if not rules.is_final(refusal.status):
            raise
        return refused(refusal)
