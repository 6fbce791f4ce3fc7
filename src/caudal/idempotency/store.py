"""The SQL of stored answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.idempotency.rules import is_final
from caudal.idempotency.types import Answer, Claim, Headers, Stored
from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection

LOOKUP: Final[LiteralString] = """
select claim.place, answer.fingerprint, answer.status, answer.headers, answer.body
  from unnest(%s, %s) with ordinality as claim (principal, key, place)
 cross join lateral (
        select stored.fingerprint, stored.status, stored.headers, stored.body
          from idempotency.answer as stored
         where stored.book_id = %s
           and stored.principal = claim.principal
           and stored.key = claim.key
         limit 1
       ) as answer
"""
"""One row for each claim that has an answer; `place` counts from 1.

The limit holds the planner to one index seek a claim. Without it, and without statistics (a new table), it
hashes the book's whole table for 500 claims: 105 ms instead of 1 at 44,000 rows.
"""

INSERT: Final[LiteralString] = """
insert into idempotency.answer (book_id, principal, key, fingerprint, status, headers, body, created_at)
select %s, batch.principal, batch.key, batch.fingerprint, batch.status, batch.headers, batch.body, %s
  from unnest(%s, %s, %s, %s, %s, %s)
       as batch (principal, key, fingerprint, status, headers, body)
"""
"""Stores any number of answers of one book; its parameters come from `insert_parameters`.

It fails where another transaction has answered one of the keys: run it in `detect_overtaking`.
"""

_CLAIMED: Final = 102
"""HTTP's *Processing*: a claim that has no answer yet."""

_encoder = msgspec.json.Encoder()
_headers_decoder = msgspec.json.Decoder(Headers)


def lookup_parameters(book_id: int, claims: Sequence[Claim]) -> tuple[Any, ...]:
    """The parameters of `LOOKUP`."""
    return (
        arrays.uuids([claim.principal for claim in claims]),
        arrays.texts([claim.key for claim in claims]),
        book_id,
    )


def insert_parameters(book_id: int, answers: Sequence[tuple[Claim, Answer]], at: datetime) -> tuple[Any, ...]:
    """The parameters of `INSERT`, for a room that makes it part of a larger statement. No key may repeat.

    The answers are final ones: another is never kept.
    """
    check(all(is_final(answer.status) for _, answer in answers), "an answer that is not final")
    return (
        book_id,
        at,
        arrays.uuids([claim.principal for claim, _ in answers]),
        arrays.texts([claim.key for claim, _ in answers]),
        arrays.blobs([claim.fingerprint for claim, _ in answers]),
        arrays.smallints([answer.status for _, answer in answers]),
        arrays.texts([_headers_text(answer.headers) for _, answer in answers]),
        arrays.blobs([answer.body for _, answer in answers]),
    )


async def queue_lookup(
    connection: Connection, book_id: int, claims: Sequence[Claim]
) -> AsyncCursor[TupleRow]:
    """Send the statement that looks for the answers to `claims`; `found` reads its result."""
    return await connection.execute(LOOKUP, lookup_parameters(book_id, claims), binary=True)


async def found(cursor: AsyncCursor[TupleRow], count: int) -> list[Stored | None]:
    """What `queue_lookup` found for each of its `count` claims, in their order."""
    result: list[Stored | None] = [None] * count
    for place, fingerprint, status, headers, body in await cursor.fetchall():
        check(status != _CLAIMED, "a claim without an answer was committed")
        result[place - 1] = Stored(fingerprint, Answer(status, _headers_decoder.decode(headers), body))
    return result


async def claim(connection: Connection, book_id: int, claim: Claim, at: datetime) -> bool:
    """Claim a key for this transaction; False when it is answered already.

    Waits while another transaction holds the key, until that one has committed or rolled back.
    """
    cursor = await connection.execute(
        """
insert into idempotency.answer (book_id, principal, key, fingerprint, status, headers, body, created_at)
values (%s, %s, %s, %s, %s, '[]', '', %s)
    on conflict (book_id, principal, key) do nothing
        """,
        (book_id, claim.principal, claim.key, claim.fingerprint, _CLAIMED, at),
    )
    return cursor.rowcount == 1


async def fill(connection: Connection, book_id: int, claim: Claim, answer: Answer) -> None:
    """Put the answer into a row that `claim` has made in this transaction."""
    cursor = await connection.execute(
        """
update idempotency.answer
   set status = %s,
       headers = %s,
       body = %s
 where book_id = %s
   and principal = %s
   and key = %s
   and status = %s
        """,
        (
            answer.status,
            _headers_text(answer.headers),
            answer.body,
            book_id,
            claim.principal,
            claim.key,
            _CLAIMED,
        ),
    )
    check(cursor.rowcount == 1, "an answer without a claim")


async def delete_before(connection: Connection, book_id: int, before: datetime, limit: int) -> int:
    """Delete up to `limit` answers of a book from before `before`, oldest first; how many it were."""
    cursor = await connection.execute(
        """
with due as (
    select principal, key
      from idempotency.answer
     where book_id = %s
       and created_at < %s
     order by created_at
     limit %s
       for update skip locked
)
delete from idempotency.answer
 using due
 where answer.book_id = %s
   and answer.principal = due.principal
   and answer.key = due.key
        """,
        (book_id, before, limit, book_id),
    )
    return cursor.rowcount


def _headers_text(headers: Headers) -> str:
    return _encoder.encode(headers).decode()
