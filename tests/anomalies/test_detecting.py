"""What is unlike an entity's own past, without a database: exact figures of known histories."""

import datetime as dt
import math
from fractions import Fraction

import pytest

from caudal.anomalies import (
    AnomalyBurst,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyLevel,
    AnomalyPeriod,
    History,
    Profile,
    Watch,
)
from caudal.anomalies.detecting import at_least_so_many, centre, moments
from caudal.features import Event
from support.anomaly_worlds import HOUR, MINUTE, MONDAY, event, noisy, seen, steady, stream

WEEK = steady(96)
END = MONDAY + 96 * HOUR


def many(count: int, *, begun: dt.datetime = END, apart: dt.timedelta = MINUTE) -> list[Event]:
    return [event(f"x{n}", begun + n * apart) for n in range(count)]


def test_too_many_in_an_hour_is_told_once_with_what_is_usual() -> None:
    (found,) = seen(stream(seasonal=False), [*WEEK, *many(30)])

    assert found.detector is AnomalyDetector.LEVEL
    # The median is 2, and 2·sqrt(x + 3/8) of a Poisson count has a spread of 1.
    median = 2 * math.sqrt(2.375)
    assert found.observed == 13
    assert found.score == round((2 * math.sqrt(13.375) - median) / 1.0, 3)
    assert 2 * math.sqrt(12.375) - median < 4.0
    assert found.words == (
        "13 payments in the hour, usually 1 to 3: 4.2 robust standard deviations above the median"
    )
    assert (found.event, found.at) == ("px12", END + 12 * MINUTE)
    assert len(found.past) == 96


def test_what_was_found_can_be_computed_again_of_what_is_kept_with_it() -> None:
    for found in seen(stream(), noisy(5)):
        median, spread = centre([2 * math.sqrt(one + 0.375) for one in found.past])
        spread = max(spread, 1 / math.sqrt(found.factor))
        again = (2 * math.sqrt(found.observed / found.factor + 0.375) - median) / spread
        assert again == pytest.approx(found.score, abs=1e-3)


def test_nothing_is_told_before_enough_periods_have_been_observed() -> None:
    assert seen(stream(seasonal=False, warm_up=97), [*WEEK, *many(30)]) == []
    assert len(seen(stream(seasonal=False, warm_up=96), [*WEEK, *many(30)])) == 1


def test_after_an_anomaly_the_detector_is_quiet_for_the_cool_down_and_then_speaks_again() -> None:
    again = END + 23 * HOUR
    events = [*WEEK, *many(30), *(event(f"y{n}", again + n * MINUTE) for n in range(30))]
    assert len(seen(stream(seasonal=False), events)) == 1
    assert len(seen(stream(seasonal=False, cool_down="22h"), events)) == 2


def test_an_anomaly_does_not_become_what_is_usual() -> None:
    watch, history = Watch(stream(seasonal=False), Profile()), History()
    for one in [*WEEK, *many(50), event("later", END + HOUR)]:
        watch.see(one, history, new=False, tell=True)
    assert history.ring[-1] == round((2 * math.sqrt(2.375) + 4.0) ** 2 / 4 - 0.375, 6)


def test_hours_without_events_are_observed_as_none_and_a_long_silence_costs_no_more_than_the_window() -> None:
    watch, history = Watch(stream(seasonal=False), Profile()), History()
    watch.see(event(1, MONDAY), history, new=False, tell=True)
    watch.see(event(2, MONDAY + 5 * HOUR), history, new=False, tell=True)
    assert (history.ring, history.seen) == ([1.0, 0.0, 0.0, 0.0, 0.0], 5)
    watch.see(event(3, MONDAY + dt.timedelta(days=3_000)), history, new=False, tell=True)
    assert (history.ring, history.seen) == ([0.0] * 168, 72_000)


def test_a_late_event_is_counted_in_no_period_that_is_over_and_any_order_within_one_is_the_same() -> None:
    late = event("late", END - 2 * HOUR, known_at=END + HOUR)
    assert [one.observed for one in seen(stream(seasonal=False), [*WEEK, late, *many(30)])] == [13]
    watch, history = Watch(stream(seasonal=False), Profile()), History()
    for one in [*WEEK, event("now", END), late]:
        watch.see(one, history, new=False, tell=True)
    assert (history.late, history.total) == (1, 1)


