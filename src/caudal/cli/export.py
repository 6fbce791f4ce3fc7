"""`caudal export`: what the database knows, as Parquet."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from caudal.cli.exits import Exit
from caudal.cli.extras import require_models
from caudal.cli.frame import single
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import BookOption
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import facts

if TYPE_CHECKING:
    from caudal.analytics import Exported

app = single()

_NICE: Final = 10
"""Whatever else runs on the machine goes first."""


@on_database(app)
async def export(
    operator: Operator,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", file_okay=False, help="Where to: a new directory, or an export."
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted.")] = False,
    every: Annotated[
        float, typer.Option(min=1.0, max=86_400.0, help="With --follow: seconds between two looks.")
    ] = 60.0,
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="How much of the time it may keep the database busy.")
    ] = 0.5,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Write the ledger, payments, decisions and features' events of a book as Parquet.

    Run again, it goes on where it ended: each row is there once, whatever was killed where. Names, addresses
    and free text are not in it; addresses of the internet and devices are tokens. Payments go first: it
    rests between pages.
    """
    require_models()
    from caudal import analytics

    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{out} is no directory", param_hint="--out")
    os.nice(_NICE)
    found = await operator.book(book)
    while True:
        with operator.terminal.progress() as progress:
            report = await analytics.export(
                operator.database, found, out, share=share, told=lambda what, rows: progress(what, rows, 0)
            )
        if report.steps or not follow:
            operator.terminal.answer(report, lambda console, told=report: _show(told, console))  # type: ignore[misc]
        if not follow:
            return Exit.DONE
        await asyncio.sleep(every)


def _show(report: "Exported", out: Console) -> None:
    rows = ", ".join(f"{name} {count:,}" for name, count in report.rows.items())
    out.print(facts([("book", report.book), ("new rows", rows or "none"), ("seconds", report.seconds)]))
