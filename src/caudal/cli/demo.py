"""`caudal demo`: a temporary deployment at work, to be watched; never yours."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console
from rich.text import Text

from caudal.cli.demo_live import Told, Watcher, watching
from caudal.cli.exits import Exit
from caudal.cli.frame import Call, command, group
from caudal.cli.terminal import table
from caudal.demo import Parameters, Report, page, run, tables

app = group("See it at work: a trading day in a minute, on a temporary deployment.")

HTML: Final = Path("caudal-demo-day.html")


@app.callback()
def _demo() -> None:
    """See it at work: a trading day in a minute, on a temporary deployment."""


@command(app, "day")
def day(
    call: Call,
    seconds: Annotated[float, typer.Option(min=2.0, max=3_600.0, help="How long the day takes.")] = 60.0,
    rate: Annotated[
        float,
        typer.Option(min=0.5, max=1_000.0, help="Payments a second at base load; the spike is ten times it."),
    ] = 12.0,
    processes: Annotated[
        int, typer.Option(min=1, max=4, help="So many processes serve the API, and so many work.")
    ] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is drawn.")] = 1,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help=f"The report as a page. (default: {HTML}; with --json none)"
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An empty directory to leave database and logs in.")
    ] = None,
) -> Exit:
    """A trading day over two hot accounts: a spike of ten times the base load, and a partner's outage.

    PostgreSQL, the API, workers and a sandbox of three partners are started in a temporary directory. Cards
    pay into one account, payouts leave the other; some callers send requests twice, calls to partners go
    wrong, and webhooks are delivered, signed and in order. In the middle the first card partner goes down,
    and routing sends its payments to the other. At the end every invariant must hold and the partners' book
    be ours to the cent; else the exit code is 1.
    """
    file = html if html is not None or call.terminal.as_json else HTML
    _require(file, keep)
    chosen = Parameters(seconds=seconds, rate=rate, processes=processes, seed=seed)
    with watching(call.terminal) as (watch, told):
        report = _carry_out(chosen, watch, told, keep)
    if file is not None:
        file.write_text(page(report), encoding="utf-8")
    call.terminal.answer(report, lambda out: _show(report, out))
    if file is not None and not call.terminal.as_json:
        call.terminal.note(f"With plots: {file}")
    return Exit.DONE if report.holds else Exit.REFUSED


def _require(file: Path | None, keep: Path | None) -> None:
    """Refuse what could not be written at the end, before the beginning."""
    if file is not None and not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{file.absolute().parent} is no directory", param_hint="--html")
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise typer.BadParameter(f"{keep} is no empty directory", param_hint="--keep")
        keep.mkdir(parents=True, exist_ok=True)


def _carry_out(chosen: Parameters, watch: Watcher, told: Told, keep: Path | None) -> Report:
    async def until_told() -> Report:
        task = asyncio.current_task()
        if task is not None:
            # As Ctrl-C does: everything is taken down before it ends.
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await run(chosen, watch, told, keep)

    try:
        return uvloop.run(until_told())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _show(report: Report, out: Console) -> None:
    for each in tables(report):
        out.print(Text(f"\n{each.title}", style="bold"))
        shown = table(*each.columns, right=each.right)
        for row in each.rows:
            shown.add_row(*(Text(value, style=_STYLES.get(value, "")) for value in row))
        out.print(shown)
        if each.note:
            out.print(Text(each.note, style="dim"))
    out.print()
    if report.holds:
        out.print(
            Text(
                f"All {len(report.invariants)} invariants hold: nothing was lost, nothing done twice, and "
                "the partners' book is ours to the cent.",
                "bold green",
            )
        )
    else:
        broken = ", ".join(each.name for each in report.invariants if not each.holds)
        out.print(Text(f"Broken: {broken}", "bold red"))


_STYLES: Final = {"holds": "green", "BROKEN": "bold red"}
