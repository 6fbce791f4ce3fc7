"""`caudal analytics`: volume, approval, fraud, loss and cohorts, with plots."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import opening
from caudal.cli.exits import Exit
from caudal.cli.extras import require_models
from caudal.cli.frame import Call, command, single
from caudal.cli.options import BookOption, moment_of
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import money, table

if TYPE_CHECKING:
    from caudal.analytics import Report

app = single()


@command(app)
def analytics(
    call: Call,
    what: Annotated[
        str | None, typer.Argument(metavar="[WHAT]", help="volume, fraud, loss or cohorts. (default: all)")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="A page with plots, of one file.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="PERIOD", help="day, week or month. (default: as the span is long)")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Payments from then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Payments before then.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    lake: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", file_okay=False, help="Of an export, not of the database."),
    ] = None,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Say what became of payments: volume, approval and fraud in basis points, loss, cohorts of customers.

    Fraud and loss count in the period of the payment, as far as they are known by now: recent periods grow.
    """
    require_models()
    from caudal import analytics as room

    if what is not None and what not in room.SECTIONS:
        raise typer.BadParameter(", ".join(room.SECTIONS), param_hint="WHAT")
    if by is not None and by not in {each.value for each in room.By}:
        raise typer.BadParameter("day, week or month", param_hint="--by")
    if html is not None and not html.absolute().parent.is_dir():
        raise typer.BadParameter(f"{html.absolute().parent} is no directory", param_hint="--html")
    bounds = {"since": moment_of(since, field="since"), "until": moment_of(until, field="until")}
    sections = room.SECTIONS if what is None else (what,)
    chosen = None if by is None else room.By(by)
    with contextlib.ExitStack() as stack:
        where = lake if lake is not None else stack.enter_context(opening.dsn(call))
        report = room.report_of(where, book=book, sections=sections, by=chosen, currency=currency, **bounds)
    if html is not None:
        html.write_text(room.page(report), encoding="utf-8")
    call.terminal.answer(report, lambda out: _show(report, out))
    if html is not None and not call.terminal.as_json:
        call.terminal.note(f"With plots: {html}")
    return Exit.DONE


def _show(report: "Report", out: Console) -> None:
    shown = False
    for name in ("volume", "fraud", "loss", "cohorts"):
        rows = getattr(report, name)
        if rows:
            shown = True
            columns = [field.name for field in msgspec.structs.fields(rows[0])]
            right = [each for each in columns if each not in {"period", "currency", "kind", "month"}]
            made = table(*columns, right=right)
            for row in rows:
                made.add_row(*(_cell(row, each) for each in columns))
            out.print(Text(f"\n{name.capitalize()}", "bold"))
            out.print(made)
    if not shown:
        out.print("No payments.")


def _cell(row: Any, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return "-"
    if name in {"amount", "succeeded_amount", "fraud_amount", "disputed", "lost", "dispute_fees", "refunded"}:
        return money(value, row.currency).rpartition(" ")[0]
    return f"{value:,}" if isinstance(value, int | float) else str(value)
