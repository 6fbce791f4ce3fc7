"""Between a client and the API everything may be lost: each write has one effect, or the caller is told."""

import asyncio
import json

import pytest

from caudal.client import (
    Account,
    Caudal,
    Conflict,
    NotFound,
    OutcomeUnknown,
    PostItem,
    Retry,
    Side,
    TooManyRequests,
    TransferItem,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Unprocessable,
    new_transfer_id,
)
from support.client_settings import Pair, Setting
from support.unreliable import Fault, answers, answers_after, late_answer, lost_answer, silence, unreachable


def attempts(setting: Setting, operation: str) -> list[tuple[str | None, bytes]]:
    """Key and body of each attempt at an operation."""
    return [(seen.key, seen.body) for seen in setting.network.seen if seen.operation == operation]


async def balance(caudal: Caudal, account: Account) -> int:
    return (await caudal.accounts.balance(account.id)).balance


async def pay(caudal: Caudal, pair: Pair, amount: int = 100, **more: str) -> str:
    transfer = await caudal.transfers.create(
        debit_account=pair.cash.id, credit_account=pair.ana.id, amount=amount, currency="USD", **more
    )
    return transfer.id


@pytest.mark.parametrize(
    "fault", [lost_answer, late_answer, unreachable, answers(503), answers_after(502), answers_after(500)]
)
async def test_a_transfer_whose_answer_was_lost_is_done_once(
    setting: Setting, caudal: Caudal, pair: Pair, fault: Fault
) -> None:
    setting.network.faults = [fault, fault]

    id_ = await pay(caudal, pair)

    assert await balance(caudal, pair.ana) == 100
    assert (await caudal.transfers.get(id_)).amount == 100
    made = attempts(setting, "create_transfer")
    assert len(made) == 3
    assert len(set(made)) == 1, "each attempt has the same key and the same bytes"
    assert caudal.retries == 2


async def test_every_kind_of_write_is_done_once(setting: Setting, caudal: Caudal, pair: Pair) -> None:
    network, cash, ana = setting.network, pair.cash.id, pair.ana.id

    network.faults = [lost_answer]
    opened = await caudal.accounts.open(currency="USD", normal_side=Side.CREDIT)
    network.faults = [lost_answer]
    items = [TransferItem(debit_account=cash, credit_account=ana, amount=900, currency="USD")]
    batch = await caudal.transfers.batch(items)
    held = await caudal.transfers.create(
        debit_account=ana, credit_account=opened.id, amount=500, currency="USD", pending=True
    )
    network.faults = [lost_answer]
    posted = await caudal.transfers.post(held.id, amount=300)
    network.faults = [lost_answer]
    reversal = await caudal.transfers.reverse(posted.id, amount=50)
    network.faults = [lost_answer]
    frozen = await caudal.accounts.freeze(opened.id)

    assert batch.created == 1
    assert [account.id async for account in caudal.accounts.list()] == [cash, ana, opened.id]
    assert (await caudal.transfers.get(posted.id)).reversed_amount == reversal.amount == 50
    assert await balance(caudal, pair.ana) == 900 - 300 + 50
    assert frozen.status == "frozen"
    assert caudal.retries == 5


