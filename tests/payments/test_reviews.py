"""What people decide: reviews held by the decision, answers that are not what was asked, unknown outcomes."""

import datetime as dt
from collections.abc import Sequence

import pytest

from caudal.connectors import Operation, Status, Subject
from caudal.customers import Review, ReviewDefault
from caudal.payments import (
    ApprovePayment,
    AttemptState,
    Case,
    DeclinePayment,
    Failure,
    OutcomeStatus,
    PaymentKind,
    PaymentState,
    ReviewReason,
)
from caudal_base.database import Database
from caudal_base.decide import ApproveAll, Decision, Verdict
from caudal_base.decide import Subject as Decided
from support.payment_worlds import PaymentWorld, code, snapshot_of

S = PaymentState


class Says(ApproveAll):
    """Decides always the same."""

    def __init__(self, verdict: Verdict) -> None:
        self._decision = Decision(verdict=verdict, reasons=("for_the_test",))

    async def begin(self, connection: object, book_id: int, subjects: Sequence[Decided]) -> "Says":
        return self

    def decide(self, subject: Decided) -> Decision:
        return self._decision


async def reviewed(database: Database, default: ReviewDefault = ReviewDefault.DECLINE) -> PaymentWorld:
    review = Review(timeout_s=3_600, default=default)
    return await PaymentWorld.make(database, decide=Says(Verdict.REVIEW), review=review)


async def approve(world: PaymentWorld, case: Case) -> str | None:
    outcome = await world.one(ApprovePayment(payment_id=case.payment.id))
    return None if outcome.refusal is None else outcome.refusal.code


async def decline(world: PaymentWorld, case: Case) -> str | None:
    outcome = await world.one(DeclinePayment(payment_id=case.payment.id))
    return None if outcome.refusal is None else outcome.refusal.code


async def test_a_review_holds_the_funds_and_sends_nothing(shared_database: Database) -> None:
    world = await reviewed(shared_database)
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_ok")
    assert (case.payment.state, case.payment.review) == (S.REVIEW, ReviewReason.RISK)
    assert (case.payment.verdict, case.payment.reasons) == ("review", ("for_the_test",))
    assert case.payment.expires_at == world.clock.now() + dt.timedelta(hours=1)
    assert case.attempts == ()
    assert await world.wallet(world.ana) == (5_000, 3_000)

    assert await approve(world, case) is None
    case = await world.again(case)
    assert (case.payment.state, case.payment.review) == (S.PROCESSING, None)
    assert [a.operation for a in case.attempts] == [Operation.SUBMIT]
    assert await approve(world, case) == "payment_not_in_review"


async def test_a_declined_or_cancelled_review_gives_the_funds_free(shared_database: Database) -> None:
    world = await reviewed(shared_database)
    await world.fund(world.ana, 5_000)
    declined = await world.create(kind=PaymentKind.PAYOUT, instrument="tok_bank_ok")
    cancelled = await world.create(kind=PaymentKind.INTERNAL)
    assert await world.wallet(world.ana) == (5_000, 3_000)
    assert await decline(world, declined) is None
    await world.cancel(cancelled)
    assert (await world.state(declined), await world.state(cancelled)) == (S.DECLINED, S.CANCELLED)
    assert await world.wallet(world.ana) == (5_000, 5_000)


@pytest.mark.parametrize(
    ("default", "kind", "ends"),
    [
        (ReviewDefault.DECLINE, PaymentKind.PAY_IN, S.DECLINED),
        (ReviewDefault.APPROVE, PaymentKind.PAY_IN, S.PROCESSING),
        (ReviewDefault.DECLINE, PaymentKind.INTERNAL, S.DECLINED),
        (ReviewDefault.APPROVE, PaymentKind.INTERNAL, S.SUCCEEDED),
    ],
)
async def test_a_review_that_nobody_decides_ends_as_the_product_says(
    shared_database: Database, default: ReviewDefault, kind: PaymentKind, ends: PaymentState
) -> None:
    world = await reviewed(shared_database, default)
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=kind)
    assert (await world.time_out(case)).status is OutcomeStatus.UNCHANGED
    world.clock.advance(dt.timedelta(hours=1))
    await world.time_out(case)
    assert await world.state(case) is ends
    assert await world.findings() == []


async def test_what_is_declined_moves_nothing_and_is_no_error(shared_database: Database) -> None:
    world = await PaymentWorld.make(shared_database, decide=Says(Verdict.DECLINE))
    case = await world.create()
    assert (case.payment.state, case.attempts) == (S.DECLINED, ())
    assert await world.findings() == []


MISMATCHES = {
    "more": {"amount": 1_001, "captured": 1_001},
    "less": {"amount": 999, "captured": 999},
    "another currency": {"currency": "USD"},
}


