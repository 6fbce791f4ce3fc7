"""`caudal simulate`: runs of a temporary deployment in which everything goes wrong, never on yours."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caudal.cli import simulate_fraud
from caudal.cli.exits import Exit
from caudal.cli.frame import Call, command, group
from caudal.cli.terminal import facts
from caudal.simulation import Parameters, Report, simulate_payments

app = group("Prove on a temporary deployment that nothing is lost or done twice; draw payments with fraud.")
simulate_fraud.register(app)


@app.callback()
def _simulate() -> None:
    """Prove on a temporary deployment that nothing is lost or done twice; draw payments with fraud."""


@command(app, "payments")
def simulate(
    call: Call,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything that is drawn.")] = 1,
    payments: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 2_000,
    clients: Annotated[int, typer.Option(min=1, max=512, help="Callers at once.")] = 64,
    kills: Annotated[
        int | None, typer.Option(min=0, max=1_000, help="How often a process is killed. (default: by size)")
    ] = None,
    faults: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="Multiplies the rates of what goes wrong at partners.")
    ] = 1.0,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An empty directory to leave database and logs in.")
    ] = None,
) -> Exit:
    """Callers that retry, partners that misbehave, and the API, the worker and PostgreSQL killed at random.

    Afterwards every invariant must hold, and the partners' book be ours to the cent; else the exit code is
    1. The same seed draws the same payments, faults and kills again; processes that are killed in real time
    interleave anew each time.
    """
    chosen = Parameters(
        seed=seed,
        payments=payments,
        clients=clients,
        kills=max(1, payments // 250) if kills is None else kills,
        faults=faults,
    )
    with call.terminal.progress() as progress:
        report = asyncio.run(simulate_payments(chosen, progress, keep))
    call.terminal.answer(report, lambda out: _show(report, out))
    return Exit.DONE if report.holds else Exit.REFUSED


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} for {name}" for name, count in counts.items()) or "none"


def _sent(report: Report) -> str:
    sent = report.deliveries
    return f"{sent['received']}, {sent['arrived']} arrived, {sent['repeated']} again"


def _show(report: Report, out: Console) -> None:
    out.print(
        facts(
            [
                ("seed", report.seed),
                ("payments", report.payments),
                ("outcomes", report.outcomes),
                ("requests", f"{report.requests} sent {report.sent} times, {report.unanswered} unanswered"),
                ("webhooks sent", _sent(report)),
                ("kills", report.kills),
                ("routes", report.routes),
                ("elsewhere", f"{report.reroutes} payments; tried again: {_counts(report.retries)}"),
                ("outages", ", ".join(report.outages) or "none"),
                ("double effects", str(report.double_effects)),
                ("lost", str(report.lost)),
                ("seconds", report.seconds),
            ]
        )
    )
    if report.holds:
        out.print(Text("Every invariant holds, and the partners' book is ours to the cent.", "bold green"))
        return
    for finding in report.invariants_broken:
        out.print(Text(f"{finding.invariant}: broken {finding.count} times", "bold red"))
        for example in finding.examples:
            out.print(f"  {example}")
    again = report.parameters
    out.print(
        f"\nTo see it again: caudal simulate payments --seed {again.seed} --payments {again.payments} "
        f"--clients {again.clients} --kills {again.kills} --faults {again.faults:g}"
    )
