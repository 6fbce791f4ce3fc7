"""What the connector says of a call, against what the acquirer's own book says happened."""

import asyncio
from typing import Any

import pytest

from caudal.connectors import Call, NotFound, NotSent, Refused, Reported, Status, Unknown
from caudal.connectors.meridian import Meridian
from support.meridians import MeridianWorld, call_of, meridian_world

FAULTS: dict[str, Any] = {
    "rate_limited": 0.1,
    "unavailable": 0.1,
    "error_before": 0.1,
    "error_after": 0.1,
    "drop_before": 0.1,
    "drop_after": 0.1,
    "delay_before": 0.1,
    "delay_after": 0.1,
    "delay_ms_min": 1,
    "delay_ms_max": 60,
    "retry_after_s": 0,
    "search_lag_s": 60,
}
"""Half of all calls go wrong, and some of those that do not come after the connector has given up."""

CARDS = ("mtk_ok", "mtk_error_authorised", "mtk_stolen", "mtk_nobody", "mtk_error")


async def certainty(meridian: Meridian, call: Call) -> Any:
    """What a query finds once it can: a query may go wrong as any call may."""
    for _ in range(50):
        found = await meridian.query(call)
        if not isinstance(found, Unknown):
            return found
    raise AssertionError("50 queries in a row went wrong")


async def until_quiet(world: MeridianWorld) -> None:
    """Wait for the calls that the connector has given up on and the acquirer is still working on."""
    while any(not kept.answered for kept in world.partner._keys._kept):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_answer_says_more_than_what_happened(seed: int) -> None:
    async with meridian_world(seed=seed) as world:
        world.misbehave(**FAULTS)
        meridian = world.connector(timeout_ms=40)
        calls = [call_of(CARDS[n % len(CARDS)], attempt_id=f"att_{n}", amount=1_000 + n) for n in range(60)]
        answers = [await asyncio.gather(*map(meridian.call, calls[at : at + 6])) for at in range(0, 60, 6)]
        await until_quiet(world)
        world.advance(61)
        found = [await certainty(meridian, call) for call in calls]
        effects = (await world.book())["attempts"]
        given = [answer for some in answers for answer in some]
        assert {type(answer) for answer in given} == {Reported, Refused, NotSent, Unknown}
        for call, answer, known in zip(calls, given, found, strict=True):
            moved = effects.get(call.attempt_id, 0)
            assert moved == (isinstance(known, Reported) and known.snapshot.status is Status.SUCCEEDED)
            if isinstance(answer, Reported):
                assert known == answer
            if isinstance(answer, Refused | NotSent):
                assert known == NotFound()
        await meridian.close()
