"""What the demo reads from the database of a day, besides what every run of the simulation reads."""

from typing import Final

import msgspec

from caudal_base.database import Connection

# One look at what waits: few rows, each found by an index of what is unfinished.
_WAITING: Final = """
select (select count(*)
          from jobs.job
         where book_id = %(book_id)s
           and (state = 'running' or state = 'ready' and run_at <= clock_timestamp())),
       (select count(*)
          from payments.payment
         where book_id = %(book_id)s
           and state = 'processing'),
       (select count(*)
          from payments.attempt
         where book_id = %(book_id)s
           and state = 'unknown'),
       (select count(*)
          from events.event
         where book_id = %(book_id)s
           and type >= 'payment.' and type < 'payment/')
"""

_TRANSFERS: Final = """
select a.reference, count(*)
  from ledger.account as a
  join ledger.transfer as t
    on t.book_id = a.book_id and a.account_no in (t.debit_account_no, t.credit_account_no)
 where a.book_id = %(book_id)s
   and t.book_id = %(book_id)s
   and a.reference = any(%(references)s)
 group by a.reference
"""


class Waiting(msgspec.Struct, frozen=True):
    """What waits at a moment."""

    jobs: int
    open: int
    unknown: int
    events: int
    """Of payments, that have been told so far."""


async def waiting(connection: Connection, book_id: int) -> Waiting:
    """What waits now."""
    row = await (await connection.execute(_WAITING, {"book_id": book_id})).fetchone()
    return Waiting(*row) if row is not None else Waiting(0, 0, 0, 0)


async def transfers(connection: Connection, book_id: int, references: list[str]) -> dict[str, int]:
    """How many transfers each of these accounts has been in."""
    values = {"book_id": book_id, "references": references}
    return dict(await (await connection.execute(_TRANSFERS, values)).fetchall())
