"""Outcomes that are not known: nothing is taken for done or undone before the partner says so."""

import datetime as dt

import msgspec
import pytest

from caudal.connectors import CannotAsk, NotFound, NotSent, Reported, Status, Unknown
from caudal.payments import (
    ApprovePayment,
    Attempt,
    AttemptState,
    DeclinePayment,
    OutcomeStatus,
    PaymentKind,
    PaymentState,
    ReviewReason,
)
from caudal.payments.commands import Answered, Looked, Send
from caudal.payments.driving import LOOK_PAUSES_S, Step, call_of, pause, resend, step
from caudal_base.database import Database
from support.payment_worlds import CAPABILITIES, PaymentWorld, code, snapshot_of

S, A = PaymentState, AttemptState
NO_KEYS = msgspec.structs.replace(CAPABILITIES, key_lifetime=None)
UNASKABLE = msgspec.structs.replace(CAPABILITIES, key_lifetime=None, search_horizon=None)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=24)


async def unknown(world: PaymentWorld, **changes: object) -> Attempt:
    """A payment of which the answer to its submission was lost."""
    case = await world.create(**changes)
    assert case.live is not None
    await world.answer(case.live, Unknown("timeout"))
    attempt = (await world.again(case)).live
    assert attempt is not None
    return attempt


async def looked(world: PaymentWorld, attempt: Attempt, found: object) -> Attempt:
    await world.one(Looked(attempt_id=attempt.id, found=found))  # type: ignore[arg-type]
    return next(a for a in (await world.case(attempt.payment_id)).attempts if a.id == attempt.id)


async def test_submitting_is_committed_before_the_call(world: PaymentWorld) -> None:
    case = await world.create()
    assert case.live is not None
    assert (case.live.state, case.live.sends, case.live.submitted_at) == (A.CREATED, 0, None)
    await world.send(case.live)
    live = (await world.again(case)).live
    assert live is not None
    assert (live.state, live.sends, live.submitted_at) == (A.SUBMITTING, 1, world.clock.now())


