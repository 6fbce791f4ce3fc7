"""Two models on the same decisions: measures by hand, differences with intervals, when nothing is said."""

import random

import pytest

from caudal.models import compare
from caudal.models.comparing import Case, figures


def test_measures_are_those_that_can_be_counted_by_hand() -> None:
    # Of 3 bad and 4 good ones: 0.9 is above all; 0.7 above three; 0.5 ties with one and is above one.
    scores = [0.9, 0.7, 0.5, 0.8, 0.5, 0.3, 0.6]
    bad = [True, True, True, False, False, False, False]
    found = figures(scores, bad)
    assert found["auc"] == (4 + 3 + 1.5) / 12
    assert found["ap"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    # One good one in a hundred is 0.04 of one here: 0.9, and nothing of what stands behind 0.8.
    assert found["recall_at_1_percent"] == 1 / 3


def test_scores_that_are_all_the_same_tell_nothing() -> None:
    found = figures([0.5] * 200, [True] * 50 + [False] * 150)
    assert (found["auc"], found["ap"]) == (0.5, 0.25)
    assert found["recall_at_1_percent"] == pytest.approx(0.01)


def cases(count: int, noise: float, seed: int = 1) -> list[Case]:
    """The champion sees the risk with a noise of 1, the challenger with another one."""
    chosen = random.Random(seed)
    made = []
    for number in range(count):
        bad = number % 10 == 0
        risk = 1.5 * bad
        made.append((risk + chosen.gauss(0, 1), risk + chosen.gauss(0, noise), bad))
    return made


def test_a_model_that_is_clearly_worse_is_so_in_each_measure_and_one_that_is_better_in_none() -> None:
    told = compare("card-fraud@1", cases(2_000, 2.5), least=20)
    assert (told.rows, told.bad) == (2_000, 200)
    assert [one.measure for one in told.worse] == ["auc", "ap", "recall_at_1_percent"]
    for one in told.differences:
        assert one.difference == one.challenger - one.champion
        assert one.low < one.difference < one.high < 0
    assert compare("card-fraud@1", cases(2_000, 0.4), least=20).worse == ()


def test_the_same_scores_differ_in_nothing_and_the_same_cases_give_the_same_again() -> None:
    same = [(before, before, bad) for before, _, bad in cases(500, 1.0)]
    assert {(one.difference, one.low, one.high) for one in compare("a@1", same, least=20).differences} == {
        (0.0, 0.0, 0.0)
    }
    many = cases(20_000, 1.2)
    assert compare("a@1", many, least=20) == compare("a@1", many, least=20)


def test_of_models_that_are_equally_good_few_are_called_worse() -> None:
    wrong = sum(
        any(one.measure == "auc" for one in compare("a@1", cases(400, 1.0, seed), least=20).worse)
        for seed in range(40)
    )
    assert wrong <= 3


@pytest.mark.parametrize("made", [[], cases(100, 1.0), [(0.1, 0.2, True)] * 50])
def test_of_too_few_bad_or_good_ends_nothing_is_said(made: list[Case]) -> None:
    told = compare("card-fraud@1", made, least=20, unscored=3)
    assert (told.rows, told.unscored, told.differences) == (len(made), 3, ())