@pytest.mark.parametrize("what", MISMATCHES)
async def test_another_amount_or_currency_than_asked_is_for_a_person(world: PaymentWorld, what: str) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED, **MISMATCHES[what])
    case = await world.again(case)
    assert (case.payment.state, case.payment.review) == (S.REVIEW, ReviewReason.MISMATCH)
    assert case.payment.captured_amount == 0
    assert (await world.wallet(world.ana), await world.clearing()) == ((0, 0), 0)
    # Nobody is hurried, and the partner's repeats change nothing.
    assert case.payment.expires_at is None
    await world.hear(snapshot_of(case, Status.SUCCEEDED, **MISMATCHES[what]))
    assert (await world.again(case)).payment.review is ReviewReason.MISMATCH


@pytest.mark.parametrize(("what", "amount"), [("more", 1_001), ("less", 999)])
async def test_approving_a_mismatch_takes_what_the_partner_took(
    world: PaymentWorld, what: str, amount: int
) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED, **MISMATCHES[what])
    assert await approve(world, case) is None
    payment = (await world.again(case)).payment
    assert (payment.state, payment.captured_amount, payment.hold_id) == (S.SUCCEEDED, amount, None)
    assert (await world.wallet(world.ana), await world.clearing()) == ((amount, amount), amount)
    assert await world.findings() == []


async def test_a_mismatch_in_another_currency_cannot_be_approved(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED, currency="USD")
    before = await world.again(case)
    assert await approve(world, case) == "review_other_currency"
    assert await world.again(case) == before


async def test_a_void_of_what_is_in_another_currency_ends_it_whatever_older_news_comes(
    world: PaymentWorld,
) -> None:
    case = await world.create()
    await world.report(case, Status.PENDING, currency="USD")
    assert await decline(world, case) is None
    assert await world.state(case) is S.CANCELLING
    await world.hear(snapshot_of(case, Status.CANCELLED, currency="USD"))
    ended = await world.again(case)
    assert (ended.payment.state, ended.payment.hold_id) == (S.FAILED, None)
    assert (
        await world.hear(snapshot_of(case, Status.PENDING, currency="USD"))
    ).status is OutcomeStatus.UNCHANGED
    assert await world.again(case) == ended


async def test_approving_what_is_only_authorised_moves_no_money_yet(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.AUTHORISED, amount=800)
    assert await approve(world, case) is None
    payment = (await world.again(case)).payment
    assert (payment.state, payment.authorised_amount, payment.captured_amount) == (S.AUTHORISED, 800, 0)
    assert await world.wallet(world.ana) == (0, 0)
    await world.hear(snapshot_of(case, Status.SUCCEEDED, amount=800, captured=800))
    assert await world.wallet(world.ana) == (800, 800)
    assert await world.findings() == []


async def test_declining_a_mismatch_gives_back_what_was_taken(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.SUCCEEDED, amount=1_001, captured=1_001)
    assert await decline(world, case) is None
    case = await world.again(case)
    assert (case.payment.state, case.payment.hold_id) == (S.FAILED, None)
    assert case.payment.failure == Failure(
        code="not_as_asked", class_="conflict",
        message="the partner said 1001 EUR where we had asked for 1000 EUR",
    )  # fmt: skip
    back = case.attempts[-1]
    assert (back.operation, back.amount, back.part_id) == (Operation.REFUND, 1_001, None)

    # The partner tells of it once more: nothing of it is ours.
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    assert await world.state(case) is S.FAILED
    paid_back = snapshot_of(
        case, Status.SUCCEEDED, subject=Subject.REFUND, partner_id="re_back", amount=1_001,
        attempt_id=back.id, parent_id=case.payment.partner_id,
    )  # fmt: skip
    await world.hear(paid_back)
    case = await world.again(case)
    assert (case.attempts[-1].state, case.refunds) == (AttemptState.SUCCEEDED, ())
    assert (await world.wallet(world.ana), await world.clearing()) == ((0, 0), 0)


async def test_declining_a_capture_of_too_much_gives_back_the_difference(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await world.capture(case, 300, final=False)
    await world.report(await world.again(case), Status.AUTHORISED, captured=300)
    await world.capture(case, 200)
    await world.report(await world.again(case), Status.SUCCEEDED, captured=900)
    assert await decline(world, case) is None
    case = await world.again(case)
    assert (case.payment.state, case.payment.captured_amount) == (S.SUCCEEDED, 300)
    assert case.attempts[-1].amount == 600
    assert await world.wallet(world.ana) == (300, 300)


async def test_declining_what_is_only_authorised_voids_it_and_fails(world: PaymentWorld) -> None:
    case = await world.create()
    await world.report(case, Status.AUTHORISED, amount=800)
    await decline(world, case)
    case = await world.again(case)
    assert case.payment.state is S.CANCELLING
    await world.report(case, Status.CANCELLED)
    assert await world.state(case) is S.FAILED
    assert await world.findings() == []


async def test_success_with_less_than_was_captured_before_is_refused(world: PaymentWorld) -> None:
    case = await world.authorised(amount=1_000)
    await world.capture(case, 300, final=False)
    await world.report(await world.again(case), Status.AUTHORISED, captured=300)
    before = await world.again(case)
    assert code(await world.hear(snapshot_of(case, Status.SUCCEEDED, captured=200))) == "contradicts_state"
    assert await world.again(case) == before