async def test_a_lost_answer_is_unknown_and_never_failed(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    attempt = await unknown(world, kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    assert (attempt.state, attempt.note) == (A.UNKNOWN, "timeout")
    payment = (await world.case(attempt.payment_id)).payment
    assert payment.state is S.PROCESSING
    assert await world.wallet(world.ana) == (5_000, 3_000)


async def test_while_one_attempt_is_unknown_no_other_begins(world: PaymentWorld) -> None:
    case = await world.authorised()
    await world.capture(case, 500)
    live = (await world.again(case)).live
    assert live is not None
    await world.answer(live, Unknown("dropped_connection"))
    before = await world.again(case)
    assert code(await world.capture(case, 500)) == "payment_in_flight"
    assert code(await world.cancel(case)) == "payment_in_flight"
    assert await world.again(case) == before


async def test_not_found_before_the_horizon_stays_unknown(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    attempt = await looked(world, attempt, NotFound())
    assert (attempt.state, attempt.looks) == (A.UNKNOWN, 1)
    assert not resend(attempt, CAPABILITIES, world.clock.now())


async def test_not_found_after_the_horizon_is_sent_again_while_the_key_holds(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    now = world.clock.advance(MINUTE)
    assert resend(attempt, CAPABILITIES, now)
    attempt = await looked(world, attempt, NotFound())
    assert attempt.state is A.UNKNOWN
    first = attempt.submitted_at
    await world.one(Send(attempt_id=attempt.id))
    again = (await world.case(attempt.payment_id)).live
    assert again is not None
    assert (again.id, again.sends, again.submitted_at, again.sent_at) == (attempt.id, 2, first, now)


async def test_past_the_keys_lifetime_it_is_only_looked_up_and_then_given_up(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    attempt = await unknown(world, kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    now = world.clock.advance(DAY)
    assert not resend(attempt, CAPABILITIES, now)
    attempt = await looked(world, attempt, NotFound())
    assert attempt.state is A.FAILED
    payment = (await world.case(attempt.payment_id)).payment
    assert payment.state is S.FAILED
    assert payment.failure is not None
    assert payment.failure.code == "not_received"
    assert await world.wallet(world.ana) == (5_000, 5_000)


async def test_success_after_it_was_given_up_is_posted_late_and_beyond_limits(world: PaymentWorld) -> None:
    await world.fund(world.ana, 2_000)
    attempt = await unknown(world, kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    world.clock.advance(DAY)
    await looked(world, attempt, NotFound())
    await world.create(kind=PaymentKind.INTERNAL, amount=1_500)

    case = await world.case(attempt.payment_id)
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    case = await world.again(case)
    assert (case.payment.state, case.payment.captured_amount, case.payment.failure) == (
        S.SUCCEEDED,
        2_000,
        None,
    )
    assert (await world.wallet(world.ana), await world.clearing()) == ((-1_500, -1_500), -2_000)
    assert await world.findings() == []


async def test_what_was_given_up_and_turns_out_authorised_is_voided(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    world.clock.advance(DAY)
    await looked(world, attempt, NotFound())
    case = await world.case(attempt.payment_id)
    await world.hear(snapshot_of(case, Status.AUTHORISED))
    case = await world.again(case)
    assert case.payment.state is S.CANCELLING
    await world.report(case, Status.CANCELLED)
    assert await world.state(case) is S.FAILED
    assert await world.findings() == []


async def test_what_is_found_ends_as_if_it_had_been_answered(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    case = await world.case(attempt.payment_id)
    attempt = await looked(world, attempt, Reported(snapshot_of(case, Status.SUCCEEDED)))
    assert attempt.state is A.SUCCEEDED
    assert await world.wallet(world.ana) == (1_000, 1_000)


async def test_a_capture_that_the_partner_never_had_may_be_made_again(world: PaymentWorld) -> None:
    case = await world.authorised()
    await world.capture(case, 500)
    live = (await world.again(case)).live
    assert live is not None
    await world.answer(live, Unknown("timeout"))
    world.clock.advance(DAY)
    await looked(world, live, NotFound())
    case = await world.again(case)
    assert (case.payment.state, case.live) == (S.AUTHORISED, None)
    assert (await world.capture(case, 500)).status is OutcomeStatus.APPLIED


async def test_an_attempt_that_was_not_sent_is_as_new_but_not_one_that_was_sent_before(
    world: PaymentWorld,
) -> None:
    case = await world.create()
    assert case.live is not None
    await world.answer(case.live, NotSent("breaker_open"))
    fresh = (await world.again(case)).live
    assert fresh is not None
    assert (fresh.state, fresh.sends, fresh.submitted_at) == (A.CREATED, 0, None)

    await world.answer(fresh, Unknown("timeout"))
    world.clock.advance(MINUTE)
    await world.answer(fresh, NotSent("breaker_open"))
    sent = (await world.again(case)).live
    assert sent is not None
    assert (sent.state, sent.sends) == (A.UNKNOWN, 1)
    assert sent.submitted_at is not None


@pytest.mark.parametrize("yes", [True, False])
async def test_where_the_partner_cannot_be_asked_a_person_decides(
    shared_database: Database, yes: bool
) -> None:
    world = await PaymentWorld.make(shared_database, capabilities=UNASKABLE)
    attempt = await unknown(world)
    attempt = await looked(world, attempt, CannotAsk())
    case = await world.case(attempt.payment_id)
    assert (case.payment.state, case.payment.review) == (S.REVIEW, ReviewReason.OUTCOME)
    assert case.live is not None
    assert (case.live.id, case.live.state) == (attempt.id, A.UNKNOWN)
    assert step(case, case.live) is Step.LEAVE

    kind = ApprovePayment if yes else DeclinePayment
    await world.one(kind(payment_id=case.payment.id))
    case = await world.again(case)
    assert case.payment.state is (S.SUCCEEDED if yes else S.FAILED)
    assert case.live is None
    assert await world.wallet(world.ana) == ((1_000, 1_000) if yes else (0, 0))
    assert await world.findings() == []


async def test_a_partner_that_cannot_be_asked_may_speak_after_all(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database, capabilities=UNASKABLE)
    attempt = await unknown(world)
    await looked(world, attempt, CannotAsk())
    case = await world.case(attempt.payment_id)
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    case = await world.again(case)
    assert (case.payment.state, case.payment.review, case.live) == (S.SUCCEEDED, None, None)


async def test_old_news_of_the_payment_does_not_end_the_doubt_about_its_capture(
    shared_database: Database,
) -> None:
    world = await PaymentWorld.make(shared_database, capabilities=UNASKABLE)
    case = await world.authorised()
    await world.capture(case, 500)
    live = (await world.again(case)).live
    assert live is not None
    await world.answer(live, Unknown("timeout"))
    await looked(world, live, CannotAsk())
    await world.hear(snapshot_of(case, Status.AUTHORISED))
    case = await world.again(case)
    assert (case.payment.state, case.payment.review) == (S.REVIEW, ReviewReason.OUTCOME)
    await world.hear(snapshot_of(case, Status.SUCCEEDED, captured=500))
    payment = (await world.again(case)).payment
    assert (payment.state, payment.captured_amount) == (S.SUCCEEDED, 500)


async def test_an_answer_that_comes_after_the_webhook_says_nothing_new(world: PaymentWorld) -> None:
    case = await world.create()
    assert case.live is not None
    await world.send(case.live)
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    after = await world.again(case)
    for answer in (Reported(snapshot_of(case, Status.SUCCEEDED)), Unknown("timeout"), NotSent("busy")):
        await world.one(Answered(attempt_id=case.live.id, answer=answer))
        assert await world.again(case) == after


async def test_what_is_done_with_an_attempt_follows_from_its_state(world: PaymentWorld) -> None:
    case = await world.create()
    attempt = case.live
    assert attempt is not None
    expected = {
        A.CREATED: Step.SEND, A.SUBMITTING: Step.LOOK, A.UNKNOWN: Step.LOOK, A.ACCEPTED: Step.LOOK,
        A.SUCCEEDED: Step.LEAVE, A.FAILED: Step.LEAVE, A.CANCELLED: Step.LEAVE,
    }  # fmt: skip
    found = {state: step(case, msgspec.structs.replace(attempt, state=state)) for state in A}
    assert found == expected
    ended = msgspec.structs.replace(case, payment=msgspec.structs.replace(case.payment, state=S.SUCCEEDED))
    assert step(ended, msgspec.structs.replace(attempt, state=A.ACCEPTED)) is Step.LEAVE


async def test_an_attempt_is_sent_again_only_where_that_is_safe(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    start = world.clock.now()
    assert not resend(attempt, CAPABILITIES, start)
    assert resend(attempt, CAPABILITIES, start + MINUTE)
    # A tenth of the key's lifetime is left for clocks that differ.
    assert resend(attempt, CAPABILITIES, start + DAY * 0.9 - MINUTE)
    assert not resend(attempt, CAPABILITIES, start + DAY * 0.9)
    assert not resend(attempt, NO_KEYS, start + MINUTE)
    unaskable = msgspec.structs.replace(CAPABILITIES, search_horizon=None)
    assert resend(attempt, unaskable, start)
    submitting = msgspec.structs.replace(attempt, state=A.SUBMITTING)
    assert not resend(submitting, CAPABILITIES, start + MINUTE)


async def test_looks_come_soon_at_first_and_seldom_later(world: PaymentWorld) -> None:
    attempt = await unknown(world)
    pauses = [pause(msgspec.structs.replace(attempt, looks=looks)).total_seconds() for looks in range(12)]
    assert pauses == [*LOOK_PAUSES_S, 900.0, 900.0, 900.0]
    assert list(LOOK_PAUSES_S) == sorted(LOOK_PAUSES_S)


async def test_the_same_attempt_always_asks_the_same(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await world.capture(case, 300, final=False)
    case = await world.again(case)
    assert case.live is not None
    first = call_of(case, case.live)
    assert (first.amount, first.captured_before, first.final) == (300, 0, False)
    await world.answer(case.live, Unknown("timeout"))
    case = await world.again(case)
    assert case.live is not None
    second = call_of(case, case.live)
    assert msgspec.structs.replace(second, submitted_at=None) == msgspec.structs.replace(
        first, submitted_at=None
    )
