"""What is found day by day, and how the same rows are kept together."""

from typing import Any

import numpy as np
import pytest

from caudal.training import daily, leaks, splits
from caudal.training.types import Column, ColumnKind, Division, Table


def test_the_riskiest_payers_of_a_day_are_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily, "LOOKED_INTO", 2)
    payers = daily.Payers(
        who=np.array([9, 1, 1, 2, 3, 1, 2, 3]),
        day=np.array([0, 20, 20, 20, 20, 21, 21, 21]),
        fraud_who=np.array([1, 1, 2]), fraud_day=np.array([20, 21, 5]), delay_days=7,
    )  # fmt: skip
    y = np.array([0, 1, 0, 0, 0, 1, 0, 1])
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.9, 0.4, 0.3])
    found = daily.measure(payers, y, scores, np.array([0]), np.arange(1, 8))
    assert found is not None
    # Day 20: payers 1 (found) and 3. Day 21: 1 is known, so 2 and 3 (found).
    assert (found.days, found.precision) == (2, (1 / 2 + 1 / 2) / 2)
    # Payer 2 was defrauded on day 5, after training began, which is known from day 13 on.
    assert found.new_rows == 5
    assert found.new_precision == (1 / 2 + 1 / 2) / 2
    assert (found.new_auc, found.new_ap) == (None, None)


def table(**columns: Any) -> Table:
    made = {
        name: Column(name=name, kind=ColumnKind.NUMBER, values=np.asarray(values, dtype=np.float64))
        for name, values in columns.items()
    }
    rows = len(next(iter(made.values())).values)
    return Table(columns=made, rows=rows, numbers=np.arange(1, rows + 1), hash="")


def test_rows_that_are_there_twice_are_never_in_training_and_test() -> None:
    once = np.arange(300)
    same = splits.alike(table(x=np.tile(once, 2), y=np.tile(once % 3 == 0, 2)))
    division = splits.Split(
        division=Division.CROSS_VALIDATION, said="", train=np.arange(600), test=np.array([]), repeats=1,
        alike=same,
    )  # fmt: skip
    pairs = list(splits.folds(np.tile(once % 3 == 0, 2).astype(int), division, 0))
    assert len(pairs) == 5
    assert sorted(row for _, test in pairs for row in test.tolist()) == list(range(600))
    for train, test in pairs:
        assert not set((train % 300).tolist()) & set((test % 300).tolist())


def test_rows_of_few_possible_values_are_no_repetition() -> None:
    assert splits.alike(table(x=np.arange(600) % 7, y=np.arange(600) % 2)) is None
    assert splits.alike(table(x=np.arange(600), y=np.arange(600) % 2)) is None


def test_a_column_that_tells_only_beside_another_is_named_and_the_other_is_not() -> None:
    random = np.random.default_rng(3)
    bad = random.random(2_000) < 0.3
    amount = random.lognormal(8, 1, 2_000)
    repaid = np.where(bad, random.random(2_000) * 0.8, 1.1) * amount
    columns = table(amount=amount, repaid=repaid, age=random.normal(size=2_000) + bad)
    found = leaks.check(
        columns, ("amount", "repaid", "age"), bad.astype(int), np.arange(2_000), time=None, keep=(), seed=0
    )
    assert [(each.name, each.left_out) for each in found] == [("repaid", True)]
    assert found[0].why.startswith("without it the AUC of all columns falls from 0.9")
