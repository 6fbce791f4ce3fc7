"""`caudal simulate fraud`: payments with fraud in them, as a file for models and rules."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from caudal.cli.exits import Exit
from caudal.cli.extras import require_models
from caudal.cli.frame import Call, command
from caudal.cli.options import moment_of
from caudal.cli.terminal import facts

if TYPE_CHECKING:
    from caudal.fraud_simulation import History


def register(app: typer.Typer) -> None:
    """Make it a command of `caudal simulate`."""
    command(app, "fraud")(fraud)


def fraud(
    call: Call,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to: a .csv or .parquet file.")
    ],
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
) -> Exit:
    """Write the payments of a simulated world with fraud in it, labelled.

    Customers pay at terminals near them and online; terminals, cards and accounts fall into wrong hands;
    reports of it come late, or never. The same options give the same file, byte for byte.
    """
    require_models()
    from caudal.fraud_simulation import Columns, World, refuse_file, simulate, write

    if columns not in {each.value for each in Columns}:
        raise typer.BadParameter("`caudal` or `handbook`", param_hint="--columns")
    refuse_file(out)
    begun = moment_of(start, field="start") or dt.datetime.now(dt.UTC)
    world = World(
        days=days, customers=customers, terminals=terminals, seed=seed, fraud=frauds, drift=drift, begun=begun
    )
    with call.terminal.progress() as progress:
        progress("payments are drawn", 0, 0)
        history = simulate(world)
        write(history, out, Columns(columns), lambda done: progress("rows are written", done, len(history)))
    told = _told(history, out)
    call.terminal.answer(told, lambda console: _show(told, console))
    return Exit.DONE


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
