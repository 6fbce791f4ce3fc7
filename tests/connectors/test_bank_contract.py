"""The bank's connector keeps to the contract of connectors, with payments that take time and that do not."""

from collections.abc import AsyncIterator

import pytest

from caudal.connectors import Drift
from caudal.connectors.bank import Bank, create
from caudal.connectors.contract import CHECKS, Check, Result, run
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.bank_simulator import BankSimulator
from support.banks import API_KEY, SECRET, bank_world, listener

NOT_THERE = {
    "a_capture_takes_all",
    "a_final_capture_of_a_part_ends_it",
    "captures_go_on_until_the_final_one",
    "no_more_is_captured_than_authorised",
    "an_increment_raises_what_is_authorised",
    "a_cancellation_releases_all",
}
"""Checks of authorisations, which a bank does not have."""

NEVER_PENDING = {"a_pending_payment_can_be_called_off"}
"""Checks of what is on its way, which an instant payment is not."""


@pytest.fixture(params=["tok_bank_ok", "tok_bank_instant"])
async def benched(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bank, BankSimulator]]:
    """A connector and what it is held against."""
    async with bank_world() as world, listener() as taken:
        given = PartnerSettings(
            connector="bank",
            book="main",
            url=world.url,
            api_key=Secret(API_KEY),
            webhook_secrets=[Secret(SECRET)],
        )
        connector = create("bank", given, Drift("bank", SystemClock()))
        yield connector, BankSimulator(world, taken, good=request.param)
        await connector.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, benched: tuple[Bank, BankSimulator]) -> None:
    connector, simulator = benched
    checked = await run(check, connector, simulator)
    absent = NOT_THERE | (NEVER_PENDING if simulator.is_instant else set())
    expected = Result.NOT_APPLICABLE if checked.name in absent else Result.KEPT
    assert (checked.result, checked.detail if expected is Result.KEPT else "") == (expected, "")
