"""`caudal accounts`: lists, balances, entries, statements."""

import csv
import datetime as dt
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from caudal import ledger
from caudal.cli import shapes
from caudal.cli.finding import find_account
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    AccountArgument,
    AfterOption,
    BookOption,
    LimitOption,
    MetadataOption,
    day_of,
    metadata_of,
    moment_of,
    number_of,
)
from caudal.cli.paging import collect, more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, money, table, when
from caudal.ledger import Account, AccountFilter, AccountStatus, Basis, Entry, StatementLine
from caudal_base.errors import InvalidRequest

Show = Callable[[Console, Account], None]


def register(app: typer.Typer, show_account: Show) -> None:
    """Add the commands that read accounts to `app`."""

    @on_database(app, "show")
    async def show(operator: Operator, account: AccountArgument, book: BookOption = FIRST_BOOK) -> None:
        """Show an account as it stands now; holds that are due are left out."""
        found = await find_account(operator, await operator.book(book), account)
        operator.terminal.answer(shapes.account(found), lambda out: show_account(out, found))

    for name, function in (
        ("list", list_),
        ("balance", balance),
        ("entries", entries),
        ("statement", statement),
    ):
        on_database(app, name)(function)


async def list_(
    operator: Operator,
    code: Annotated[str | None, typer.Option(help="Only those of this chart code.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only the one with this reference.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only those in this currency.")] = None,
    status: Annotated[AccountStatus | None, typer.Option(help="Only those that stand so.")] = None,
    metadata: MetadataOption = None,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List accounts in the order of their opening, with their balances."""
    found = await operator.book(book)
    wanted = AccountFilter(
        code=code, reference=reference, currency=currency, status=status, metadata=metadata_of(metadata)
    )
    now = operator.clock.now()

    async def page(cursor: int | None, size: int) -> ledger.Page[Account]:
        async with operator.database.connection() as connection:
            return await ledger.list_accounts(
                connection, found.book_id, wanted, now=now, after=cursor or 0, limit=size
            )

    rows, cursor = await collect(page, after=number_of(after), limit=limit)

    def show(out: Console) -> None:
        shown = table("account", "reference", "code", "side", "status", "balance", right=("balance",))
        for row in rows:
            shown.add_row(
                row.id,
                row.reference,
                row.code,
                row.normal_side.value,
                row.status.value,
                money(shapes.posted(row), row.currency),
            )
        out.print(shown if rows else "No accounts.")
        more(out, cursor)

    operator.terminal.answer({"data": [shapes.account(row) for row in rows], "next_cursor": cursor}, show)


async def balance(
    operator: Operator,
    account: AccountArgument,
    at_seq: Annotated[
        int | None, typer.Option(min=0, help="After this transfer or event of the book.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="By all that had been recorded at this time.")
    ] = None,
    effective: Annotated[
        str | None, typer.Option(metavar="TIME", help="By all that has value up to this time (or day).")
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Show an account's balance: now, after a seq, at a recorded time, or at an effective time."""
    if sum(choice is not None for choice in (at_seq, at, effective)) > 1:
        raise InvalidRequest("name one moment: --at-seq, --at or --effective")
    found = await operator.book(book)
    identity = (await find_account(operator, found, account)).id
    book_id = found.book_id
    async with operator.database.connection() as connection:
        if effective is not None:
            value = await ledger.balance_at_effective(connection, book_id, identity, _end_of(effective))
            rows = [
                ("account", value.account),
                ("effective at", value.effective_at),
                ("balance", money(value.posted, value.currency)),
            ]
            operator.terminal.answer(shapes.value_balance(value), lambda out: out.print(facts(rows)))
            return
        moment = moment_of(at, field="at")
        if at_seq is not None:
            stand = await ledger.balance_at_seq(connection, book_id, identity, at_seq)
        elif moment is not None:
            stand = await ledger.balance_at_recorded(connection, book_id, identity, moment)
        else:
            stand = await ledger.balance_now(connection, book_id, identity, now=operator.clock.now())
    rows = [
        ("account", stand.account),
        ("balance", money(stand.posted, stand.currency)),
        ("available", money(stand.available, stand.currency)),
        ("seq", stand.seq),
    ]
    operator.terminal.answer(shapes.balance(stand), lambda out: out.print(facts(rows)))


def _end_of(text: str) -> dt.datetime:
    """A moment; of a day its end."""
    if len(text) == len("2026-01-31"):
        return ledger.end_of(day_of(text, field="effective"))
    moment = moment_of(text, field="effective")
    return moment or ledger.end_of(dt.date.max)


async def entries(
    operator: Operator,
    account: AccountArgument,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List an account's entries in the order of recording, with the balance after each."""
    found = await operator.book(book)
    subject = await find_account(operator, found, account)

    async def page(cursor: int | None, size: int) -> ledger.Page[Entry]:
        async with operator.database.connection() as connection:
            return await ledger.list_entries(
                connection, found.book_id, subject, newest_first=newest, cursor=cursor, limit=size
            )

    rows, cursor = await collect(page, after=number_of(after), limit=limit)

    def show(out: Console) -> None:
        shown = table(
            "seq", "recorded", "value", "kind", "debit", "credit", "balance", "transfer",
            right=("seq", "debit", "credit", "balance"),
        )  # fmt: skip
        for row in rows:
            moved = money(row.transfer.amount, row.transfer.currency)
            debit, credit = (moved, "") if row.side is ledger.Side.DEBIT else ("", moved)
            value = row.transfer.effective_at
            shown.add_row(
                str(row.seq), when(row.transfer.recorded_at), cell(value), row.transfer.kind.value,
                debit, credit, money(row.balance, row.transfer.currency), row.transfer.id,
            )  # fmt: skip
        out.print(shown if rows else "No entries.")
        more(out, cursor)

    operator.terminal.answer({"data": [shapes.entry(row) for row in rows], "next_cursor": cursor}, show)


async def statement(
    operator: Operator,
    account: AccountArgument,
    from_day: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day (UTC).")],
    through: Annotated[str, typer.Option(metavar="DAY", help="The last day (UTC), included.")],
    basis: Annotated[
        Basis, typer.Option("--by", help="In the order of recording, or of effective dates.")
    ] = Basis.RECORDED,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print it as CSV.")] = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Print an account's statement over days: opening balance, entries, closing balance."""
    found = await operator.book(book)
    subject = await find_account(operator, found, account)
    days = day_of(from_day, field="from"), day_of(through, field="through")
    async with operator.database.snapshot() as connection:
        frame = await ledger.open_statement(
            connection, found.book_id, subject, from_day=days[0], through_day=days[1], basis=basis
        )
        lines = ledger.statement_lines(connection, found.book_id, frame)
        if as_csv and not operator.terminal.as_json:
            writer = csv.writer(sys.stdout)
            async for row in ledger.csv_rows(frame, lines):
                writer.writerow(row)
            return
        kept = [line async for line in lines]
    _print_statement(operator, frame, kept)


def _print_statement(operator: Operator, frame: ledger.Statement, lines: list[StatementLine]) -> None:
    currency = frame.account.currency

    def show(out: Console) -> None:
        shown = table("value", "kind", "debit", "credit", "balance", right=("debit", "credit", "balance"))
        shown.add_row(str(frame.from_day), "opening", "", "", money(frame.opening_balance, currency))
        for line in lines:
            moved = money(line.entry.amount, currency)
            debit, credit = (moved, "") if line.entry.side is ledger.Side.DEBIT else ("", moved)
            at = line.entry.value_at if frame.basis is Basis.EFFECTIVE else line.entry.transfer.recorded_at
            shown.add_row(
                when(at), line.entry.transfer.kind.value, debit, credit, money(line.balance, currency)
            )
        shown.add_row(str(frame.through_day), "closing", "", "", money(frame.closing_balance, currency))
        out.print(shown)

    data = {
        "account": frame.account.id,
        "currency": currency,
        "by": frame.basis.value,
        "from": frame.from_day,
        "through": frame.through_day,
        "opening_balance": frame.opening_balance,
        "closing_balance": frame.closing_balance,
        "entries": [{**shapes.entry(line.entry), "balance": line.balance} for line in lines],
    }
    operator.terminal.answer(data, show)