async def test_attempts_are_bounded_and_the_caller_gets_the_key(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    setting.network.faults = [unreachable] * 5 + [lost_answer]

    with pytest.raises(OutcomeUnknown) as caught:
        await pay(caudal, pair)

    made = attempts(setting, "create_transfer")
    assert len(made) == 5
    assert caught.value.idempotency_key == made[0][0]
    assert caught.value.idempotency_key in str(caught.value)
    assert caught.value.code == "outcome_unknown"
    assert isinstance(caught.value.__cause__, Unavailable)


async def test_another_process_repeats_with_nothing_but_the_key(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    async with setting.client(retry=Retry(attempts=1)) as hasty:
        setting.network.faults = [lost_answer]
        with pytest.raises(OutcomeUnknown) as caught:
            await pay(hasty, pair)

    async with setting.client() as another:
        id_ = await pay(another, pair, idempotency_key=caught.value.idempotency_key)

    assert await balance(caudal, pair.ana) == 100
    first, second = attempts(setting, "create_transfer")
    assert first == second
    assert [transfer.id async for transfer in caudal.transfers.list()] == [id_]


async def test_another_process_repeats_with_nothing_but_the_id(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    id_ = new_transfer_id()
    await pay(caudal, pair, id=id_)

    assert await pay(caudal, pair, id=id_) == id_

    first, second = attempts(setting, "create_transfer")
    assert first[0] != second[0], "an id of the caller's own leaves the key free"
    assert await balance(caudal, pair.ana) == 100


async def test_a_key_of_the_callers_own_leaves_the_id_to_the_api(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    first = await pay(caudal, pair, idempotency_key="order-17")
    again = await pay(caudal, pair, idempotency_key="order-17")

    assert first == again
    assert attempts(setting, "create_transfer")[0] == attempts(setting, "create_transfer")[1]
    assert b'"id"' not in attempts(setting, "create_transfer")[0][1]
    assert await balance(caudal, pair.ana) == 100


async def test_a_hold_can_be_posted_under_a_key_made_of_its_id(caudal: Caudal, pair: Pair) -> None:
    held = await caudal.transfers.create(
        debit_account=pair.cash.id, credit_account=pair.ana.id, amount=100, currency="USD", pending=True
    )

    posted = await caudal.transfers.post(held.id, idempotency_key=held.id)

    assert posted.id != held.id
    assert await balance(caudal, pair.ana) == 100


async def test_a_kept_batch_repeats_without_a_second_effect(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    one = TransferItem(debit_account=pair.cash.id, credit_account=pair.ana.id, amount=70, currency="USD")
    held = TransferItem(
        debit_account=pair.ana.id, credit_account=pair.cash.id, amount=30, currency="USD", pending=True
    )
    items = [one, held, PostItem(pending_id=held.id, amount=10)]

    first = await caudal.transfers.batch(items)
    again = await caudal.transfers.batch(items)

    assert (first.created, again.exists) == (3, 3)
    assert await balance(caudal, pair.ana) == 60


async def test_retry_after_is_waited_out(setting: Setting, caudal: Caudal, pair: Pair) -> None:
    setting.network.faults = [answers(503, retry_after="7"), answers(429, retry_after="3")]

    await pay(caudal, pair)

    first, second = setting.waits
    assert 7 <= first <= 7.1
    assert 3 <= second <= 3.2
    assert await balance(caudal, pair.ana) == 100


async def test_waiting_past_the_deadline_is_given_up_at_once(setting: Setting, pair: Pair) -> None:
    setting.network.faults = [answers(503, retry_after="61")]
    async with setting.client() as caudal:
        with pytest.raises(OutcomeUnknown) as caught:
            await pay(caudal, pair)

    assert (caught.value.status, caught.value.retry_after) == (503, 61)
    assert setting.waits == []


async def test_the_deadline_ends_an_attempt_that_gets_no_answer(setting: Setting, pair: Pair) -> None:
    setting.network.faults = [silence]
    async with setting.client(retry=Retry(deadline_s=0.05)) as caudal:
        with pytest.raises(OutcomeUnknown, match="deadline"):
            await pay(caudal, pair)

    assert len(attempts(setting, "create_transfer")) == 1


async def test_a_caller_that_goes_away_is_not_held(setting: Setting, caudal: Caudal, pair: Pair) -> None:
    setting.network.faults = [silence]
    task = asyncio.create_task(pay(caudal, pair))
    while not attempts(setting, "create_transfer"):
        await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_refusal_is_final(setting: Setting, caudal: Caudal, pair: Pair) -> None:
    with pytest.raises(Unprocessable) as caught:
        await caudal.transfers.create(
            debit_account=pair.ana.id, credit_account=pair.cash.id, amount=1, currency="USD"
        )

    error = caught.value
    assert (error.code, error.status, error.field) == ("exceeds_debit_limit", 422, "amount")
    assert error.problem is not None
    assert error.problem.type == "/docs/errors#exceeds_debit_limit"
    assert error.detail == error.problem.detail
    assert str(error) == f"exceeds_debit_limit: {error.detail} (amount)"
    assert error.request_id
    assert len(attempts(setting, "create_transfer")) == 1
    assert caudal.retries == 0


async def test_a_refusal_that_was_lost_is_told_by_the_repeat(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    await caudal.accounts.freeze(pair.ana.id)
    setting.network.faults = [lost_answer]

    with pytest.raises(Conflict) as caught:
        await pay(caudal, pair)

    assert caught.value.code == "credit_account_frozen"
    assert len(attempts(setting, "create_transfer")) == 2


def told(status: int) -> bytes:
    """Problem details, as the API gives them."""
    return json.dumps({"code": "made_up", "status": status, "detail": "no", "type": "/docs"}).encode()


@pytest.mark.parametrize(
    "refusal",
    [answers(401, told(401)), answers(403, told(403)), answers(413), answers(429, told(429)), answers(404)],
)
async def test_a_refusal_at_the_door_says_nothing_of_the_attempt_before(
    setting: Setting, caudal: Caudal, pair: Pair, refusal: Fault
) -> None:
    setting.network.faults = [lost_answer, *[refusal] * 4]

    with pytest.raises(OutcomeUnknown) as caught:
        await pay(caudal, pair)

    setting.network.faults = []
    await pay(caudal, pair, idempotency_key=caught.value.idempotency_key)
    assert await balance(caudal, pair.ana) == 100


async def test_over_the_rate_at_every_attempt_nothing_was_done(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    setting.network.faults = [answers(429)] * 5

    with pytest.raises(TooManyRequests):
        await pay(caudal, pair)

    assert len(attempts(setting, "create_transfer")) == 5


async def test_a_proxys_page_in_place_of_an_answer_leaves_the_outcome_unknown(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    setting.network.faults = [answers(200, b"<html>Log in to this network</html>")]
    with pytest.raises(OutcomeUnknown):
        await pay(caudal, pair)

    setting.network.faults = [answers(302, location="https://elsewhere.test/")]
    with pytest.raises(OutcomeUnknown):
        await pay(caudal, pair)

    assert len(attempts(setting, "create_transfer")) == 2, "repeating it at once would change nothing"
    assert all(seen.headers["host"] == "caudal.test" for seen in setting.network.seen)


async def test_reads_are_repeated_too_and_then_unavailable(
    setting: Setting, caudal: Caudal, pair: Pair
) -> None:
    setting.network.faults = [unreachable, answers(500)]
    assert (await caudal.accounts.get(pair.ana.id)).id == pair.ana.id

    setting.network.faults = [answers(503, retry_after="0")] * 5
    with pytest.raises(Unavailable) as caught:
        await caudal.accounts.get(pair.ana.id)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert caught.value.status == 503

    setting.network.faults = [answers(200, b"[]")]
    with pytest.raises(UnexpectedAnswer):
        await caudal.accounts.get(pair.ana.id)
    assert {seen.key for seen in setting.network.seen if seen.operation == "get_account"} == {None}


async def test_other_refusals_have_their_types(setting: Setting, caudal: Caudal) -> None:
    with pytest.raises(NotFound) as missing:
        await caudal.transfers.get(new_transfer_id())
    async with setting.client(key="caudal_test_nobody") as stranger:
        with pytest.raises(Unauthenticated) as unknown:
            await stranger.accounts.get("acct_" + "1" * 32)

    assert missing.value.code == "transfer_not_found"
    assert unknown.value.status == 401
