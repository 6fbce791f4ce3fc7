"""Balances of the past: at a seq, at a recorded time, by value.

A transfer's row has both accounts' counters after it, so a balance at a seq is one index seek per side. A
recorded time becomes a seq by one seek in `ledger.batch`. A balance by value is built on both:

    posted up to the moment                              (recorded, two seeks)
    + what other days' recordings add to the days before (ledger.effective_day, one range over days)
    + of the moment's own day: what has value by then, less what was recorded by then with a value date

or from the other end of the day, whichever has fewer recordings in between. So only a moment inside a day
costs more than seeks, by some of that day's entries; the end of a day does not.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from psycopg.rows import TupleRow

from caudal.ledger.balances import Balance, ValueBalance
from caudal.ledger.codes import account_id
from caudal.ledger.errors import AccountNotFound
from caudal.ledger.types import AccountId, Side
from caudal_base import arrays, ids
from caudal_base.database import Connection

COUNTERS_AT: Final = """
       select side.debits_posted, side.credits_posted, side.debits_pending, side.credits_pending, side.seq
         from ((select debit_debits_posted as debits_posted, debit_credits_posted as credits_posted,
                       debit_debits_pending as debits_pending, debit_credits_pending as credits_pending, seq
                  from ledger.transfer
                 where book_id = %(book_id)s
                   and debit_account_no = {account_no}
                   and seq <= {seq}
                 order by seq desc
                 limit 1)
                union all
               (select credit_debits_posted, credit_credits_posted,
                       credit_debits_pending, credit_credits_pending, seq
                  from ledger.transfer
                 where book_id = %(book_id)s
                   and credit_account_no = {account_no}
                   and seq <= {seq}
                 order by seq desc
                 limit 1)) side
        order by side.seq desc
        limit 1
"""
"""The counters of an account after its last transfer up to a seq; no row before its first one."""

SEQ_AT: Final = """
       select last_seq
         from ledger.batch
        where book_id = %(book_id)s
          and recorded_at {comparison} {moment}
        order by recorded_at desc, last_seq desc
        limit 1
"""
"""The last seq recorded by (`<=`) or before (`<`) a moment; no row before the first batch."""

_SEQ_AT: Final = SEQ_AT.format(comparison="<=", moment="%(moment)s")

_AT_SEQ: Final = f"""
select a.id, a.currency, a.normal_side,
       coalesce(c.debits_posted, 0), coalesce(c.credits_posted, 0),
       coalesce(c.debits_pending, 0), coalesce(c.credits_pending, 0),
       greatest(c.seq, e.seq, 0), least(w.seq, b.seq)
  from {{wanted}} w(id, seq, place)
  join ledger.book_head b
    on b.book_id = %(book_id)s
  join ledger.account a
    on a.book_id = %(book_id)s and a.id = w.id
  left join lateral ({COUNTERS_AT.format(account_no="a.account_no", seq="w.seq")}) c
    on true
  left join lateral (
       select seq
         from ledger.account_event
        where book_id = %(book_id)s
          and account_no = a.account_no
          and seq <= w.seq
        order by seq desc
        limit 1) e
    on true
 order by w.place
"""

# A single one has a statement of its own, whose plan the server keeps; with arrays it plans every time anew.
BALANCE_AT_SEQ: Final = _AT_SEQ.format(wanted="(values (%(id)s::uuid, %(seq)s::bigint, 1))")
BALANCES_AT_SEQ: Final = _AT_SEQ.format(wanted="unnest(%(ids)s, %(seqs)s) with ordinality as")

_DAY: Final = "(w.moment at time zone 'UTC')::date"
_DATED_KINDS: Final = "(1, 3, 6)"
"""Posted, post and reversal: the kinds that move posted counters."""

_DATED_SIDE: Final = f"""
select {{debit}} as debits, {{credit}} as credits
  from ledger.transfer
 where book_id = %(book_id)s
   and {{side}}_account_no = a.account_no
   and effective_at is not null
   and kind in {_DATED_KINDS}
   and {{range}}
"""


def _dated(range_: str) -> str:
    """Sums of an account's transfers with a value date of their own, within a range."""
    debit = _DATED_SIDE.format(debit="amount", credit="0", side="debit", range=range_)
    credit = _DATED_SIDE.format(debit="0", credit="amount", side="credit", range=range_)
    return f"""
       select coalesce(sum(debits), 0) as debits, coalesce(sum(credits), 0) as credits
         from ({debit} union all {credit}) sides
"""


