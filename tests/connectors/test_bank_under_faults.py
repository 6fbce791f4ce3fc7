"""What the connector says of a call, against what the bank's own book says happened."""

import pytest

from caudal.connectors import Call, Direction, Drift, Method, Operation
from caudal.connectors.bank import create
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.banks import API_KEY, bank_world
from support.faults import FAULTS, certainty, require_no_more_than_happened, some_at_a_time, until_quiet

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


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_answer_says_more_than_what_happened(seed: int) -> None:
    async with bank_world(seed=seed) as world:
        world.misbehave(**FAULTS)
        given = PartnerSettings(
            connector="bank", book="main", url=world.url, api_key=Secret(API_KEY), timeout_ms=40
        )
        bank = create("bank", given, Drift("bank", SystemClock()))
        calls = [call_of(number) for number in range(80)]
        answers = await some_at_a_time(calls, bank.call, at_once=8)
        await until_quiet(world.partner)
        world.advance(61)
        found = await some_at_a_time(calls, lambda call: certainty(bank, call), at_once=8)
        require_no_more_than_happened(calls, answers, found, (await world.book())["attempts"])
        await bank.close()
