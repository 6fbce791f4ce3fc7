"""`caudal bench payments`: accepting them over HTTP until saturation and beyond, and to their end.

Rates rise until p99 is beyond its budget, something is shed or a queue grows; the highest rate that held is
then offered for longer. Latencies count from the moment when a request was due. Rules choose the partner of
each payment, features, rules and a model with a shadow decide on it, and an endpoint of the customer's hears
of everything in order. Without `caudal[models]` no model is asked, and `models` among the figures is 0.
"""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from caudal.bench import http_load, ledger_http, risk_model
from caudal.bench.open_load import Generator
from caudal.bench.payments_accepting import Accepting
from caudal.bench.payments_to_end import ToEnd
from caudal.bench.payments_world import HOT, SPREAD, PaymentsWorld, partners, sandbox_settings
from caudal.bench.processes import answers, free_port, running
from caudal.bench.report import Case, Progress, Report, machine
from caudal.bench.risk_world import FEATURES
from caudal.bench.world import temporary_server

NAME: Final = "payments"

CASES: Final = ("sustained", "sustained_half", "sustained_spread", "overload", "recovery", "end_to_end")


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure."""

    probe_s: float
    """Each rate on the way to saturation."""
    seconds: float
    """Each case of accepting."""
    to_end_s: float
    """Each rate to the end."""
    first_to_end: float
    """The first of these rates, in payments a second."""
    rates: int
    """At most so many are tried in each search."""
    step: float
    """From one of them to the next, as a factor."""
    connections: int
    """Of the load generator: as many requests may be under way."""
    decided: bool = True
    """Whether features, rules and models decide on each payment."""
    trees: int = risk_model.TREES
    """Of each model."""


FULL: Final = Size(
    probe_s=3.0, seconds=10.0, to_end_s=10.0, first_to_end=150.0, rates=9, step=1.1, connections=2_000
)
QUICK: Final = Size(
    probe_s=1.0, seconds=2.0, to_end_s=3.0, first_to_end=150.0, rates=4, step=1.25, connections=2_000
)

_CLIENTS: Final = 64
"""Who find out, each with one request at a time, near which rate saturation is."""

_START: Final = 0.6
"""Of what they reached: where the search begins."""

_WARM_UP: Final = 30.0
"""Payments a second, to begin with."""


async def run(size: Size, progress: Progress, api_processes: int = 1) -> Report:
    """Measure everything on a temporary server. Takes under a minute with `QUICK`, some four with `FULL`."""
    steps = _Steps(progress)
    models = await asyncio.to_thread(risk_model.prepare, FEATURES, size.trees) if size.decided else ()
    sink_port = free_port()
    sink = ("caudal.bench.webhook_sink", str(sink_port))
    with (
        temporary_server() as dsn,
        tempfile.TemporaryDirectory(prefix="caudal-bench-") as directory,
        running(sink, {}, lambda: answers(sink_port, "/")),
    ):
        hears = f"http://127.0.0.1:{sink_port}/"
        make = PaymentsWorld.make(dsn, Path(directory), hears, decided=size.decided, models=models)
        async with make as world:
            api_port, sandbox_port = free_port(), free_port()
            settings = {
                "CAUDAL_DATA_DIR": directory,
                "CAUDAL_PARTNERS": partners(sandbox_port),
                "CAUDAL_API_PROCESSES": str(api_processes),
            }
            with ledger_http.serving(dsn, api_port, **settings):
                floor = await ledger_http.floor(api_port, size.seconds / 2)
                async with Generator.connected(api_port, size.connections) as generator:
                    with _worker_and_sandbox(dsn, api_port, sandbox_port, settings):
                        to_end = ToEnd(world, generator, size.step, steps.tell("end_to_end"))
                        await to_end.at(_WARM_UP, size.probe_s)
                        end_to_end = await to_end.case(
                            await to_end.climb(size.first_to_end, size.to_end_s, size.rates), floor
                        )
                    accepting = await _accepting(world, generator, api_port, floor, size, steps)
            asked = {
                "models": float(len(models)), "scored_share": await risk_model.scored_share(world.world)
            }  # fmt: skip
    return Report(
        name=NAME,
        machine=machine(),
        floor={"http_requests_per_second": round(floor, 1)},
        # The share is that of all payments of the run.
        cases=[
            msgspec.structs.replace(each, figures={**each.figures, **asked})
            for each in (*accepting, end_to_end)
        ],
    )


async def _accepting(
    world: PaymentsWorld, generator: Generator, port: int, floor: float, size: Size, steps: "_Steps"
) -> list[Case]:
    """All cases in which nothing but accepting happens."""
    steps.tell("sustained")("how much there is room for")
    closed = await http_load.run(port, _CLIENTS, size.probe_s, _numbered(world.requests(HOT, "closed")), 201)
    start = _START * len(closed.seconds) / closed.elapsed
    cases = []
    accepting = Accepting(world, generator, floor, size.step, steps.tell("sustained"))
    rate, figures = await accepting.climb(accepting.through(HOT), start, size.probe_s, size.rates)
    rate, sustained = await accepting.sustained("sustained", HOT, rate, size.seconds, figures)
    cases.append(sustained)
    accepting.tell = steps.tell("sustained_half")
    _, half = await accepting.sustained("sustained_half", HOT, rate / 2, size.seconds, {})
    cases.append(half)
    accepting.tell = steps.tell("sustained_spread")
    spread_rate, figures = await accepting.climb(accepting.through(SPREAD), rate, size.probe_s, 3)
    _, spread = await accepting.sustained("sustained_spread", SPREAD, spread_rate, size.seconds, figures)
    cases.append(spread)
    accepting.tell = steps.tell("overload")
    return [*cases, *await accepting.overload(rate, size.seconds, size.seconds)]


def _numbered(make: Callable[[int], bytes]) -> Callable[[], bytes]:
    """The requests of `make`, one after the other."""
    numbers = itertools.count()
    return lambda: make(next(numbers))


@contextlib.contextmanager
def _worker_and_sandbox(
    dsn: str, api_port: int, sandbox_port: int, settings: dict[str, str]
) -> Iterator[None]:
    """The programs that see payments to their end."""
    sandbox = ("caudal_sandbox", "serve", "--port", str(sandbox_port))
    told = {"CAUDAL_SANDBOX_SETTINGS": sandbox_settings(api_port)}
    with (
        running(sandbox, told, lambda: answers(sandbox_port, "/control/health")),
        # It serves nobody, so nobody can ask it: the warm-up is what waits for it.
        running(("caudal", "worker"), {"CAUDAL_DATABASE_URL": dsn, **settings}, lambda: True),
    ):
        yield


class _Steps:
    """Counts the cases for the progress that people see."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done: list[str] = []

    def tell(self, case: str) -> Callable[[str], None]:
        """What is done for a case, in words."""

        def told(what: str) -> None:
            if case not in self._done:
                self._done.append(case)
            self._progress(f"{case}: {what}", len(self._done) - 1, len(CASES) - 1)

        return told
