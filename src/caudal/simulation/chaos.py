"""Kills by a schedule of the seed: which process dies, and at which point of the run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from caudal.simulation.plans import stream
from caudal.simulation.types import Victim
from caudal.simulation.world import World


class Kill(msgspec.Struct, frozen=True):
    """One SIGKILL."""

    after: int
    """So many scripts must have been begun."""
    pause_s: float
    """And so long it waits then, so that it does not always hit the beginning of a payment."""
    victim: Victim
    choice: float
    """Which of several processes, in [0, 1)."""


def schedule(seed: int, payments: int, kills: int) -> list[Kill]:
    """The kills of a run, in order. Every victim has had its turn before one has its second. Pure."""
    draw = stream(seed, "kills")
    victims: list[Victim] = []
    while len(victims) < kills:
        victims += draw.sample(list(Victim), len(Victim))
    points = sorted(draw.uniform(0.03, 0.97) * payments for _ in range(kills))
    return [
        Kill(int(point), draw.uniform(0.0, 0.3), victim, draw.random())
        for point, victim in zip(points, victims, strict=False)
    ]


async def carry_out(
    kills: Sequence[Kill], world: World, reached: Callable[[int], Awaitable[bool]]
) -> list[Victim]:
    """Kill as planned, as long as there are callers; whom it hit.

    `reached` waits until so many scripts have been begun, and is False if they never will be.
    """
    hit = []
    for kill in kills:
        if not await reached(kill.after):
            break
        await asyncio.sleep(kill.pause_s)
        await world.kill(kill.victim, kill.choice)
        hit.append(kill.victim)
    return hit
