"""The SQL of exports: what other rooms have kept, read in the order in which they kept it.

Each statement reads behind a place and up to one, and a page at a time: what it costs does not depend on how
much there is.
"""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.rows import TupleRow

from caudal_base import arrays
from caudal_base.check import check
from caudal_base.database import Connection

HEADS: Final = """
select coalesce((select seq from ledger.book_head where book_id = %(book_id)s), 0),
       coalesce((select seq from events.head where book_id = %(book_id)s), 0),
       coalesce((select max(ordinal) from features.event where book_id = %(book_id)s), 0),
       coalesce((select max(version) from features.feature_set where book_id = %(book_id)s), 0),
       coalesce((select max(seq) from risk.decision where book_id = %(book_id)s and seq is not null), 0),
       coalesce((select max(seq) from risk.label where book_id = %(book_id)s and seq is not null), 0)
"""

# The kinds as the ledger numbers them.
TRANSFERS: Final = """
select t.seq, t.id, t.recorded_at, t.effective_at,
       (array['posted', 'pending', 'post_pending', 'void_pending', 'expiry', 'reversal'])[t.kind],
       d.id, d.code, c.id, c.code, t.amount, d.currency, t.related_seq, t.group_seq, t.code
  from ledger.transfer t
  join ledger.account d
    on d.book_id = t.book_id and d.account_no = t.debit_account_no
  join ledger.account c
    on c.book_id = t.book_id and c.account_no = t.credit_account_no
 where t.book_id = %(book_id)s
   and t.seq > %(after)s
   and t.seq <= %(through)s
 order by t.seq
 limit %(limit)s
"""

TRANSACTIONS: Final = """
select first_seq, last_seq, id, recorded_at, effective_at, code, template, beyond_limits
  from ledger.transaction
 where book_id = %(book_id)s
   and first_seq > %(after)s
   and first_seq <= %(through)s
 order by first_seq
 limit %(limit)s
"""

EVENTS: Final = """
select seq, at, type, object_type, data::text
  from events.event
 where book_id = %(book_id)s
   and seq > %(after)s
   and seq <= %(through)s
 order by seq
 limit %(limit)s
"""

# What is final does not change any more.
ATTEMPTS: Final = """
select a.id, a.payment_id, a.operation, a.state, a.partner, a.updated_at, a.data::text
  from payments.attempt a
 where a.book_id = %(book_id)s
   and a.payment_id = any(%(payments)s)
   and a.state in ('succeeded', 'failed', 'cancelled')
 order by a.id
"""

FEATURE_EVENTS: Final = """
select ordinal, source, id, event_at, known_at, entities::text, tags::text, values::text
  from features.event
 where book_id = %(book_id)s
   and ordinal > %(after)s
   and ordinal <= %(through)s
 order by ordinal
 limit %(limit)s
"""

FEATURE_SETS: Final = """
select version, created_at, declared::text
  from features.feature_set
 where book_id = %(book_id)s
   and version > %(after)s
   and version <= %(through)s
 order by version
 limit %(limit)s
"""

DECISIONS: Final = """
select seq, at, data::text
  from risk.decision
 where book_id = %(book_id)s
   and seq > %(after)s
   and seq <= %(through)s
 order by seq
 limit %(limit)s
"""

LABELS: Final = """
select seq, subject, kind, source, event_at, known_at
  from risk.label
 where book_id = %(book_id)s
   and seq > %(after)s
   and seq <= %(through)s
 order by seq
 limit %(limit)s
"""

_KEY: Final = """
select key
  from analytics.pseudonym
 where book_id = %(book_id)s
"""

_MAKE_KEY: Final = """
insert into analytics.pseudonym (book_id, key)
values (%(book_id)s, %(key)s)
    on conflict (book_id) do nothing
"""


async def heads(connection: Connection, book_id: int) -> Sequence[int]:
    """The last place of the ledger, events, features' events, feature sets, decisions and labels."""
    row = await (await connection.execute(HEADS, {"book_id": book_id})).fetchone()
    check(row is not None, "a select without a table gives a row")
    return row or ()


async def page(
    connection: Connection, statement: str, book_id: int, *, after: Any, through: int, limit: int
) -> list[TupleRow]:
    """Up to `limit` rows behind `after`."""
    parameters = {"book_id": book_id, "after": after, "through": through, "limit": limit}
    return await (await connection.execute(statement.encode(), parameters)).fetchall()


async def attempts(connection: Connection, book_id: int, payments: Sequence[str]) -> list[TupleRow]:
    """The calls to partners for these payments (hexadecimal ids) that have come to an end."""
    parameters = {"book_id": book_id, "payments": arrays.hex_uuids(payments)}
    return await (await connection.execute(ATTEMPTS, parameters)).fetchall()


async def key_of(connection: Connection, book_id: int) -> bytes | None:
    """With which addresses are made tokens; None before the first export."""
    row = await (await connection.execute(_KEY, {"book_id": book_id})).fetchone()
    return None if row is None else bytes(row[0])


async def make_key(connection: Connection, book_id: int, key: bytes) -> None:
    """Keep a key, unless there is one."""
    await connection.execute(_MAKE_KEY, {"book_id": book_id, "key": key})
