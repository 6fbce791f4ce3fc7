"""The trial balance: what every account or chart code shows at a moment, debits against credits.

At a past moment each account costs two seeks, whatever its history; only the present is read from the
accounts' own rows. Holds that are due by then are left out of it, as in the reads of accounts: they are found
by one walk along the book's open holds in the order of their expiry, which ends at once where none is due.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec

from caudal.ledger.balances import ROWS_PER_PAGE_MAX, Counters, Page
from caudal.ledger.codes import account_id
from caudal.ledger.queries_balances import COUNTERS_AT, SEQ_AT, seq_at
from caudal.ledger.types import AccountId
from caudal_base.check import check
from caudal_base.database import Connection

_AT_SEQ: Final = f"""
select a.account_no, c.debits_posted, c.credits_posted, c.debits_pending, c.credits_pending
  from ledger.account a
 cross join lateral ({COUNTERS_AT.format(account_no="a.account_no", seq="%(seq)s")}) c
 where a.book_id = %(book_id)s
   and a.opened_seq <= %(seq)s
   {{page}}
"""

_DUE_SIDE: Final = """
select {side}_account_no as account_no, {debit} as debits, {credit} as credits
  from ledger.hold
 where book_id = %(book_id)s
   and state = 1
   and expires_at <= greatest(%(now)s, (select recorded_at from ledger.book_head where book_id = %(book_id)s))
"""

_NOW: Final = f"""
select a.account_no, a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending
  from ledger.account_state a
 where a.book_id = %(book_id)s
   {{page}}
 union all
select a.account_no, 0, 0, -a.debits, -a.credits
  from ({_DUE_SIDE.format(side="debit", debit="amount", credit="0::bigint")}
         union all
        {_DUE_SIDE.format(side="credit", debit="0::bigint", credit="amount")}) a
 where true
   {{page}}
"""

# By value: what was recorded by the end of the day, and what other days' recordings add to the days so far.
_BY_VALUE: Final = f"""
select a.account_no, c.debits_posted, c.credits_posted,
       0::bigint as debits_pending, 0::bigint as credits_pending
  from ({SEQ_AT.format(comparison="<=", moment="%(moment)s")}) cut
 cross join ledger.account a
 cross join lateral ({COUNTERS_AT.format(account_no="a.account_no", seq="cut.last_seq")}) c
 where a.book_id = %(book_id)s
   {{page}}
 union all
select a.account_no, sum(a.debits)::bigint, sum(a.credits)::bigint, 0, 0
  from ledger.effective_day a
 where a.book_id = %(book_id)s
   and a.day <= %(day)s
   {{page}}
 group by a.account_no
"""

_SUMS: Final = """
       sum(c.debits_posted)::numeric, sum(c.credits_posted)::numeric,
       sum(c.debits_pending)::numeric, sum(c.credits_pending)::numeric
"""

_BY_CODE: Final = f"""
select a.code, a.currency, count(distinct a.account_no), {_SUMS},
       (select seq from ledger.book_head where book_id = %(book_id)s)
  from ({{counters}}) c
  join ledger.account a
    on a.book_id = %(book_id)s and a.account_no = c.account_no
 group by a.code, a.currency
 order by a.currency, a.code nulls last
"""

_BY_ACCOUNT: Final = f"""
select a.account_no, a.id, a.code, a.currency, {_SUMS}
  from ({{counters}}) c
  join ledger.account a
    on a.book_id = %(book_id)s and a.account_no = c.account_no
 group by a.account_no, a.id, a.code, a.currency
 order by a.account_no
"""

# The accounts of one page; empty ones are passed over but counted, so that pages stay bounded.
_PAGE: Final = """
select max(account_no), count(*)
  from (select account_no
          from ledger.account
         where book_id = %(book_id)s
           and account_no > %(after)s
         order by account_no
         limit %(limit)s) page
"""
_IN_PAGE: Final = "and a.account_no > %(after)s and a.account_no <= %(through)s"


class AtSeq(msgspec.Struct, frozen=True):
    """When the book's transfer or event number `seq` had been recorded."""

    seq: int


class AtRecorded(msgspec.Struct, frozen=True):
    """By all that had been recorded at a moment."""

    moment: dt.datetime


class AtEffectiveDay(msgspec.Struct, frozen=True):
    """By all that has value up to the end of a day (UTC), as far as is known now; holds have no value."""

    day: dt.date


