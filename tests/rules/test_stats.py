"""How published rules do over time."""

import datetime as dt
from typing import Any

import pytest

from caudal.rules import Outcome, Past, RulePeriod, RuleSubject, Stats, StatsPeriod, rate, start_of

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
PAYMENT, APPLICATION = RuleSubject.PAYMENT, RuleSubject.APPLICATION
NAMES = {
    1: {"large": PAYMENT},
    2: {"large": PAYMENT, "quiet": PAYMENT},
    3: {"large": PAYMENT, "poor": APPLICATION},
}


def past(days: int, rule_set: int, *fired: str, **more: Any) -> Past:
    return Past(
        id="dec_1", at=MONDAY + dt.timedelta(days=days), row={}, amount=100, currency="EUR",
        outcome=Outcome.APPROVE, fired=fired, rule_set=rule_set, **more,
    )  # fmt: skip


def stats(period: StatsPeriod, *rows: Past) -> list[RulePeriod]:
    kept = Stats(period, NAMES)
    for row in rows:
        kept.take(row)
    return kept.result()


def test_rules_fire_at_a_rate_of_the_decisions_that_asked_them_and_rightly_at_another() -> None:
    found = stats(
        StatsPeriod.DAY,
        past(0, 1, "large", bad=True),
        past(0, 1, "large", bad=False),
        past(0, 1, "large"),
        past(0, 1, missing=("large",)),
        past(0, 1, snoozed=("large",)),
        past(0, 0),
        past(1, 2, "large"),
    )
    first, second, quiet = found
    assert (first.rule, first.start, first.asked) == ("large", MONDAY.date(), 5)
    assert (first.fired.decisions, first.missing, first.snoozed) == (3, 1, 1)
    assert first.fire_rate == rate(3, 5)
    assert first.precision == rate(1, 2)
    assert first.fired.amounts["EUR"].bad == 100
    assert (second.asked, second.fire_rate, second.precision) == (1, rate(1, 1), None)
    assert (quiet.rule, quiet.asked, quiet.fired.decisions, quiet.fire_rate) == ("quiet", 1, 0, rate(0, 1))


def test_what_is_too_young_and_what_nobody_can_know_is_in_no_rate() -> None:
    (found,) = stats(
        StatsPeriod.DAY,
        past(0, 1, "large", reported=True),
        past(0, 1, "large", reported=True),
        past(0, 1, "large", unknown=True),
        past(0, 1, "large"),
    )
    fired = found.fired
    assert (fired.decisions, fired.reported, fired.unknown, fired.matured, fired.bad) == (4, 2, 1, 0, 0)
    assert found.precision is None


def test_rules_are_asked_on_what_they_are_on() -> None:
    found = stats(StatsPeriod.DAY, past(0, 3), past(0, 3), past(0, 3, "poor", on=APPLICATION))
    assert [(one.rule, one.asked, one.fired.decisions) for one in found] == [("large", 2, 0), ("poor", 1, 1)]


def test_figures_are_summed_up_by_days_weeks_or_months() -> None:
    rows = [past(-1, 1, "large"), past(0, 1, "large"), past(6, 1, "large"), past(40, 1, "large")]
    for period, starts in (
        (StatsPeriod.DAY, ["2026-03-01", "2026-03-02", "2026-03-08", "2026-04-11"]),
        (StatsPeriod.WEEK, ["2026-02-23", "2026-03-02", "2026-04-06"]),
        (StatsPeriod.MONTH, ["2026-03-01", "2026-04-01"]),
    ):
        assert [one.start.isoformat() for one in stats(period, *rows)] == starts


@pytest.mark.parametrize(("hours", "day"), [(1, "2026-03-01"), (-1, "2026-03-02")])
def test_days_are_those_of_utc(hours: int, day: str) -> None:
    midnight = dt.datetime(2026, 3, 2, tzinfo=dt.timezone(dt.timedelta(hours=hours)))
    assert start_of(midnight, StatsPeriod.DAY).isoformat() == day
