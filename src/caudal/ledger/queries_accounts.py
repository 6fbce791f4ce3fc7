"""Reads of accounts: one, or lists of them, as they stand now.

A hold whose time has passed counts as expired from that moment on, whether or not its expiry is recorded yet:
a posting batch would expire it first, so a read that still showed it would be wrong about what is available.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.balances import ROWS_PER_PAGE_MAX, Balance, Page, balance_of
from caudal.ledger.codes import STATUS_CODE, to_json
from caudal.ledger.errors import AccountNotFound
from caudal.ledger.rows import ACCOUNT_COLUMNS, account_of
from caudal.ledger.types import Account, AccountId, AccountStatus, Metadata
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection

SCAN_MAX: Final = 10_000
"""A page of a list by several conditions looks at no more rows than this."""

ACCOUNT_NUMBER: Final = """
select account_no
  from ledger.account
 where book_id = %(book_id)s
   and id = %(id)s
"""

# What lapsed holds still show in the counters of `account_state s`; asked only where some hold may be due.
_DUE: Final = """
  left join lateral (
       select coalesce(sum(h.debits), 0)::bigint as debits, coalesce(sum(h.credits), 0)::bigint as credits
         from (select amount as debits, 0 as credits
                 from ledger.hold
                where book_id = %(book_id)s
                  and debit_account_no = s.account_no
                  and state = 1
                  and expires_at <= greatest(%(now)s, b.recorded_at)
                  and s.next_expiry <= greatest(%(now)s, b.recorded_at)
                union all
               select 0, amount
                 from ledger.hold
                where book_id = %(book_id)s
                  and credit_account_no = s.account_no
                  and state = 1
                  and expires_at <= greatest(%(now)s, b.recorded_at)
                  and s.next_expiry <= greatest(%(now)s, b.recorded_at)) h
       ) due
    on true
"""

_ONE: Final = """
select {columns}, due.debits, due.credits, b.seq
  from ledger.account a
  join ledger.account_state s
    on s.book_id = a.book_id and s.account_no = a.account_no
  join ledger.book_head b
    on b.book_id = a.book_id
{due}
 where a.book_id = %(book_id)s
   and {condition}
"""

ACCOUNT_BY_ID: Final = _ONE.format(columns=ACCOUNT_COLUMNS, due=_DUE, condition="a.id = %(id)s")
ACCOUNT_BY_REFERENCE: Final = _ONE.format(
    columns=ACCOUNT_COLUMNS, due=_DUE, condition="a.reference = %(reference)s"
)

_BARE_COLUMNS: Final = "book_id, account_no, id, currency, normal_side, code, reference, metadata, opened_at"

_LIST: Final = """
select {columns}, due.debits, due.credits, b.seq
  from ({driver}
         order by account_no
         limit %(scan)s) a
  join ledger.account_state s
    on s.book_id = %(book_id)s and s.account_no = a.account_no
  join ledger.book_head b
    on b.book_id = %(book_id)s
{due}
 where true {conditions}
 order by a.account_no
 limit %(limit)s
"""

_SCANNED: Final = """
select count(*), max(account_no)
  from ({driver}
         order by account_no
         limit %(scan)s) a
"""


class AccountFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which accounts a list shows: those that meet every condition given."""

    code: str | None = None
    reference: str | None = None
    currency: str | None = None
    status: AccountStatus | None = None
    metadata: Metadata | None = None
    """Pairs that an account must have; it may have others beside."""


async def account_number(connection: Connection, book_id: int, account: AccountId) -> int:
    """The account's narrow number. Raises `InvalidId`, `AccountNotFound`."""
    uuid = ids.decode(ids.ACCOUNT, account, field="account")
    cursor = await connection.execute(ACCOUNT_NUMBER, {"book_id": book_id, "id": uuid})
    row = await cursor.fetchone()
    if row is None:
        raise AccountNotFound("no account of this book has this id", field="account")
    number: int = row[0]
    return number


async def get_account(
    connection: Connection, book_id: int, account: AccountId, *, now: dt.datetime
) -> Account:
    """The account as it stands at `now`. Raises `InvalidId`, `AccountNotFound`."""
    return (await _by_id(connection, book_id, account, now))[0]


