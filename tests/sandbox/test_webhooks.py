"""Webhooks of the sandbox: signed as Stripe signs, repeated until taken, and what goes wrong on the way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import stripe

from caudal_sandbox.messages import Request, Response, json_response
from support.banks import Listener, listener
from support.sandboxes import SDK_WARNS, SECRET, StripeWorld, decoded, stripe_world

pytestmark = SDK_WARNS

OLD_SECRET = "whsec_that_was"


class Shop(Listener):
    """Takes events whose signature is good, as Stripe's SDK judges."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[Request] = []
        self.failing = 0
        """So many more events are answered 500."""
        self.asks: Callable[[], None] = lambda: None

    def handle(self, request: Request) -> Response:
        self.asks()
        if self.failing:
            self.failing -= 1
            return json_response(500, {})
        try:
            stripe.Webhook.construct_event(request.body, request.headers["stripe-signature"], SECRET)
        except stripe.SignatureVerificationError:
            self.refused.append(request)
            return json_response(400, {})
        return super().handle(request)

    @property
    def ids(self) -> list[str]:
        return [decoded(request.body)["id"] for request in self.requests]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """Somebody who listens."""
    async with listener(Shop()) as listening:
        assert isinstance(listening, Shop)
        yield listening


async def until(condition: Callable[[], bool]) -> None:
    """Return when it is true."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class TestDelivery:
    async def test_an_event_is_signed_and_shows_the_object_as_it_was(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.tell(shop.url)
        intent = await world.pay(key="k1", metadata={"attempt_id": "att_1"})
        await until(lambda: len(shop.requests) == 2)
        events = {event["type"]: event for event in (decoded(request.body) for request in shop.requests)}
        created, succeeded = events["payment_intent.created"], events["payment_intent.succeeded"]
        assert created["data"]["object"]["status"] == "requires_confirmation"
        assert succeeded["data"]["object"]["id"] == intent.id
        assert succeeded["data"]["object"]["metadata"] == {"attempt_id": "att_1"}
        assert succeeded["request"] == {
            "id": intent.last_response.headers["request-id"],
            "idempotency_key": "k1",
        }
        assert (succeeded["object"], succeeded["api_version"]) == (
            "event",
            stripe.api_version or "2026-10-28.endive",
        )
        fetched = await world.http.get(f"/v1/events/{succeeded['id']}")
        assert fetched.json() == succeeded

    async def test_every_secret_signs_while_one_replaces_another(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.tell(shop.url, secrets=(OLD_SECRET, SECRET), events=("payment_intent.succeeded",))
        await world.pay()
        await until(lambda: shop.types == ["payment_intent.succeeded"])
        assert shop.requests[0].headers["stripe-signature"].count("v1=") == 2

    async def test_only_what_is_asked_for_is_sent(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, events=("charge.*",))
        await world.pay(capture_method="automatic")
        await until(lambda: bool(shop.requests))
        assert shop.types == ["charge.succeeded"]

    async def test_a_signature_has_the_real_time_also_when_the_clock_was_moved(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.advance(86_400 * 30)
        world.tell(shop.url, events=("payment_intent.succeeded",))
        intent = await world.pay()
        await until(lambda: bool(shop.requests))
        assert intent.created > time.time() + 86_400 * 29

    async def test_it_is_repeated_until_it_is_taken(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, events=("payment_intent.succeeded",))
        shop.failing = 2
        await world.pay()
        await until(lambda: shop.types == ["payment_intent.succeeded"])
        assert world.sandbox.world.sender.counts["repeated"] == 2

    async def test_what_waits_can_be_sent_at_once(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, delay=1, delay_ms_min=600_000, delay_ms_max=600_000)
        await world.pay()
        assert (await world.http.get("/control/stats")).json()["waiting"] == 2
        assert await world.control("webhooks/flush") == {"waiting": 0}
        assert shop.types == ["payment_intent.created", "payment_intent.succeeded"]

    async def test_nobody_listening_is_not_the_end(self, world: StripeWorld, shop: Shop) -> None:
        world.tell("http://127.0.0.1:1/nobody", events=("payment_intent.succeeded",))
        await world.pay()
        await until(lambda: world.sandbox.world.sender.counts["unreachable"] > 0)
        world.tell(shop.url)
        assert await world.control("webhooks/flush") == {"waiting": 0}
        assert shop.types == ["payment_intent.succeeded"]


class TestMischief:
    async def test_duplicates(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, duplicate=1, events=("payment_intent.succeeded",))
        await world.pay()
        await until(lambda: len(shop.requests) == 2)
        assert shop.ids[0] == shop.ids[1]

    async def test_an_event_is_overtaken_by_the_next(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, reorder=1, events=("payment_intent.succeeded",))
        await world.pay()
        world.tell(shop.url, events=("refund.created",))
        intent = (await world.sdk.v1.payment_intents.list_async()).data[0]
        await world.sdk.v1.refunds.create_async({"payment_intent": intent.id})
        await until(lambda: len(shop.requests) == 2)
        assert shop.types == ["refund.created", "payment_intent.succeeded"]

    async def test_forgeries_come_beside_the_true_event_and_none_is_taken(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.tell(shop.url, forge=1, events=("payment_intent.succeeded",))
        for _ in range(12):
            await world.pay()
        await until(lambda: len(shop.requests) == 12 and len(shop.refused) == 12)
        counts = world.sandbox.world.sender.counts
        assert (counts["forged"], counts["forgeries_taken"], len(set(shop.ids))) == (12, 0, 12)
        bodies = {request.body for request in shop.requests}
        changed = [request for request in shop.refused if request.body not in bodies]
        assert 0 < len(changed) < 12  # the others have a true body: another's signature, or an old time

    async def test_an_old_secret_is_tried_first_and_then_the_right_one(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.tell(shop.url, old_secret=1, old_secrets=(OLD_SECRET,), events=("payment_intent.succeeded",))
        await world.pay()
        await until(lambda: len(shop.requests) == 1)
        assert len(shop.refused) == 1

    async def test_events_before_the_answer_to_the_call(self, world: StripeWorld, shop: Shop) -> None:
        world.tell(shop.url, before_response=1)
        await world.pay()
        assert sorted(shop.types) == ["payment_intent.created", "payment_intent.succeeded"]

    async def test_with_a_fault_after_the_effect_the_event_still_comes(
        self, world: StripeWorld, shop: Shop
    ) -> None:
        world.tell(shop.url, events=("payment_intent.succeeded",))
        world.misbehave(error_after=1)
        with pytest.raises(stripe.APIError):
            await world.pay()
        await until(lambda: shop.types == ["payment_intent.succeeded"])


async def test_what_was_not_taken_is_sent_after_a_restart(tmp_path: object, shop: Shop) -> None:
    state = tmp_path / "state"  # type: ignore[operator]
    async with stripe_world(state=state) as world:
        world.tell(
            shop.url, delay=1, delay_ms_min=60_000, delay_ms_max=60_000, events=("payment_intent.succeeded",)
        )
        await world.pay()
    assert shop.requests == []
    async with stripe_world(state=state):
        await until(lambda: shop.types == ["payment_intent.succeeded"])
