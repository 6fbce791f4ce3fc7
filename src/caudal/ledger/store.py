"""What a batch reads: the book's lock, and of the book what the commands refer to.

All statements of a load travel in one pipelined round trip. Each has a snapshot of its own (READ COMMITTED),
so those behind the lock see everything that the last writer of the book committed.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.ledger.book import Book, Reversed
from caudal.ledger.codes import HOLD_OF, STATUS_OF, account_id, transaction_id, transfer_id
from caudal.ledger.errors import BookNotFound
from caudal.ledger.needs import AccountDirectory, Identity, Needs
from caudal.ledger.rows import (
    ACCOUNT_COLUMNS,
    TRANSACTION_COLUMNS,
    TRANSFER_COLUMNS,
    TRANSFER_JOINS,
    account_of,
    transaction_of,
    transfer_of,
)
from caudal.ledger.types import (
    Account,
    AccountId,
    Hold,
    Transfer,
)
from caudal_base import arrays
from caudal_base.database import Connection

Cursor = AsyncCursor[TupleRow]

LOCK_BOOK: Final = """
select seq, recorded_at, next_account_no, closed_through
  from ledger.book_head
 where book_id = %(book_id)s
   for no key update
"""

READ_BOOK: Final = """
select seq, recorded_at, next_account_no, closed_through
  from ledger.book_head
 where book_id = %(book_id)s
"""

_TRANSFERS_BY_ID: Final = f"""
select {TRANSFER_COLUMNS},
       h.state, h.expires_at, h.resolved_seq, v.amount
  from ledger.transfer t
{TRANSFER_JOINS}
  left join ledger.hold h
    on h.book_id = t.book_id and h.seq = t.seq
  left join ledger.reversal v
    on v.book_id = t.book_id and v.original_seq = t.seq
 where t.book_id = %(book_id)s
   and t.id = any(%(ids)s)
"""

# Which of the ids are taken or burned: of a batch of fresh ones none, so that no more is read for them.
_TAKEN_IDS: Final = """
select id, null::text, false
  from ledger.transfer
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 union all
select id, reason, is_transaction
  from ledger.refusal
 where book_id = %(book_id)s
   and id = any(%(ids)s)
"""

_TRANSACTIONS_BY_ID: Final = f"""
select {TRANSACTION_COLUMNS}
  from ledger.transaction
 where book_id = %(book_id)s
   and id = any(%(ids)s)
"""

_ACCOUNTS_BY_ID: Final = f"""
select {ACCOUNT_COLUMNS}
  from ledger.account a
  join ledger.account_state s
    on s.book_id = a.book_id and s.account_no = a.account_no
 where a.book_id = %(book_id)s
   and a.id = any(%(ids)s)
"""

_STATES_BY_NO: Final = """
select account_no, status, debits_posted, credits_posted, debits_pending, credits_pending,
       max_net_debit, max_net_credit, version, next_expiry
  from ledger.account_state
 where book_id = %(book_id)s
   and account_no = any(%(numbers)s)
"""

_ACCOUNTS_OF_TRANSFERS: Final = f"""
select {ACCOUNT_COLUMNS}
  from (select distinct unnest(array[debit_account_no, credit_account_no]) as account_no
          from ledger.transfer
         where book_id = %(book_id)s
           and id = any(%(ids)s)) n
  join ledger.account a
    on a.book_id = %(book_id)s and a.account_no = n.account_no
  join ledger.account_state s
    on s.book_id = a.book_id and s.account_no = a.account_no
"""

_ACCOUNTS_BY_REFERENCE: Final = f"""
select {ACCOUNT_COLUMNS}
  from ledger.account a
  join ledger.account_state s
    on s.book_id = a.book_id and s.account_no = a.account_no
 where a.book_id = %(book_id)s
   and a.reference = any(%(references)s)
"""

_OPENINGS: Final = """
select a.id, e.max_net_debit, e.max_net_credit
  from ledger.account a
  join ledger.account_event e
    on e.book_id = a.book_id and e.seq = a.opened_seq
 where a.book_id = %(book_id)s
   and a.id = any(%(ids)s)
"""

_DUE_HOLDS: Final = f"""
select {TRANSFER_COLUMNS},
       h.state, h.expires_at, h.resolved_seq, null::bigint
  from ledger.transfer t
{TRANSFER_JOINS}
  join (select seq, state, expires_at, resolved_seq
          from ledger.hold
         where book_id = %(book_id)s
           and debit_account_no = any(%(numbers)s)
           and state = 1
           and expires_at <= %(now)s
         union
        select seq, state, expires_at, resolved_seq
          from ledger.hold
         where book_id = %(book_id)s
           and credit_account_no = any(%(numbers)s)
           and state = 1
           and expires_at <= %(now)s) h
    on h.seq = t.seq
 where t.book_id = %(book_id)s
