"""Several processes behind one port: whichever is asked for /metrics, it speaks for all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from caudal.api import merged_metrics
from caudal.api.book_metrics import Books
from caudal.api.merged_metrics import Processes
from caudal.api.metrics import Metrics
from caudal_base.shared import Shared
from support.payment_api import PaymentWorld, pay_in

_ROUTE = '{method="GET",route="/",status="200"}'
_QUICK = '{le="0.0025",method="GET",route="/"}'
_TIMED = '{method="GET",route="/"}'


def served(metrics: Metrics, times: int) -> None:
    observe = metrics.route("GET", "/")
    for _ in range(times):
        observe(200, 0.002)


def together(shared: Shared, process: int) -> Metrics:
    """The measurements of one of those that share the memory."""
    shared.process = process
    metrics = Metrics(shared)
    metrics.watch({}, lambda: {"pool_size": 10 + process})
    return metrics


def others(metrics: Metrics) -> Processes:
    assert metrics.processes is not None
    return metrics.processes


async def read(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels."""
    await others(metrics).gather()
    others(metrics).pin()
    rows = [line.rpartition(" ") for line in metrics.text().decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in rows}


@contextlib.asynccontextmanager
async def answering(*all_: Metrics) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(others(each).answer_others()) for each in all_]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_counters_and_histograms_are_sums_whichever_is_asked() -> None:
    shared = Shared(2)
    one, two = together(shared, 0), together(shared, 1)
    served(one, 3)
    served(two, 4)
    async with answering(one, two):
        for asked in (one, two):
            found = await read(asked)
            assert found[f"caudal_http_requests_total{_ROUTE}"] == 7
            assert found[f"caudal_http_request_duration_seconds_count{_TIMED}"] == 7
            assert (
                found['caudal_http_request_duration_seconds_bucket{le="0.0025",method="GET",route="/"}'] == 7
            )


async def test_of_each_gauge_there_is_one_of_each_process() -> None:
    shared = Shared(2)
    one, two = together(shared, 0), together(shared, 1)
    async with answering(one, two):
        found = await read(two)

    assert found['caudal_database_pool_size{process="0"}'] == 10
    assert found['caudal_database_pool_size{process="1"}'] == 11
    assert "caudal_database_pool_size" not in found


async def test_the_next_process_in_a_place_goes_on_from_what_the_one_before_had_told() -> None:
    shared = Shared(2)
    one, two = together(shared, 0), together(shared, 1)
    served(two, 4)
    async with answering(one, two):
        assert (await read(one))[f"caudal_http_requests_total{_ROUTE}"] == 4
    again = together(shared, 1)
    served(again, 2)
    async with answering(one, again):
        assert (await read(one))[f"caudal_http_requests_total{_ROUTE}"] == 6


async def test_of_one_that_hangs_is_taken_what_it_told_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_metrics, "PATIENCE_S", 0.05)
    shared = Shared(2)
    one, two = together(shared, 0), together(shared, 1)
    served(two, 4)
    others(two).pin()
    served(two, 1)
    served(one, 1)

    assert (await read(one))[f"caudal_http_requests_total{_ROUTE}"] == 5


def test_one_process_alone_asks_nobody_and_its_gauges_have_no_label_more() -> None:
    alone = together(Shared(), 0)

    assert alone.processes is None
    assert b"\ncaudal_database_pool_size 10.0\n" in alone.text()


async def test_what_comes_from_the_database_is_the_same_whichever_is_asked(payments: PaymentWorld) -> None:
    services = payments.services
    one, two = (Books(services.database, services.clock, fresh_s=0.0) for _ in range(2))

    async def told(asked: Books, other: Books) -> float:
        asked.adopt([other.kept()])
        await asked.look()
        wanted = {"book": str(payments.book.book_id), "type": "payment.created"}
        return sum(
            sample.value
            for family in asked.collect()
            for sample in family.samples
            if sample.name == "caudal_events_told_total" and sample.labels == wanted
        )

    await one.look()
    await payments.begun(pay_in(await payments.customer()))
    assert [await told(one, two), await told(two, one)] == [1, 1]
    await payments.begun(pay_in(await payments.customer()))
    assert [await told(two, one), await told(one, two)] == [2, 2]


async def test_what_one_process_was_told_by_the_database_lately_the_others_do_not_ask_for_again(
    payments: PaymentWorld,
) -> None:
    services = payments.services
    one, two = (Books(services.database, services.clock) for _ in range(2))
    await one.look()
    two.adopt([one.kept()])
    before = two.kept()
    await payments.begun(pay_in(await payments.customer()))
    await two.look()

    assert two.kept() == before == one.kept()
