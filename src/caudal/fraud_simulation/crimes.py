"""How terminals, cards and accounts fall into wrong hands, and what is done with them.

Criminals change their ways: by the end of a world that drifts they work more online, try cards less before
they use them, and ask for less at once, which is harder to tell from what the customer does.
"""

from typing import Final

import numpy as np

from caudal.fraud_simulation.population import USUAL, Floats, Population
from caudal.fraud_simulation.rows import DAY_S, Rows, together
from caudal.fraud_simulation.types import COUNTRIES, HOMES, Integers, Scenario, World

_TERMINALS_A_DAY: Final = 0.0004
_CARDS_A_DAY: Final = 0.0006
_TAKEOVERS_A_DAY: Final = 0.0003
"""How often one of them falls into wrong hands."""

_SKIMMED: Final = 0.05
"""The share of payments at a compromised terminal whose cards are used by criminals later."""

_FALSE_AT_TERMINAL: Final = 0.6
_CUSTOMERS_A_DEVICE: Final = 150
"""Criminals are fewer than customers, and use their devices for many cards."""


def add_crimes(world: World, people: Population, honest: Rows, draw: np.random.Generator) -> Rows:
    """The honest payments and the others; of the honest ones, those at compromised terminals turn false."""
    honest, skimmed_card, skimmed_at = _terminals(world, honest, draw)
    stolen, stolen_at = _victims(world, _CARDS_A_DAY, draw)
    card = np.concatenate([stolen * 2, skimmed_card])
    at = np.concatenate([stolen_at, skimmed_at])
    taken, taken_at = _victims(world, _TAKEOVERS_A_DAY, draw)
    return together(
        [honest, _cards(world, people, card, at, draw), _takeovers(world, people, taken, taken_at, draw)]
    )


def _victims(world: World, rate: float, draw: np.random.Generator) -> tuple[Integers, Floats]:
    """Customers, and the second at which it begins for each."""
    count = draw.poisson(rate * world.fraud * world.customers * world.days)
    return draw.integers(0, world.customers, count), draw.uniform(0, world.days * DAY_S, count)


def _terminals(world: World, honest: Rows, draw: np.random.Generator) -> tuple[Rows, Integers, Floats]:
    """The payments with what turned false of them; the cards that were skimmed, and when they are used."""
    count = draw.poisson(_TERMINALS_A_DAY * world.fraud * world.terminals * world.days)
    which = draw.integers(0, world.terminals, count)
    begin = draw.uniform(0, world.days * DAY_S, count)
    end = begin + draw.uniform(3, 21, count) * DAY_S
    # The payments of a terminal stand together: those in its bad days are found without a walk over all.
    order = np.argsort(honest.second, kind="stable")
    order = order[np.argsort(honest.terminal[order], kind="stable")]
    terminals = honest.terminal[order]
    compromised = np.zeros(len(order), dtype=np.bool_)
    for terminal, first, last in zip(which, begin, end, strict=True):
        low, high = np.searchsorted(terminals, [terminal, terminal + 1])
        seconds = honest.second[order[low:high]]
        inside = slice(low + np.searchsorted(seconds, first), low + np.searchsorted(seconds, last))
        compromised[order[inside]] = True
    false = compromised & (draw.random(len(order)) < _FALSE_AT_TERMINAL)
    skimmed = np.flatnonzero(compromised & (draw.random(len(order)) < _SKIMMED))
    later = honest.second[skimmed] + draw.exponential(4.0 * DAY_S, len(skimmed))
    scenario = np.where(false, int(Scenario.TERMINAL), honest.scenario)
    turned = Rows(
        honest.second, honest.customer, honest.terminal, honest.card, honest.device, honest.country,
        honest.amount, scenario,
    )  # fmt: skip
    return turned, honest.card[skimmed], later


