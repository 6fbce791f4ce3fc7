"""Reads of transfers and journal entries.

A list walks along one index in the order of `seq`, from the cursor on, and looks at the rest of its
conditions row by row; it never sorts, and never looks at more than `SCAN_MAX` rows a page.

A hold whose time has passed reads as expired from that moment on, as in the reads of accounts.
"""

import datetime as dt
from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from caudal.ledger.balances import ROWS_PER_PAGE_MAX, Page
from caudal.ledger.codes import HOLD_CODE, HOLD_OF, KIND_CODE, to_json, transaction_id, transfer_id
from caudal.ledger.encoding import TRANSFER_COLUMNS as BARE_COLUMNS
from caudal.ledger.errors import TransactionNotFound, TransferNotFound
from caudal.ledger.queries_accounts import SCAN_MAX, account_number
from caudal.ledger.queries_balances import SEQ_AT
from caudal.ledger.rows import (
    TRANSACTION_COLUMNS,
    TRANSFER_COLUMNS,
    TRANSFER_JOINS,
    transaction_of,
    transfer_of,
)
from caudal.ledger.types import (
    AccountId,
    HoldState,
    Metadata,
    Transaction,
    TransactionId,
    Transfer,
    TransferId,
    TransferKind,
)
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection

DETAIL_COLUMNS: Final = f"""
{TRANSFER_COLUMNS},
       case when h.state = {HOLD_CODE[HoldState.OPEN]}
             and h.expires_at <= greatest(%(now)s, (select recorded_at
                                                      from ledger.book_head
                                                     where book_id = %(book_id)s))
            then {HOLD_CODE[HoldState.EXPIRED]}
            else h.state end,
       h.expires_at, q.id, v.amount, x.id
"""

DETAIL_JOINS: Final = f"""
{TRANSFER_JOINS}
  left join ledger.hold h
    on h.book_id = t.book_id and h.seq = t.seq
  left join ledger.transfer q
    on q.book_id = t.book_id and q.seq = h.resolved_seq
  left join ledger.reversal v
    on v.book_id = t.book_id and v.original_seq = t.seq
  left join lateral (
       select id, last_seq
         from ledger.transaction
        where book_id = %(book_id)s
          and first_seq <= t.seq
          and t.group_seq is not null
        order by first_seq desc
        limit 1) x
    on x.last_seq >= t.seq
"""
"""Of `transfer t`: its hold `h`, what resolved it `q`, how much of it was reversed `v`, its entry `x`."""

TRANSFER_BY_ID: Final = f"""
select {DETAIL_COLUMNS}
  from ledger.transfer t
{DETAIL_JOINS}
 where t.book_id = %(book_id)s
   and t.id = %(id)s
"""

_LIST: Final = f"""
select {DETAIL_COLUMNS}
  from (select {BARE_COLUMNS}
          from ({{driver}}
                 order by seq {{direction}}
                 limit %(scan)s) t
         where true {{conditions}}
         order by seq {{direction}}
         limit %(limit)s) t
{DETAIL_JOINS}
 order by t.seq {{direction}}
"""

_SCANNED: Final = """
select count(*), {last}(seq)
  from ({driver}
         order by seq {direction}
         limit %(scan)s) t
"""

_OF_ACCOUNT: Final = f"""
select {BARE_COLUMNS}
  from ((select {BARE_COLUMNS}
           from ledger.transfer
          where book_id = %(book_id)s
            and debit_account_no = %(account_no)s
            and {{range}}
          order by seq {{direction}}
          limit %(scan)s)
         union all
        (select {BARE_COLUMNS}
           from ledger.transfer
          where book_id = %(book_id)s
            and credit_account_no = %(account_no)s
            and {{range}}
          order by seq {{direction}}
          limit %(scan)s)) sides
"""
"""Of an account's two sides, already in order, the first rows: what follows merges them."""

# A linked group's transfers stand next to one another; its first seq may be that of an account opened for it.
_END_OF_GROUP: Final = """
select least((select min(seq)
                from (select seq
                        from ledger.transfer
                       where book_id = %(book_id)s
                         and seq >= %(group)s
                         and group_seq is distinct from %(group)s
                       order by seq
                       limit 1) behind),
             (select seq + 1 from ledger.book_head where book_id = %(book_id)s))
"""

_SEQ_BEFORE: Final = SEQ_AT.format(comparison="<", moment="%(moment)s")

TRANSACTION_BY_ID: Final = f"""
select {TRANSACTION_COLUMNS}
  from ledger.transaction
 where book_id = %(book_id)s
   and id = %(id)s
"""

