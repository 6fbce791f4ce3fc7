"""Money on its way back: refunds, returns, disputes, and how they meet."""

import datetime as dt

import msgspec
import pytest

from caudal import events
from caudal.connectors import Method, PartnerFee, Status, Subject
from caudal.payments import (
    AttemptState,
    DisputeState,
    OutcomeStatus,
    PartState,
    PaymentKind,
    PaymentState,
    dispute_view,
    payment_view,
)
from caudal.payments.views import NextActionView
from support.payment_worlds import (
    PaymentWorld,
    code,
    dispute_snapshot,
    refund_snapshot,
    snapshot_of,
)

S = PaymentState


async def test_refunds_add_up_to_what_was_captured_and_no_further(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    first, second = await world.refund(case, 400), await world.refund(case, 600)
    assert code(await world.refund(case, 1)) == "exceeds_captured_amount"
    case = await world.again(case)
    assert (case.payment.refunding_amount, case.payment.refunded_amount) == (1_000, 0)
    assert await world.wallet(world.ana) == (1_000, 0)

    for outcome in (first, second):
        assert outcome.refund is not None
        await world.hear(refund_snapshot(await world.again(case), outcome.refund.id, Status.SUCCEEDED))

    case = await world.again(case)
    assert (case.payment.refunding_amount, case.payment.refunded_amount) == (0, 1_000)
    assert case.payment.state is S.SUCCEEDED
    assert await world.wallet(world.ana) == (0, 0)
    assert await world.clearing() == 0
    assert await world.findings() == []


async def test_a_refund_without_an_amount_is_of_all_that_is_left(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.refund(case, 250)
    outcome = await world.refund(case)
    assert outcome.refund is not None
    assert outcome.refund.amount == 750


async def test_a_failed_refund_frees_its_amount(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    outcome = await world.refund(case, 1_000)
    assert outcome.refund is not None
    await world.hear(refund_snapshot(await world.again(case), outcome.refund.id, Status.FAILED))
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert (await world.refund(case, 1_000)).status is OutcomeStatus.APPLIED


async def test_a_refund_that_had_been_paid_back_may_come_back(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    outcome = await world.refund(case, 300)
    assert outcome.refund is not None
    await world.hear(refund_snapshot(await world.again(case), outcome.refund.id, Status.SUCCEEDED))
    assert (await world.wallet(world.ana), await world.clearing()) == ((700, 700), 700)

    await world.hear(refund_snapshot(await world.again(case), outcome.refund.id, Status.FAILED))

    case = await world.again(case)
    assert (case.payment.refunded_amount, case.refunds[0].state) == (0, PartState.FAILED)
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 1_000)
    assert (await world.refund(case, 1_000)).status is OutcomeStatus.APPLIED
    assert await world.findings() == []


@pytest.mark.parametrize("overtaken", [Status.PENDING, Status.SUCCEEDED])
async def test_a_refund_that_came_back_stays_so_whatever_older_news_arrives(
    world: PaymentWorld, overtaken: Status
) -> None:
    case = await world.succeeded(amount=1_000)
    outcome = await world.refund(case, 300)
    assert outcome.refund is not None
    for status in (Status.SUCCEEDED, Status.FAILED, overtaken):
        await world.hear(refund_snapshot(await world.again(case), outcome.refund.id, status))
    case = await world.again(case)
    assert (case.payment.refunding_amount, case.payment.refunded_amount) == (0, 0)
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 1_000)
    assert await world.findings() == []


async def test_a_refund_needs_the_money_on_the_customers_balance(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.create(kind=PaymentKind.INTERNAL, amount=600)
    before = await world.again(case)
    assert code(await world.refund(case, 500)) == "exceeds_debit_limit"
    assert await world.again(case) == before


async def test_a_refund_made_at_the_partner_is_posted_beyond_limits(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.create(kind=PaymentKind.INTERNAL, amount=1_000)
    made_there = dispute_snapshot(
        case, Status.SUCCEEDED, subject=Subject.REFUND, partner_id="re_there", amount=200
    )
    await world.hear(made_there)
    await world.hear(made_there)
    case = await world.again(case)
    assert [(r.amount, r.state) for r in case.refunds] == [(200, PartState.SUCCEEDED)]
    assert await world.wallet(world.ana) == (-200, -200)
    assert await world.clearing() == 800


async def test_a_refund_of_another_amount_or_currency_than_asked_changes_nothing(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    outcome = await world.refund(case, 300)
    assert outcome.refund is not None
    case = await world.again(case)
    told = refund_snapshot(case, outcome.refund.id, Status.SUCCEEDED, amount=301)
    assert code(await world.hear(told)) == "contradicts_state"
    elsewhere = dispute_snapshot(
        case, Status.SUCCEEDED, subject=Subject.REFUND, partner_id="re_usd", amount=5, currency="USD"
    )
    assert code(await world.hear(elsewhere)) == "contradicts_state"
    assert await world.again(case) == case


async def test_payouts_and_internal_payments_are_not_refunded(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    payout = await world.create(kind=PaymentKind.PAYOUT, instrument="tok_bank_ok")
    await world.report(payout, Status.SUCCEEDED)
    internal = await world.create(kind=PaymentKind.INTERNAL)
    assert code(await world.refund(payout)) == "refund_unsupported"
    assert code(await world.refund(internal)) == "refund_unsupported"


async def test_a_payout_that_comes_back_is_credited_again(world: PaymentWorld) -> None:
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_returned")
    await world.report(case, Status.SUCCEEDED)
    assert (await world.wallet(world.ana), await world.clearing()) == ((3_000, 3_000), -2_000)

    case = await world.again(case)
    for _ in range(2):
        await world.hear(snapshot_of(case, Status.RETURNED))

    assert await world.state(case) is S.RETURNED
    assert (await world.wallet(world.ana), await world.clearing()) == ((5_000, 5_000), 0)
    # The success was sent before, and is late.
    await world.hear(snapshot_of(case, Status.SUCCEEDED))
    assert await world.state(case) is S.RETURNED
    assert await world.findings() == []


async def test_a_returned_debit_leaves_the_customer_owing_what_was_spent(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000, method=Method.BANK_DEBIT, instrument="tok_bank_returned")
    await world.create(kind=PaymentKind.INTERNAL, amount=900)
    await world.hear(snapshot_of(case, Status.RETURNED))
    assert (await world.wallet(world.ana), await world.clearing()) == ((-900, -900), 0)


@pytest.mark.parametrize("heard", [(Status.RETURNED,), (Status.SUCCEEDED, Status.RETURNED)])
async def test_a_return_moves_nothing_whether_or_not_the_success_was_heard_of(
    world: PaymentWorld, heard: tuple[Status, ...]
) -> None:
    await world.fund(world.ana, 5_000)
    case = await world.create(kind=PaymentKind.PAYOUT, amount=2_000, instrument="tok_bank_returned")
    assert case.live is not None
    await world.send(case.live)
    for status in heard:
        await world.hear(snapshot_of(case, status))
    payment = (await world.again(case)).payment
    assert (payment.state, payment.hold_id) == (S.RETURNED, None)
    assert (await world.wallet(world.ana), await world.clearing()) == ((5_000, 5_000), 0)


async def test_a_disputes_funds_leave_when_it_opens_and_return_when_it_is_won(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.hear(dispute_snapshot(case, Status.OPEN))
    assert (await world.wallet(world.ana), await world.clearing()) == ((0, 0), 0)
    assert (await world.again(case)).payment.disputed_amount == 1_000

    await world.hear(dispute_snapshot(case, Status.WON))
    await world.hear(dispute_snapshot(case, Status.OPEN))
    case = await world.again(case)
    assert (case.payment.disputed_amount, case.disputes[0].state) == (0, DisputeState.WON)
    assert (await world.wallet(world.ana), await world.clearing()) == ((1_000, 1_000), 1_000)
    assert await world.findings() == []


async def test_a_lost_dispute_keeps_the_funds_whatever_the_balance(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.create(kind=PaymentKind.INTERNAL, amount=1_000)
    await world.hear(dispute_snapshot(case, Status.OPEN))
    await world.hear(dispute_snapshot(case, Status.LOST))
    assert await world.wallet(world.ana) == (-1_000, -1_000)
    assert (await world.again(case)).disputes[0].state is DisputeState.LOST


async def test_an_inquiry_moves_nothing_until_it_becomes_a_dispute(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.hear(dispute_snapshot(case, Status.INQUIRY))
    assert await world.wallet(world.ana) == (1_000, 1_000)
    assert (await world.refund(case, 100)).status is OutcomeStatus.APPLIED
    await world.hear(dispute_snapshot(case, Status.OPEN))
    assert await world.wallet(world.ana) == (0, -100)


async def test_refund_and_dispute_race_and_the_first_wins(world: PaymentWorld) -> None:
    case = await world.succeeded(amount=1_000)
    await world.hear(dispute_snapshot(case, Status.OPEN))
    before = await world.again(case)
    assert code(await world.refund(case, 100)) == "payment_disputed"
    assert await world.again(case) == before

    other = await world.succeeded(amount=1_000)
    outcome = await world.refund(other, 1_000)
    assert outcome.refund is not None
    # The dispute is a fact all the same: what the refund and it take together, the partner took.
    await world.hear(dispute_snapshot(other, Status.OPEN))
    await world.hear(refund_snapshot(await world.again(other), outcome.refund.id, Status.FAILED))
    payment = (await world.again(other)).payment
    assert (payment.disputed_amount, payment.refunded_amount, payment.refunding_amount) == (1_000, 0, 0)
    assert await world.wallet(world.ana) == (0, 0)
    assert await world.findings() == []


async def test_what_is_heard_of_an_unknown_payment_waits(world: PaymentWorld) -> None:
    case = await world.create()
    told = dispute_snapshot(case, Status.OPEN, amount=500, parent_id="pi_of_somebody")
    assert (await world.hear(told)).status is OutcomeStatus.WAITING
    stranger = snapshot_of(case, Status.SUCCEEDED, attempt_id="att_" + "0" * 32, partner_id="pi_else")
    assert (await world.hear(stranger)).status is OutcomeStatus.WAITING
    assert [a.state for a in (await world.again(case)).attempts] == [AttemptState.CREATED]


async def test_a_dispute_keeps_why_until_when_and_at_what_cost(world: PaymentWorld) -> None:
    case = await world.succeeded()
    until = dt.datetime(2027, 1, 8, tzinfo=dt.UTC)
    charged = PartnerFee(partner_id="txn_1", amount=2_000, currency="EUR")
    back = PartnerFee(partner_id="txn_2", amount=-2_000, currency="EUR")
    opened = dispute_snapshot(case, Status.OPEN, reason="fraudulent", respond_by=until, fees=(charged,))

    await world.hear(opened)
    view = dispute_view((await world.again(case)).disputes[0])
    assert (view.reason, view.respond_by, view.fee_amount) == ("fraudulent", until, 2_000)
    assert (await world.hear(opened)).status is OutcomeStatus.UNCHANGED

    later = until + dt.timedelta(days=3)
    assert (await world.hear(dispute_snapshot(case, Status.OPEN, respond_by=later))).status is (
        OutcomeStatus.APPLIED
    )
    await world.hear(dispute_snapshot(case, Status.WON, fees=(charged, back)))
    dispute = (await world.again(case)).disputes[0]
    assert (dispute.state, dispute.reason, dispute.respond_by) == (DisputeState.WON, "fraudulent", later)
    assert dispute.fee_amount == 0
    assert await world.findings() == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"action_url": "https://bank.example/3ds"},
            NextActionView(type="redirect", url="https://bank.example/3ds"),
        ),
        (
            {"action_secret": "pi_1_secret_x"},
            NextActionView(type="use_stripe_sdk", client_secret="pi_1_secret_x"),
        ),
        ({}, NextActionView(type="at_partner")),
    ],
)
async def test_a_payment_that_waits_for_the_customer_always_says_for_what(
    world: PaymentWorld, said: dict[str, str], expected: NextActionView
) -> None:
    case = await world.create()
    await world.report(case, Status.ACTION_REQUIRED, **said)
    assert payment_view((await world.again(case)).payment).next_action == expected
    async with world.database.connection() as connection:
        page = await events.find(connection, world.book_id, object=case.payment.id)
    (event,) = [one for one in page.events if one.type == "payment.requires_action"]
    told = msgspec.json.decode(event.data)["next_action"]
    # What acts for the customer is for their browser: events go everywhere, and are kept.
    assert told == {"type": expected.type, **({} if expected.url is None else {"url": expected.url})}
    await world.report(case, Status.SUCCEEDED)
    payment = (await world.again(case)).payment
    assert (payment_view(payment).next_action, payment.action_secret) == (None, None)