def _cards(world: World, people: Population, card: Integers, at: Floats, draw: np.random.Generator) -> Rows:
    """What is done with stolen cards: a few small tries within minutes, then as much as they give."""
    changed = _changed(world, at)
    tries = np.where(draw.random(len(card)) < 1.0 - 0.8 * changed, draw.integers(1, 4, len(card)), 0)
    uses = 1 + draw.poisson(3.0, len(card))
    owner, position = _episodes(tries + uses)
    is_try = position < tries[owner]
    gap = np.where(is_try, draw.exponential(120.0, len(owner)), draw.exponential(3_600.0, len(owner)))
    customer = card[owner] // 2
    much = np.exp(draw.normal(people.log_mean[customer], 0.4)) * (4.0 - 2.0 * changed[owner])
    little = draw.uniform(50, 500, len(owner))
    online = draw.random(len(owner)) < 0.6 + 0.3 * changed[owner]
    anywhere = draw.integers(0, world.terminals, len(owner))
    shop = people.online[draw.integers(0, len(people.online), len(owner))]
    terminal = np.where(online | is_try, shop, anywhere)
    device, country = _criminals(world, people, owner, len(card), draw)
    return Rows(
        second=at[owner] + _since_first(gap, owner),
        customer=customer,
        terminal=terminal,
        card=card[owner],
        device=np.where(people.is_online[terminal], device, -1),
        country=np.where(people.is_online[terminal], country, people.home[customer]),
        amount=np.clip(np.where(is_try, little, much), 50, 2_000_000).astype(np.int64),
        scenario=np.full(len(owner), int(Scenario.CARD), dtype=np.int64),
    )


def _takeovers(
    world: World, people: Population, taken: Integers, at: Floats, draw: np.random.Generator
) -> Rows:
    """Some days in the customer's own shops, for larger amounts, from a device that is not theirs."""
    owner, _ = _episodes(2 + draw.poisson(4.0, len(taken)))
    customer = taken[owner]
    changed = _changed(world, at)
    online = draw.random(len(owner)) < 0.5
    shop = people.online[draw.integers(0, len(people.online), len(owner))]
    terminal = np.where(online, shop, people.usual[customer, draw.integers(0, USUAL, len(owner))])
    device, _ = _criminals(world, people, owner, len(taken), draw)
    amount = np.exp(draw.normal(people.log_mean[customer], people.log_sd[customer]))
    return Rows(
        second=at[owner] + _since_first(draw.exponential(0.6 * DAY_S, len(owner)), owner),
        customer=customer,
        terminal=terminal,
        card=customer * 2,
        device=np.where(people.is_online[terminal], device, -1),
        country=people.home[customer],
        amount=np.clip(amount * (5.0 - 2.5 * changed[owner]), 50, 2_000_000).astype(np.int64),
        scenario=np.full(len(owner), int(Scenario.TAKEOVER), dtype=np.int64),
    )


def _changed(world: World, at: Floats) -> Floats:
    """How far criminals' ways have drifted at a second, from 0 to 1."""
    return (world.drift * at / (world.days * DAY_S)).clip(0.0, 1.0)


def _criminals(
    world: World, people: Population, owner: Integers, episodes: int, draw: np.random.Generator
) -> tuple[Integers, Integers]:
    """The device and the seeming country of each payment: those of whoever is behind its episode."""
    gang = max(2, world.customers // _CUSTOMERS_A_DEVICE)
    device = 2 * world.customers + draw.integers(0, gang, episodes)
    abroad = draw.integers(HOMES, len(COUNTRIES), episodes)
    here = draw.integers(0, int(people.home.max()) + 1, episodes)
    country = np.where(draw.random(episodes) < 0.5, abroad, here)
    return device[owner], country[owner]


def _episodes(lengths: Integers) -> tuple[Integers, Integers]:
    """For each payment the episode that it belongs to, and its place in that."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    first = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) - first[owner]


def _since_first(gap: Floats, owner: Integers) -> Floats:
    """Gaps added up within each episode."""
    if not len(gap):
        return gap
    total = np.cumsum(gap)
    is_first = np.concatenate([[True], owner[1:] != owner[:-1]])
    before = (total - gap)[is_first]
    return np.asarray(total - before[np.cumsum(is_first) - 1])
