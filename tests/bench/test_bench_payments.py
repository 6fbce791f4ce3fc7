"""`caudal bench payments`, as small as it goes: what it answers, and what its load generator counts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from caudal import models
from caudal.bench import payments
from caudal.bench.climbing import grows
from caudal.bench.http_load import LoadFailed, request
from caudal.bench.open_load import Generator, Offered, Sample
from caudal.bench.payments_accepting import recovered_at
from caudal.bench.payments_to_end import Run
from caudal.bench.payments_world import PaymentsWorld
from caudal.models import Prepared, Stage

TINY = payments.Size(
    probe_s=0.3,
    seconds=0.6,
    to_end_s=0.6,
    first_to_end=40.0,
    rates=1,
    step=1.2,
    connections=300,
    decided=False,
)


def sample(due: float, seconds: float = 0.01, status: int = 201) -> Sample:
    return Sample(0, due, seconds, status, status != 201)


async def test_every_case_is_measured_and_no_payment_is_lost_or_made_twice() -> None:
    told: list[str] = []
    report = await payments.run(TINY, lambda what, _done, _total: told.append(what))
    plain = msgspec.json.decode(msgspec.json.encode(report))
    cases = {case["case"]: case for case in plain["cases"]}
    assert list(cases) == list(payments.CASES)
    for case in cases.values():
        assert list(case) == ["case", "per_second", "p50_ms", "p99_ms", "ratio_to_floor", "figures"]
        if case["figures"].get("recovered_after_s") != TINY.seconds:  # else it did not, beside much else
            assert case["per_second"] > 0
            assert 0 < case["p50_ms"] <= case["p99_ms"]
        assert case["figures"]["generator_cores"] > 0
    assert list(plain["floor"]) == ["http_requests_per_second"]
    for name in ("overload", "recovery"):
        figures = cases[name]["figures"]
        assert figures["accepted"] > 0
        assert (figures["lost"], figures["double"]) == (0, 0)
    overload = cases["overload"]["figures"]
    assert (overload["shed_without_retry_after"], overload["shed_and_made"]) == (0, 0)
    assert cases["end_to_end"]["figures"]["succeeded"] > 0
    assert {what.partition(":")[0] for what in told} == set(payments.CASES) - {"recovery"}


async def test_a_champion_decides_on_its_payments_and_a_shadow_scores_them(
    dsn: str, tmp_path: Path, small_models: Sequence[Prepared]
) -> None:
    sink = "http://127.0.0.1:9/"
    async with (
        PaymentsWorld.make(dsn, tmp_path, sink, decided=True, models=small_models) as made,
        made.world.database.connection() as connection,
    ):
        found = await models.list_models(connection, made.world.book_id)

    assert {one.label: one.stage for one in found} == {"bench@1": Stage.CHAMPION, "bench@2": Stage.SHADOW}


# The load generator


@contextlib.asynccontextmanager
async def server(answer: Callable[[int], bytes | None], pause_s: float = 0.0) -> AsyncIterator[int]:
    """Answers the nth request with `answer(n)`, one at a time with a pause; None closes the connection."""
    count = 0
    turn = asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                async with turn:
                    if pause_s:
                        await asyncio.sleep(pause_s)
                    text = answer(count)
                    count += 1
                if text is None:
                    break
                writer.write(text)
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


def asked(_: int) -> bytes:
    return request("GET", "/", {}, b"")


CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
SHED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


async def test_requests_come_at_the_rate_that_was_set_and_each_is_answered_once() -> None:
    numbers: list[int] = []

    def make(number: int) -> bytes:
        numbers.append(number)
        return asked(number)

    async with server(lambda _: CREATED) as port, Generator.connected(port, 20) as generator:
        offered = await generator.offer(500.0, 1.0, make)
    assert numbers == list(range(len(numbers)))
    assert sorted(s.number for s in offered.samples) == numbers
    # A Poisson process of 500: seven standard deviations on either side.
    assert 500 - 7 * 22.4 < len(numbers) < 500 + 7 * 22.4
    assert {(s.status, s.says_when) for s in offered.samples} == {(201, False)}


async def test_what_a_request_waits_for_in_the_generator_counts() -> None:
    """One connection, and a server that takes 10 ms for each: of 200 a second most wait in the generator."""
    async with server(lambda _: CREATED, pause_s=0.01) as port, Generator.connected(port, 1) as generator:
        offered = await generator.offer(200.0, 0.5, asked)
    by_due = sorted(offered.samples, key=lambda s: s.due)
    assert by_due[-1].seconds > 0.2
    assert grows(offered)


async def test_a_request_that_was_shed_is_seen_with_its_word_when_to_come_back() -> None:
    async with (
        server(lambda n: SHED if n % 2 else CREATED) as port,
        Generator.connected(port, 5) as generator,
    ):
        offered = await generator.offer(300.0, 0.3, asked)
    shed = [s for s in offered.samples if s.status == 503]
    assert abs(2 * len(shed) - len(offered.samples)) <= 1
    assert all(s.says_when for s in shed)


async def test_a_connection_that_breaks_is_no_answer() -> None:
    async with (
        server(lambda n: None if n == 3 else CREATED) as port,
        Generator.connected(port, 5) as generator,
    ):
        offered = await generator.offer(300.0, 0.3, asked)
    assert sum(1 for s in offered.samples if s.status == 0) == 1
    assert sum(1 for s in offered.samples if s.status == 201) == len(offered.samples) - 1


async def test_a_server_that_never_answers_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caudal.bench.open_load.ANSWER_WITHIN_S", 0.05)
    started = time.perf_counter()
    async with server(lambda _: b"") as port, Generator.connected(port, 5) as generator:
        with pytest.raises(LoadFailed, match="were not answered"):
            await generator.offer(50.0, 0.2, asked)
    assert time.perf_counter() - started < 5


# What the figures mean


def test_a_queue_grows_when_the_last_third_waits_twice_as_long_as_the_first() -> None:
    steady = [sample(at / 100, 0.03) for at in range(90)]
    growing = [sample(at / 100, 0.01 + at * 0.001) for at in range(90)]
    assert not grows(Offered(1.0, steady, 1.0, 0.1))
    assert grows(Offered(1.0, growing, 1.0, 0.1))
    assert not grows(Offered(1.0, [], 1.0, 0.1))


@pytest.mark.parametrize(
    ("samples", "at"),
    [
        ([sample(at / 100) for at in range(100)], 0.0),
        ([sample(0.1, status=503), sample(0.4), sample(0.6), sample(0.9)], 0.25),
        ([sample(0.1, 0.2), sample(0.4, 0.2), sample(0.6), sample(0.9)], 0.5),
        # Good for a moment is not recovered.
        ([sample(0.1), sample(0.4, 0.2), sample(0.6), sample(0.9)], 0.5),
        ([sample(0.1, 0.2), sample(0.4, 0.2), sample(0.6, 0.2), sample(0.9, 0.2)], 1.0),
    ],
)
def test_a_server_has_recovered_when_nothing_is_shed_or_late_any_more(
    samples: list[Sample], at: float
) -> None:
    assert recovered_at(samples, 1.0) == at


@pytest.mark.parametrize(
    ("ages", "ended", "status", "held"),
    [
        ([0.1, 0.3, 0.2], 1.0, 201, True),
        ([0.1, 0.6, 1.2], 1.0, 201, False),
        ([0.1, 0.1, 0.1], 10.5, 201, False),
        ([0.1, 0.1, 0.1], 1.0, 503, False),
    ],
)
def test_a_rate_holds_to_the_end_while_jobs_stay_young_and_payments_end(
    ages: list[float], ended: float, status: int, held: bool
) -> None:
    offered = Offered(1.0, [sample(0.0, status=status)], 1.0, 0.1)
    run = Run(name="e", seconds=10.0, offered=offered, ages_s=ages, ended_after_s=ended, cpu={})
    assert run.held is held