# from_end: whether fewer seqs lie between the moment and the end of its day than since the day's start.
# Each day's shifts sum to nothing over all days, so the sum up to a day is minus the sum behind it: the
# shorter side is taken. An account's shifts are at most one row per day.
_BY_VALUE: Final = f"""
with wanted as materialized (
    select w.place, w.id, w.moment, {_DAY} as day,
           {_DAY}::timestamp at time zone 'UTC' as day_start,
           ({_DAY} + 1)::timestamp at time zone 'UTC' as day_end
      from {{wanted}} w(id, moment, place)
), cut as materialized (
    select w.*, coalesce(first.last_seq, 0) as first_seq, coalesce(at.last_seq, 0) as seq,
           coalesce(last.last_seq, 0) as last_seq,
           coalesce(last.last_seq, 0) - coalesce(at.last_seq, 0)
               <= coalesce(at.last_seq, 0) - coalesce(first.last_seq, 0) as from_end
      from wanted w
      left join lateral ({SEQ_AT.format(comparison="<", moment="w.day_start")}) first
        on true
      left join lateral ({SEQ_AT.format(comparison="<=", moment="w.moment")}) at
        on true
      left join lateral ({SEQ_AT.format(comparison="<", moment="w.day_end")}) last
        on true
), ranges as materialized (
    select c.*, case when from_end then day else day - 1 end as through_day,
           case when from_end then moment + interval '1 microsecond' else day_start end as value_from,
           case when from_end then day_end else moment + interval '1 microsecond' end as value_before,
           case when from_end then seq else first_seq end as seq_after,
           case when from_end then last_seq else seq end as seq_through,
           case when from_end then -1 else 1 end as sign
      from cut c
)
select a.id, a.currency, a.normal_side,
       (coalesce(p.debits_posted, 0) + s.debits + r.sign * (v.debits - t.debits))::bigint,
       (coalesce(p.credits_posted, 0) + s.credits + r.sign * (v.credits - t.credits))::bigint,
       r.moment, b.seq
  from ranges r
  join ledger.book_head b
    on b.book_id = %(book_id)s
  join ledger.account a
    on a.book_id = %(book_id)s and a.id = r.id
  left join lateral ({COUNTERS_AT.format(account_no="a.account_no", seq="r.seq")}) p
    on true
 cross join lateral (
       select (select day
                 from ledger.effective_day
                where book_id = %(book_id)s and account_no = a.account_no
                order by day
                limit 1) as first_day,
              (select day
                 from ledger.effective_day
                where book_id = %(book_id)s and account_no = a.account_no
                order by day desc
                limit 1) as last_day) d
 cross join lateral (
       select coalesce(sum(debits), 0) as debits, coalesce(sum(credits), 0) as credits
         from (select debits, credits
                 from ledger.effective_day
                where book_id = %(book_id)s
                  and account_no = a.account_no
                  and day <= r.through_day
                  and r.through_day - d.first_day <= d.last_day - r.through_day
                union all
               select -debits, -credits
                 from ledger.effective_day
                where book_id = %(book_id)s
                  and account_no = a.account_no
                  and day > r.through_day
                  and r.through_day - d.first_day > d.last_day - r.through_day) shifts) s
 cross join lateral ({_dated("effective_at >= r.value_from and effective_at < r.value_before")}) v
 cross join lateral ({_dated("seq > r.seq_after and seq <= r.seq_through")}) t
 order by r.place
"""

BALANCE_BY_VALUE: Final = _BY_VALUE.format(wanted="(values (%(id)s::uuid, %(moment)s::timestamptz, 1))")
TWO_BALANCES_BY_VALUE: Final = _BY_VALUE.format(
    wanted="(values (%(id)s::uuid, %(first)s::timestamptz, 1), (%(id)s::uuid, %(second)s::timestamptz, 2))"
)
BALANCES_BY_VALUE: Final = _BY_VALUE.format(wanted="unnest(%(ids)s, %(moments)s) with ordinality as")


async def seq_at(connection: Connection, book_id: int, moment: dt.datetime) -> int:
    """The last seq that had been recorded at `moment`, what was recorded at this microsecond included."""
    cursor = await connection.execute(_SEQ_AT, {"book_id": book_id, "moment": moment})
    row = await cursor.fetchone()
    return 0 if row is None else row[0]