def test_the_hour_of_the_week_counts_where_all_are_busy_then() -> None:
    days = 7 * 12
    events = []
    for day in range(days):
        for hour in range(24):
            for n in range(8 if hour == 12 else 1):
                at = MONDAY + day * 24 * HOUR + hour * HOUR + n * 7 * MINUTE
                events.append(event(f"{day}-{hour}-{n}", at))
    assert seen(stream(warm_up=1_000), events) == []
    assert len(seen(stream(warm_up=1_000, seasonal=False, level=AnomalyLevel(score=3.0)), events)) > 10
    watch = Watch(stream(), Profile())
    for one in events:
        watch.see(one, History(), new=False, tell=False)
    noon = (MONDAY - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // HOUR + 12
    assert watch.factor(noon) == pytest.approx(8 / (31 / 24), rel=0.2)
    assert watch.factor(noon + 1) < 1.0


def test_amounts_are_held_against_days_with_payments_on_the_scale_of_their_logarithms() -> None:
    declared = stream(
        value="amount", same=("currency",), period=AnomalyPeriod.DAY, seasonal=False, warm_up=10,
        level=AnomalyLevel(score=3.5),
    )  # fmt: skip
    usual = [event(day, MONDAY + 2 * day * 24 * HOUR, amount=2_000 + 100 * (day % 5)) for day in range(20)]
    (found,) = seen(declared, [*usual, event("x", MONDAY + 50 * 24 * HOUR, amount=90_000)])
    assert found.words == (
        "payments of 900.00 EUR in the day, usually 20.00 EUR to 24.00 EUR: "
        "10.6 robust standard deviations above the median"
    )
    assert found.score == round((math.log1p(90_000) - math.log1p(2_200)) / 0.35, 3)
    assert seen(declared, [*usual, event("x", MONDAY + 50 * 24 * HOUR, amount=7_000)]) == []


def test_a_burst_is_what_chance_would_not_do_at_the_entity_s_own_rate() -> None:
    rare = [event(day, MONDAY + day * 24 * HOUR) for day in range(14)]
    at = MONDAY + 14 * 24 * HOUR
    declared = stream(level=None, burst=AnomalyBurst(at_least=3), seasonal=False)
    (found,) = seen(declared, [*rare, *many(5, begun=at)])
    assert (found.detector, found.observed, found.at) == (AnomalyDetector.BURST, 3, at + 2 * MINUTE)
    mean, size = moments(found.past)
    odds = 1 / at_least_so_many(3, mean / 6, size)
    assert found.score == round(math.log10(odds), 3)
    assert found.words == (
        "3 payments within 10m, usually 0 to 0 in a whole hour: "
        f"chance does this in one window of {odds:,.0f}"
    )
    assert seen(declared, [*rare, *many(5, begun=at, apart=6 * MINUTE)]) == []
    assert seen(declared, [*steady(96), *many(3)]) == []


def test_a_large_first_payment_to_somebody_is_told_of_who_has_a_history() -> None:
    declared = stream(
        value="amount", same=("currency",), level=None,
        new_counterparty=AnomalyCounterparty(at_least=5_000, history=20),
    )  # fmt: skip
    usual = [event(n, MONDAY + n * HOUR, amount=1_000 + n) for n in range(20)]
    large = event("x", END, merchant="new", amount=6_000)
    (found,) = seen(declared, [*usual, large])
    assert found.words == (
        "the first with the merchant new, of 60.00 EUR; of 20 payments before, 9 of 10 of the newest were of "
        "10.00 EUR to 10.18 EUR"
    )
    assert found.score == round(6_000 / 1_018, 3)
    assert seen(declared, [*usual[1:], large]) == []  # too short a history
    assert seen(declared, [*usual, event("x", END, merchant="new", amount=4_999)]) == []
    assert seen(declared, [*usual, event("x", END, amount=6_000)]) == []  # known


def test_the_tail_of_the_negative_binomial_is_exact() -> None:
    # Of size 1 it is geometric: P(X >= k) = (mean / (1 + mean))^k.
    assert at_least_so_many(5, 3.0, 1.0) == pytest.approx(float(Fraction(3, 4) ** 5), rel=1e-9)
    assert at_least_so_many(0, 3.0, 1.0) == pytest.approx(1.0)
    # Of a great size it is Poisson.
    poisson = 1 - math.fsum(math.exp(-2) * 2**k / math.factorial(k) for k in range(4))
    assert at_least_so_many(4, 2.0, 1e9) == pytest.approx(poisson, rel=1e-6)


def test_the_same_events_give_the_same_to_the_bit() -> None:
    events = noisy(3)
    declared = stream(burst=AnomalyBurst())
    assert seen(declared, events) == seen(declared, events) != []
