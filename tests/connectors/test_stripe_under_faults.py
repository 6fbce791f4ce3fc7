"""With Stripe failing in half of all calls, no answer says more than what the sandbox's own book says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from caudal.connectors import (
    Answer,
    Call,
    CaptureMode,
    Direction,
    Drift,
    Found,
    Method,
    NotSent,
    Operation,
    Refused,
    Reported,
    Status,
    Unknown,
)
from caudal.connectors.stripe import StripeConnector, create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.simulators import SandboxStripe, sandbox_process, sandbox_stripe

PAYMENTS = 60

FAULTS = {
    "rate_limited": 0.08,
    "unavailable": 0.08,
    "error_before": 0.08,
    "error_after": 0.1,
    "drop_before": 0.08,
    "drop_after": 0.1,
    "reads": True,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with sandbox_process() as url:
        yield url


@pytest.fixture
async def simulator(sandbox: str) -> AsyncIterator[SandboxStripe]:
    async with sandbox_stripe(sandbox) as simulator:
        yield simulator


@pytest.fixture
async def connector(simulator: SandboxStripe) -> AsyncIterator[StripeConnector]:
    settings = PartnerSettings(
        connector="stripe", book="main", url=simulator.url, api_key=Secret("sk_test_of_these_tests")
    )
    connector = create("stripe", settings, Drift("stripe", SystemClock()))
    yield connector
    await connector.close()


async def known(connector: StripeConnector, call: Call) -> Found:
    """What a query finds, asked until it is answered."""
    for _ in range(100):
        found = await connector.query(call)
        if not isinstance(found, Unknown):
            return found
    raise AssertionError("asked in vain")


async def carried_out(connector: StripeConnector, call: Call, answers: list[tuple[Call, Answer]]) -> Found:
    """Send an attempt until it has gone out, and then learn what became of it."""
    for _ in range(100):
        answer = await connector.call(call)
        answers.append((call, answer))
        if isinstance(answer, Reported | Refused):
            return answer
        if isinstance(answer, Unknown):
            # Also where nothing is found: a 500 that is kept under the key would only come again.
            return await known(connector, call)
    raise AssertionError("sent in vain")


async def one_payment(
    connector: StripeConnector, number: int, answers: list[tuple[Call, Answer]]
) -> list[tuple[Call, Found]]:
    """A payment by hand: authorised, captured in part, and refunded in part of that."""
    declined = number % 5 == 0
    submit = Call(
        attempt_id=f"att_{number}_submit",
        payment_id=f"pay_{number}",
        operation=Operation.SUBMIT,
        direction=Direction.PAY_IN,
        method=Method.CARD,
        amount=1000 + number,
        currency="EUR",
        capture_mode=CaptureMode.MANUAL,
        instrument="pm_card_chargeDeclined" if declined else "pm_card_visa",
    )
    outcomes = [(submit, await carried_out(connector, submit, answers))]
    for operation, amount in ((Operation.CAPTURE, 600), (Operation.REFUND, 200)):
        _, before = outcomes[0]
        if not isinstance(before, Reported) or before.snapshot.status is Status.FAILED:
            break
        step = msgspec.structs.replace(
            submit,
            attempt_id=f"att_{number}_{operation.value}",
            operation=operation,
            amount=amount,
            partner_id=before.snapshot.partner_id,
        )
        outcomes.append((step, await carried_out(connector, step, answers)))
        if not isinstance(outcomes[-1][1], Reported):
            break
    return outcomes


async def test_no_answer_says_more_than_what_happened(
    connector: StripeConnector, simulator: SandboxStripe
) -> None:
    await simulator.tell("PUT", "faults", {"stripe": FAULTS})
    answers: list[tuple[Call, Answer]] = []
    outcomes = [
        outcome
        for part in await asyncio.gather(
            *[one_payment(connector, number, answers) for number in range(PAYMENTS)]
        )
        for outcome in part
    ]
    await simulator.tell("PUT", "faults", {"stripe": dict.fromkeys(FAULTS, 0.0) | {"reads": True}})

    for call, found in outcomes:
        effects = await simulator.effects(call.attempt_id)
        if isinstance(found, Reported) and found.snapshot.status is not Status.FAILED:
            assert effects == 1, (call, found)
            assert found.snapshot.currency == "EUR"
        else:
            assert effects == 0, (call, found)
    for call, answer in answers:
        if isinstance(answer, Refused):
            assert await simulator.effects(call.attempt_id) == 0
    met = Counter(type(answer) for _, answer in answers)
    assert min(met[Reported], met[NotSent], met[Unknown]) > 5
