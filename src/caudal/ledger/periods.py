"""Closing of periods: nothing is then recorded with an effective date inside, but under a scope for it."""

import datetime as dt
from typing import Final

import msgspec

from caudal.ledger.errors import BookNotFound, PeriodAlreadyClosed, PeriodNotOver
from caudal.ledger.store import LOCK_BOOK
from caudal_base.clock import Clock
from caudal_base.database import Connection

_INSERT: Final = """
insert into ledger.period (book_id, closed_through, closed_at, closed_by, at_seq)
values (%(book_id)s, %(closed_through)s, %(closed_at)s, %(closed_by)s, %(at_seq)s)
"""

# Time does not go back behind a close either, on whichever machine the next batch reads its clock.
_UPDATE_HEAD: Final = """
update ledger.book_head
   set closed_through = %(closed_through)s,
       recorded_at = %(closed_at)s
 where book_id = %(book_id)s
"""

_LIST: Final = """
select closed_through, closed_at, closed_by, at_seq
  from ledger.period
 where book_id = %(book_id)s
   and closed_through < %(before)s
 order by closed_through desc
 limit %(limit)s
"""


class Period(msgspec.Struct, frozen=True):
    """A close: all days up to and including `closed_through` are shut."""

    closed_through: dt.date
    closed_at: dt.datetime
    closed_by: str
    """The principal that closed it."""
    at_seq: int
    """The book's last seq at the time: what the period's figures were drawn from."""


async def close_period(
    connection: Connection, book_id: int, through: dt.date, *, closed_by: str, clock: Clock
) -> Period:
    """Close the book through a day (UTC), in the caller's transaction.

    Takes the book's lock, so that no batch is half inside; the clock is read behind it. Raises
    `BookNotFound`, `PeriodNotOver` for a day that is not over, and `PeriodAlreadyClosed` where the book is
    closed through that day or a later one.
    """
    head = await (await connection.execute(LOCK_BOOK, {"book_id": book_id})).fetchone()
    if head is None:
        raise BookNotFound("there is no such book")
    seq, recorded_at, _, closed_through = head
    now = max(clock.now(), recorded_at)
    if through >= now.astimezone(dt.UTC).date():
        raise PeriodNotOver(f"{through.isoformat()} is not over in UTC", field="through")
    if closed_through is not None and through <= closed_through:
        raise PeriodAlreadyClosed(f"the book is closed through {closed_through.isoformat()}", field="through")
    period = Period(through, now, closed_by, seq)
    values = {
        "book_id": book_id,
        "closed_through": through,
        "closed_at": now,
        "closed_by": closed_by,
        "at_seq": seq,
    }
    await connection.execute(_INSERT, values)
    await connection.execute(_UPDATE_HEAD, values)
    return period


async def list_periods(
    connection: Connection, book_id: int, *, before: dt.date = dt.date.max, limit: int = 100
) -> list[Period]:
    """The book's closes, the latest first; `before` continues from the last one seen."""
    values = {"book_id": book_id, "before": before, "limit": limit}
    rows = await (await connection.execute(_LIST, values)).fetchall()
    return [Period(*row) for row in rows]
