"""`caudal ledger import` and `caudal ledger compare`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from caudal import audit
from caudal import imports as importing
from caudal.cli.frame import group
from caudal.cli.operator import PRINCIPAL, Operator, on_database
from caudal.cli.options import BookOption
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import Report
from caudal.imports import ImportReport, Lot, OnError, Target
from caudal.ledger import BookInfo, Ledger
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

imports = group("Import opening balances and transactions. Safe to stop, and to repeat.")
compare = group("Compare the ledger with what a bank's files state.")

DirectoryArgument = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="The folder of the bank's CSV files.")
]
SampleOption = Annotated[
    bool, typer.Option("--sample", help="Take the small sample bank that comes with Caudal.")
]
SkipOption = Annotated[
    bool, typer.Option("--skip-errors", help="Leave out rows that cannot be imported. (default: stop)")
]


@on_database(imports, "csv")
async def import_csv(
    operator: Operator,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file.")],
    description: Annotated[
        Path, typer.Option(metavar="TOML", help="What its columns mean; see docs/guides/imports.md.")
    ],
    skip_errors: SkipOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Import a CSV file that a description in TOML explains."""
    found = await operator.book(book)
    described = importing.load(description)
    with operator.terminal.progress() as report:
        target = _target(operator, found, report, skip_errors=skip_errors)
        done = await importing.import_csv(target, file, described)
    _show(operator, done)


@on_database(imports, "berka")
async def import_berka(
    operator: Operator,
    directory: DirectoryArgument = None,
    sample: SampleOption = False,
    skip_errors: SkipOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Import the files of a real Czech bank: each transaction at its own date, overdrafts as they were.

    Can be stopped and run again: what is there already is left as it is.
    """
    found = await operator.book(book)
    files = _directory(directory, sample=sample)
    with operator.terminal.progress() as report:
        done = await importing.import_berka(_target(operator, found, report, skip_errors=skip_errors), files)
    _show(operator, done)


@on_database(compare, "berka")
async def compare_berka(
    operator: Operator,
    directory: DirectoryArgument = None,
    sample: SampleOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Hold our balance of each account and day against the one that the bank's files state."""
    found = await operator.book(book)
    files = _directory(directory, sample=sample)
    with operator.terminal.progress() as report:
        compared = await importing.compare_berka(
            operator.database,
            found.book_id,
            files,
            progress=lambda done, total: report("account-days", done, total or 0),
        )
    operator.terminal.answer(
        msgspec.to_builtins(compared), lambda out: out.print(Text(importing.render(compared)))
    )


def _directory(given: Path | None, *, sample: bool) -> Path:
    if (given is not None) == sample:
        raise InvalidRequest("name the folder of the files, or --sample", field="directory")
    return importing.SAMPLE if given is None else given


def _target(operator: Operator, book: BookInfo, report: Report, *, skip_errors: bool) -> Target:
    async def record(connection: Connection, lot: Lot) -> None:
        made = audit.Record(
            book_id=lot.book_id,
            at=operator.clock.now(),
            principal=PRINCIPAL,
            action="ledger.import",
            object_id=book.id,
            request_id=operator.request_id,
            result="done",
            details={
                "file": lot.file,
                "first_line": lot.first_line,
                "last_line": lot.last_line,
                "created": lot.created,
                "existing": lot.existing,
                "accounts_opened": lot.accounts_opened,
            },
        )
        await audit.append(connection, [made])

    return Target(
        database=operator.database,
        ledger=Ledger(operator.clock),
        book_id=book.book_id,
        on_error=OnError.SKIP if skip_errors else OnError.STOP,
        progress=lambda done, total: report("rows", done, total or 0),
        after_lot=record,
    )


def _show(operator: Operator, done: ImportReport) -> None:
    def show(out: Console) -> None:
        out.print(
            f"{done.rows:,} rows are in the ledger: {done.created:,} imported now, "
            f"{done.existing:,} were there. {done.accounts_opened:,} accounts opened."
        )
        if done.skipped:
            out.print(Text(f"{done.skipped:,} rows were left out. The first ones:", "bold red"))
            for error in done.errors:
                out.print(Text(f"  {error.text()}"))

    operator.terminal.answer(msgspec.to_builtins(done), show)
