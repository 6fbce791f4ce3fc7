"""A simulated world is the same for the same seed, and has in it what models are to find."""

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from caudal.fraud_simulation import Columns, History, Scenario, World, simulate, table_of, write
from caudal_base.errors import InvalidRequest

SMALL = World(days=60, customers=600, terminals=120, seed=7)
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def history() -> History:
    return simulate(SMALL)


def test_the_same_world_has_the_same_history_and_another_seed_another(history: History) -> None:
    again, other = simulate(SMALL), simulate(World(days=60, customers=600, terminals=120, seed=8))

    assert table_of(again).equals(table_of(history))
    assert len(other) != len(history)


def test_payments_are_in_order_within_the_days_of_the_world(history: History) -> None:
    begun = int(SMALL.begun.timestamp()) * 1_000_000

    assert (np.diff(history.at_us) >= 0).all()
    assert begun <= history.at_us[0]
    assert history.at_us[-1] < begun + SMALL.days * DAY_US
    assert history.amount.min() >= 50
    assert history.customer.max() < 600
    assert history.terminal.max() < 120


def test_there_is_fraud_of_each_kind_and_little_of_it(history: History) -> None:
    for scenario in (Scenario.TERMINAL, Scenario.CARD, Scenario.TAKEOVER):
        assert (history.scenario == scenario).sum() > 20, scenario
    assert 0.003 < history.fraud.mean() < 0.03


def test_more_fraud_leaves_what_honest_customers_do(history: History) -> None:
    none = simulate(World(days=60, customers=600, terminals=120, seed=7, fraud=0))
    own = history.scenario < Scenario.CARD

    assert not none.fraud.any()
    assert (history.at_us[own] == none.at_us).all()
    assert (history.amount[own] == none.amount).all()


def test_labels_come_after_the_fact_and_some_never(history: History) -> None:
    reported = history.labelled_us >= 0
    delays = (history.labelled_us - history.at_us)[reported] / DAY_US

    assert not (reported & ~history.fraud).any()
    assert delays.min() > 0
    assert 2 < np.median(delays) < 8
    assert 0.01 < 1 - reported.sum() / history.fraud.sum() < 0.12


def test_compromised_terminals_are_so_for_days(history: History) -> None:
    false = history.scenario == Scenario.TERMINAL
    worst = np.bincount(history.terminal[false]).argmax()
    days = (history.at_us[false & (history.terminal == worst)]) / DAY_US
    there = (
        (history.terminal == worst)
        & (history.at_us / DAY_US >= days[0])
        & (history.at_us / DAY_US <= days[-1])
    )

    assert days[-1] - days[0] < 22
    assert history.fraud[there].mean() > 0.4


def test_stolen_cards_are_tried_for_little_before_much_is_taken() -> None:
    early = simulate(World(days=60, customers=600, terminals=120, seed=7, drift=0, fraud=5))
    stolen = early.scenario == Scenario.CARD
    honest = np.median(early.amount[~early.fraud])
    amounts = early.amount[stolen]

    assert (amounts < 500).mean() > 0.2
    assert np.median(amounts[amounts >= 500]) > 2 * honest


def test_the_ways_of_fraud_drift() -> None:
    drifting = simulate(World(days=60, customers=600, terminals=120, seed=7, drift=1, fraud=10))
    stolen = drifting.scenario == Scenario.CARD
    third = (drifting.at_us - drifting.at_us[0]) // (20 * DAY_US)
    tries = [(drifting.amount[stolen & (third == n)] < 500).mean() for n in (0, 2)]
    online = [drifting.online[stolen & (third == n) & (drifting.amount > 500)].mean() for n in (0, 2)]

    assert tries[0] > 2 * tries[1]
    assert online[1] > online[0] + 0.1


@pytest.mark.parametrize("name", ["payments.csv", "payments.parquet"])
def test_a_file_is_the_same_byte_for_byte(history: History, tmp_path: Path, name: str) -> None:
    write(history, tmp_path / name)
    write(simulate(SMALL), tmp_path / f"again-{name}")

    assert (tmp_path / name).read_bytes() == (tmp_path / f"again-{name}").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"again-{name}", name]


def test_parquet_has_moments_entities_and_when_a_label_was_known(history: History, tmp_path: Path) -> None:
    write(history, tmp_path / "payments.parquet")
    table = pq.read_table(tmp_path / "payments.parquet")
    rows = table.slice(0, 5_000).to_pylist()

    assert table.num_rows == len(history)
    assert rows[0]["at"] >= dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert rows[0]["currency"] == "EUR"
    assert all((row["device"] is None) == (row["channel"] == "terminal") for row in rows)
    assert all(row["labelled_at"] is None or row["labelled_at"] > row["at"] for row in rows)
    assert sum(row["fraud"] for row in rows) == int(history.fraud[:5_000].sum())


def test_csv_in_the_columns_of_the_handbook(history: History, tmp_path: Path) -> None:
    write(history, tmp_path / "handbook.csv", Columns.HANDBOOK)
    with (tmp_path / "handbook.csv").open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))

    assert list(rows[0]) == [
        "TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_TIME_SECONDS",
        "TX_TIME_DAYS", "TX_FRAUD", "TX_FRAUD_SCENARIO",
    ]  # fmt: skip
    assert len(rows) == len(history)
    last = rows[-1]
    at = dt.datetime.fromisoformat(last["TX_DATETIME"])
    assert at == dt.datetime(2026, 1, 1) + dt.timedelta(seconds=int(last["TX_TIME_SECONDS"]))
    assert int(last["TX_TIME_DAYS"]) == int(last["TX_TIME_SECONDS"]) // 86_400
    assert round(float(last["TX_AMOUNT"]) * 100) == history.amount[-1]
    assert sum(int(row["TX_FRAUD"]) for row in rows) == int(history.fraud.sum())


@pytest.mark.parametrize(
    ("field", "world"),
    [
        ("days", World(days=0)),
        ("customers", World(customers=0)),
        ("customers", World(days=3_000, customers=1_000_000)),
        ("terminals", World(terminals=1)),
        ("fraud", World(fraud=float("nan"))),
        ("drift", World(drift=1.5)),
        ("unreported", World(unreported=-0.1)),
        ("begun", World(begun=dt.datetime(2026, 1, 1))),
    ],
)
def test_what_is_no_world_is_refused(field: str, world: World) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        simulate(world)

    assert refusal.value.field == field


def test_the_smallest_world_passes() -> None:
    assert table_of(simulate(World(days=1, customers=1, terminals=2))).num_columns == 13


@pytest.mark.parametrize("name", ["payments.txt", "nowhere/payments.csv"])
def test_another_kind_of_file_is_refused(history: History, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest):
        write(history, tmp_path / name)

    assert list(tmp_path.iterdir()) == []
