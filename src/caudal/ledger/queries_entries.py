"""An account's entries: each transfer that touches it, with the account's counters after it.

Its debits and its credits are two walks along an index in the order of `seq`, merged; the cost of a page is
that of its rows, wherever in the history it lies.
"""

import datetime as dt
from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.balances import ROWS_PER_PAGE_MAX, Counters, Page, net
from caudal.ledger.encoding import TRANSFER_COLUMNS as BARE_COLUMNS
from caudal.ledger.rows import TRANSFER_COLUMNS, TRANSFER_JOINS, transfer_of
from caudal.ledger.types import Account, Side, Transfer, TransferKind
from caudal_base.check import check
from caudal_base.database import Connection

_MOVING_KINDS: Final = frozenset({TransferKind.POSTED, TransferKind.POST, TransferKind.REVERSAL})

_SIDE: Final = f"""
       (select {BARE_COLUMNS}
          from ledger.transfer
         where book_id = %(book_id)s
           and {{side}}_account_no = %(account_no)s
           and seq > %(after)s
           and seq < %(before)s
           {{kinds}}
         order by seq {{direction}}
         limit %(limit)s)
"""

_ENTRIES: Final = f"""
select {TRANSFER_COLUMNS}
  from (select {BARE_COLUMNS}
          from ({{debits}}
                 union all
                {{credits}}) sides
         order by seq {{direction}}
         limit %(limit)s) t
{TRANSFER_JOINS}
 order by t.seq {{direction}}
"""


def _statement(direction: str, kinds: str) -> str:
    debits = _SIDE.format(side="debit", direction=direction, kinds=kinds)
    credits = _SIDE.format(side="credit", direction=direction, kinds=kinds)
    return _ENTRIES.format(debits=debits, credits=credits, direction=direction)


ENTRIES: Final = {False: _statement("asc", ""), True: _statement("desc", "")}
"""By whether the newest come first."""
POSTED_ENTRIES: Final = _statement("asc", "and kind in (1, 3, 6)")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as one of its two accounts sees it."""

    transfer: Transfer
    side: Side
    """The side on which it stands in this account."""
    after: Counters
    """The account's counters after it, in the order of recording."""
    normal_side: Side

    @property
    def seq(self) -> int:
        """Its place in the book's order."""
        return self.transfer.seq

    @property
    def amount(self) -> int:
        """What it moved between posted balances: nothing for holds, voids and expiries."""
        return self.transfer.amount if self.transfer.kind in _MOVING_KINDS else 0

    @property
    def balance(self) -> int:
        """The posted balance after it: positive on the account's normal side."""
        return net(self.normal_side, self.after.debits_posted, self.after.credits_posted)

    @property
    def value_at(self) -> dt.datetime:
        """When it counts by value."""
        return self.transfer.effective_at or self.transfer.recorded_at


async def list_entries(
    connection: Connection,
    book_id: int,
    account: Account,
    *,
    newest_first: bool = False,
    cursor: int | None = None,
    limit: int = 100,
) -> Page[Entry]:
    """A page of the account's entries in the order of recording, or against it, from behind the `cursor` on.

    The cursor is the seq of the last entry seen; it also serves to turn round and page the other way.
    """
    check(1 <= limit <= ROWS_PER_PAGE_MAX, "a page has 1 to 1,000 rows")
    bound = "before" if newest_first else "after"
    values: dict[str, Any] = {
        "book_id": book_id,
        "account_no": account.no,
        "after": 0,
        "before": 2**63 - 1,
        "limit": limit,
    }
    if cursor is not None:
        values[bound] = cursor
    rows = await (await connection.execute(ENTRIES[newest_first], values)).fetchall()
    entries = tuple(entry_of(row, account.no, account.normal_side) for row in rows)
    return Page(entries, entries[-1].seq if len(entries) == limit else None)


async def posted_entries(
    connection: Connection,
    book_id: int,
    account: Account,
    *,
    after: int,
    through: int,
    limit: int,
) -> list[Entry]:
    """Entries that moved the posted balance, with `after` < seq <= `through`, the oldest first."""
    values = {
        "book_id": book_id,
        "account_no": account.no,
        "after": after,
        "before": through + 1,
        "limit": limit,
    }
    rows = await (await connection.execute(POSTED_ENTRIES, values)).fetchall()
    return [entry_of(row, account.no, account.normal_side) for row in rows]


def entry_of(row: TupleRow, account_no: int, normal_side: Side) -> Entry:
    """The entry that a row of `store.TRANSFER_COLUMNS` is in one of its accounts."""
    transfer = transfer_of(row)
    debited = transfer.debit_no == account_no
    after = transfer.debit_after if debited else transfer.credit_after
    return Entry(
        transfer=transfer,
        side=Side.DEBIT if debited else Side.CREDIT,
        after=Counters(*after),
        normal_side=normal_side,
    )