class Now(msgspec.Struct, frozen=True):
    """As the accounts stand at the present moment: holds that are due by then are left out."""

    moment: dt.datetime


Moment: TypeAlias = Now | AtSeq | AtRecorded | AtEffectiveDay


class CodeTotals(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of one chart code and currency together; code None is of those without one."""

    code: str | None
    currency: str
    accounts: int
    """How many of them have ever been touched by then."""
    counters: Counters


class AccountTotals(msgspec.Struct, frozen=True, kw_only=True):
    """One account's line of the trial balance."""

    account: AccountId
    code: str | None
    currency: str
    counters: Counters


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """A book's accounts by chart code, and their totals by currency: debits equal credits in each."""

    seq: int
    """The last seq that it takes into account."""
    rows: tuple[CodeTotals, ...]
    totals: dict[str, Counters]

    @property
    def balanced(self) -> bool:
        """Whether debits equal credits, posted and pending, in every currency."""
        return all(
            c.debits_posted == c.credits_posted and c.debits_pending == c.credits_pending
            for c in self.totals.values()
        )


async def trial_balance(connection: Connection, book_id: int, moment: Moment) -> TrialBalance:
    """The trial balance by chart code at `moment`, of one state of the book. One statement."""
    counters, values = await _counters(connection, book_id, moment)
    statement = _BY_CODE.format(counters=counters.format(page=""))
    rows = await (await connection.execute(statement, values)).fetchall()
    totals = tuple(
        CodeTotals(code=row[0], currency=row[1], accounts=row[2], counters=_sums(row[3:7])) for row in rows
    )
    head = rows[0][7] if rows else 0
    return TrialBalance(seq=min(values["seq"], head), rows=totals, totals=_by_currency(totals))


async def trial_balance_accounts(
    connection: Connection, book_id: int, moment: Moment, *, after: int = 0, limit: int = 1_000
) -> Page[AccountTotals]:
    """The trial balance by account, in the order of their opening; accounts never touched are left out.

    Pages at a seq or a past recorded moment belong together; those of `Now` and of a value day only where
    the connection is in a snapshot (`Database.snapshot`), since the book moves on between pages.
    """
    check(1 <= limit <= ROWS_PER_PAGE_MAX, "a page has 1 to 1,000 rows")
    page = {"book_id": book_id, "after": after, "limit": limit}
    bound = await (await connection.execute(_PAGE, page)).fetchone()
    if bound is None or bound[0] is None:
        return Page((), None)
    counters, values = await _counters(connection, book_id, moment)
    statement = _BY_ACCOUNT.format(counters=counters.format(page=_IN_PAGE))
    values |= {"after": after, "through": bound[0]}
    rows = await (await connection.execute(statement, values)).fetchall()
    lines = tuple(
        AccountTotals(
            account=AccountId(account_id(row[1])), code=row[2], currency=row[3], counters=_sums(row[4:8])
        )
        for row in rows
    )
    return Page(lines, bound[0] if bound[1] == limit else None)


async def _counters(connection: Connection, book_id: int, moment: Moment) -> tuple[str, dict[str, Any]]:
    """The statement that gives every account's counters at `moment`, and its parameters."""
    values: dict[str, Any] = {"book_id": book_id, "seq": 2**63 - 1}
    match moment:
        case Now(now):
            return _NOW, values | {"now": now}
        case AtSeq(seq):
            return _AT_SEQ, values | {"seq": seq}
        case AtRecorded(at):
            return _AT_SEQ, values | {"seq": await seq_at(connection, book_id, at)}
        case AtEffectiveDay(day):
            end = dt.datetime.combine(day, dt.time.max, dt.UTC)
            return _BY_VALUE, values | {"day": day, "moment": end}


def _sums(row: Iterable[Any]) -> Counters:
    # Sums over accounts may pass a bigint, so they come as numeric.
    return Counters(*(int(value) for value in row))


def _by_currency(rows: Iterable[CodeTotals]) -> dict[str, Counters]:
    totals: dict[str, Counters] = {}
    for row in rows:
        so_far, more = totals.get(row.currency, Counters()), row.counters
        totals[row.currency] = Counters(
            so_far.debits_posted + more.debits_posted,
            so_far.credits_posted + more.credits_posted,
            so_far.debits_pending + more.debits_pending,
            so_far.credits_pending + more.credits_pending,
        )
    return totals
