"""Those who come at the same time: one wins, the other gets a typed conflict, and the ledger agrees."""

import asyncio

import msgspec
import psycopg
import pytest

from caudal.connectors import Operation, Status
from caudal.payments import (
    AttemptState,
    CancelPayment,
    CapturePayment,
    Case,
    CreatePayment,
    Outcome,
    OutcomeStatus,
    PaymentKind,
    PaymentState,
    RefundPayment,
)
from caudal_base import ids
from support.payment_worlds import PaymentWorld, code, new_id, snapshot_of


def capture(case: Case, amount: int | None = None) -> CapturePayment:
    return CapturePayment(payment_id=case.payment.id, id=new_id(ids.CAPTURE), amount=amount)


def cancel(case: Case) -> CancelPayment:
    return CancelPayment(payment_id=case.payment.id, id=new_id(ids.ATTEMPT))


def codes(outcomes: list[Outcome]) -> list[str]:
    return sorted("ok" if o.refusal is None else o.refusal.code for o in outcomes)


async def test_of_two_captures_in_one_batch_the_first_wins(world: PaymentWorld) -> None:
    case = await world.authorised()
    first, second = await world.apply(capture(case, 700), capture(case, 800))
    assert (first.status, code(second)) == (OutcomeStatus.APPLIED, "payment_in_flight")
    assert [c.amount for c in (await world.again(case)).captures] == [700]


async def test_of_two_captures_in_two_batches_one_wins(world: PaymentWorld) -> None:
    case = await world.authorised()
    found = await asyncio.gather(world.one(capture(case)), world.one(capture(case)))
    assert codes(found) == ["ok", "payment_in_flight"]
    await world.report(await world.again(case), Status.SUCCEEDED)
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert await world.findings() == []


async def test_of_cancel_and_capture_one_wins(world: PaymentWorld) -> None:
    case = await world.authorised()
    found = await asyncio.gather(world.one(capture(case)), world.one(cancel(case)))
    assert codes(found) == ["ok", "payment_in_flight"]
    case = await world.again(case)
    won = {Operation.CAPTURE: PaymentState.CAPTURING, Operation.CANCEL: PaymentState.CANCELLING}
    assert case.live is not None
    assert case.payment.state is won[case.live.operation]


async def test_of_two_refunds_of_everything_one_wins(world: PaymentWorld) -> None:
    case = await world.succeeded()
    orders = [RefundPayment(payment_id=case.payment.id, id=new_id(ids.REFUND), amount=700) for _ in range(2)]
    found = await asyncio.gather(*(world.one(order) for order in orders))
    assert codes(found) == ["exceeds_captured_amount", "ok"]
    assert await world.wallet(world.ana) == (1_000, 300)


async def test_of_two_payouts_of_everything_one_wins(world: PaymentWorld) -> None:
    await world.fund(world.ana, 1_000)
    orders = [
        CreatePayment(
            id=new_id(ids.PAYMENT), kind=PaymentKind.PAYOUT, customer=world.ana, amount=1_000, currency="EUR",
            instrument="tok_bank_ok",
        )
        for _ in range(2)
    ]  # fmt: skip
    found = await world.apply(*orders)
    assert codes(found) == ["exceeds_debit_limit", "ok"]
    assert await world.wallet(world.ana) == (1_000, 0)


async def test_answer_and_webhook_at_the_same_time_post_once(world: PaymentWorld) -> None:
    case = await world.create()
    assert case.live is not None
    await world.send(case.live)
    told = snapshot_of(case, Status.SUCCEEDED)
    await asyncio.gather(world.report(case, Status.SUCCEEDED), *(world.hear(told) for _ in range(3)))
    assert await world.state(case) is PaymentState.SUCCEEDED
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 1_000)
    assert await world.findings() == []


async def test_the_database_itself_refuses_a_second_attempt_under_way(world: PaymentWorld) -> None:
    case = await world.create()
    assert case.live is not None
    another = msgspec.structs.replace(case.live, id=new_id(ids.ATTEMPT))
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        async with world.database.transaction() as connection:
            await connection.execute(
                b"insert into payments.attempt"
                b" (book_id, id, payment_id, operation, state, partner, updated_at, data)"
                b" values (%s, %s, %s, 'submit', 'created', 'acquirer', now(), '{}')",
                (
                    world.book_id,
                    ids.decode(ids.ATTEMPT, another.id),
                    ids.decode(ids.PAYMENT, another.payment_id),
                ),
            )
    assert refused.value.diag.constraint_name == "attempt_live_key"


async def test_a_repeated_id_answers_the_original_and_another_content_names_the_field(
    world: PaymentWorld,
) -> None:
    case = await world.create(reference="order-1")
    command = CreatePayment(
        id=case.payment.id, kind=PaymentKind.PAY_IN, customer=world.ana, amount=1_000, currency="EUR",
        instrument="pm_card_visa", reference="order-1", chosen=True,
    )  # fmt: skip
    outcome = await world.one(command)
    assert (outcome.status, outcome.payment) == (OutcomeStatus.EXISTS, case.payment)

    differs = await world.one(msgspec.structs.replace(command, amount=1_001))
    assert code(differs) == "exists_with_different_content"
    assert differs.refusal is not None
    assert differs.refusal.field == "amount"
    assert len((await world.again(case)).attempts) == 1


async def test_a_repeated_capture_or_refund_answers_the_original(world: PaymentWorld) -> None:
    case = await world.authorised()
    order = capture(case, 400)
    first, second = await world.apply(order, order)
    assert (second.status, second.capture) == (OutcomeStatus.EXISTS, first.capture)
    await world.report(await world.again(case), Status.SUCCEEDED, captured=400)
    back = RefundPayment(payment_id=case.payment.id, id=new_id(ids.REFUND), amount=400)
    first, second = await world.apply(back, back)
    assert (second.status, second.refund) == (OutcomeStatus.EXISTS, first.refund)
    assert len((await world.again(case)).refunds) == 1


async def test_a_payout_that_is_returned_before_it_is_called_off_had_gone_out(world: PaymentWorld) -> None:
    await world.fund(world.ana, 1_000)
    case = await world.create(kind=PaymentKind.PAYOUT, instrument="tok_bank_ok")
    await world.report(case, Status.PENDING)
    await world.cancel(case)

    await world.report(await world.again(case), Status.RETURNED)

    case = await world.again(case)
    assert case.payment.state is PaymentState.RETURNED
    assert {a.operation: a.state for a in case.attempts} == {
        Operation.SUBMIT: AttemptState.SUCCEEDED,
        Operation.CANCEL: AttemptState.FAILED,
    }
    assert await world.wallet(world.ana) == (1_000, 1_000)
