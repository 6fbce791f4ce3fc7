"""Refunds of which only a person can say how they ended, and money that went back in vain."""

import datetime as dt

import pytest

from caudal.connectors import CannotAsk, Found, NotFound, Status, Unknown
from caudal.payments import (
    ApprovePayment,
    Attempt,
    AttemptState,
    Case,
    DeclinePayment,
    OutcomeStatus,
    PartState,
    PaymentState,
)
from caudal.payments.commands import Looked
from caudal.payments.driving import Step, step
from caudal.payments.hearing import MAX_GIVE_BACKS
from support.payment_worlds import PaymentWorld, code, refund_snapshot

LONG: dt.timedelta = dt.timedelta(days=2)
"""Past any key's lifetime and any search's horizon."""


async def found(world: PaymentWorld, attempt: Attempt, what: Found) -> Case:
    """A refund's call had no answer; long after, this is what the partner says of it."""
    await world.send(attempt)
    await world.answer(attempt, Unknown("timeout"))
    world.clock.advance(LONG)
    await world.one(Looked(attempt_id=attempt.id, found=what))
    return await world.case(attempt.payment_id)


async def events(world: PaymentWorld, kind: str) -> int:
    ((count,),) = await world.customers.rows(
        f"select count(*) from events.event where book_id = %(book_id)s and type = '{kind}'"
    )
    return int(count)


async def asked(world: PaymentWorld, amount: int) -> Case:
    """A refund of which a person is asked."""
    case = await world.succeeded(amount=1_000)
    await world.refund(case, amount)
    return await found(world, (await world.again(case)).attempts[-1], CannotAsk())


async def test_a_refund_that_the_partner_cannot_be_asked_about_waits_for_a_person(
    world: PaymentWorld,
) -> None:
    case = await asked(world, 400)

    attempt = case.attempts[-1]
    assert (attempt.state, attempt.asked_at) == (AttemptState.UNKNOWN, world.clock.now())
    assert step(case, attempt) is Step.LEAVE
    assert (case.refunds[0].state, case.payment.refunding_amount) == (PartState.PENDING, 400)
    assert await world.wallet(world.ana) == (1_000, 600)
    await world.one(Looked(attempt_id=attempt.id, found=CannotAsk()))
    assert await events(world, "attempt.review") == 1


async def test_a_person_says_that_it_was_paid_back(world: PaymentWorld) -> None:
    case = await asked(world, 400)

    outcome = await world.one(ApprovePayment(payment_id=case.payment.id))

    case = await world.again(case)
    assert outcome.status is OutcomeStatus.APPLIED
    assert (case.refunds[0].state, case.payment.refunded_amount) == (PartState.SUCCEEDED, 400)
    assert (case.attempts[-1].state, case.attempts[-1].asked_at) == (AttemptState.SUCCEEDED, None)
    assert await world.wallet(world.ana) == (600, 600)
    assert code(await world.one(ApprovePayment(payment_id=case.payment.id))) == "payment_not_in_review"
    assert await world.findings() == []


async def test_a_person_says_that_it_was_not_and_the_partner_knows_better(world: PaymentWorld) -> None:
    case = await asked(world, 400)

    await world.one(DeclinePayment(payment_id=case.payment.id))
    case = await world.again(case)
    assert (case.refunds[0].state, case.attempts[-1].state) == (PartState.FAILED, AttemptState.FAILED)
    assert await world.wallet(world.ana) == (1_000, 1_000)

    await world.hear(refund_snapshot(case, case.refunds[0].id, Status.SUCCEEDED))
    assert (await world.again(case)).payment.refunded_amount == 400
    assert await world.wallet(world.ana) == (600, 600)
    assert await world.findings() == []


async def test_what_the_partner_says_meanwhile_ends_the_question(world: PaymentWorld) -> None:
    case = await asked(world, 400)
    await world.hear(refund_snapshot(case, case.refunds[0].id, Status.SUCCEEDED))
    case = await world.again(case)
    assert (case.refunds[0].state, case.attempts[-1].asked_at) == (PartState.SUCCEEDED, None)
    assert code(await world.one(DeclinePayment(payment_id=case.payment.id))) == "payment_not_in_review"


async def test_of_two_that_wait_the_one_that_has_waited_longest_is_decided_first(
    world: PaymentWorld,
) -> None:
    case = await asked(world, 400)
    await world.refund(case, 100)
    case = await found(world, (await world.again(case)).attempts[-1], CannotAsk())
    await world.one(ApprovePayment(payment_id=case.payment.id))
    await world.one(DeclinePayment(payment_id=case.payment.id))
    case = await world.again(case)
    assert [(r.amount, r.state) for r in case.refunds] == [
        (400, PartState.SUCCEEDED),
        (100, PartState.FAILED),
    ]


@pytest.mark.parametrize(
    ("verdict", "state", "told"),
    [(ApprovePayment, AttemptState.SUCCEEDED, 0), (DeclinePayment, AttemptState.FAILED, 1)],
)
async def test_what_is_given_back_in_vain_is_sent_again_and_then_left_to_a_person(
    world: PaymentWorld, verdict: type[ApprovePayment | DeclinePayment], state: AttemptState, told: int
) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED, amount=1_001, captured=1_001)
    await world.one(DeclinePayment(payment_id=case.payment.id))
    case = await world.again(case)
    for _ in range(MAX_GIVE_BACKS):
        case = await found(world, case.attempts[-1], NotFound())

    backs = case.attempts[1:]
    assert [back.amount for back in backs] == [1_001] * MAX_GIVE_BACKS
    assert len({back.id for back in backs}) == MAX_GIVE_BACKS
    assert [back.state for back in backs] == [AttemptState.FAILED, AttemptState.FAILED, AttemptState.UNKNOWN]
    assert backs[-1].asked_at is not None
    assert await events(world, "attempt.review") == 1

    await world.one(verdict(payment_id=case.payment.id))

    case = await world.again(case)
    assert (case.attempts[-1].state, case.payment.state) == (state, PaymentState.FAILED)
    assert len(case.attempts) == 1 + MAX_GIVE_BACKS
    assert await events(world, "attempt.give_back_failed") == told
    assert await world.findings() == []
