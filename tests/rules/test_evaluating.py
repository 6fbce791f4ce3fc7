"""What comes of rules on a row of values: never an exception, and always the same."""

import datetime as dt
import math
from typing import Any

import pytest

from caudal.rules import NO_RULES, NOTHING, Outcome, RuleStage, Snooze, evaluate, severest
from support.histories import START
from support.rule_worlds import LARGE, MANY, PAYMENT, ready, rule

DECLINE = rule("blocked_country", 'payment.country == "KP"', "decline")
TRUSTED = rule("trusted", "features.card_mean_7d > 10.0 && payment.amount < 1000000", "approve")
SCORED = rule("high_score", "model.score > 0.8", "decline", stage="after_model")


def test_the_severest_of_the_rules_that_fire_counts_and_they_stand_in_their_order() -> None:
    rule_set = ready(LARGE, DECLINE, MANY)
    row = {**PAYMENT, "payment.country": "KP", "features.card_count_1h": 9}
    fired = evaluate(rule_set, row, START)
    assert (fired.outcome, fired.names) == (Outcome.DECLINE, ("large", "blocked_country", "many_payments"))
    assert fired.missing == ()
    assert not fired.approved


def test_outcomes_rise_from_approve_by_challenge_and_review_to_decline() -> None:
    rising = [Outcome.APPROVE, Outcome.CHALLENGE, Outcome.REVIEW, Outcome.DECLINE]
    for place, outcome in enumerate(rising):
        assert severest(rising[: place + 1]) is outcome
        assert severest([outcome, None, rising[0]]) is outcome
    assert severest([None]) is None


def test_a_missing_value_keeps_a_rule_from_firing_and_the_rule_is_named() -> None:
    rule_set = ready(LARGE, MANY)
    fired = evaluate(rule_set, PAYMENT, START)
    assert (fired.outcome, fired.names, fired.missing) == (
        Outcome.CHALLENGE,
        ("large",),
        ("many_payments",),
    )
    assert rule_set.why_missing("many_payments", PAYMENT, START) == "features.card_count_1h is missing"
    assert rule_set.why_missing("large", PAYMENT, START) is None
    assert rule_set.why_missing("unknown", PAYMENT, START) is None


def test_a_rule_that_approves_ends_it_the_rules_behind_it_are_not_asked() -> None:
    row = {**PAYMENT, "features.card_mean_7d": 50.0}
    fired = evaluate(ready(LARGE, TRUSTED, MANY, DECLINE), row, START)
    assert (fired.outcome, fired.names, fired.missing) == (Outcome.CHALLENGE, ("large", "trusted"), ())
    assert fired.approved
    alone = evaluate(ready(TRUSTED, LARGE), row, START)
    assert (alone.outcome, alone.names, alone.approved) == (Outcome.APPROVE, ("trusted",), True)


def test_rules_after_the_model_are_asked_by_themselves_and_may_read_its_score() -> None:
    rule_set = ready(LARGE, SCORED)
    row = {**PAYMENT, "model.score": 0.9}
    assert evaluate(rule_set, row, START).names == ("large",)
    assert evaluate(rule_set, row, START, RuleStage.AFTER_MODEL).names == ("high_score",)
    assert evaluate(rule_set, PAYMENT, START, RuleStage.AFTER_MODEL).missing == ("high_score",)
    assert rule_set.reads == {"payment.amount", "model.score"}


def test_without_rules_or_without_effect_there_is_nothing() -> None:
    assert evaluate(NO_RULES, PAYMENT, START) is NOTHING
    assert evaluate(ready(LARGE), {**PAYMENT, "payment.amount": 1}, START) is NOTHING
    assert evaluate(ready(LARGE), PAYMENT, START, RuleStage.AFTER_MODEL) is NOTHING


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "seven", True, [7], {}, object(), 10**400, b"7", None]
)
def test_a_value_that_is_none_of_its_type_is_as_good_as_missing(value: Any) -> None:
    rule_set = ready(rule("count", "features.card_count_1h > 5"), rule("mean", "features.card_mean_7d > 5.0"))
    row = {"features.card_count_1h": value, "features.card_mean_7d": value}
    fired = evaluate(rule_set, row, START)
    # A whole number of any size is one: only as a double it is too large.
    assert fired.missing == (("mean",) if value == 10**400 else ("count", "mean"))


def test_what_is_divided_by_zero_is_missing() -> None:
    rule_set = ready(rule("rate", "payment.amount / features.card_count_1h > 100"))
    row = {**PAYMENT, "features.card_count_1h": 0}
    assert evaluate(rule_set, row, START).missing == ("rate",)
    assert (
        rule_set.why_missing("rate", row, START) == "payment.amount / features.card_count_1h divides by zero"
    )


def test_a_payment_without_what_every_payment_has_raises_nothing() -> None:
    assert evaluate(ready(LARGE, MANY), {}, START).missing == ("large", "many_payments")


def test_the_moment_of_the_decision_needs_not_be_given() -> None:
    night = ready(rule("night", 'payment.at.getHours("Europe/Berlin") < 6'))
    for hour, fires in ((3, True), (12, False)):
        now = dt.datetime(2026, 3, 1, hour, tzinfo=dt.UTC)
        assert bool(evaluate(night, PAYMENT, now).rules) is fires
        assert night.explain("night", PAYMENT, now)


def test_a_rule_says_which_values_made_it_fire() -> None:
    rule_set = ready(LARGE, MANY)
    row = {**PAYMENT, "features.card_count_1h": 9}
    assert [one.text for one in rule_set.explain("many_payments", row, START)] == [
        "features.card_count_1h = 9 > 5"
    ]
    assert rule_set.explain("unknown", row, START) == ()


def snooze(number: int, until: dt.datetime, rule: str = "large") -> Snooze:
    return Snooze(number=number, rule=rule, until=until, reason="too loud", at=START, by="operator")


def test_a_snoozed_rule_does_not_fire_before_its_moment_and_is_told_of() -> None:
    until = START + dt.timedelta(hours=1)
    rule_set = ready(LARGE, MANY, snoozes=[snooze(1, until)])
    row = {**PAYMENT, "features.card_count_1h": 9}
    asleep = evaluate(rule_set, row, until - dt.timedelta(microseconds=1))
    assert (asleep.names, asleep.snoozed, asleep.outcome) == (
        ("many_payments",),
        ("large",),
        Outcome.REVIEW,
    )
    assert evaluate(rule_set, row, until).names == ("large", "many_payments")
    assert rule_set.snoozes == 1


def test_the_newest_snooze_of_a_rule_counts() -> None:
    later = START + dt.timedelta(hours=1)
    rule_set = ready(LARGE, snoozes=[snooze(3, START), snooze(2, later)])
    assert evaluate(rule_set, PAYMENT, START).names == ("large",)
    assert rule_set.snoozes == 3


def test_a_snoozed_rule_that_approves_ends_nothing() -> None:
    rule_set = ready(TRUSTED, LARGE, snoozes=[snooze(1, START + dt.timedelta(hours=1), "trusted")])
    fired = evaluate(rule_set, {**PAYMENT, "features.card_mean_7d": 50.0}, START)
    assert (fired.names, fired.snoozed, fired.approved) == (("large",), ("trusted",), False)


def test_a_rule_that_reads_nothing_always_fires() -> None:
    assert evaluate(ready(rule("all", "true")), {}, START).names == ("all",)
