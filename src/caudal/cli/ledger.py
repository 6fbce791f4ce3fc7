"""`caudal ledger`: books, journal entries, templates, checks, periods, imports."""

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caudal import audit, ledger
from caudal.cli import ledger_entries, ledger_imports, shapes
from caudal.cli.exits import Exit
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import (
    DEFAULT_LIMIT,
    BookOption,
    LimitOption,
    YesOption,
    day_of,
    moment_of,
    number_of,
)
from caudal.cli.setup import FIRST_BOOK, make_book
from caudal.cli.terminal import facts, money, table, when
from caudal.ledger import AccountEvent, BookInfo, BookMode, Moment
from caudal_base.errors import InvalidRequest

app = group("Books, journal entries, templates, checks, periods, imports.")
books = group("Books: sets of accounts that balance together.")
app.add_typer(books, name="books")
app.add_typer(ledger_imports.imports, name="import")
app.add_typer(ledger_imports.compare, name="compare")
ledger_entries.register(app)


@on_database(books, "create")
async def create_book(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, - and _.")],
    mode: Annotated[BookMode, typer.Option(help="Whether its money is real.")] = BookMode.TEST,
) -> None:
    """Make a book. It cannot be renamed or removed."""
    async with operator.database.transaction() as connection:
        made = await make_book(
            connection, name=name, mode=mode, new_ids=operator.ids, request_id=operator.request_id
        )
    rows = [("book", made.id), ("name", made.name), ("mode", made.mode.value)]
    operator.terminal.answer(_book(made), lambda out: out.print(facts(rows)))


@on_database(books, "list")
async def list_books(operator: Operator) -> None:
    """List all books."""
    async with operator.database.connection() as connection:
        found = await ledger.list_books(connection)

    def show(out: Console) -> None:
        shown = table("book", "name", "mode", "created")
        for book in found:
            shown.add_row(book.id, book.name, book.mode.value, when(book.created_at))
        out.print(shown)

    operator.terminal.answer({"data": [_book(book) for book in found]}, show)


def _book(book: BookInfo) -> shapes.Shape:
    return {
        "id": book.id,
        "name": book.name,
        "mode": book.mode.value,
        "created_at": book.created_at,
    }


@on_database(app, "check")
async def check(
    operator: Operator,
    book: Annotated[
        str | None, typer.Option("--book", metavar="NAME", help="Only this book. (default: all)")
    ] = None,
) -> Exit:
    """Prove every invariant of the ledger over the whole database; exit code 1 where one does not hold.

    What is kept beside the journal is computed again from the journal alone, and compared.
    """
    chosen = None if book is None else [await operator.book(book)]
    steps = 0
    with operator.terminal.progress() as report:

        def tell(name: str, invariant: str) -> None:
            nonlocal steps
            report(f"{name}: {invariant}", steps, total)
            steps += 1

        async with operator.database.snapshot() as connection:
            count = len(chosen or await ledger.list_books(connection))
            total = count * len(ledger.INVARIANTS)
            findings = await ledger.check(connection, chosen, progress=tell)
    data = {
        "ok": not findings,
        "books": count,
        "invariants": len(ledger.INVARIANTS),
        "findings": [
            {"invariant": finding.invariant, "book": finding.book, "rows": list(finding.rows)}
            for finding in findings
        ],
    }

    def show(out: Console) -> None:
        if not findings:
            out.print(f"All {len(ledger.INVARIANTS)} invariants hold in {_counted(count, 'book')}.")
        for finding in findings:
            out.print(Text(f"{finding.invariant} does not hold in {finding.book}:", "bold red"))
            for row in finding.rows:
                out.print(Text("  " + "  ".join(f"{name}={value}" for name, value in row.items())))

    operator.terminal.answer(data, show)
    return Exit.REFUSED if findings else Exit.DONE


