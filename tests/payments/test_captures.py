"""What is authorised: captured, raised, voided, or left to expire."""

import datetime as dt

import pytest

from caudal.connectors import (
    AUTHORISATION_EXPIRED,
    ErrorClass,
    NotSent,
    Operation,
    PartnerError,
    Refused,
    Status,
    Unknown,
)
from caudal.payments import AttemptState, IncrementPayment, Outcome, OutcomeStatus, PartState, PaymentState
from caudal.payments.commands import Answered
from caudal_base import ids
from support.payment_worlds import PaymentWorld, code, new_id, snapshot_of

S = PaymentState
REFUSAL = PartnerError(code="charge_expired", class_=ErrorClass.CONFLICT, message="too late")


async def test_a_final_capture_of_a_part_releases_the_rest(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    assert (case.payment.authorised_amount, case.payment.captured_amount) == (1_000, 0)
    assert await world.wallet(world.ana) == (0, 0)

    await world.capture(case, 400)
    await world.report(await world.again(case), Status.SUCCEEDED, captured=400)

    payment = (await world.again(case)).payment
    assert (payment.state, payment.captured_amount, payment.hold_id) == (S.SUCCEEDED, 400, None)
    assert await world.wallet(world.ana) == (400, 400)
    assert await world.findings() == []


async def test_captures_in_several_parts_reach_the_balance_each_in_its_turn(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    for captured in (300, 700):
        await world.capture(case, captured - (await world.again(case)).payment.captured_amount, final=False)
        await world.report(await world.again(case), Status.AUTHORISED, captured=captured)
        assert await world.wallet(world.ana) == (captured, captured)

    # What takes all that is left has nothing to follow it, whatever is said.
    await world.capture(case, 300, final=False)
    await world.report(await world.again(case), Status.SUCCEEDED)

    case = await world.again(case)
    assert case.payment.state is S.SUCCEEDED
    assert [(c.amount, c.final, c.state) for c in case.captures] == [
        (300, False, PartState.SUCCEEDED),
        (400, False, PartState.SUCCEEDED),
        (300, True, PartState.SUCCEEDED),
    ]
    assert await world.wallet(world.ana) == (1_000, 1_000)


async def test_more_than_is_authorised_is_refused_and_nothing_changes(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    outcome = await world.capture(case, 1_001)
    assert code(outcome) == "exceeds_authorised_amount"
    assert await world.again(case) == case


async def test_a_capture_that_the_partner_refuses_leaves_the_payment_authorised(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await world.capture(case, 600)
    live = (await world.again(case)).live
    assert live is not None
    await world.answer(live, Refused(REFUSAL))

    case = await world.again(case)
    assert (case.payment.state, case.payment.captured_amount) == (S.AUTHORISED, 0)
    assert case.captures[0].state is PartState.FAILED
    assert case.captures[0].failure is not None
    assert case.captures[0].failure.code == "charge_expired"
    assert (await world.capture(case, 1_000)).status is OutcomeStatus.APPLIED


async def test_an_increment_holds_the_new_amount_and_it_can_be_captured(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    assert code(await _increment(world, case.payment.id, 1_000)) == "increment_not_above"
    await _increment(world, case.payment.id, 1_500)
    assert await world.state(case) is S.INCREMENTING
    await world.report(await world.again(case), Status.AUTHORISED, amount=1_500)

    payment = (await world.again(case)).payment
    assert (payment.state, payment.authorised_amount, payment.amount) == (S.AUTHORISED, 1_500, 1_000)
    await world.capture(case)
    await world.report(await world.again(case), Status.SUCCEEDED, amount=1_500, captured=1_500)
    assert await world.wallet(world.ana) == (1_500, 1_500)
    assert await world.findings() == []


async def test_an_increment_that_is_refused_leaves_what_was_authorised(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await _increment(world, case.payment.id, 1_500)
    live = (await world.again(case)).live
    assert live is not None
    await world.answer(live, Refused(REFUSAL))
    payment = (await world.again(case)).payment
    assert (payment.state, payment.authorised_amount) == (S.AUTHORISED, 1_000)


async def _increment(world: PaymentWorld, payment_id: str, amount: int) -> Outcome:
    return await world.one(IncrementPayment(payment_id=payment_id, id=new_id(ids.ATTEMPT), amount=amount))


async def test_a_void_releases_what_was_authorised(world: PaymentWorld) -> None:
    case = await world.authorised()
    await world.cancel(case)
    assert await world.state(case) is S.CANCELLING
    await world.report(await world.again(case), Status.CANCELLED)
    payment = (await world.again(case)).payment
    assert (payment.state, payment.hold_id) == (S.CANCELLED, None)
    assert await world.findings() == []


async def test_what_is_captured_in_part_and_voided_has_succeeded_with_that_part(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await world.capture(case, 300, final=False)
    await world.report(await world.again(case), Status.AUTHORISED, captured=300)
    await world.cancel(case)
    await world.report(await world.again(case), Status.CANCELLED, captured=300)
    payment = (await world.again(case)).payment
    assert (payment.state, payment.captured_amount) == (S.SUCCEEDED, 300)
    assert await world.wallet(world.ana) == (300, 300)


async def test_what_was_never_sent_is_cancelled_without_a_call(world: PaymentWorld) -> None:
    case = await world.create()
    await world.cancel(case)
    case = await world.again(case)
    assert case.payment.state is S.CANCELLED
    assert [a.state for a in case.attempts] == [AttemptState.CANCELLED]


async def test_what_may_have_been_sent_is_not_cancelled_behind_the_partners_back(world: PaymentWorld) -> None:
    case = await world.create()
    assert case.live is not None
    await world.send(case.live)
    assert code(await world.cancel(case)) == "payment_in_flight"
    # What certainly was not sent may be.
    await world.one(Answered(attempt_id=case.live.id, answer=NotSent("rate_limited")))
    assert (await world.cancel(case)).status is OutcomeStatus.APPLIED
    assert await world.state(case) is S.CANCELLED


async def test_an_authorisation_that_runs_out_is_voided_at_the_partner_and_expires(
    world: PaymentWorld,
) -> None:
    case = await world.authorised()
    assert case.payment.expires_at == world.clock.now() + dt.timedelta(days=7)
    assert (await world.time_out(case)).status is OutcomeStatus.UNCHANGED

    world.clock.advance(dt.timedelta(days=7))
    await world.time_out(case)
    assert await world.state(case) is S.CANCELLING
    await world.report(await world.again(case), Status.CANCELLED)
    payment = (await world.again(case)).payment
    assert (payment.state, payment.hold_id) == (S.EXPIRED, None)


async def test_an_authorisation_that_the_partner_says_has_lapsed_expires(world: PaymentWorld) -> None:
    case = await world.authorised()
    lapsed = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.CONFLICT)
    await world.hear(snapshot_of(case, Status.CANCELLED, error=lapsed))
    assert await world.state(case) is S.EXPIRED
    assert await world.findings() == []


async def test_a_void_that_comes_too_late_ends_with_the_money(world: PaymentWorld) -> None:
    case = await world.authorised()
    await world.cancel(case)
    await world.report(await world.again(case), Status.SUCCEEDED)
    case = await world.again(case)
    assert (case.payment.state, case.payment.captured_amount) == (S.SUCCEEDED, 1_000)
    assert case.live is None


async def test_a_redirect_is_shown_confirmed_and_times_out(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.ACTION_REQUIRED, action_url="https://bank.example/3ds")
    payment = (await world.again(case)).payment
    assert (payment.state, payment.action_url) == (S.REQUIRES_ACTION, "https://bank.example/3ds")
    assert payment.expires_at == world.clock.now() + dt.timedelta(hours=24)

    world.clock.advance(dt.timedelta(hours=24))
    await world.time_out(case)
    await world.report(await world.again(case), Status.CANCELLED)
    assert await world.state(case) is S.EXPIRED
    assert await world.findings() == []


async def test_a_redirect_that_the_customer_comes_back_from_goes_on(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.ACTION_REQUIRED, action_url="https://bank.example/3ds")
    case = await world.again(case)
    await world.hear(snapshot_of(case, Status.PENDING))
    assert await world.state(case) is S.PROCESSING
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    assert await world.state(case) is S.SUCCEEDED
    assert (await world.again(case)).payment.action_url is None


@pytest.mark.parametrize("captured", [0, 300])
async def test_a_void_that_the_partner_never_had_of_what_ran_out_there_ends_expired(
    world: PaymentWorld, captured: int
) -> None:
    case = await world.authorised(amount=1_000)
    if captured:
        await world.capture(case, captured, final=False)
        await world.report(await world.again(case), Status.AUTHORISED, captured=captured)
    await world.cancel(await world.again(case))
    case = await world.again(case)
    assert case.live is not None
    await world.send(case.live)
    await world.answer(case.live, Unknown("timeout"))
    lapsed = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.SOFT_DECLINE)

    await world.hear(snapshot_of(case, Status.CANCELLED, error=lapsed, captured=captured))

    case = await world.again(case)
    assert case.payment.state is (S.SUCCEEDED if captured else S.EXPIRED)
    (void,) = [a for a in case.attempts if a.operation is Operation.CANCEL]
    assert (case.payment.hold_id, void.state) == (None, AttemptState.FAILED)
    assert await world.wallet(world.ana) == (captured, captured)
    assert await world.findings() == []
