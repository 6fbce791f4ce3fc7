"""What the connector says of a call, against what the bank's own book says happened."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from caudal.connectors import (
    Call,
    Direction,
    Drift,
    Method,
    NotFound,
    NotSent,
    Operation,
    Refused,
    Reported,
    Status,
    Unknown,
)
from caudal.connectors.bank import Bank, create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.banks import API_KEY, BankWorld, bank_world

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

ACCOUNTS = ("tok_bank_instant", "tok_bank_instant", "tok_bank_closed", "tok_bank_of_nobody")


def call_of(number: int) -> Call:
    """The call of attempt number `number`."""
    payout = number % 2 == 0
    return Call(
        attempt_id=f"att_{number}",
        payment_id=f"pay_{number}",
        operation=Operation.SUBMIT,
        direction=Direction.PAYOUT if payout else Direction.PAY_IN,
        method=Method.BANK_TRANSFER if payout else Method.BANK_DEBIT,
        amount=1000 + number,
        currency="EUR",
        instrument=ACCOUNTS[number % len(ACCOUNTS)],
    )


async def certainty(bank: Bank, call: Call) -> Any:
    """What a query finds once it can: a query may go wrong as any call may."""
    for _ in range(50):
        found = await bank.query(call)
        if not isinstance(found, Unknown):
            return found
    raise AssertionError("50 queries in a row went wrong")


async def eights(calls: list[Call], ask: Callable[[Call], Awaitable[Any]]) -> list[Any]:
    """What `ask` gives for each call, eight at a time."""
    given: list[Any] = []
    for at in range(0, len(calls), 8):
        given += await asyncio.gather(*(ask(call) for call in calls[at : at + 8]))
    return given


async def until_quiet(world: BankWorld) -> None:
    """Wait for the calls that the connector has given up on and the bank is still working on."""
    while any(not kept.answered for kept in world.partner._keys._kept):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_answer_says_more_than_what_happened(seed: int) -> None:
    async with bank_world(seed=seed) as world:
        world.misbehave(**FAULTS)
        given = PartnerSettings(
            connector="bank", book="main", url=world.url, api_key=Secret(API_KEY), timeout_ms=40
        )
        bank = create("bank", given, Drift("bank", SystemClock()))
        calls = [call_of(number) for number in range(80)]
        answers = await eights(calls, bank.call)
        await until_quiet(world)
        world.advance(61)
        found = await eights(calls, lambda call: certainty(bank, call))
        effects = (await world.book())["attempts"]
        assert {type(answer) for answer in answers} == {Reported, Refused, NotSent, Unknown}
        assert set(effects) <= {call.attempt_id for call in calls}
        for call, answer, known in zip(calls, answers, found, strict=True):
            moved = effects.get(call.attempt_id, 0)
            assert moved == (isinstance(known, Reported) and known.snapshot.status is Status.SUCCEEDED)
            if isinstance(answer, Reported):
                assert known == answer
            if isinstance(answer, Refused | NotSent):
                assert known == NotFound()
        await bank.close()
