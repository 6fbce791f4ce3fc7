"""An account's entries in the order of their value: `(effective_at or recorded_at, seq)`.

Four walks along indexes, each in that order already, merged as they come: debits and credits, with a value
date of their own and without. The order of recording is also that of time, so the transfers without a value
date are walked along by `seq`. Nothing is sorted and no more is held than what was fetched last.
"""

import datetime as dt
import heapq
from collections.abc import AsyncIterator
from typing import Any, Final

from caudal.ledger.encoding import TRANSFER_COLUMNS as BARE_COLUMNS
from caudal.ledger.queries_balances import SEQ_AT
from caudal.ledger.queries_entries import Entry, entry_of
from caudal.ledger.rows import TRANSFER_COLUMNS, TRANSFER_JOINS
from caudal.ledger.types import Account
from caudal_base.database import Connection

_ROWS: Final = f"""
select {TRANSFER_COLUMNS}
  from (select {BARE_COLUMNS}
          from ledger.transfer
         where book_id = %(book_id)s
           and {{side}}_account_no = %(account_no)s
           and kind in (1, 3, 6)
           and {{range}}
         order by {{order}}
         limit %(limit)s) t
{TRANSFER_JOINS}
 order by {{outer_order}}
"""

_DATED_RANGE: Final = """effective_at is not null
           and (effective_at, seq) > (%(value_after)s, %(seq_after)s)
           and effective_at <= %(value_through)s
           and seq <= %(through_seq)s"""

_UNDATED_RANGE: Final = """effective_at is null
           and seq > %(seq_after)s
           and seq <= %(through_seq)s"""

DATED: Final = {
    side: _ROWS.format(
        side=side, range=_DATED_RANGE, order="effective_at, seq", outer_order="t.effective_at, t.seq"
    )
    for side in ("debit", "credit")
}
UNDATED: Final = {
    side: _ROWS.format(side=side, range=_UNDATED_RANGE, order="seq", outer_order="t.seq")
    for side in ("debit", "credit")
}

_SEQS: Final = f"""
select coalesce(({SEQ_AT.format(comparison="<", moment="%(value_from)s")}), 0),
       coalesce(({SEQ_AT.format(comparison="<=", moment="%(value_through)s")}), 0)
"""


class ValueStreams:
    """The entries of one account with value in a range, merged from their four walks."""

    def __init__(
        self,
        book_id: int,
        account: Account,
        *,
        value_from: dt.datetime,
        value_through: dt.datetime,
        through_seq: int,
        rows_per_fetch: int,
    ) -> None:
        """Both ends of the range are included; entries recorded after `through_seq` are left out."""
        self._account = account
        self._limit = rows_per_fetch
        self._values: dict[str, Any] = {
            "book_id": book_id,
            "account_no": account.no,
            "value_from": value_from,
            "value_through": value_through,
            "through_seq": through_seq,
        }

    async def merged(self, connection: Connection) -> AsyncIterator[Entry]:
        """The entries in the order of value; equal moments in the order of recording."""
        row = await (await connection.execute(_SEQS, self._values)).fetchone()
        first, last = row or (0, 0)
        undated = {"seq_after": first, "through_seq": min(self._values["through_seq"], last)}
        dated = {"value_after": self._values["value_from"], "seq_after": 0}
        streams = [
            self._stream(connection, statement, {**self._values, **start, "limit": self._limit})
            for statement, start in (
                (DATED["debit"], dated),
                (DATED["credit"], dated),
                (UNDATED["debit"], undated),
                (UNDATED["credit"], undated),
            )
        ]
        heads: list[tuple[dt.datetime, int, int, Entry]] = []
        for number, stream in enumerate(streams):
            await _push(heads, number, stream)
        while heads:
            _, _, number, entry = heapq.heappop(heads)
            yield entry
            await _push(heads, number, streams[number])

    async def _stream(
        self, connection: Connection, statement: str, values: dict[str, Any]
    ) -> AsyncIterator[Entry]:
        while True:
            rows = await (await connection.execute(statement, values)).fetchall()
            for row in rows:
                yield entry_of(row, self._account.no, self._account.normal_side)
            if len(rows) < self._limit:
                return
            last = entry_of(rows[-1], self._account.no, self._account.normal_side)
            values = {**values, "value_after": last.value_at, "seq_after": last.seq}


async def _push(
    heads: list[tuple[dt.datetime, int, int, Entry]], number: int, stream: AsyncIterator[Entry]
) -> None:
    # No two entries share a seq, so that the comparison never reaches the entry.
    entry = await anext(stream, None)
    if entry is not None:
        heapq.heappush(heads, (entry.value_at, entry.seq, number, entry))