"""

_OLDEST_DUE_HOLDS: Final = f"""
select {TRANSFER_COLUMNS},
       h.state, h.expires_at, h.resolved_seq, null::bigint
  from (select seq, state, expires_at, resolved_seq
          from ledger.hold
         where book_id = %(book_id)s
           and state = 1
           and expires_at <= %(now)s
         order by expires_at, seq
         limit %(limit)s) h
  join ledger.transfer t
    on t.book_id = %(book_id)s and t.seq = h.seq
{TRANSFER_JOINS}
"""

# The earliest expiry that is left to an account once all that is due has lapsed.
_NEXT_EXPIRIES: Final = """
select n.account_no,
       least((select min(expires_at)
                from ledger.hold
               where book_id = %(book_id)s
                 and debit_account_no = n.account_no
                 and state = 1
                 and expires_at > %(now)s),
             (select min(expires_at)
                from ledger.hold
               where book_id = %(book_id)s
                 and credit_account_no = n.account_no
                 and state = 1
                 and expires_at > %(now)s))
  from unnest(%(numbers)s) as n(account_no)
"""


class Load:
    """The queued statements of a load, whose answers `finish` collects."""

    def __init__(self, book_id: int, needs: Needs, directory: AccountDirectory) -> None:
        """Prepare to load what `needs` names."""
        self._book_id = book_id
        self._needs = needs
        self._directory = directory
        self._identities: dict[int, tuple[AccountId, Identity]] = {}
        self._unknown: list[AccountId] = list(needs.whole)
        self._cursors: dict[str, Cursor] = {}

    async def queue(self, connection: Connection, *, lock: bool, book: Book | None = None) -> None:
        """Send the statements; inside a pipeline this does not wait. `book`: add to what it has already."""
        self._connection = connection
        self._book = book
        needs, parameters = self._needs, {"book_id": self._book_id}
        values: dict[str, Any]
        if book is None:
            self._cursors["head"] = await connection.execute(LOCK_BOOK if lock else READ_BOOK, parameters)
        own, referenced = needs.transfer_ids + needs.transaction_ids, needs.referenced_ids
        if own:
            values = {**parameters, "ids": arrays.hex_uuids(own)}
            self._cursors["taken"] = await connection.execute(_TAKEN_IDS, values)
        # Meanwhile the server waits for the lock and looks the ids up.
        self._recall()
        uuids: list[tuple[str, str, Sequence[str]]] = [
            ("transfers", _TRANSFERS_BY_ID, referenced),
            ("transactions", _TRANSACTIONS_BY_ID, needs.transaction_ids),
            ("of_transfers", _ACCOUNTS_OF_TRANSFERS, referenced),
            ("accounts", _ACCOUNTS_BY_ID, self._unknown),
            ("openings", _OPENINGS, needs.opened),
        ]
        for name, statement, ids in uuids:
            if ids:
                values = {**parameters, "ids": arrays.hex_uuids(ids)}
                self._cursors[name] = await connection.execute(statement, values)
        if self._identities:
            values = {**parameters, "numbers": arrays.integers(list(self._identities))}
            self._cursors["states"] = await connection.execute(_STATES_BY_NO, values)
        if needs.references:
            values = {**parameters, "references": arrays.texts(list(needs.references))}
            self._cursors["by_reference"] = await connection.execute(_ACCOUNTS_BY_REFERENCE, values)

    def _recall(self) -> None:
        """Tell the accounts whose identities this process knows from the others."""
        known = self._directory.of_book(self._book_id)
        for account in self._needs.accounts - self._needs.whole:
            identity = known.get(account)
            if identity is None:
                self._unknown.append(account)
            else:
                self._identities[identity.no] = (account, identity)

    async def finish(self) -> Book:
        """The book as the statements found it. Raises `BookNotFound`."""
        book = self._book or await self._head()
        for row in await self._rows("transfers"):
            add_transfer(book, row)
        taken: list[UUID] = []
        for id_, reason, is_transaction in await self._rows("taken"):
            if reason is None:
                taken.append(id_)
            else:
                book.refused_ids[transaction_id(id_) if is_transaction else transfer_id(id_)] = reason
        if taken:
            await self._add_taken(book, taken)
        for row in await self._rows("transactions"):
            transaction = transaction_of(row)
            book.transactions[transaction.id] = transaction
        for row in await self._rows("states"):
            account_name, identity = self._identities[row[0]]
            book.accounts[account_name] = Account(
                no=row[0], id=account_name, currency=identity.currency, normal_side=identity.normal_side,
                status=STATUS_OF[row[1]], debits_posted=row[2], credits_posted=row[3], debits_pending=row[4],
                credits_pending=row[5], max_net_debit=row[6], max_net_credit=row[7], version=row[8],
                next_expiry=row[9], kept=identity.kept,
            )  # fmt: skip
        shown = [
            add_account_row(book, row)
            for name in ("accounts", "of_transfers", "by_reference")
            for row in await self._rows(name)
        ]
        self._directory.remember(self._book_id, shown)
        for row in await self._rows("openings"):
            book.openings[AccountId(account_id(row[0]))] = (row[1], row[2])
        return book

    async def _head(self) -> Book:
        head = await self._cursors["head"].fetchone()
        if head is None:
            raise BookNotFound("there is no such book")
        return Book(seq=head[0], recorded_at=head[1], next_account_no=head[2], closed_through=head[3])

    async def _add_taken(self, book: Book, taken: Sequence[UUID]) -> None:
        """Read the transfers that have the commands' own ids: repeats, and rare."""
        parameters = {"book_id": self._book_id, "ids": arrays.uuids(taken)}
        cursor = await self._connection.execute(_TRANSFERS_BY_ID, parameters)
        for row in await cursor.fetchall():
            add_transfer(book, row)

    async def _rows(self, name: str) -> list[TupleRow]:
        cursor = self._cursors.get(name)
        return [] if cursor is None else await cursor.fetchall()


