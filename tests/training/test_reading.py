"""Files into typed columns, with what could not be read named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caudal.training import (
    ColumnUnknown,
    DataUnreadable,
    TargetUnclear,
    Wishes,
    own_sets,
    reading,
    roles,
)
from caudal.training.types import ColumnKind
from support.training_data import write_csv


def test_money_dates_and_categories_are_told_apart(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        {
            "sum": ["$1,200.50 ", "$0.00 ", "(3)"],
            "on": ["28-Feb-97", "01-Mar-97", ""],
            "zip": ["4a", "?", "b"],
            "n": ["1", "NA", "-2e3"],
        },
    )
    table = reading.read(path)
    assert table.columns["sum"].values.tolist() == [1200.5, 0.0, -3.0]
    assert table.columns["on"].kind is ColumnKind.DATE
    assert table.columns["on"].values[0] == 9920
    assert np.isnan(table.columns["on"].values[2])
    assert table.columns["zip"].values.tolist() == ["4a", None, "b"]
    assert np.isnan(table.columns["n"].values[1])
    assert table.columns["n"].whole


def test_a_row_of_another_width_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1;2\n3\n4;5\n6;7;8\n")
    table = reading.read(path)
    assert table.columns["a"].values.tolist() == [1, 4]
    assert table.numbers.tolist() == [1, 3]
    assert [(row.number, row.why) for row in table.bad_rows] == [
        (2, "1 fields, not 2"),
        (4, "3 fields, not 2"),
    ]


def test_few_values_of_another_kind_are_missing_and_the_first_is_shown(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {"year": ["1976A", *map(str, range(1000, 1300))], "x": range(301)})
    column = reading.read(path).columns["year"]
    assert column.kind is ColumnKind.NUMBER
    assert (column.unreadable, column.example) == (1, "'1976A' in row 1")


def test_parquet_keeps_its_own_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    content = {"n": [1, None], "t": pa.array([0, 86_400_000_000], pa.timestamp("us")), "c": ["x", None]}
    pq.write_table(pa.table(content), path)
    table = reading.read(path)
    assert table.columns["t"].values.tolist() == [0, 1]
    assert table.columns["c"].values.tolist() == ["x", None]
    assert np.isnan(table.columns["n"].values[1])


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(DataUnreadable):
        reading.read(empty)
    with pytest.raises(DataUnreadable):
        reading.read(tmp_path / "absent.csv")
    twice = tmp_path / "twice.csv"
    twice.write_text("a,a\n1,2\n")
    with pytest.raises(DataUnreadable, match="a is there twice"):
        reading.read(twice)


def test_roles_are_found_by_what_columns_hold(tmp_path: Path) -> None:
    count = 400
    path = write_csv(
        tmp_path / "a.csv",
        {
            "zz1": [f"r{number}" for number in range(count)],
            "zz2": range(5_000, 5_000 + count),
            "zz3": [f"2020-{1 + number // 40:02d}-{1 + number % 28:02d}" for number in range(count)],
            "zz4": [number % 17 for number in range(count)],
            "zz5": ["same"] * count,
            "zz6": ["good", "good", "good", "bad"] * (count // 4),
        },
    )
    found = roles.assign(reading.read(path), Wishes())
    assert (found.target, found.positive, found.time) == ("zz6", "bad", "zz3")
    assert found.inputs == ("zz4",)
    assert set(found.left_out) == {"zz1", "zz2", "zz5"}


def test_two_possible_outcomes_are_asked_about(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {"p": [0, 1] * 50, "q": [0, 0, 1, 1] * 25, "r": range(100)})
    with pytest.raises(TargetUnclear, match="p, q"):
        roles.assign(reading.read(path), Wishes())
    with pytest.raises(ColumnUnknown, match="did you mean 'p'"):
        roles.assign(reading.read(path), Wishes(target="P"))


def test_a_training_set_of_ours_has_the_names_that_decisions_know(tmp_path: Path) -> None:
    columns = {
        "subject": ["pay_1", "pay_2"], "at": ["2026-01-01", "2026-01-02"], "known": [4, 9],
        "customer": ["cus_1", "cus_1"], "amount": [100, 250], "currency": ["EUR", "EUR"],
        "card_count_1h": [0, 3], "label": [0, 1], "labelled_at": ["", "2026-01-09"],
    }  # fmt: skip
    table, wishes = own_sets.renamed(reading.read(write_csv(tmp_path / "a.csv", columns)), Wishes())
    assert {"payment.amount", "payment.currency", "features.card_count_1h"} < set(table.columns)
    assert (wishes.target, wishes.positive, wishes.time) == ("label", "1", "at")
    assert wishes.leave_out == ("subject", "known", "customer", "labelled_at")
