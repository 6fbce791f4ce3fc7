"""`caudal bench`: measures on a temporary database, never on yours."""

import asyncio
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from caudal.bench import Report, ledger, payments, risk, webhooks
from caudal.cli.bench_models import bench_models
from caudal.cli.frame import Call, command, group
from caudal.cli.terminal import table

app = group("Measure how fast this machine runs it, on a temporary database.")


@app.callback()
def _bench() -> None:
    """Measure how fast this machine runs it, on a temporary database."""


@command(app, "ledger")
def bench_ledger(
    call: Call,
    quick: Annotated[bool, typer.Option("--quick", help="Under a minute, and coarser.")] = False,
) -> None:
    """Uploads, holds, single transfers over HTTP, balances of the past and statements.

    Ratios are to the floor of the same run: of uploads to a plain COPY of the same rows, of HTTP to a path
    that does nothing, of reads to those of a history of a hundredth of the length (a tenth with --quick).
    """
    with call.terminal.progress() as progress:
        report = asyncio.run(ledger.run(ledger.QUICK if quick else ledger.FULL, progress))
    call.terminal.answer(report, lambda out: _show(report, out))


command(app, "models")(bench_models)


@command(app, "payments")
def bench_payments(
    call: Call,
    quick: Annotated[bool, typer.Option("--quick", help="Under a minute, and coarser.")] = False,
    api_processes: Annotated[
        int, typer.Option("--api-processes", min=1, max=64, help="Processes that serve the API.")
    ] = 1,
) -> None:
    """Payments accepted over HTTP, at rising rates, at three times what holds, and after; and to their end.

    A rate holds as long as everything is accepted, p99 is below 100 ms and no queue grows. To the end, with
    worker and sandbox, it holds as long as jobs do not grow older and all payments have ended 10 seconds
    after the load. Features, rules and a LightGBM model with a shadow decide on each; without caudal[models]
    no model is asked, and `models` is 0. The load generator's own CPU is reported. Ratios are to a path that
    does nothing.
    """
    size = payments.QUICK if quick else payments.FULL
    with call.terminal.progress() as progress:
        report = uvloop.run(payments.run(size, progress, api_processes))
    call.terminal.answer(report, lambda out: _show(report, out))


@command(app, "risk")
def bench_risk(
    call: Call,
    quick: Annotated[bool, typer.Option("--quick", help="Under a minute, on shorter histories.")] = False,
) -> None:
    """Decisions in process, by stage, on histories of 10^5 and 10^7 events, with a hot key; and over HTTP.

    Features, rules and a LightGBM model with a shadow decide; without caudal[models] none is asked, and
    `models` is 0. In process the commit is left out; `http` is a payment a request: the rate that holds, and
    the latencies at half of it.
    """
    with call.terminal.progress() as progress:
        report = uvloop.run(risk.run(risk.QUICK if quick else risk.FULL, progress))
    call.terminal.answer(report, lambda out: _show(report, out))


@command(app, "webhooks")
def bench_webhooks(
    call: Call,
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute, and coarser.")] = False,
) -> None:
    """Webhooks to a local sink: in any order, in the order of each object, and beside a dead endpoint.

    Latencies are from an event's commit to the sink's answer. Ratios are to what the same HTTP client posts
    to the same sink without a database; `kept` is the share of its rate that an endpoint keeps beside a dead
    one.
    """
    with call.terminal.progress() as progress:
        report = uvloop.run(webhooks.run(webhooks.QUICK if quick else webhooks.FULL, progress))
    call.terminal.answer(report, lambda out: _show(report, out))


def _show(report: Report, out: Console) -> None:
    out.print(report.machine)
    for name, figure in report.floor.items():
        out.print(f"floor: {name.replace('_', ' ')} {figure:,.0f}")
    columns = ("per second", "p50 ms", "p99 ms", "ratio to floor")
    figures = table("case", *columns, right=columns)
    for each in report.cases:
        figures.add_row(
            each.case,
            _figure(each.per_second, 0),
            _figure(each.p50_ms, 2),
            _figure(each.p99_ms, 2),
            _figure(each.ratio_to_floor, 2),
        )
    out.print(figures)
    for each in report.cases:
        if each.figures:
            told = "; ".join(f"{name.replace('_', ' ')} {figure:,g}" for name, figure in each.figures.items())
            out.print(f"{each.case}: {told}")


def _figure(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"
