"""From a webhook as Stripe signs it to the customer's balance, with the real payments behind it."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caudal.connectors import RefusalReason, Status, WebhookRefused
from caudal.jobs import AnyHandler
from caudal.ledger import require_book_number
from caudal.payments import Case, PaymentState, RefundPayment
from caudal.webhooks import InboundState, handlers
from caudal_base import ids
from caudal_base.database import Database
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.payment_worlds import PaymentWorld, new_id, snapshot_of
from support.webhooks import Post, Sent

SECRET, OTHER = "whsec_of_the_tests", "whsec_of_somebody_else"

Json = dict[str, Any]


class Shop(Post):
    """A book whose partner `acquirer` is Stripe; what comes in is applied by payments themselves."""

    world: PaymentWorld

    @classmethod
    async def make(cls, database: Database) -> "Shop":
        world = await PaymentWorld.make(database)
        async with database.connection() as connection:
            book = await require_book_number(connection, world.book_id)
        shop = cls(database, book, partner="acquirer", settings=_stripe(book.name), clock=world.clock)
        shop.world = world
        return shop

    def handlers(self) -> list[AnyHandler]:
        return handlers(self.partners, self.world.payments, self.world.ledger, self.ids, self.counts)

    async def told(self, event: Json, *secrets: str) -> bool:
        """Stripe sends an event, signed with each of these; whether it was new."""
        body = json.dumps(event).encode()
        at = int(self.clock.now().timestamp())
        signatures = [
            hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hex()
            for secret in secrets or (SECRET,)
        ]
        header = ",".join([f"t={at}", *(f"v1={signature}" for signature in signatures), "v0=old"])
        return await self.receive(Sent({"stripe-signature": header}, body))


def _stripe(book: str) -> PartnerSettings:
    return PartnerSettings(
        connector="stripe", book=book, api_key=Secret("sk_test_x"), webhook_secrets=[Secret(SECRET)]
    )


def intent(case: Case, status: str = "succeeded", **fields: Any) -> Json:
    """A PaymentIntent as Stripe has it."""
    payment = case.payment
    attempt = case.attempts[0]
    return {
        "object": "payment_intent",
        "id": f"pi_{payment.id[-8:]}",
        "amount": payment.amount,
        "amount_received": payment.amount if status == "succeeded" else 0,
        "currency": payment.currency.lower(),
        "status": status,
        "latest_charge": None,
        "metadata": {"attempt_id": attempt.id},
        **fields,
    }


def event(shop: Shop, name: str, about: Json) -> Json:
    return {
        "object": "event",
        "id": f"evt_{name}_{about['id']}",
        "type": name,
        "created": int(shop.clock.now().timestamp()),
        "data": {"object": about},
    }


@pytest.fixture
async def shop(webhooks_database: Database) -> AsyncIterator[Shop]:
    made = await Shop.make(webhooks_database)
    yield made
    await made.inbox.drain()


async def test_a_webhook_that_comes_before_the_answer_to_the_call_moves_the_money_once(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    await shop.world.send(case.attempts[0])
    succeeded = event(shop, "payment_intent.succeeded", intent(case))

    assert await shop.told(succeeded, OTHER, SECRET) is True
    assert await shop.told(succeeded) is False
    await shop.work()
    before = await shop.world.case(case.payment.id)
    snapshot = snapshot_of(case, Status.SUCCEEDED)
    await shop.world.hear(snapshot)

    assert before.payment.state is PaymentState.SUCCEEDED
    assert await shop.world.wallet(shop.world.ana) == (1_000, 1_000)
    assert await shop.world.clearing() == 1_000
    assert [row.state for row in await shop.rows()] == [InboundState.APPLIED]


async def test_events_of_one_payment_in_the_wrong_order_end_as_in_the_right_one(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    await shop.world.send(case.attempts[0])
    later = event(shop, "payment_intent.succeeded", intent(case))
    earlier = event(shop, "payment_intent.processing", intent(case, "processing"))

    await shop.told(later)
    await shop.work()
    await shop.told(earlier)
    await shop.work()

    assert (await shop.world.case(case.payment.id)).payment.state is PaymentState.SUCCEEDED
    assert await shop.world.wallet(shop.world.ana) == (1_000, 1_000)
    assert {row.state for row in await shop.rows()} == {InboundState.APPLIED}


async def test_a_refund_that_is_not_known_yet_is_waited_for(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    await shop.world.send(case.attempts[0])
    await shop.told(event(shop, "payment_intent.succeeded", intent(case)))
    await shop.work()
    refund_id = new_id(ids.REFUND)
    refunded = await shop.world.apply(RefundPayment(payment_id=case.payment.id, id=refund_id, amount=400))
    case = await shop.world.case(case.payment.id)
    attempt = next(one for one in case.attempts if one.part_id == refund_id)
    await shop.world.send(attempt)
    about = {
        "object": "refund", "id": "re_1", "amount": 400, "currency": "eur", "status": "succeeded",
        "payment_intent": f"pi_{case.payment.id[-8:]}", "metadata": {"attempt_id": attempt.id},
    }  # fmt: skip

    await shop.told(event(shop, "refund.updated", about))
    await shop.work()

    assert refunded[0].refusal is None
    assert (await shop.world.case(case.payment.id)).payment.refunded_amount == 400
    assert await shop.world.wallet(shop.world.ana) == (600, 600)


async def test_what_speaks_of_a_payment_that_is_not_ours_waits_and_is_parked(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    foreign = intent(case, metadata={}, id="pi_foreign")

    await shop.told(event(shop, "payment_intent.succeeded", foreign))
    await shop.work()
    (waiting,) = await shop.rows()
    await shop.work_through()

    (row,) = await shop.rows()
    assert (waiting.state, row.state) == (InboundState.RECEIVED, InboundState.PARKED)
    assert await shop.world.wallet(shop.world.ana) == (0, 0)


async def test_what_is_of_no_concern_is_ignored(shop: Shop) -> None:
    await shop.told(event(shop, "customer.created", {"object": "customer", "id": "cus_1"}))
    await shop.work()

    assert [row.state for row in await shop.rows()] == [InboundState.IGNORED]


async def test_a_forgery_moves_nothing(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    await shop.world.send(case.attempts[0])

    with pytest.raises(WebhookRefused) as refused:
        await shop.told(event(shop, "payment_intent.succeeded", intent(case)), OTHER)

    assert refused.value.reason is RefusalReason.NO_MATCH
    assert await shop.rows() == []


async def test_another_amount_than_asked_is_a_review_and_never_a_success(shop: Shop) -> None:
    case = await shop.world.create(amount=1_000)
    await shop.world.send(case.attempts[0])

    await shop.told(
        event(shop, "payment_intent.succeeded", intent(case, amount=2_000, amount_received=2_000))
    )
    await shop.work()

    assert (await shop.world.case(case.payment.id)).payment.state is PaymentState.REVIEW
    assert await shop.world.wallet(shop.world.ana) == (0, 0)
