"""What a payment counts for against its customer's limits per day, and when it counts no longer."""

import datetime as dt

import pytest

from caudal.connectors import CaptureMode, Status
from caudal.payments import (
    ApprovePayment,
    CreatePayment,
    DeclinePayment,
    OutcomeStatus,
    PaymentKind,
    PaymentState,
)
from caudal.risk import ListsAndLimits
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Context, Limit
from support.payment_worlds import PaymentWorld, new_id, snapshot_of

S = PaymentState
LIMITS = (
    Limit(currency="EUR", per_day=5_000),
    Limit(currency="EUR", per_day=2_000, country="BR"),
)
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
async def world(shared_database: Database) -> PaymentWorld:
    decide = ListsAndLimits(ManualClock(LONG_AGO))
    return await PaymentWorld.make(shared_database, decide=decide, limits=LIMITS)


async def sums(world: PaymentWorld) -> dict[tuple[dt.date, str], tuple[int, int]]:
    """Amount and count of each day and country."""
    rows = await world.customers.rows(
        "select day, country, amount, count from risk.usage where book_id = %(book_id)s"
    )
    return {(day, country): (amount, count) for day, country, amount, count in rows}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
async def test_what_does_not_move_is_given_back_to_its_day_once(world: PaymentWorld, status: Status) -> None:
    day = world.clock.now().date()
    await world.succeeded(amount=700)
    case = await world.create(amount=1_500, context=Context(country="BR"))
    assert await sums(world) == {(day, ""): (2_200, 2), (day, "BR"): (1_500, 1)}

    world.clock.advance(dt.timedelta(days=1))
    await world.report(case, status)
    await world.hear(snapshot_of(await world.again(case), status))

    assert await sums(world) == {(day, ""): (700, 1), (day, "BR"): (0, 0)}
    # Money that moves after all counts again, for the day on which it was let through.
    for _ in range(2):
        await world.hear(snapshot_of(await world.again(case), Status.SUCCEEDED))
        assert await world.state(case) is S.SUCCEEDED
        assert await sums(world) == {(day, ""): (2_200, 2), (day, "BR"): (1_500, 1)}


async def test_what_was_given_back_and_has_moved_after_all_leaves_nothing_to_use(world: PaymentWorld) -> None:
    case = await world.create(amount=5_000)
    await world.report(case, Status.FAILED)
    await world.hear(snapshot_of(await world.again(case), Status.SUCCEEDED))

    (refused,) = await world.apply(creation(world, 100))

    assert refused.payment is not None
    assert (refused.payment.state, refused.payment.reasons) == (S.DECLINED, ("limit_per_day",))


async def test_what_was_given_back_can_be_used_again(world: PaymentWorld) -> None:
    case = await world.create(amount=5_000)
    (refused,) = await world.apply(creation(world, 5_000))
    assert refused.payment is not None
    assert (refused.payment.state, refused.payment.counted_on) == (S.DECLINED, None)

    await world.cancel(case)

    (accepted,) = await world.apply(creation(world, 5_000))
    assert accepted.payment is not None
    assert (accepted.status, accepted.payment.state) == (OutcomeStatus.APPLIED, S.PROCESSING)


def creation(world: PaymentWorld, amount: int) -> CreatePayment:
    return CreatePayment(
        id=new_id(ids.PAYMENT), kind=PaymentKind.PAY_IN, customer=world.ana, amount=amount, currency="EUR",
        instrument="pm_card_visa",
    )  # fmt: skip


async def test_of_a_payment_that_is_captured_in_part_the_part_counts(world: PaymentWorld) -> None:
    day = world.clock.now().date()
    case = await world.create(amount=1_000, capture=CaptureMode.MANUAL)
    await world.report(case, Status.AUTHORISED)
    await world.capture(await world.again(case), 300)
    assert await sums(world) == {(day, ""): (1_000, 1)}
    await world.report(await world.again(case), Status.SUCCEEDED, captured=300)
    assert await sums(world) == {(day, ""): (300, 1)}


async def test_an_authorisation_that_is_voided_or_runs_out_counts_no_longer(world: PaymentWorld) -> None:
    day = world.clock.now().date()
    voided = await world.authorised(amount=1_000)
    lapsed = await world.authorised(amount=500)
    await world.cancel(voided)
    await world.report(await world.again(voided), Status.CANCELLED)
    assert await sums(world) == {(day, ""): (500, 1)}
    world.clock.advance(dt.timedelta(days=8))
    await world.time_out(lapsed)
    await world.report(await world.again(lapsed), Status.CANCELLED)
    assert (await world.state(lapsed), await sums(world)) == (S.EXPIRED, {(day, ""): (0, 0)})


@pytest.mark.parametrize(("verdict", "left"), [(ApprovePayment, (1_200, 1)), (DeclinePayment, (0, 0))])
async def test_a_mismatch_counts_as_long_as_nobody_has_declined_it(
    world: PaymentWorld, verdict: type[ApprovePayment | DeclinePayment], left: tuple[int, int]
) -> None:
    day = world.clock.now().date()
    case = await world.create(amount=1_200)
    await world.report(case, Status.SUCCEEDED, amount=1_201, captured=1_201)
    assert await sums(world) == {(day, ""): (1_200, 1)}
    await world.one(verdict(payment_id=case.payment.id))
    assert await sums(world) == {(day, ""): left}


async def test_what_moved_and_came_back_still_counts(world: PaymentWorld) -> None:
    day = world.clock.now().date()
    case = await world.succeeded(amount=900)
    await world.hear(snapshot_of(case, Status.RETURNED))
    assert await sums(world) == {(day, ""): (900, 1)}
