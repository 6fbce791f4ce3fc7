"""One step, tried: without a kill to learn its points, then killed at each of them."""

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from caudal_sandbox.messages import Response, json_response
from support.kill_children import Children
from support.kill_points import Point
from support.kill_programs import Result
from support.kill_steps import Step
from support.kill_worlds import REPEATS, KillWorld, Told, changed, kill_world

_MISSES: Final = 4


class Trial(msgspec.Struct, kw_only=True):
    """What one run showed."""

    points: list[Point]
    left: str
    """What stood in the book when the process was dead, and had not before."""
    happened: str
    """What had happened at the partners meanwhile."""
    recovery: str
    """What helped, and how many seconds after the death."""
    repeated: str
    """What the caller got for his request, sent again with its key."""
    ended: dict[str, Any]
    """Everything, when all is over."""


async def _caller(world: KillWorld, victim: Point | None) -> Result | None:
    asked = world.asked
    assert asked is not None
    headers = {**world.payments.headers(Idempotency_Key=asked.key), "Content-Type": "application/json"}
    result = await world.child(
        "api", victim, path=asked.path, headers=headers, body=msgspec.json.encode(asked.body)
    )
    if result is not None:
        assert result.status in (200, 201), result.body
        asked.answer = result.body
    return result


async def _partner(world: KillWorld, victim: Point | None) -> Result | None:
    arrival = await world.arrival()
    request = arrival.request
    result = await world.child(
        "api", victim, path=request.path, headers=dict(request.headers), body=request.body
    )
    world.arrivals[request.body] += 1
    if result is None:
        arrival.answer.set_result(json_response(502, {}))
    else:
        arrival.answer.set_result(Response(result.status, result.body, (("content-type", "text/plain"),)))
    return result


async def _worker(world: KillWorld, victim: Point | None) -> Result | None:
    return await world.child("worker", victim)


async def _deliverer(world: KillWorld, victim: Point | None) -> Result | None:
    return await world.child("deliverer", victim)


_ACTS: dict[str, Callable[[KillWorld, Point | None], Awaitable[Result | None]]] = {
    "api": _caller, "webhook": _partner, "worker": _worker, "deliverer": _deliverer,
}  # fmt: skip


class NotPassed(Exception):
    """This time the program took another way, on which that point is not."""


async def killed_at(dsn: str, children: Children, step: Step, victim: Point) -> Trial:
    """Take the step, with its program dying at `victim`.

    What is recorded together, and what is not, is a matter of milliseconds: the point may be missed.
    """
    for _ in range(_MISSES):
        with contextlib.suppress(NotPassed):
            return await trial(dsn, children, step, victim)
    return await trial(dsn, children, step, victim)


async def trial(dsn: str, children: Children, step: Step, victim: Point | None = None) -> Trial:
    """Take the step, with its program dying at `victim`; let everything recover and end."""
    async with kill_world(
        dsn, children, names=step.names, ordered=step.ordered, periodics=step.periodics
    ) as world:
        for prepare in step.prepare:
            await prepare(world)
        before, happened, delivered = await world.left(), world.effects(), len(world.sink.received)
        result = await _ACTS[step.program](world, victim)
        if (result is None) != (victim is not None):
            raise NotPassed(str(victim))
        await world.bury()
        left, now = changed(before, await world.left()), Counter(world.effects()) - Counter(happened)
        world.begin()
        world.let_in()
        await world.to_rest()
        if not await world.repeat():
            await world.to_rest()
        told = list(world.told)
        for finish in step.finish:
            await finish(world)
        return Trial(
            points=[] if result is None else result.points,
            left=left,
            happened=", ".join(now.elements()),
            recovery=_in_words(told, _arrived_twice(world, delivered), step.program),
            repeated=next(one.what for one in told if one.what.startswith(REPEATS)).removeprefix(REPEATS),
            ended=await world.ended(),
        )


def _arrived_twice(world: KillWorld, delivered: int) -> int:
    """Of the events that came since then."""
    arrived = Counter(one.headers["webhook-id"] for one in world.sink.received[delivered:])
    return sum(count > 1 for count in arrived.values())


_ORDER = ("claimed again", " claims the ", " asked: ", " called: ", "webhook arrived", REPEATS)
"""Of what happens at one moment of a clock that stands still."""


def _in_words(told: Sequence[Told], twice: int, program: str) -> str:
    def place(one: Told) -> tuple[int, float, int]:
        return one.phase, one.seconds, next(i for i, what in enumerate(_ORDER) if what in one.what)

    parts: list[str] = []
    at = 0.0
    for one in dict.fromkeys(sorted(told, key=place)):
        if "the endpoint" in one.what and program != "deliverer":
            continue
        if one.what.startswith(REPEATS):
            # Whether he got the answer of old says whether it was he who helped.
            parts += [] if one.what.endswith("replayed") else ["the caller repeats"]
            continue
        parts.append(one.what if one.seconds == at else f"after {one.seconds:g} s {one.what}")
        at = one.seconds
    parts += [f"{twice} event{'s' * (twice > 1)} arrived twice"] if twice else []
    return "; ".join(parts) or "nothing is left to be done"
