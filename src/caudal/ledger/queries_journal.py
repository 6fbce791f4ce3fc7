"""The journal: everything that happened in a book, transfers and account events, in the order of `seq`."""

from typing import Final, TypeAlias

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.balances import ROWS_PER_PAGE_MAX
from caudal.ledger.codes import EVENT_OF, STATUS_OF, account_id
from caudal.ledger.encoding import TRANSFER_COLUMNS as BARE_COLUMNS
from caudal.ledger.errors import BookNotFound
from caudal.ledger.rows import TRANSFER_COLUMNS, TRANSFER_JOINS, transfer_of
from caudal.ledger.types import AccountEvent, AccountId, Transfer
from caudal_base.check import check
from caudal_base.database import Connection

_HEAD: Final = "select seq from ledger.book_head where book_id = %(book_id)s"

JOURNAL_TRANSFERS: Final = f"""
select {TRANSFER_COLUMNS}
  from (select {BARE_COLUMNS}
          from ledger.transfer
         where book_id = %(book_id)s
           and seq > %(after)s
           and seq <= %(through)s
         order by seq
         limit %(limit)s) t
{TRANSFER_JOINS}
 order by t.seq
"""

JOURNAL_EVENTS: Final = """
select e.seq, e.account_no, a.id, e.kind, e.status, e.max_net_debit, e.max_net_credit, e.recorded_at
  from (select book_id, seq, account_no, kind, status, max_net_debit, max_net_credit, recorded_at
          from ledger.account_event
         where book_id = %(book_id)s
           and seq > %(after)s
           and seq <= %(through)s
         order by seq
         limit %(limit)s) e
  join ledger.account a
    on a.book_id = e.book_id and a.account_no = e.account_no
 order by e.seq
"""

JournalRow: TypeAlias = Transfer | AccountEvent


class Journal(msgspec.Struct, frozen=True):
    """A stretch of the journal, without gaps."""

    rows: tuple[JournalRow, ...]
    head: int
    """The book's last seq when this was read: how far a follower still has to go."""


async def read_journal(
    connection: Connection, book_id: int, *, after: int = 0, limit: int = ROWS_PER_PAGE_MAX
) -> Journal:
    """What follows the seq `after`, at most `limit` rows, without a gap. Raises `BookNotFound`.

    A follower asks again with the last seq that it has seen; a row that it has seen never changes.
    """
    check(1 <= limit <= ROWS_PER_PAGE_MAX, "a page has 1 to 1,000 rows")
    found = await (await connection.execute(_HEAD, {"book_id": book_id})).fetchone()
    if found is None:
        raise BookNotFound("there is no such book")
    # The head was read first: whatever the statements below see, up to it they see all.
    head: int = found[0]
    values = {"book_id": book_id, "after": after, "through": min(head, after + limit), "limit": limit}
    transfers = await (await connection.execute(JOURNAL_TRANSFERS, values)).fetchall()
    events = await (await connection.execute(JOURNAL_EVENTS, values)).fetchall()
    rows: list[JournalRow] = [transfer_of(row) for row in transfers]
    rows += [event_of(row) for row in events]
    rows.sort(key=lambda row: row.seq)
    expected = range(after + 1, values["through"] + 1)
    check([row.seq for row in rows] == list(expected), "a book's journal has no gaps")
    return Journal(tuple(rows), head)


def event_of(row: TupleRow) -> AccountEvent:
    """The account event of a row of `JOURNAL_EVENTS`."""
    return AccountEvent(
        row[0], row[1], AccountId(account_id(row[2])), EVENT_OF[row[3]], STATUS_OF[row[4]], *row[5:8]
    )
