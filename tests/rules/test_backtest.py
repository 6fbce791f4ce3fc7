"""What rules would have done with decisions of the past: exact counts, from one pass in bounded memory."""

import datetime as dt
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from caudal.rules import Backtest, Outcome, Past, RuleBacktest, rate
from support.histories import START
from support.rule_worlds import LARGE, MANY, ready, rule

TRUSTED = rule("trusted", 'payment.customer == "cus_1"', "approve")
BLOCK = rule("far_away", 'payment.country == "KP"', "decline")
SCORED = rule("high_score", "model.score > 0.8", "decline", stage="after_model")


def past(number: int = 1, amount: int = 250_000, **more: Any) -> Past:
    row = {"payment.amount": amount, "payment.currency": "EUR", **more.pop("row", {})}
    fields: dict[str, Any] = {
        "id": f"dec_{number}", "at": START + dt.timedelta(minutes=number), "row": row, "amount": amount,
        "currency": "EUR", "outcome": Outcome.APPROVE,
    }  # fmt: skip
    return Past(**{**fields, **more})


def tried(rules: list[dict[str, Any]], *rows: Past) -> RuleBacktest:
    backtest = Backtest(ready(*rules))
    for row in rows:
        backtest.take(row)
    return backtest.result()


def test_each_rule_has_its_hits_amounts_precision_and_recall() -> None:
    result = tried(
        [LARGE, MANY],
        past(1, 200_000, bad=True),
        past(2, 300_000, bad=False),
        past(3, 400_000),
        past(4, 1_000, row={"features.card_count_1h": 9}, bad=True),
        past(5, 500_000, currency="USD", row={"features.card_count_1h": 1}),
    )
    large, many = result.rules
    assert (large.hits.decisions, large.hits.matured, large.hits.bad, large.alone, large.missing) == (
        4, 2, 1, 4, 0,
    )  # fmt: skip
    euros, dollars = large.hits.amounts["EUR"], large.hits.amounts["USD"]
    assert (euros.all, euros.matured, euros.bad) == (900_000, 500_000, 200_000)
    assert (dollars.all, dollars.matured, dollars.bad) == (500_000, 0, 0)
    assert large.precision == rate(1, 2)
    assert large.recall == rate(1, 2)
    assert large.examples == ("dec_1", "dec_2", "dec_3", "dec_5")
    assert (many.hits.decisions, many.hits.bad, many.missing) == (1, 1, 3)
    assert many.precision == rate(1, 1)
    assert (result.decisions.decisions, result.hits.decisions) == (5, 5)
    assert (result.first_at, result.last_at) == (
        START + dt.timedelta(minutes=1),
        START + dt.timedelta(minutes=5),
    )


def test_overlaps_are_counted_with_one_another_and_with_the_rules_of_the_time() -> None:
    both = {"features.card_count_1h": 9}
    result = tried(
        [LARGE, MANY],
        past(1, row=both, bad=True, fired=("old",)),
        past(2, row=both, fired=("old", "older")),
        past(3, fired=("old",)),
        past(4, 1, fired=("old",)),
    )
    assert [(one.rule, one.other, one.decisions, one.bad) for one in result.overlaps] == [
        ("large", "many_payments", 2, 1)
    ]
    assert [(one.rule, one.other, one.decisions, one.bad) for one in result.overlaps_then] == [
        ("large", "old", 3, 1),
        ("many_payments", "old", 2, 1),
        ("large", "older", 1, 0),
        ("many_payments", "older", 1, 0),
    ]
    assert [one.alone for one in result.rules] == [1, 0]


def changes(result: RuleBacktest) -> list[tuple[str, str, int]]:
    return [(one.was.value, one.would_be.value, one.counted.decisions) for one in result.changes]


def test_what_would_have_been_is_held_against_what_was() -> None:
    result = tried(
        [TRUSTED, LARGE, BLOCK, SCORED],
        past(1, 1),
        past(2),
        past(3, outcome=Outcome.REVIEW),
        past(4, 1, outcome=Outcome.REVIEW, model=Outcome.REVIEW),
        past(5, row={"payment.customer": "cus_1"}, outcome=Outcome.REVIEW, model=Outcome.REVIEW),
        past(6, row={"payment.country": "KP"}, allowed=True),
        past(7, allowed=True),
        past(8, outcome=Outcome.DECLINE, lists=Outcome.DECLINE),
        past(9, 1, row={"model.score": 0.9}, model=Outcome.CHALLENGE),
        past(10, 1, row={"model.score": 0.9, "payment.customer": "cus_1"}),
        past(11, 1, row={"payment.customer": "cus_1"}, lists=Outcome.REVIEW, outcome=Outcome.REVIEW),
    )
    assert changes(result) == [
        ("approve", "approve", 3),
        ("approve", "challenge", 1),
        ("approve", "decline", 2),
        ("review", "approve", 1),
        ("review", "challenge", 1),
        ("review", "review", 2),
        ("decline", "decline", 1),
    ]
    assert result.changed == 5


def test_who_decides_may_know_better_what_it_would_have_been() -> None:
    backtest = Backtest(ready(LARGE))
    backtest.take(past(1), Outcome.REVIEW)
    assert changes(backtest.result()) == [("approve", "review", 1)]


def test_of_nothing_there_are_no_rates() -> None:
    result = tried([LARGE])
    assert (result.rules[0].precision, result.rules[0].recall, result.first_at) == (None, None, None)
    assert result.changes == ()


# R's binom.confint(x, n, methods = "wilson") gives these.
@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (1, 2, 0.0945312, 0.9054688),
        (8, 10, 0.4901625, 0.9433178),
        (0, 10, 0.0, 0.2775328),
        (5, 5, 0.5655175, 1),
    ],
)
def test_rates_have_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    found = rate(part, whole)
    assert found is not None
    assert found.value == part / whole
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def history(count: int, seed: int = 7) -> Iterator[Past]:
    draw = random.Random(seed)
    for number in range(count):
        yield past(
            number,
            draw.randrange(1, 300_000),
            row={
                "features.card_count_1h": draw.choice([None, 1, 7]),
                "payment.country": draw.choice(["DE", "KP"]),
            },
            currency=draw.choice(["EUR", "USD"]),
            bad=draw.choice([None, True, False]),
            fired=tuple(draw.sample(["old", "older"], draw.randrange(3))),
        )


def test_the_sums_are_those_of_counting_each_rule_by_hand() -> None:
    result = tried([LARGE, MANY, BLOCK], *history(2_000))
    rows = list(history(2_000))
    large = [row for row in rows if row.amount > 100_000]
    many = [row for row in rows if (row.row["features.card_count_1h"] or 0) == 7]
    assert result.rules[0].hits.decisions == len(large)
    assert result.rules[0].hits.bad == sum(row.bad is True for row in large)
    assert result.rules[1].missing == sum(row.row["features.card_count_1h"] is None for row in rows)
    assert result.overlaps[0].decisions >= result.overlaps[-1].decisions
    pair = next(one for one in result.overlaps if (one.rule, one.other) == ("large", "many_payments"))
    assert pair.decisions == sum(row in large for row in many)
    assert sum(one.counted.decisions for one in result.changes) == len(rows)


def test_memory_does_not_grow_with_what_is_taken_in() -> None:
    backtest = Backtest(ready(LARGE, MANY, BLOCK))

    def peak(count: int) -> int:
        tracemalloc.start()
        for row in history(count):
            backtest.take(row)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    first = peak(500)
    assert peak(5_000) < first + 20_000