async def balance_at_seq(connection: Connection, book_id: int, account: AccountId, seq: int) -> Balance:
    """The balance after the book's transfer or event number `seq`, as it was recorded.

    All zeros where the account was opened later; a seq beyond the book's last one means the last one. A
    hold counts until the row of its expiry. Raises `InvalidId`, `AccountNotFound`.
    """
    uuid = ids.decode(ids.ACCOUNT, account, field="account")
    values = {"book_id": book_id, "id": uuid, "seq": seq}
    rows = await (await connection.execute(BALANCE_AT_SEQ, values)).fetchall()
    _refuse_unknown(1, rows)
    return _balance(rows[0])


async def balances_at_seq(
    connection: Connection, book_id: int, wanted: Sequence[tuple[AccountId, int]]
) -> list[Balance]:
    """`balance_at_seq` of many accounts, or of one at many seqs, in the order given and in one statement."""
    for account, _ in wanted:
        ids.decode(ids.ACCOUNT, account, field="account")
    values = {
        "book_id": book_id,
        "ids": arrays.hex_uuids([account for account, _ in wanted]),
        "seqs": arrays.bigints([seq for _, seq in wanted]),
    }
    rows = await (await connection.execute(BALANCES_AT_SEQ, values)).fetchall()
    _refuse_unknown(len(wanted), rows)
    return [_balance(row) for row in rows]


async def balance_at_recorded(
    connection: Connection, book_id: int, account: AccountId, moment: dt.datetime
) -> Balance:
    """The balance by all that had been recorded at `moment`, that very microsecond included.

    It is what the journal says: a hold counts until its expiry was recorded, which may be later than it fell
    due. What was recorded by a past moment never changes. Raises `InvalidId`, `AccountNotFound`.
    """
    seq = await seq_at(connection, book_id, moment)
    return await balance_at_seq(connection, book_id, account, seq)


async def balance_at_effective(
    connection: Connection, book_id: int, account: AccountId, moment: dt.datetime
) -> ValueBalance:
    """What was posted with value up to `moment`, that very microsecond included, as far as is known now.

    A transfer without an effective time has value from its recording on. `end_of(day)` gives a day's closing
    balance, at the cost of seeks; inside a day some of that day's entries are added up.
    Raises `InvalidId`, `AccountNotFound`.
    """
    uuid = ids.decode(ids.ACCOUNT, account, field="account")
    values = {"book_id": book_id, "id": uuid, "moment": moment}
    rows = await (await connection.execute(BALANCE_BY_VALUE, values)).fetchall()
    _refuse_unknown(1, rows)
    return _value_balance(rows[0])


async def balances_at_effective(
    connection: Connection, book_id: int, wanted: Sequence[tuple[AccountId, dt.datetime]]
) -> list[ValueBalance]:
    """`balance_at_effective` of many accounts and moments, in their order, of one state of the book."""
    for account, _ in wanted:
        ids.decode(ids.ACCOUNT, account, field="account")
    values = {
        "book_id": book_id,
        "ids": arrays.hex_uuids([account for account, _ in wanted]),
        "moments": arrays.timestamps([moment for _, moment in wanted]),
    }
    rows = await (await connection.execute(BALANCES_BY_VALUE, values)).fetchall()
    _refuse_unknown(len(wanted), rows)
    return [_value_balance(row) for row in rows]


async def two_balances_at_effective(
    connection: Connection, book_id: int, account: AccountId, first: dt.datetime, second: dt.datetime
) -> tuple[ValueBalance, ValueBalance]:
    """`balance_at_effective` of two moments, of one state of the book: where a statement opens and closes."""
    uuid = ids.decode(ids.ACCOUNT, account, field="account")
    values = {"book_id": book_id, "id": uuid, "first": first, "second": second}
    rows = await (await connection.execute(TWO_BALANCES_BY_VALUE, values)).fetchall()
    _refuse_unknown(2, rows)
    return _value_balance(rows[0]), _value_balance(rows[1])


def _balance(row: TupleRow) -> Balance:
    return Balance(
        account=AccountId(account_id(row[0])), currency=row[1], normal_side=Side(row[2]),
        debits_posted=row[3], credits_posted=row[4], debits_pending=row[5], credits_pending=row[6],
        version=row[7], seq=row[8],
    )  # fmt: skip


def _value_balance(row: TupleRow) -> ValueBalance:
    return ValueBalance(
        account=AccountId(account_id(row[0])), currency=row[1], normal_side=Side(row[2]),
        debits_posted=row[3], credits_posted=row[4], effective_at=row[5], seq=row[6],
    )  # fmt: skip


def _refuse_unknown(wanted: int, rows: Sequence[TupleRow]) -> None:
    if len(rows) != wanted:
        raise AccountNotFound("no account of this book has this id", field="account")
