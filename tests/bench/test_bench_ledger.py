"""`caudal bench ledger`, as small as it goes: what it answers, and that it measures nothing but success."""

import math

import msgspec
import pytest

from caudal.bench import Report, ledger
from caudal.bench.http_load import LoadFailed, request, run
from caudal.bench.ledger_http import serving
from caudal.bench.report import Measured, percentile
from caudal.bench.world import temporary_server

CASES = [
    "batch_uniform", "batch_zipfian", "batch_hot", "pending_post",
    "http_1", "http_16", "http_64", "http_256", "http_64_hot",
    "balance_at", "statement",
]  # fmt: skip
TINY = ledger.Size(batches=1, http_seconds=0.3, reads=5, short_history=1_000, long_history=2_000)


async def test_every_case_is_measured_beside_the_floor_of_the_run() -> None:
    told: list[str] = []
    report = await ledger.run(TINY, lambda what, _done, _total: told.append(what))
    plain = msgspec.json.decode(msgspec.json.encode(report))
    assert list(plain) == ["name", "machine", "floor", "cases"]
    assert plain["name"] == "ledger"
    assert [case["case"] for case in plain["cases"]] == CASES
    for case in plain["cases"]:
        assert list(case) == ["case", "per_second", "p50_ms", "p99_ms", "ratio_to_floor"]
        assert case["per_second"] > 0
        assert 0 < case["p50_ms"] <= case["p99_ms"]
        assert case["ratio_to_floor"] > 0
    floor = plain["floor"]
    uniform = plain["cases"][0]
    assert math.isclose(
        uniform["ratio_to_floor"], uniform["per_second"] / floor["copy_rows_per_second"], abs_tol=0.001
    )
    assert len(told) == len(CASES)
    assert isinstance(report, Report)


async def test_a_load_of_refusals_is_no_measurement() -> None:
    with temporary_server() as dsn, serving(dsn) as port:
        made = request("POST", "/v1/transfers", {"Content-Type": "application/json"}, b"{}")
        with pytest.raises(LoadFailed, match="unauthenticated"):
            await run(port, 2, 0.2, lambda: made, 201)


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 0.50), percentile(values, 0.99), percentile([7.0], 0.99)) == (51.0, 100.0, 7.0)


def test_a_case_is_operations_by_elapsed_time_and_its_ratio_to_the_floor() -> None:
    case = Measured("x", 100, [0.01, 0.03], 2.0).compared(200.0)
    assert (case.per_second, case.p50_ms, case.p99_ms, case.ratio_to_floor) == (50.0, 30.0, 30.0, 0.25)
    assert Measured("x", 1, [1.0], 1.0).compared(None).ratio_to_floor is None
