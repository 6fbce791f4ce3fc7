"""`caudal bench risk`: decisions in process and over HTTP, on short and on long histories, with a hot key.

A decision's features, rules, model, shadow and record are all there. Its history is written straight into the
tables of features, since making it by decisions would take hours; what deciding reads of it is the same.
Without `caudal[models]` no model is asked, and `models` among the figures is 0.
"""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

import msgspec

from caudal.access import Scope
from caudal.bench import http_load, ledger_http, risk_model
from caudal.bench.climbing import Climb
from caudal.bench.open_load import Generator
from caudal.bench.processes import free_port
from caudal.bench.report import Case, Progress, Report, machine, percentile
from caudal.bench.risk_world import FEATURES, RiskWorld
from caudal.bench.world import World, temporary_server
from caudal.models import Prepared
from caudal_base.collector import spare_the_collector
from caudal_base.decide import Subject
from caudal_base.statements import execute

NAME: Final = "risk"
CASES: Final = ("decide", "decide_hot", "decide_batch", "http")


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure."""

    histories: tuple[int, ...]
    """Events of history, rising."""
    decisions: int
    """Of each case in process."""
    seconds: float
    """Of each rate over HTTP."""
    rates: int
    trees: int = risk_model.TREES
    """Of each model."""


FULL: Final = Size(histories=(100_000, 10_000_000), decisions=2_000, seconds=10.0, rates=8)
QUICK: Final = Size(histories=(10_000, 100_000), decisions=300, seconds=2.0, rates=3)

BATCH: Final = 100
STEP: Final = 1.25
_START: Final = 0.6
_CLIENTS: Final = 64
_CONNECTIONS: Final = 1_000


async def run(size: Size, progress: Progress) -> Report:
    """Measure everything on a temporary server. Under a minute with `QUICK`, some ten with `FULL`."""
    models = await asyncio.to_thread(risk_model.prepare, FEATURES, size.trees)
    spare_the_collector()  # as every program of ours does
    steps = len(size.histories) * 3 + 1
    done = itertools.count()
    cases: dict[str, Case] = {}
    with temporary_server() as dsn:
        for events in size.histories:
            async with _history(dsn, events, models, progress, steps) as world:
                for case, batch, hot in _IN_PROCESS:
                    progress(f"{case} on {events:,} events", next(done), steps)
                    made = await _in_process(world, case, size.decisions, batch=batch, hot=hot)
                    cases[case] = _with_shorter(made, cases.get(case), size.histories[0])
    progress("http", steps - 1, steps)
    floor, http = await _over_http(size, models)
    return Report(
        name=NAME, machine=machine(), floor={"http_requests_per_second": round(floor, 1)},
        cases=[*cases.values(), http],
    )  # fmt: skip


_IN_PROCESS: Final = (("decide", 1, False), ("decide_hot", 1, True), ("decide_batch", BATCH, False))


@contextlib.asynccontextmanager
async def _history(
    dsn: str, events: int, models: Sequence[Prepared], progress: Progress, steps: int
) -> AsyncIterator[RiskWorld]:
    async with World.on(dsn, f"history-{events}") as world:
        made = RiskWorld(world)
        progress(f"a history of {events:,} events", 0, steps)
        await made.prepare(events, models)
        yield made


async def _in_process(world: RiskWorld, name: str, decisions: int, *, batch: int, hot: bool) -> Case:
    """Decide batch after batch, each in its own transaction, as payments do."""
    stages: dict[str, list[float]] = {"read": [], "decide": [], "write": [], "in_all": []}
    rounds = max(20, decisions // batch)
    began, asked, scored = time.perf_counter(), world.asked(), 0
    for number in range(-10, rounds):
        seconds, with_score = await _batch(world, world.subjects(batch, hot=hot))
        if number >= 0:
            scored += with_score
            for stage, each in zip(stages, (*seconds, sum(seconds)), strict=True):
                stages[stage].append(each)
        else:
            began, asked = time.perf_counter(), world.asked()
    elapsed = time.perf_counter() - began
    ordered = {stage: sorted(each) for stage, each in stages.items()}
    figures = {
        f"{stage}_{p}_ms": round(percentile(ordered[stage], share) * 1e3, 3)
        for stage in ("read", "decide", "write")
        for p, share in (("p50", 0.5), ("p99", 0.99))
    }
    times, took_s = (now - then for now, then in zip(world.asked(), asked, strict=True))
    figures |= {
        "models": round(times / (rounds * batch), 2), "scored_share": round(scored / (rounds * batch), 4),
        "model_us": round(took_s / times * 1e6, 2) if times else 0.0,
    }  # fmt: skip
    return Case(
        case=name, per_second=round(rounds * batch / elapsed, 1),
        p50_ms=round(percentile(ordered["in_all"], 0.5) * 1e3, 3),
        p99_ms=round(percentile(ordered["in_all"], 0.99) * 1e3, 3), ratio_to_floor=None, figures=figures,
    )  # fmt: skip


async def _batch(world: RiskWorld, subjects: Sequence[Subject]) -> tuple[tuple[float, float, float], int]:
    """Seconds to read what a batch needs, to decide, and to write what came of it; the commit is left out.

    And on how many of it a model's score decided.
    """
    async with world.database.transaction() as connection:
        async with connection.pipeline():
            load = await world.ledger.begin(connection, world.book_id, ())
            await load.finish()
        began = time.perf_counter()
        async with connection.pipeline():
            batch = await world.decider.begin(connection, world.book_id, subjects)
        await batch.ready(world.clock.now())
        read = time.perf_counter()
        made = []
        for subject in subjects:
            decision = batch.decide(subject)
            batch.recorded(subject, decision)
            made.append(decision)
        decided = time.perf_counter()
        await execute(connection, batch.writes())
        written = time.perf_counter()
    scored = sum(batch.kept(decision)[0].decided.score is not None for decision in made)
    return (read - began, decided - read, written - decided), scored


def _with_shorter(made: Case, shorter: Case | None, events: int) -> Case:
    """The case of the longer history, beside the figures of the shorter."""
    if shorter is None:
        return made
    before = {f"p50_ms_at_{events}": shorter.p50_ms or 0.0, f"p99_ms_at_{events}": shorter.p99_ms or 0.0}
    return msgspec.structs.replace(made, figures={**made.figures, **before})


async def _over_http(size: Size, models: Sequence[Prepared]) -> tuple[float, Case]:
    """Decisions on payments elsewhere, a request each: the highest rate that holds, and p99 at half of it."""
    with temporary_server() as dsn, tempfile.TemporaryDirectory(prefix="caudal-bench-") as directory:
        async with World.on(dsn, "http") as world:
            made = RiskWorld(world)
            await made.prepare(size.histories[0], models)
            key = await ledger_http.issue_key(world, Scope.RISK_WRITE)
            with ledger_http.serving(dsn, free_port(), CAUDAL_DATA_DIR=directory) as port:
                floor = await ledger_http.floor(port, size.seconds / 2)
                numbers, make = itertools.count(), made.requests(key, "closed")
                closed = await http_load.run(
                    port, _CLIENTS, size.seconds / 2, lambda: make(next(numbers)), 201
                )
                async with Generator.connected(port, _CONNECTIONS) as generator:
                    climb = Climb(generator, floor, STEP, _silence)
                    named = partial(made.requests, key)
                    start = _START * len(closed.seconds) / closed.elapsed
                    rate, figures = await climb.climb(named, start, size.seconds / 2, size.rates)
                    half = await climb.at(named, rate / 2, size.seconds)
            scored = await risk_model.scored_share(world)
    figures = {
        "sustained_per_second": round(rate, 1), "cpu_api_us": round(half.cpu.get("api", 0.0), 1),
        "cpu_postgres_us": round(half.cpu.get("postgres", 0.0), 1), "models": float(len(models)),
        "scored_share": scored, **figures,
    }  # fmt: skip
    return floor, climb.case("http", rate, half.p50_s, half.p99_s, figures)


def _silence(_: str) -> None:
    """Nobody asks which rate it is at."""