@on_database(app, "trial-balance")
async def trial_balance(
    operator: Operator,
    at_seq: Annotated[int | None, typer.Option(min=0, help="After this seq of the book.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="By all that had been recorded at this time.")
    ] = None,
    effective: Annotated[
        str | None, typer.Option(metavar="DAY", help="By all that has value up to the end of this day.")
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Sum the accounts by chart code and currency; exit code 1 where debits and credits differ."""
    found = await operator.book(book)
    moment = _moment(at_seq, at, effective) or ledger.Now(operator.clock.now())
    async with operator.database.snapshot() as connection:
        balance = await ledger.trial_balance(connection, found.book_id, moment)
    data = {
        "seq": balance.seq,
        "balanced": balance.balanced,
        "data": [
            {
                "code": row.code,
                "currency": row.currency,
                "accounts": row.accounts,
                **shapes.counters(row.counters),
            }
            for row in balance.rows
        ],
        "totals": {currency: shapes.counters(total) for currency, total in balance.totals.items()},
    }

    def show(out: Console) -> None:
        numbers = ("accounts", "debits", "credits", "pending debits", "pending credits")
        shown = table("code", *numbers, right=numbers)
        for row in balance.rows:
            shown.add_row(row.code or "-", f"{row.accounts:,}", *_four(row.counters, row.currency))
        for currency, total in balance.totals.items():
            shown.add_row("total", "", *_four(total, currency), style="bold")
        out.print(shown if balance.rows else "No accounts have been touched.")
        if not balance.balanced:
            out.print(Text("Debits and credits differ: run `caudal ledger check`.", "bold red"))

    operator.terminal.answer(data, show)
    return Exit.DONE if balance.balanced else Exit.REFUSED


def _moment(at_seq: int | None, at: str | None, effective: str | None) -> Moment | None:
    if sum(choice is not None for choice in (at_seq, at, effective)) > 1:
        raise InvalidRequest("name one moment: --at-seq, --at or --effective")
    if at_seq is not None:
        return ledger.AtSeq(at_seq)
    moment = moment_of(at, field="at")
    if moment is not None:
        return ledger.AtRecorded(moment)
    return None if effective is None else ledger.AtEffectiveDay(day_of(effective, field="effective"))


def _four(found: ledger.Counters, currency: str) -> tuple[str, str, str, str]:
    return (
        money(found.debits_posted, currency),
        money(found.credits_posted, currency),
        money(found.debits_pending, currency),
        money(found.credits_pending, currency),
    )


@on_database(app, "close-period")
async def close_period(
    operator: Operator,
    through: Annotated[str, typer.Argument(metavar="DAY", help="The last day that is closed (UTC).")],
    yes: YesOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Close the book through a day: nothing can then be recorded with an effective date up to it.

    It cannot be taken back; callers with the scope for it may still record into a closed period.
    """
    found = await operator.book(book)
    day = day_of(through, field="through")
    operator.terminal.confirm(f"Close the book {found.name} through {day}? It stays closed.", yes=yes)
    async with operator.database.transaction() as connection:
        period = await ledger.close_period(
            connection, found.book_id, day, closed_by=PRINCIPAL, clock=operator.clock
        )
        record = audit.Record(
            book_id=found.book_id,
            at=period.closed_at,
            principal=PRINCIPAL,
            action="period.close",
            object_id=str(day),
            request_id=operator.request_id,
            result="closed",
        )
        await audit.append(connection, [record])
    operator.terminal.answer(
        _period(period), lambda out: out.print(f"Closed through {day}, at seq {period.at_seq:,}.")
    )


@on_database(app, "periods")
async def periods(
    operator: Operator, limit: LimitOption = DEFAULT_LIMIT, book: BookOption = FIRST_BOOK
) -> None:
    """List the period closes, the latest first."""
    found = await operator.book(book)
    async with operator.database.connection() as connection:
        rows = await ledger.list_periods(connection, found.book_id, limit=min(limit, 1_000))

    def show(out: Console) -> None:
        shown = table("closed through", "closed", "by", "at seq", right=("at seq",))
        for row in rows:
            shown.add_row(str(row.closed_through), when(row.closed_at), row.closed_by, f"{row.at_seq:,}")
        out.print(shown if rows else "No period is closed.")

    operator.terminal.answer({"data": [_period(row) for row in rows]}, show)


def _period(period: ledger.Period) -> shapes.Shape:
    return {
        "closed_through": period.closed_through,
        "closed_at": period.closed_at,
        "closed_by": period.closed_by,
        "at_seq": period.at_seq,
    }


@on_database(app, "journal")
async def journal(
    operator: Operator,
    after: Annotated[
        str, typer.Option(metavar="SEQ", help="Go on behind this seq; 0 is the beginning.")
    ] = "0",
    limit: LimitOption = DEFAULT_LIMIT,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Print a book's journal in the order of its seq: every transfer, and what happened to accounts."""
    found = await operator.book(book)
    rows: list[ledger.JournalRow] = []
    seq = number_of(after) or 0
    while True:
        async with operator.database.connection() as connection:
            stretch = await ledger.read_journal(
                connection, found.book_id, after=seq, limit=min(limit - len(rows), 1_000)
            )
        rows += stretch.rows
        if not stretch.rows or len(rows) >= limit:
            break
        seq = stretch.rows[-1].seq

    def show(out: Console) -> None:
        shown = table("seq", "recorded", "kind", "amount", "debit", "credit", right=("seq", "amount"))
        for row in rows:
            shown.add_row(str(row.seq), when(row.recorded_at), row.kind.value, *_columns(row))
        out.print(shown if rows else "Nothing.")
        if rows and rows[-1].seq < stretch.head:
            out.print(Text(f"There is more: --after {rows[-1].seq} (the last is {stretch.head})", "dim"))

    operator.terminal.answer({"data": [_journal_row(row) for row in rows], "head": stretch.head}, show)


def _columns(row: ledger.JournalRow) -> tuple[str, str, str]:
    if isinstance(row, AccountEvent):
        return "", row.account, ""
    return money(row.amount, row.currency), row.debit_account, row.credit_account


def _journal_row(row: ledger.JournalRow) -> shapes.Shape:
    if isinstance(row, AccountEvent):
        return {"type": "account_event", **shapes.account_event(row)}
    return {"type": "transfer", **shapes.transfer(row)}


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
