"""Stripe's connector against the contract, at the sandbox's Stripe in a process of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from caudal.connectors import Drift
from caudal.connectors.contract import CHECKS, Check, Result, run
from caudal.connectors.stripe import StripeConnector, create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.simulators import SECRET, SandboxStripe, sandbox_process, sandbox_stripe

NOT_STRIPES = {"a_pending_payment_can_be_called_off"}
"""A direct debit on its way cannot be stopped."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with sandbox_process() as url:
        yield url


@pytest.fixture
async def simulator(sandbox: str) -> AsyncIterator[SandboxStripe]:
    async with sandbox_stripe(sandbox) as simulator:
        yield simulator


@pytest.fixture
def observed() -> Drift:
    return Drift("stripe", SystemClock())


@pytest.fixture
async def connector(simulator: SandboxStripe, observed: Drift) -> AsyncIterator[StripeConnector]:
    settings = PartnerSettings(
        connector="stripe",
        book="main",
        url=simulator.url,
        api_key=Secret("sk_test_of_the_contract_kit"),
        webhook_secrets=[Secret("whsec_of_yesterday"), Secret(SECRET)],
    )
    connector = create("stripe", settings, observed)
    yield connector
    await connector.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(
    check: Check, connector: StripeConnector, simulator: SandboxStripe, observed: Drift
) -> None:
    checked = await run(check, connector, simulator)
    wanted = Result.NOT_APPLICABLE if checked.name in NOT_STRIPES else Result.KEPT
    assert checked.result is wanted, checked.detail
    if "strays" not in checked.name:
        assert observed.counts == {}
