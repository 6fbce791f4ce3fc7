"""Measures against values worked out by hand, or by an independent way."""

import itertools

import numpy as np
import pytest

from caudal.training import metrics

Y = np.array([0, 0, 1, 1])
SCORE = np.array([0.1, 0.4, 0.35, 0.8])


def test_auc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    assert metrics.auc(Y, SCORE) == 0.75
    assert metrics.auc(Y, np.array([0.1, 0.35, 0.35, 0.8])) == 0.875


def test_delongs_interval_holds_the_value_and_is_as_wide_as_hanley_and_mcneil_expect() -> None:
    random = np.random.default_rng(0)
    y = (random.random(2_000) < 0.2).astype(int)
    score = random.normal(0, 1, 2_000) + y
    found = metrics.auc_interval(y, score)
    assert found.value == pytest.approx(metrics.auc(y, score))
    # Hanley and McNeil (1982): the standard error from the AUC and the counts alone.
    a, m, n = found.value, y.sum(), len(y) - y.sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.15)


def test_average_precision_ks_and_recall_are_those_of_the_ranking() -> None:
    true, false = metrics.Curves(Y, SCORE).counts()
    assert metrics.average_precision(true, false) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert metrics.kolmogorov_smirnov(true, false) == 0.5
    assert metrics.recall_at(0.0)(true, false) == 0.5
    assert metrics.recall_at(0.5)(true, false) == 1.0


def test_rows_of_one_score_are_flagged_together() -> None:
    true, false = metrics.Curves(np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.5, 0.1])).counts()
    assert true.tolist() == [2, 2]
    assert false.tolist() == [1, 2]


def test_stability_is_nothing_for_the_same_distribution_and_grows_as_it_moves() -> None:
    before = np.linspace(0, 1, 1_000)
    assert metrics.stability(before, before) == pytest.approx(0)
    assert 0.1 < metrics.stability(before, before * 0.7) < metrics.stability(before, before * 0.4)


def test_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    probability = np.repeat([0.1, 0.9], 10)
    y = np.array([1] * 3 + [0] * 7 + [1] * 8 + [0] * 2)
    bins = metrics.reliability(y, probability, bins=2)
    assert metrics.calibration_error(bins) == pytest.approx((0.2 + 0.1) / 2)


def test_four_fifths_compare_each_group_with_the_one_that_passes_most_often() -> None:
    values = np.array(["a"] * 100 + ["b"] * 100 + ["few"] * 5, dtype=object)
    probability = np.concatenate([np.linspace(0, 1, 100), np.linspace(0.5, 1.5, 100), np.zeros(5)])
    y = np.tile([0, 1], 103)[:205]
    found = metrics.fairness("kind", values, y, probability, cutoff=0.8)
    assert [(one.group, one.approved) for one in found] == [("a", 0.8), ("b", 0.3)]
    assert found[1].ratio == pytest.approx(0.375)


def test_lift_of_the_riskiest_tenth_is_its_rate_over_the_mean() -> None:
    y = np.array([1] * 10 + [0] * 90)
    first = metrics.lifts(y, np.linspace(1, 0, 100))[0]
    assert (first.positives, first.lift, first.caught) == (10, 10.0, 1.0)


def test_the_mean_over_folds_is_less_certain_than_independent_values_would_make_it() -> None:
    values = [0.78, 0.80, 0.79, 0.81, 0.77]
    found = metrics.mean_of_folds(values, folds=5)
    plain = 2.776 * np.std(values, ddof=1) / np.sqrt(5)
    assert found.value == pytest.approx(0.79)
    assert found.high - found.value == pytest.approx(plain * 1.5, rel=1e-3)


def test_a_curve_keeps_its_steep_part_when_it_is_thinned() -> None:
    x = np.concatenate([np.linspace(0, 0.9, 500), np.linspace(0.9, 1, 100_000)])
    points = metrics.thinned(x, 1 - x)
    assert len(points) <= 160
    assert max(later - former for (former, _), (later, _) in itertools.pairwise(points)) < 0.02
    assert (points[0][0], points[-1][0]) == (0, 1)