_TRANSFERS_BETWEEN: Final = f"""
select {TRANSFER_COLUMNS}
  from ledger.transfer t
{TRANSFER_JOINS}
 where t.book_id = %(book_id)s
   and t.seq between %(first)s and %(last)s
 order by t.seq
"""


class TransferDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer, which never changes, with what has become of it since."""

    transfer: Transfer
    state: HoldState | None = None
    """Of a hold: where it stands. `EXPIRED` from the moment that it lapses, before that is recorded."""
    expires_at: dt.datetime | None = None
    """Of a hold: when it lapses by itself."""
    resolved_by: TransferId | None = None
    """Of a hold: the post, void or expiry that closed it; of one that has lapsed, once it is recorded."""
    reversed_amount: int = 0
    """How much of it reversals have taken back."""
    transaction: TransactionId | None = None
    """The journal entry that it belongs to."""


class TransferFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which transfers a list shows: those that meet every condition given."""

    account: AccountId | None = None
    """On either side."""
    recorded_from: dt.datetime | None = None
    """Recorded at this moment or later."""
    recorded_before: dt.datetime | None = None
    """Recorded before this moment."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata | None = None
    """Pairs that a transfer must have; it may have others beside."""
    kind: TransferKind | None = None
    group_seq: int | None = None
    """The linked group whose first seq is this one."""
    transaction: TransactionId | None = None
    """The journal entry whose transfers are wanted."""
    related: TransferId | None = None
    """What resolved this hold, or what reversed this transfer."""


async def get_transfer(
    connection: Connection, book_id: int, transfer: TransferId, *, now: dt.datetime
) -> TransferDetail:
    """The transfer that has this id, as it stands at `now`. Raises `InvalidId`, `TransferNotFound`."""
    uuid = ids.decode(ids.TRANSFER, transfer, field="transfer")
    cursor = await connection.execute(TRANSFER_BY_ID, {"book_id": book_id, "id": uuid, "now": now})
    row = await cursor.fetchone()
    if row is None:
        raise TransferNotFound("no transfer of this book has this id", field="transfer")
    return detail_of(row)


async def get_transaction(
    connection: Connection, book_id: int, transaction: TransactionId
) -> tuple[Transaction, tuple[Transfer, ...]]:
    """The journal entry that has this id, and the transfers that carry it, in order.

    Raises `InvalidId`, `TransactionNotFound`.
    """
    found = await _transaction(connection, book_id, transaction)
    values = {"book_id": book_id, "first": found.first_seq, "last": found.last_seq}
    rows = await (await connection.execute(_TRANSFERS_BETWEEN, values)).fetchall()
    return found, tuple(transfer_of(row) for row in rows)


async def list_transfers(
    connection: Connection,
    book_id: int,
    wanted: TransferFilter,
    *,
    now: dt.datetime,
    newest_first: bool = False,
    cursor: int | None = None,
    limit: int = 100,
) -> Page[TransferDetail]:
    """Transfers as they stand at `now`, in the order of their `seq` or against it, from behind `cursor` on.

    A seq is handed out under the book's lock and seen in order, so paging neither skips nor repeats a
    transfer while others are recorded. Raises `InvalidId`, `AccountNotFound`, `TransferNotFound`,
    `TransactionNotFound` for conditions that name what the book does not have.
    """
    check(1 <= limit <= ROWS_PER_PAGE_MAX, "a page has 1 to 1,000 rows")
    values = await _values(connection, book_id, wanted, now)
    if cursor is not None:
        _narrow(values, **({"before": cursor} if newest_first else {"after": cursor}))
    driver, conditions = _list_parts(wanted)
    direction = "desc" if newest_first else "asc"
    driver = driver.format(direction=direction, range="seq > %(after)s and seq < %(before)s")
    values |= {"limit": limit, "scan": SCAN_MAX if conditions else limit}
    statement = _LIST.format(driver=driver, direction=direction, conditions=conditions)
    rows = await (await connection.execute(statement, values)).fetchall()
    details = tuple(detail_of(row) for row in rows)
    if len(details) == limit:
        return Page(details, details[-1].transfer.seq)
    if not conditions:
        return Page(details, None)
    # The page is short: either the list is at its end, or the scan was cut off.
    last = "min" if newest_first else "max"
    statement = _SCANNED.format(driver=driver, direction=direction, last=last)
    counted = await (await connection.execute(statement, values)).fetchone()
    cut_off = counted is not None and counted[0] == SCAN_MAX
    return Page(details, counted[1] if counted is not None and cut_off else None)


def _list_parts(wanted: TransferFilter) -> tuple[str, str]:
    """What the list walks along, and the conditions that this leaves to be looked at row by row."""
    conditions = {
        "reference": "reference = %(reference)s",
        "metadata": "metadata @> %(metadata)s::jsonb",
        "account": "(debit_account_no = %(account_no)s or credit_account_no = %(account_no)s)",
        "code": "code = %(code)s",
        "related": "related_seq = %(related)s",
        "kind": "kind = %(kind)s",
    }
    conditions = {name: text for name, text in conditions.items() if getattr(wanted, name) not in (None, {})}
    base = f"select {BARE_COLUMNS} from ledger.transfer where book_id = %(book_id)s and {{range}}"
    if wanted.group_seq is not None or wanted.transaction is not None:
        driver = base  # the range of its seqs is all that is looked at
    elif "related" in conditions:
        driver = f"{base} and {conditions.pop('related')}"
    elif "reference" in conditions:
        driver = f"{base} and {conditions.pop('reference')}"
    elif "metadata" in conditions:
        driver = (
            f"select {BARE_COLUMNS} from ledger.transfer_metadata join ledger.transfer using (book_id, seq)"
            " where book_id = %(book_id)s and key = %(key)s and value = %(value)s and {range}"
        )
        if len(wanted.metadata or {}) == 1:
            del conditions["metadata"]
    elif "account" in conditions:
        driver = _OF_ACCOUNT
        del conditions["account"]
    elif "code" in conditions:
        driver = f"{base} and {conditions.pop('code')}"
    else:
        driver = base
    return driver, "".join(f"and {condition} " for condition in conditions.values())


async def _values(
    connection: Connection, book_id: int, wanted: TransferFilter, now: dt.datetime
) -> dict[str, Any]:
    """The parameters of a list; moments, ids and groups become numbers and ranges of `seq`."""
    pair = next(iter((wanted.metadata or {}).items()), ("", ""))
    values: dict[str, Any] = {
        "book_id": book_id,
        "now": now,
        "after": 0,
        "before": 2**63 - 1,
        "code": wanted.code,
        "reference": wanted.reference,
        "metadata": (to_json(wanted.metadata) or b"{}").decode(),
        "key": pair[0],
        "value": pair[1],
        "kind": None if wanted.kind is None else KIND_CODE[wanted.kind],
    }
    if wanted.account is not None:
        values["account_no"] = await account_number(connection, book_id, wanted.account)
    if wanted.related is not None:
        hold = await get_transfer(connection, book_id, wanted.related, now=now)
        values["related"] = hold.transfer.seq
    if wanted.recorded_from is not None:
        _narrow(values, after=await _seq_before(connection, book_id, wanted.recorded_from))
    if wanted.recorded_before is not None:
        _narrow(values, before=await _seq_before(connection, book_id, wanted.recorded_before) + 1)
    if wanted.transaction is not None:
        entry = await _transaction(connection, book_id, wanted.transaction)
        _narrow(values, after=entry.first_seq - 1, before=entry.last_seq + 1)
    if wanted.group_seq is not None:
        cursor = await connection.execute(_END_OF_GROUP, {"book_id": book_id, "group": wanted.group_seq})
        row = await cursor.fetchone()
        _narrow(values, after=wanted.group_seq - 1, before=0 if row is None or row[0] is None else row[0])
    return values


def _narrow(values: dict[str, Any], *, after: int = 0, before: int = 2**63 - 1) -> None:
    values["after"] = max(values["after"], after)
    values["before"] = min(values["before"], before)


async def _seq_before(connection: Connection, book_id: int, moment: dt.datetime) -> int:
    cursor = await connection.execute(_SEQ_BEFORE, {"book_id": book_id, "moment": moment})
    row = await cursor.fetchone()
    return 0 if row is None else row[0]


async def _transaction(connection: Connection, book_id: int, transaction: TransactionId) -> Transaction:
    uuid = ids.decode(ids.TRANSACTION, transaction, field="transaction")
    cursor = await connection.execute(TRANSACTION_BY_ID, {"book_id": book_id, "id": uuid})
    row = await cursor.fetchone()
    if row is None:
        raise TransactionNotFound("no journal entry of this book has this id", field="transaction")
    return transaction_of(row)


def detail_of(row: TupleRow) -> TransferDetail:
    """The detail of a row of `DETAIL_COLUMNS`."""
    state, expires_at, resolved_by, reversed_amount, transaction = row[26:31]
    return TransferDetail(
        transfer=transfer_of(row),
        state=None if state is None else HOLD_OF[state],
        expires_at=expires_at,
        resolved_by=None if resolved_by is None else TransferId(transfer_id(resolved_by)),
        reversed_amount=reversed_amount or 0,
        transaction=None if transaction is None else TransactionId(transaction_id(transaction)),
    )
