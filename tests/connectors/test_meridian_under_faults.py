"""What the connector says of a call, against what the acquirer's own book says happened."""

import pytest

from support.faults import FAULTS, certainty, require_no_more_than_happened, some_at_a_time, until_quiet
from support.meridians import call_of, meridian_world

CARDS = ("mtk_ok", "mtk_error_authorised", "mtk_stolen", "mtk_nobody", "mtk_error")


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_answer_says_more_than_what_happened(seed: int) -> None:
    async with meridian_world(seed=seed) as world:
        world.misbehave(**FAULTS)
        meridian = world.connector(timeout_ms=40)
        calls = [call_of(CARDS[n % len(CARDS)], attempt_id=f"att_{n}", amount=1_000 + n) for n in range(60)]
        answers = await some_at_a_time(calls, meridian.call, at_once=6)
        await until_quiet(world.partner)
        world.advance(61)
        found = await some_at_a_time(calls, lambda call: certainty(meridian, call), at_once=1)
        require_no_more_than_happened(calls, answers, found, (await world.book())["attempts"])
        await meridian.close()