async def get_account_by_reference(
    connection: Connection, book_id: int, reference: str, *, now: dt.datetime
) -> Account:
    """The account to which the caller gave this reference. Raises `AccountNotFound`."""
    values = {"book_id": book_id, "reference": reference, "now": now}
    cursor = await connection.execute(ACCOUNT_BY_REFERENCE, values)
    row = await cursor.fetchone()
    if row is None:
        raise AccountNotFound("no account of this book has this reference", field="reference")
    return _live_account(row)


async def balance_now(
    connection: Connection, book_id: int, account: AccountId, *, now: dt.datetime
) -> Balance:
    """The account's balance at `now`, holds that are due left out. Raises `InvalidId`, `AccountNotFound`."""
    return balance_of(*await _by_id(connection, book_id, account, now))


async def list_accounts(
    connection: Connection,
    book_id: int,
    wanted: AccountFilter,
    *,
    now: dt.datetime,
    after: int = 0,
    limit: int = 100,
) -> Page[Account]:
    """Accounts in the order of their opening, those behind the number `after` first.

    Numbers are handed out under the book's lock and seen in order, so paging neither skips nor repeats an
    account while others are opened. Looks at most at `SCAN_MAX` accounts a page.
    """
    check(1 <= limit <= ROWS_PER_PAGE_MAX, "a page has 1 to 1,000 rows")
    driver, conditions = _list_parts(wanted)
    pair = next(iter((wanted.metadata or {}).items()), ("", ""))
    scan = SCAN_MAX if conditions else limit
    values: dict[str, Any] = {
        "book_id": book_id,
        "now": now,
        "after": after,
        "limit": limit,
        "scan": scan,
        "code": wanted.code,
        "reference": wanted.reference,
        "currency": wanted.currency,
        "status": None if wanted.status is None else STATUS_CODE[wanted.status],
        "metadata": (to_json(wanted.metadata) or b"{}").decode(),
        "key": pair[0],
        "value": pair[1],
    }
    statement = _LIST.format(columns=ACCOUNT_COLUMNS, driver=driver, due=_DUE, conditions=conditions)
    rows = await (await connection.execute(statement, values)).fetchall()
    accounts = tuple(_live_account(row) for row in rows)
    if len(accounts) == limit:
        return Page(accounts, accounts[-1].no)
    if not conditions:
        return Page(accounts, None)
    # The page is short: either the list is at its end, or the scan was cut off.
    counted = await (await connection.execute(_SCANNED.format(driver=driver), values)).fetchone()
    cut_off = counted is not None and counted[0] == scan
    return Page(accounts, counted[1] if counted is not None and cut_off else None)


def _list_parts(wanted: AccountFilter) -> tuple[str, str]:
    """What the list walks along, and the conditions that this leaves to be looked at row by row."""
    conditions = []
    where = "book_id = %(book_id)s and account_no > %(after)s"
    source = "ledger.account"
    if wanted.reference is not None:
        where += " and reference = %(reference)s"
    elif wanted.metadata:
        source = "ledger.account_metadata join ledger.account using (book_id, account_no)"
        where += " and key = %(key)s and value = %(value)s"
    elif wanted.code is not None:
        where += " and code = %(code)s"
    if wanted.code is not None and (wanted.reference is not None or wanted.metadata):
        conditions.append("a.code = %(code)s")
    if wanted.metadata and (wanted.reference is not None or len(wanted.metadata) > 1):
        conditions.append("a.metadata @> %(metadata)s::jsonb")
    if wanted.currency is not None:
        conditions.append("a.currency = %(currency)s")
    if wanted.status is not None:
        conditions.append("s.status = %(status)s")
    driver = f"select {_BARE_COLUMNS} from {source} where {where}"
    return driver, "".join(f"and {condition} " for condition in conditions)


async def _by_id(
    connection: Connection, book_id: int, account: AccountId, now: dt.datetime
) -> tuple[Account, int]:
    uuid: UUID = ids.decode(ids.ACCOUNT, account, field="account")
    cursor = await connection.execute(ACCOUNT_BY_ID, {"book_id": book_id, "id": uuid, "now": now})
    row = await cursor.fetchone()
    if row is None:
        raise AccountNotFound("no account of this book has this id", field="account")
    return _live_account(row), row[-1]


def _live_account(row: Sequence[Any] | TupleRow) -> Account:
    """The account of a row that ends in its due debits, its due credits and the book's seq."""
    account = account_of(tuple(row[:-3]))
    account.debits_pending -= row[-3]
    account.credits_pending -= row[-2]
    return account
