"""The trading day: its phases, how much comes when, and that one seed draws one day."""

import itertools
import math

import pytest

from caudal.demo.schedule import CLOSES, OPENS, PHASES, SPIKE, Day
from caudal.demo.traffic import FUNDING, Again, orders
from caudal.simulation import stream
from support.simulated import NOW

SHOP, MARKET = "cus_shop", "cus_market"


@pytest.fixture
def day() -> Day:
    """A tenth of an hour is a second of it."""
    return Day(seconds=95.0, rate=20.0)


@pytest.fixture
def short() -> Day:
    return Day(seconds=20.0, rate=4.0)


def test_the_phases_fill_the_day_without_a_gap() -> None:
    assert (PHASES[0].begins, PHASES[-1].ends) == (OPENS, CLOSES)
    assert all(first.ends == second.begins for first, second in itertools.pairwise(PHASES))


def test_the_spike_is_ten_times_the_base_load() -> None:
    assert SPIKE == 10
    assert max(load for phase in PHASES for load in phase.load) == SPIKE


def test_the_outage_begins_in_the_spike_and_ends_before_the_recovery() -> None:
    down = [phase.name for phase in PHASES if phase.outage]
    assert down == ["spike, outage", "outage"]


@pytest.mark.parametrize(
    ("second", "clock", "phase", "load"),
    [
        (0.0, "08:00", "opening", 6.0),
        (5.0, "08:30", "opening", 13.0),
        (10.0, "09:00", "morning", 20.0),
        (50.0, "13:00", "spike", 200.0),
        (57.5, "13:45", "spike, outage", 200.0),
        (94.9, "17:29", "closing", 4.16),
    ],
)
def test_each_second_has_its_time_its_phase_and_its_load(
    day: Day, second: float, clock: str, phase: str, load: float
) -> None:
    at = day.phase(second)
    assert at is not None
    assert (day.clock(second), at.name) == (clock, phase)
    assert day.load(second) == pytest.approx(load, abs=0.01)


def test_after_the_closing_nothing_comes_and_it_gets_no_later(day: Day) -> None:
    assert (day.phase(95.0), day.load(99.0), day.clock(99.0)) == (None, 0.0, "17:30")


def test_as_much_comes_as_the_load_says(day: Day) -> None:
    arrivals = list(day.arrivals(stream(1, "arrivals")))

    assert arrivals == sorted(arrivals)
    assert arrivals[0] > 0
    assert arrivals[-1] < day.seconds
    for phase in PHASES:
        begins, ends = day.second(phase.begins), day.second(phase.ends)
        expected = day.rate * sum(phase.load) / 2 * (ends - begins)
        counted = sum(1 for second in arrivals if begins <= second < ends)
        assert abs(counted - expected) < 5 * math.sqrt(expected), phase.name


def test_a_seed_draws_the_same_day_again_and_another_draws_another(short: Day) -> None:
    first, again, other = (orders(seed, short, SHOP, MARKET, NOW) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_payment_touches_one_of_the_two_accounts(short: Day) -> None:
    before, made = orders(1, short, SHOP, MARKET, NOW)

    assert [(order.body["customer"], order.body["amount"]) for order in before] == [
        (SHOP, FUNDING),
        (MARKET, FUNDING),
    ]
    ways = {(order.body["kind"], order.body["customer"], order.body.get("destination")) for order in made}
    assert ways == {("pay_in", SHOP, None), ("payout", MARKET, None), ("internal", SHOP, MARKET)}


def test_some_callers_send_their_requests_twice_in_each_manner(short: Day) -> None:
    _, made = orders(1, short, SHOP, MARKET, NOW)
    assert {order.again for order in made} == set(Again)
    assert len({order.key for order in made}) == len({order.payment_id for order in made}) == len(made)
