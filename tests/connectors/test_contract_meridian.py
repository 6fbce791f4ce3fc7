"""Meridian's connector keeps to the contract, with an issuer that is quick and one that is slow."""

from collections.abc import AsyncIterator

import pytest

from caudal.connectors import Drift
from caudal.connectors.contract import CHECKS, Check, Result, run
from caudal.connectors.meridian import Meridian
from caudal_base.clock import SystemClock
from support.banks import listener
from support.meridians import Accepting, MeridianSimulator, meridian_world

NOT_MERIDIANS = {
    "captures_go_on_until_the_final_one",
    "an_increment_raises_what_is_authorised",
    "a_webhook_out_of_time_is_refused",
}
"""It captures once, raises nothing, and signs no time."""

NEVER_PENDING = {"a_pending_payment_can_be_called_off"}


@pytest.fixture(params=["mtk_ok", "mtk_slow"])
async def benched(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[Meridian, MeridianSimulator, Drift, str]]:
    async with meridian_world() as world, listener(Accepting()) as taken:
        drift = Drift("meridian", SystemClock())
        connector = world.connector(drift)
        yield connector, MeridianSimulator(world, taken, good=request.param), drift, request.param
        await connector.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, benched: tuple[Meridian, MeridianSimulator, Drift, str]) -> None:
    connector, simulator, drift, card = benched
    checked = await run(check, connector, simulator)
    absent = NOT_MERIDIANS | (NEVER_PENDING if card == "mtk_ok" else set())
    expected = Result.NOT_APPLICABLE if checked.name in absent else Result.KEPT
    assert (checked.result, checked.detail if expected is Result.KEPT else "") == (expected, "")
    if "strays" not in checked.name and "tampered" not in checked.name:
        assert drift.counts == {}
