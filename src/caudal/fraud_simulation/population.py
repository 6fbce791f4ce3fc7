"""Who lives in a simulated world: customers with their habits, and terminals in towns and online."""

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caudal.fraud_simulation.types import HOMES, Flags, Integers, World

USUAL: Final = 12
"""At so many terminals a customer pays again and again."""

_TERMINALS_A_TOWN: Final = 60
_ONLINE: Final = 0.15
_PAYMENTS_A_DAY: Final = 1.5
_SECOND_CARD: Final = 0.3

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Population:
    """Arrays by customer, then by terminal."""

    rate: Floats
    """Payments on an ordinary day."""
    weekend: Floats
    """What a day of the weekend has of that."""
    hour: Floats
    """The middle of the day's payments."""
    log_mean: Floats
    """Of amounts in minor units."""
    log_sd: Floats
    second_card: Floats
    """The share of payments with the second card."""
    online_share: Floats
    home: Integers
    usual: Integers
    """A row of `USUAL` terminals each, the dearest first; some more than once."""

    is_online: Flags
    price: Floats
    """What is asked there, as a multiple of what customers pay on the whole."""
    online: Integers
    """Numbers of the terminals that are reached from everywhere."""


def settle(world: World, draw: np.random.Generator) -> Population:
    """Draw the world's inhabitants."""
    count, terminals = world.customers, world.terminals
    towns = max(1, terminals // _TERMINALS_A_TOWN)
    is_online = draw.random(terminals) < _ONLINE
    is_online[0] = True
    is_online[1:2] = False
    town_of = draw.integers(0, towns, terminals)
    physical = np.flatnonzero(~is_online)
    popularity = draw.pareto(1.5, terminals) + 1.0
    home_town = draw.integers(0, towns, count)
    return Population(
        rate=draw.gamma(2.0, _PAYMENTS_A_DAY / 2.0, count),
        weekend=draw.uniform(0.5, 1.8, count),
        hour=draw.normal(14.0, 2.5, count),
        log_mean=draw.normal(np.log(3_000.0), 0.5, count),
        log_sd=draw.uniform(0.3, 0.8, count),
        second_card=np.where(draw.random(count) < _SECOND_CARD, draw.uniform(0.1, 0.5, count), 0.0),
        online_share=draw.beta(1.5, 5.0, count),
        home=home_town % HOMES,
        usual=_usual(draw, home_town, town_of, physical, popularity, towns),
        is_online=is_online,
        price=np.exp(draw.normal(0.0, 0.4, terminals)),
        online=np.flatnonzero(is_online),
    )


def _usual(
    draw: np.random.Generator, home_town: Integers, town_of: Integers, physical: Integers, popularity: Floats,
    towns: int,
) -> Integers:  # fmt: skip
    """Terminals of each customer's town, the popular ones more often."""
    found = np.empty((len(home_town), USUAL), dtype=np.int64)
    chances = draw.random(found.shape)
    for town in range(towns):
        here = physical[town_of[physical] == town]
        if not len(here):
            here = physical if len(physical) else np.array([0])
        rising = np.cumsum(popularity[here])
        ours = home_town == town
        found[ours] = here[
            np.searchsorted(rising, chances[ours] * rising[-1], side="right").clip(max=len(here) - 1)
        ]
    return found
