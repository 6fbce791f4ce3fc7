"""`caudal simulate fraud`: payments with fraud in them, as a file for models and rules."""

import asyncio
import datetime as dt
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal.cli.exits import Exit
from caudal.cli.extras import require_models
from caudal.cli.frame import Call, command
from caudal.cli.options import moment_of
from caudal.cli.terminal import Report, facts
from caudal_base.errors import CaudalError as Error
from caudal_base.errors import InvalidRequest

if TYPE_CHECKING:
    from caudal.fraud_simulation import History


class LiveFailed(Error):
    """The API cannot be reached, or does not let the simulation begin."""

    code = "live_failed"
    status = 409
    title = "The book cannot be paid into"


def register(app: typer.Typer) -> None:
    """Make it a command of `caudal simulate`."""
    command(app, "fraud")(fraud)


def fraud(
    call: Call,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to: a .csv or .parquet file."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Pay through the API of a running book instead: a test book.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=3_660, help="How long it goes on.")] = 90,
    customers: Annotated[int, typer.Option(min=1, help="Who pay.")] = 1_000,
    terminals: Annotated[int, typer.Option(min=2, help="Where they pay; every seventh is online.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is drawn.")] = 1,
    frauds: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Multiplies how often somebody becomes a victim.")
    ] = 1.0,
    drift: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much the ways of fraud change until the end.")
    ] = 0.5,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="When it begins: 2026-01-31, or with a time.")
    ] = "2026-01-01",
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="`caudal`, or `handbook` as the Fraud Detection Handbook has them."
        ),
    ] = "caudal",
    url: Annotated[str, typer.Option(help="With --live: the API.")] = "http://127.0.0.1:8000",
    speed: Annotated[
        float, typer.Option(min=1.0, max=1_000_000.0, help="With --live: so many seconds in one.")
    ] = 3_600.0,
    partner: Annotated[
        str | None, typer.Option(help="With --live: who charges the cards. (default: by the book's rules)")
    ] = None,
) -> Exit:
    """Draw the payments of a simulated world with fraud in it, labelled: into a file, or into a running book.

    Customers pay at terminals near them and online; terminals, cards and accounts fall into wrong hands;
    reports of it come late, or never. The same options give the same file, byte for byte. With --live the
    API is called with the key in CAUDAL_API_KEY; payments come in their order, 3,600 times as fast as life.
    """
    require_models()
    _require(out, columns, live=live)
    from caudal.fraud_simulation import Columns, World, simulate, write

    begun = moment_of(start, field="start") or dt.datetime.now(dt.UTC)
    world = World(
        days=days, customers=customers, terminals=terminals, seed=seed, fraud=frauds, drift=drift, begun=begun
    )
    with call.terminal.progress() as progress:
        progress("payments are drawn", 0, 0)
        history = simulate(world)
        if out is not None:
            write(
                history, out, Columns(columns), lambda done: progress("rows are written", done, len(history))
            )
            told = _told(history, out)
        else:
            told = asyncio.run(_drive(history, url, speed, partner, progress))
    call.terminal.answer(told, lambda console: _show(told, console))
    return Exit.DONE


def _require(out: Path | None, columns: str, *, live: bool) -> None:
    """Refuse at the beginning what could not be done at the end."""
    from caudal.fraud_simulation import Columns, refuse_file

    if columns not in {each.value for each in Columns}:
        raise typer.BadParameter("`caudal` or `handbook`", param_hint="--columns")
    if (out is None) != live:
        raise typer.BadParameter("either this, or --live", param_hint="--out")
    if out is not None:
        refuse_file(out)


async def _drive(
    history: "History", url: str, speed: float, partner: str | None, progress: Report
) -> dict[str, Any]:
    """Let them pay. Of each run the references are others."""
    from caudal.client import Caudal, CaudalError
    from caudal.fraud_simulation import drive

    key = os.environ.get("CAUDAL_API_KEY")
    if not key:
        raise InvalidRequest("set CAUDAL_API_KEY to a key of a test book", field="CAUDAL_API_KEY")
    try:
        async with Caudal(url, key) as caudal:
            driven = await drive(
                history, caudal, speed=speed, partner=partner, name=f"sim-{secrets.token_hex(4)}",
                told=lambda done, of: progress("payments and labels", done, of),
            )  # fmt: skip
    except (CaudalError, ValueError) as error:
        raise LiveFailed(str(error)) from None
    return msgspec.structs.asdict(driven)


def _told(history: "History", out: Path) -> dict[str, Any]:
    from caudal.fraud_simulation import Scenario

    frauds = int(history.fraud.sum())
    return {
        "file": str(out),
        "transactions": len(history),
        "frauds": frauds,
        "fraud_bp": round(10_000 * frauds / len(history), 1) if len(history) else None,
        "reported": int((history.labelled_us >= 0).sum()),
        "scenarios": {
            each.name.lower(): int((history.scenario == each).sum())
            for each in Scenario
            if each is not Scenario.NONE
        },
    }


def _show(told: dict[str, Any], out: Console) -> None:
    out.print(facts(list(told.items())))
