"""What happens in a simulated world: everybody pays as they do, and some of it is fraud.

Every stage draws from a stream of its own, so that more fraud does not change what honest customers do.
"""

import datetime as dt
from typing import Final

import numpy as np

from caudal.fraud_simulation.crimes import add_crimes
from caudal.fraud_simulation.population import USUAL, Floats, Population, settle
from caudal.fraud_simulation.rows import DAY_S, US, Rows
from caudal.fraud_simulation.types import History, Integers, Scenario, World
from caudal_base.errors import InvalidRequest

MOST_PAYMENTS: Final = 50_000_000
"""What is simulated in memory: about as many bytes as a hundred times this."""

_GROWTH: Final = 0.10
"""Prices rise by so much in a year of thorough drift."""

_ELSEWHERE: Final = 0.04
_LONGEST_REPORT_DAYS: Final = 90.0
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def simulate(world: World) -> History:
    """The payments of a world, the same for the same world. Raises `InvalidRequest` for what is no world."""
    refuse(world)
    streams = [np.random.default_rng(each) for each in np.random.SeedSequence(world.seed).spawn(4)]
    people = settle(world, streams[0])
    honest = _honest(world, people, streams[1])
    rows = add_crimes(world, people, honest, streams[2]).within(world.days)
    rows = rows.of(np.argsort(rows.second, kind="stable"))
    begun_us = (world.begun - _EPOCH) // dt.timedelta(microseconds=1)
    at_us = begun_us + (rows.second * US).astype(np.int64)
    return History(
        world=world,
        at_us=at_us,
        customer=rows.customer,
        terminal=rows.terminal,
        card=rows.card,
        device=rows.device,
        country=rows.country,
        online=people.is_online[rows.terminal],
        amount=rows.amount,
        scenario=rows.scenario,
        labelled_us=_labelled(world, at_us, rows.scenario, streams[3]),
    )


def refuse(world: World) -> None:
    """Raise `InvalidRequest` for a world that there cannot be."""
    for field, value, least, most in (
        ("days", world.days, 1, 3_660),
        ("customers", world.customers, 1, 5_000_000),
        ("terminals", world.terminals, 2, 1_000_000),
        ("fraud", world.fraud, 0, 100),
        ("drift", world.drift, 0, 1),
        ("report_days", world.report_days, 0.01, 60),
        ("unreported", world.unreported, 0, 1),
        ("seed", world.seed, 0, 2**63),
    ):
        if not least <= value <= most:  # so it refuses what is no number too
            raise InvalidRequest(f"from {least:,} to {most:,}", field=field)
    if world.days * world.customers > MOST_PAYMENTS:
        raise InvalidRequest(f"customers times days: at most {MOST_PAYMENTS:,}", field="customers")
    if world.begun.tzinfo is None or not 1971 <= world.begun.year <= 2200:
        raise InvalidRequest("a moment of the years 1971 to 2200", field="begun")


def _honest(world: World, people: Population, draw: np.random.Generator) -> Rows:
    """What customers themselves pay, by customer and day."""
    weekday = (world.begun.weekday() + np.arange(world.days)) % 7
    counts = draw.poisson(
        people.rate[:, None] * np.where(weekday[None, :] >= 5, people.weekend[:, None], 1.0)
    )
    customer = np.repeat(np.repeat(np.arange(world.customers), world.days), counts.ravel())
    day = np.repeat(np.tile(np.arange(world.days), world.customers), counts.ravel())
    second = day * DAY_S + _moment(people.hour[customer], draw)
    terminal = _where(people, customer, draw)
    amount = _amount(world, people, customer, terminal, second, draw)
    second_card = draw.random(len(customer)) < people.second_card[customer]
    phone = draw.random(len(customer)) < 0.8
    return Rows(
        second=second,
        customer=customer,
        terminal=terminal,
        card=customer * 2 + second_card,
        device=np.where(people.is_online[terminal], customer * 2 + ~phone, -1),
        country=people.home[customer],
        amount=amount,
        scenario=np.full(len(customer), Scenario.NONE, dtype=np.int64),
    )


def _moment(hour: Floats, draw: np.random.Generator) -> Floats:
    """Seconds since midnight: about the customer's hour, or at any time of the waking day."""
    about = np.where(
        draw.random(len(hour)) < 0.75, draw.normal(hour, 3.0), draw.uniform(7.0, 23.5, len(hour))
    )
    return (about % 24.0) * 3_600.0


def _where(people: Population, customer: Integers, draw: np.random.Generator) -> Integers:
    """A usual terminal, one online, or, seldom, one anywhere."""
    favourite = np.minimum(draw.geometric(0.25, len(customer)) - 1, USUAL - 1)
    chance = draw.random(len(customer))
    online = chance < people.online_share[customer]
    found = people.usual[customer, favourite]
    found = np.where(online, people.online[draw.integers(0, len(people.online), len(customer))], found)
    elsewhere = chance > 1.0 - _ELSEWHERE
    return np.where(elsewhere, draw.integers(0, len(people.price), len(customer)), found)


def _amount(
    world: World, people: Population, customer: Integers, terminal: Integers, second: Floats,
    draw: np.random.Generator,
) -> Integers:  # fmt: skip
    grown = 1.0 + world.drift * _GROWTH * second / (365.0 * DAY_S)
    drawn = np.exp(draw.normal(people.log_mean[customer], people.log_sd[customer]))
    return np.clip(drawn * people.price[terminal] * grown, 50, 2_000_000).astype(np.int64)


def _labelled(world: World, at_us: Integers, scenario: Integers, draw: np.random.Generator) -> Integers:
    """When frauds are reported: some after hours, most after days, a few after weeks or never."""
    days = np.exp(draw.normal(np.log(world.report_days), 0.9, len(at_us))).clip(0.02, _LONGEST_REPORT_DAYS)
    reported = (scenario != Scenario.NONE) & (draw.random(len(at_us)) >= world.unreported)
    return np.where(reported, at_us + (days * DAY_S * US).astype(np.int64), -1)
