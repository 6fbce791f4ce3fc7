"""Captures and cancellations that a partner takes now and carries out later, or fails to after all."""

import pytest

from caudal.connectors import ErrorClass, PartnerError, Reported, Snapshot, Status, Subject
from caudal.payments import AttemptState, Case, OutcomeStatus, PartState, PaymentState
from support.payment_worlds import PaymentWorld, snapshot_of

S = PaymentState
FAILED = PartnerError(code="REFUSED_LATER", class_=ErrorClass.CONFLICT)


def step_of(case: Case, status: Status) -> Snapshot:
    """What the partner says of the step under way, or of the last one."""
    step = next(a for a in case.attempts if a.operation.value in ("capture", "cancel"))
    return Snapshot(
        subject=Subject.STEP, partner_id="mod_1", status=status, amount=step.amount,
        currency=case.payment.currency, attempt_id=step.id, parent_id=case.payment.partner_id,
        error=FAILED if status is Status.FAILED else None,
    )  # fmt: skip


async def capturing(world: PaymentWorld) -> Case:
    """A capture of 6.00 of 10.00 EUR that the partner has taken, and not carried out."""
    case = await world.authorised()
    await world.capture(case, 600)
    case = await world.again(case)
    assert case.live is not None
    await world.answer(case.live, Reported(step_of(case, Status.PENDING)))
    return await world.again(case)


def step_state(case: Case) -> AttemptState:
    return next(a.state for a in case.attempts if a.operation.value in ("capture", "cancel"))


async def test_a_step_that_was_taken_is_accepted_and_moves_nothing(world: PaymentWorld) -> None:
    case = await capturing(world)
    assert (step_state(case), case.live) == (AttemptState.ACCEPTED, None)
    assert (case.payment.state, case.payment.captured_amount) == (S.CAPTURING, 0)
    assert await world.wallet(world.ana) == (0, 0)


async def test_it_takes_place_when_the_payment_is_reported_so(world: PaymentWorld) -> None:
    case = await capturing(world)
    await world.hear(snapshot_of(case, Status.SUCCEEDED, captured=600))
    case = await world.again(case)
    assert (case.payment.state, step_state(case)) == (S.SUCCEEDED, AttemptState.SUCCEEDED)
    assert await world.wallet(world.ana) == (600, 600)


async def test_it_fails_when_the_partner_says_so(world: PaymentWorld) -> None:
    case = await capturing(world)
    outcome = await world.hear(step_of(case, Status.FAILED))
    assert outcome.status is OutcomeStatus.APPLIED
    case = await world.again(case)
    assert (case.payment.state, step_state(case)) == (S.AUTHORISED, AttemptState.FAILED)
    failure = case.captures[0].failure
    assert failure is not None
    assert (case.captures[0].state, failure.code) == (PartState.FAILED, "REFUSED_LATER")
    again = await world.hear(step_of(case, Status.FAILED))
    assert again.status is OutcomeStatus.UNCHANGED


async def test_another_amount_than_was_asked_is_for_a_person(world: PaymentWorld) -> None:
    case = await capturing(world)
    await world.hear(snapshot_of(case, Status.SUCCEEDED, captured=500))
    assert await world.state(case) is S.REVIEW
    assert await world.wallet(world.ana) == (0, 0)


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
async def test_news_that_come_after_the_end_change_nothing(world: PaymentWorld, status: Status) -> None:
    case = await capturing(world)
    await world.hear(snapshot_of(case, Status.SUCCEEDED, captured=600))
    outcome = await world.hear(step_of(case, status))
    assert outcome.status is OutcomeStatus.UNCHANGED
    assert await world.state(case) is S.SUCCEEDED


async def test_a_cancellation_that_fails_leaves_the_authorisation(world: PaymentWorld) -> None:
    case = await world.authorised()
    await world.cancel(case)
    case = await world.again(case)
    assert case.live is not None
    await world.answer(case.live, Reported(step_of(case, Status.PENDING)))
    assert (await world.state(case), step_state(await world.again(case))) == (
        S.CANCELLING, AttemptState.ACCEPTED,
    )  # fmt: skip
    await world.hear(step_of(case, Status.FAILED))
    assert await world.state(case) is S.AUTHORISED


async def test_a_step_of_an_attempt_that_nobody_knows_is_waited_for(world: PaymentWorld) -> None:
    case = await capturing(world)
    stray = Snapshot(
        subject=Subject.STEP, partner_id="mod_2", status=Status.FAILED, amount=600, currency="EUR",
        attempt_id="att_00000000000000000000000000", parent_id=case.payment.partner_id,
    )  # fmt: skip
    outcome = await world.hear(stray)
    assert outcome.status is OutcomeStatus.WAITING
    assert await world.state(case) is S.CAPTURING
