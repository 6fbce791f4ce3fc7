"""Statements of an account: what stood at the start, what came and went, what stands at the end.

By *recording*, a statement covers what was recorded on its days and runs in the order of the journal; its
past never changes. By *value*, it covers what has value on its days and runs in that order, as far as was
known when it was opened. Either way it shows what moved the posted balance: holds stand among the entries.
Each statement's closing balance is the opening one of the next.
"""

import datetime as dt
import enum
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from caudal.ledger.balances import end_of, net, start_of
from caudal.ledger.errors import StatementDaysReversed
from caudal.ledger.queries_balances import balances_at_seq, seq_at, two_balances_at_effective
from caudal.ledger.queries_entries import Entry, posted_entries
from caudal.ledger.queries_values import ValueStreams
from caudal.ledger.types import Account, Side
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.money import format_decimal

ROWS_PER_FETCH: Final = 500
"""How many rows a long statement asks the database for at once; who reads a page asks for as many."""

_MICROSECOND: Final = dt.timedelta(microseconds=1)


class Basis(enum.Enum):
    """By which of its two orders a book is told."""

    RECORDED = "recorded"
    EFFECTIVE = "effective"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The frame of a statement. Balances are posted ones in minor units; days are UTC's, both included."""

    account: Account
    basis: Basis
    from_day: dt.date
    through_day: dt.date
    opening_debits: int
    opening_credits: int
    closing_debits: int
    closing_credits: int
    after_seq: int
    """Of the basis RECORDED: the last seq before its days."""
    through_seq: int
    """The last seq that it takes into account: what is recorded later is not in it."""

    @property
    def opening_balance(self) -> int:
        """The posted balance before the first day: positive on the account's normal side."""
        return net(self.account.normal_side, self.opening_debits, self.opening_credits)

    @property
    def closing_balance(self) -> int:
        """The posted balance at the end of the last day."""
        return net(self.account.normal_side, self.closing_debits, self.closing_credits)


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, with the posted balance after it in the statement's own order."""

    entry: Entry
    debits: int
    credits: int

    @property
    def balance(self) -> int:
        """The posted balance after it: positive on the account's normal side."""
        return net(self.entry.normal_side, self.debits, self.credits)


async def open_statement(
    connection: Connection,
    book_id: int,
    account: Account,
    *,
    from_day: dt.date,
    through_day: dt.date,
    basis: Basis = Basis.RECORDED,
) -> Statement:
    """The statement's frame: its opening and closing balances, of one state of the book.

    Raises `StatementDaysReversed` where it would end before it starts.
    """
    if through_day < from_day:
        raise StatementDaysReversed("a statement ends on the day it starts, or later", field="through")
    if basis is Basis.EFFECTIVE:
        opening, closing = await two_balances_at_effective(
            connection, book_id, account.id, _before(from_day), end_of(through_day)
        )
        after_seq, through_seq = 0, closing.seq
        sums = (
            opening.debits_posted,
            opening.credits_posted,
            closing.debits_posted,
            closing.credits_posted,
        )
    else:
        after_seq = await seq_at(connection, book_id, _before(from_day))
        through_seq = await seq_at(connection, book_id, end_of(through_day))
        first, last = await balances_at_seq(
            connection, book_id, [(account.id, after_seq), (account.id, through_seq)]
        )
        sums = (first.debits_posted, first.credits_posted, last.debits_posted, last.credits_posted)
    return Statement(
        account=account,
        basis=basis,
        from_day=from_day,
        through_day=through_day,
        opening_debits=sums[0],
        opening_credits=sums[1],
        closing_debits=sums[2],
        closing_credits=sums[3],
        after_seq=after_seq,
        through_seq=through_seq,
    )


def _before(day: dt.date) -> dt.datetime:
    """The last moment before a day; of the first day that there is, its own start."""
    return start_of(day) - _MICROSECOND if day > dt.date.min else start_of(day)


async def statement_lines(
    connection: Connection, book_id: int, statement: Statement, *, rows_per_fetch: int = ROWS_PER_FETCH
) -> AsyncIterator[StatementLine]:
    """The statement's lines in its order, fetched `rows_per_fetch` at a time, however many there are.

    They add up to the closing balance, also where transfers are recorded meanwhile: the journal only grows,
    and what it grows by is left out.
    """
    debits, credits = statement.opening_debits, statement.opening_credits
    if statement.basis is Basis.RECORDED:
        entries = _recorded(connection, book_id, statement, rows_per_fetch)
    else:
        entries = ValueStreams(
            book_id,
            statement.account,
            value_from=start_of(statement.from_day),
            value_through=end_of(statement.through_day),
            through_seq=statement.through_seq,
            rows_per_fetch=rows_per_fetch,
        ).merged(connection)
    async for entry in entries:
        if entry.side is Side.DEBIT:
            debits += entry.amount
        else:
            credits += entry.amount
        yield StatementLine(entry=entry, debits=debits, credits=credits)
    check(
        (debits, credits) == (statement.closing_debits, statement.closing_credits),
        "a statement's lines add up to its closing balance",
    )


async def _recorded(
    connection: Connection, book_id: int, statement: Statement, rows_per_fetch: int
) -> AsyncIterator[Entry]:
    after = statement.after_seq
    while True:
        rows = await posted_entries(
            connection,
            book_id,
            statement.account,
            after=after,
            through=statement.through_seq,
            limit=rows_per_fetch,
        )
        for row in rows:
            yield row
        if len(rows) < rows_per_fetch:
            return
        after = rows[-1].seq


CSV_COLUMNS: Final = (
    "type", "seq", "transfer", "recorded_at", "effective_at", "kind", "side", "amount_minor", "amount",
    "balance_minor", "balance", "currency", "counterparty", "code", "reference",
)  # fmt: skip


async def csv_rows(
    statement: Statement, lines: AsyncIterator[StatementLine]
) -> AsyncIterator[tuple[str, ...]]:
    """A statement as the rows of a table: names, opening balance, entries, closing balance.

    Amounts stand twice, in minor units and as decimals. Balances are positive on the normal side. To be
    written by `csv.writer`, which quotes what needs it.
    """
    account = statement.account
    yield CSV_COLUMNS
    yield _balance_row("opening", start_of(statement.from_day), statement.opening_balance, account)
    async for line in lines:
        entry, transfer, currency = line.entry, line.entry.transfer, line.entry.transfer.currency
        other = transfer.credit_account if entry.side is Side.DEBIT else transfer.debit_account
        yield (
            "entry", str(entry.seq), transfer.id, _time(transfer.recorded_at), _time(entry.value_at),
            transfer.kind.value, entry.side.value, str(entry.amount), format_decimal(entry.amount, currency),
            str(line.balance), format_decimal(line.balance, currency), currency,
            other, transfer.code or "", transfer.reference or "",
        )  # fmt: skip
    yield _balance_row("closing", end_of(statement.through_day), statement.closing_balance, account)


def _balance_row(type_: str, at: dt.datetime, balance: int, account: Account) -> tuple[str, ...]:
    empty = ""
    return (
        type_, empty, empty, empty, _time(at), empty, empty, empty, empty,
        str(balance), format_decimal(balance, account.currency), account.currency, empty, empty, empty,
    )  # fmt: skip


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