async def load_references(
    connection: Connection, book_id: int, book: Book, references: Iterable[str]
) -> None:
    """Add the accounts that have these references to `book`."""
    cursor = await connection.execute(
        _ACCOUNTS_BY_REFERENCE, {"book_id": book_id, "references": arrays.texts(list(references))}
    )
    for row in await cursor.fetchall():
        add_account_row(book, row)


async def load_due_holds(
    connection: Connection, book_id: int, book: Book, accounts: Sequence[Account]
) -> None:
    """Add the due holds of `accounts` to `book`, with the accounts on their other sides.

    Also sets `next_expiry` of `accounts` to what is left once these holds have lapsed.
    """
    parameters = {
        "book_id": book_id,
        "numbers": arrays.integers([account.no for account in accounts]),
        "now": book.recorded_at,
    }
    cursor = await connection.execute(_DUE_HOLDS, parameters)
    await _add_holds(connection, book_id, book, await cursor.fetchall())
    cursor = await connection.execute(_NEXT_EXPIRIES, parameters)
    following: dict[int, dt.datetime | None] = dict(await cursor.fetchall())
    for account in accounts:
        account.next_expiry = following[account.no]
    book.rechecked += accounts


async def load_oldest_due_holds(connection: Connection, book_id: int, book: Book, limit: int) -> None:
    """Add the due holds that lapsed first to `book`, with their accounts."""
    parameters = {"book_id": book_id, "now": book.recorded_at, "limit": limit}
    cursor = await connection.execute(_OLDEST_DUE_HOLDS, parameters)
    await _add_holds(connection, book_id, book, await cursor.fetchall())


async def _add_holds(connection: Connection, book_id: int, book: Book, rows: Sequence[TupleRow]) -> None:
    for row in rows:
        add_transfer(book, row)
    cursor = await connection.execute(
        _ACCOUNTS_OF_TRANSFERS, {"book_id": book_id, "ids": arrays.uuids([row[1] for row in rows])}
    )
    for row in await cursor.fetchall():
        add_account_row(book, row)


def add_transfer(book: Book, row: TupleRow) -> Transfer:
    """Enter a row of a transfer with its hold's state and the amount reversed into `book`."""
    transfer = transfer_of(row)
    state, expires_at, resolved_seq, reversed_amount = row[26:30]
    if transfer.id not in book.transfers:
        book.transfers[transfer.id] = transfer
        if state is not None:
            book.holds[transfer.id] = Hold(
                seq=transfer.seq, id=transfer.id, debit_no=transfer.debit_no, credit_no=transfer.credit_no,
                amount=transfer.amount, expires_at=expires_at, state=HOLD_OF[state],
                resolved_seq=resolved_seq,
            )  # fmt: skip
        if reversed_amount is not None:
            book.reversals[transfer.id] = Reversed(original_seq=transfer.seq, amount=reversed_amount)
    return transfer


def add_account_row(book: Book, row: TupleRow) -> Account:
    """Enter an account into `book`, unless it is there."""
    account = account_of(row)
    if account.reference is not None:
        book.references[account.reference] = account.id
    return book.accounts.setdefault(account.id, account)
