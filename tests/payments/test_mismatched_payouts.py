"""What has left our bank account cannot be declined away; what repeated and late calls do not do."""

import datetime as dt

from caudal.connectors import CaptureMode, NotFound, Status, Unknown, Why
from caudal.payments import (
    ApprovePayment,
    AttemptState,
    ConfirmPayment,
    DeclinePayment,
    OutcomeStatus,
    PaymentKind,
    PaymentState,
    RefundPayment,
)
from caudal.payments.commands import Answered, Looked, Send
from caudal.payments.driving import resend
from caudal_base import ids
from support.payment_worlds import CAPABILITIES, PaymentWorld, dispute_snapshot, new_id


async def paid_out(world: PaymentWorld, **said: object) -> str:
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=1_000, instrument="tok_bank_ok")
    await world.report(case, Status.SUCCEEDED, **said)
    return case.payment.id


async def test_a_payout_of_another_amount_cannot_be_declined_since_the_money_is_gone(
    world: PaymentWorld,
) -> None:
    payout = await paid_out(world, amount=999, captured=999)
    (declined,) = await world.apply(DeclinePayment(payment_id=payout))
    assert declined.refusal is not None
    assert declined.refusal.code == "review_cannot_decline"
    assert await world.wallet(world.ana) == (5_000, 4_000)

    await world.apply(ApprovePayment(payment_id=payout))
    assert (await world.case(payout)).payment.state is PaymentState.SUCCEEDED
    assert await world.wallet(world.ana) == (4_001, 4_001)
    assert await world.clearing() == -999


async def test_a_payout_in_another_currency_is_approved_for_what_was_asked(world: PaymentWorld) -> None:
    payout = await paid_out(world, currency="NOK")
    await world.apply(ApprovePayment(payment_id=payout))
    assert (await world.case(payout)).payment.state is PaymentState.SUCCEEDED
    assert await world.wallet(world.ana) == (4_000, 4_000)


async def test_a_confirmation_that_the_webhook_overtook_changes_nothing(world: PaymentWorld) -> None:
    case = await world.create(capture=CaptureMode.AUTOMATIC)
    await world.report(case, Status.SUCCEEDED)
    (outcome,) = await world.apply(ConfirmPayment(payment_id=case.payment.id))
    assert outcome.status is OutcomeStatus.UNCHANGED


async def test_an_attempt_is_sent_three_times_at_most_and_then_was_not_received(world: PaymentWorld) -> None:
    case = await world.create()
    attempt = case.attempts[0]
    for sends in (1, 2, 3):
        await world.apply(Send(attempt_id=attempt.id))
        await world.apply(Answered(attempt_id=attempt.id, answer=Unknown(Why.SERVER_ERROR)))
        world.clock.advance(dt.timedelta(minutes=2))
        attempt = (await world.case(case.payment.id)).attempts[0]
        assert attempt.sends == sends
        assert resend(attempt, CAPABILITIES, world.clock.now()) is (sends < 3)

    await world.apply(Looked(attempt_id=attempt.id, found=NotFound()))
    case = await world.case(case.payment.id)
    assert (case.payment.state, case.attempts[0].state) == (PaymentState.FAILED, AttemptState.FAILED)
    assert case.payment.failure is not None
    assert case.payment.failure.code == "not_received"


async def test_what_a_lost_dispute_left_can_be_refunded(world: PaymentWorld) -> None:
    case = await world.create(amount=1_000)
    await world.report(case, Status.SUCCEEDED)
    case = await world.case(case.payment.id)
    for status in (Status.OPEN, Status.LOST):
        await world.hear(dispute_snapshot(case, status, amount=400))
    payment = case.payment.id
    (above,) = await world.apply(RefundPayment(payment_id=payment, id=new_id(ids.REFUND), amount=601))
    assert above.refusal is not None
    assert above.refusal.code == "exceeds_captured_amount"
    (rest,) = await world.apply(RefundPayment(payment_id=payment, id=new_id(ids.REFUND), amount=600))
    assert rest.status is OutcomeStatus.APPLIED
