"""How money moves: each kind of payment from its beginning to its end, to the minor unit."""

from caudal.connectors import CaptureMode, Status
from caudal.payments import (
    AttemptState,
    CapturePayment,
    PaymentKind,
    PaymentState,
    RefundPayment,
)
from caudal_base import ids
from support.payment_worlds import PaymentWorld, new_id


async def test_a_card_payment_reaches_the_balance_when_the_partner_says_so(world: PaymentWorld) -> None:
    case = await world.create(amount=1_000)
    assert case.payment.state is PaymentState.PROCESSING
    assert await world.wallet(world.ana) == (0, 0)

    await world.report(case, Status.SUCCEEDED)

    case = await world.case(case.payment.id)
    assert case.payment.state is PaymentState.SUCCEEDED
    assert case.attempts[0].state is AttemptState.SUCCEEDED
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert await world.clearing() == 1_000


async def test_a_payout_holds_the_money_and_gives_it_back_when_it_fails(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    assert await world.wallet(world.ana) == (5_000, 3_000)

    await world.report(case, Status.FAILED)

    assert (await world.case(case.payment.id)).payment.state is PaymentState.FAILED
    assert await world.wallet(world.ana) == (5_000, 5_000)


async def test_an_internal_payment_moves_at_once(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.INTERNAL, amount=700)

    assert case.payment.state is PaymentState.SUCCEEDED
    assert await world.wallet(world.ana) == (4_300, 4_300)
    assert await world.wallet(world.bob) == (700, 700)


async def test_captures_take_parts_and_the_last_releases_the_rest(world: PaymentWorld) -> None:
    case = await world.create(amount=1_000, capture=CaptureMode.MANUAL)
    await world.report(case, Status.AUTHORISED)
    await world.apply(
        CapturePayment(payment_id=case.payment.id, id=new_id(ids.CAPTURE), amount=300, final=False)
    )
    case = await world.case(case.payment.id)
    assert case.payment.state is PaymentState.CAPTURING
    await world.report(case, Status.AUTHORISED, captured=300)
    case = await world.case(case.payment.id)
    assert (case.payment.state, case.payment.captured_amount) == (PaymentState.AUTHORISED, 300)
    await world.apply(CapturePayment(payment_id=case.payment.id, id=new_id(ids.CAPTURE), amount=200))
    await world.report(await world.case(case.payment.id), Status.SUCCEEDED, captured=500)

    case = await world.case(case.payment.id)
    assert (case.payment.state, case.payment.captured_amount) == (PaymentState.SUCCEEDED, 500)
    assert case.payment.hold_id is None
    assert await world.wallet(world.ana) == (500, 500)
    assert await world.findings() == []


async def test_a_refund_holds_the_money_until_the_partner_has_paid_it_back(world: PaymentWorld) -> None:
    case = await world.create(amount=1_000)
    await world.report(case, Status.SUCCEEDED)
    (outcome,) = await world.apply(
        RefundPayment(payment_id=case.payment.id, id=new_id(ids.REFUND), amount=400)
    )
    assert outcome.refund is not None
    assert await world.wallet(world.ana) == (1_000, 600)
