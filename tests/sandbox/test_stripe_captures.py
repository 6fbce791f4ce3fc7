"""Authorise first, capture later: in parts, more than was asked for at first, or never."""

import pytest
import stripe

from support.sandboxes import SDK_WARNS, StripeWorld

pytestmark = SDK_WARNS

DAY_S = 86_400

SEVERAL = {
    "card": {"request_multicapture": "if_available", "request_incremental_authorization": "if_available"}
}


async def authorised(world: StripeWorld, *, amount: int = 1000, several: bool = False) -> str:
    """A new authorisation's id."""
    options = {"payment_method_options": SEVERAL} if several else {}
    intent = await world.pay(
        amount=amount, capture_method="manual", metadata={"attempt_id": "att_1"}, **options
    )
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "requires_capture",
        amount,
        0,
    )
    return intent.id  # type: ignore[no-any-return]


def options(key: str) -> stripe.RequestOptions:
    """With an idempotency key."""
    return {"idempotency_key": key}


class TestCaptures:
    async def test_all_of_it(self, world: StripeWorld) -> None:
        id = await authorised(world)
        done = await world.sdk.v1.payment_intents.capture_async(id, {}, options("att_2"))
        assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 1000, 0)
        book = await world.book()
        assert book["attempts"] == {"att_1": 1, "att_2": 1}
        assert book["balances"] == {"stripe": {"eur": 1000 - 40}}

    async def test_a_part_releases_the_rest(self, world: StripeWorld) -> None:
        id = await authorised(world)
        done = await world.sdk.v1.payment_intents.capture_async(id, {"amount_to_capture": 300})
        assert (done.status, done.amount, done.amount_received, done.amount_capturable) == (
            "succeeded",
            1000,
            300,
            0,
        )
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.sdk.v1.payment_intents.capture_async(id, {"amount_to_capture": 1})
        assert refused.value.code == "charge_already_captured"

    async def test_several_parts_and_never_more_than_is_left(self, world: StripeWorld) -> None:
        id = await authorised(world, several=True)
        capture = world.sdk.v1.payment_intents.capture_async
        first = await capture(id, {"amount_to_capture": 300, "final_capture": False})
        assert (first.status, first.amount_received, first.amount_capturable) == (
            "requires_capture",
            300,
            700,
        )
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await capture(id, {"amount_to_capture": 701, "final_capture": False})
        assert refused.value.code == "amount_too_large"
        last = await capture(id, {"amount_to_capture": 700})
        assert (last.status, last.amount_received) == ("succeeded", 1000)
        booked = await world.sdk.v1.balance_transactions.list_async({"source": str(last.latest_charge)})
        assert sorted(each.amount for each in booked.data) == [300, 700]

    async def test_several_parts_must_have_been_asked_for(self, world: StripeWorld) -> None:
        id = await authorised(world)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await world.sdk.v1.payment_intents.capture_async(
                id, {"amount_to_capture": 3, "final_capture": False}
            )
        assert refused.value.param == "final_capture"

    async def test_what_is_left_after_a_part_can_be_let_go(self, world: StripeWorld) -> None:
        id = await authorised(world, several=True)
        await world.sdk.v1.payment_intents.capture_async(
            id, {"amount_to_capture": 300, "final_capture": False}
        )
        done = await world.sdk.v1.payment_intents.cancel_async(id)
        assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 300, 0)


class TestIncrements:
    async def test_raise_what_is_authorised_to_a_new_total(self, world: StripeWorld) -> None:
        id = await authorised(world, several=True)
        raised = await world.sdk.v1.payment_intents.increment_authorization_async(
            id, {"amount": 1500}, options("att_2")
        )
        assert (raised.status, raised.amount, raised.amount_capturable) == ("requires_capture", 1500, 1500)
        assert (await world.book())["attempts"] == {"att_1": 1, "att_2": 1}
        assert (await world.sdk.v1.payment_intents.capture_async(id)).amount_received == 1500

    async def test_not_to_less_and_not_unasked(self, world: StripeWorld) -> None:
        able, unable = await authorised(world, several=True), await authorised(world)
        for id, amount in ((able, 1000), (unable, 2000)):
            with pytest.raises(stripe.InvalidRequestError):
                await world.sdk.v1.payment_intents.increment_authorization_async(id, {"amount": amount})
            assert (await world.intent(id)).amount == 1000


class TestRelease:
    async def test_cancelling_moves_no_money(self, world: StripeWorld) -> None:
        id = await authorised(world)
        cancelled = await world.sdk.v1.payment_intents.cancel_async(id, {"cancellation_reason": "abandoned"})
        assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
        assert await world.kinds() == ["authorisation", "cancel"]
        assert (await world.book())["balances"] == {"stripe": {"eur": 0}}

    async def test_an_authorisation_lapses_after_seven_days(self, world: StripeWorld) -> None:
        id = await authorised(world)
        world.advance(7 * DAY_S - 5)
        assert (await world.intent(id)).status == "requires_capture"
        world.advance(5)
        lapsed = await world.intent(id)
        assert (lapsed.status, lapsed.cancellation_reason) == ("canceled", "expired")
        assert (await world.events())[-1] == "payment_intent.canceled"

    async def test_one_that_was_captured_in_part_then_succeeds(self, world: StripeWorld) -> None:
        id = await authorised(world, several=True)
        await world.sdk.v1.payment_intents.capture_async(
            id, {"amount_to_capture": 300, "final_capture": False}
        )
        world.advance(7 * DAY_S)
        lapsed = await world.intent(id)
        assert (lapsed.status, lapsed.amount_received, lapsed.amount_capturable) == ("succeeded", 300, 0)
