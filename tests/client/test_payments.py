"""Payments through the client. What partners report is told by the tests: nobody is called."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

from caudal.api import Services
from caudal.app import create_app
from caudal.client import (
    CaptureMode,
    Caudal,
    Conflict,
    DisputeState,
    Method,
    NotFound,
    OutcomeUnknown,
    PartState,
    PaymentContext,
    PaymentKind,
    PaymentState,
    Retry,
    Unprocessable,
    new_payment_id,
)
from caudal.connectors import Status
from caudal.ledger import BookInfo
from support.client_settings import Setting
from support.documented import Contract
from support.payment_api import SETTINGS, PaymentWorld, pay_in
from support.unreliable import Network, lost_answer

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="module")
async def serving(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Services, BookInfo]]:
    """The running application with partners, and the book that they serve."""
    name = server.create_database(template=migrated_template)
    application = create_app(SETTINGS, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield http, services, (await PaymentWorld.make(http, services)).book
    server.drop_database(name)


@pytest.fixture
async def world(serving: tuple[httpx.AsyncClient, Services, BookInfo]) -> PaymentWorld:
    http, services, book = serving
    return await PaymentWorld.enter(http, services, book)


@pytest.fixture
def network(world: PaymentWorld, contract: Contract) -> Network:
    """Between the client and the application."""
    return Network(world.http._transport, contract)


@pytest.fixture
async def caudal(world: PaymentWorld, network: Network) -> AsyncIterator[Caudal]:
    async with Setting(world.services, network, world.key).client() as client:
        yield client


async def test_a_card_payment_from_its_beginning_to_its_refund(world: PaymentWorld, caudal: Caudal) -> None:
    customer = await world.customer(balance=1000)

    made = await caudal.payments.create(
        kind=PaymentKind.PAY_IN,
        customer=customer,
        amount=1050,
        currency="EUR",
        instrument="pm_card_visa",
        capture=CaptureMode.MANUAL,
        metadata={"cart": "9"},
        context=PaymentContext(device="browser-42", country="DE"),
        return_url="https://shop.example/paid",
    )
    assert (made.state, made.method, made.state.is_final) == (PaymentState.PROCESSING, Method.CARD, False)
    assert made.context == PaymentContext(device="browser-42", country="DE")
    await world.said(made.id, Status.AUTHORISED)
    assert (await caudal.payments.increment(made.id, amount=1200)).state is PaymentState.INCREMENTING
    await world.said(made.id, Status.AUTHORISED, amount=1200)
    assert (await caudal.payments.capture(made.id, amount=400, final=False)).state is PaymentState.CAPTURING
    await world.said(made.id, Status.AUTHORISED, amount=1200, captured=400)
    await caudal.payments.capture(made.id)
    await world.said(made.id, Status.SUCCEEDED, amount=1200, captured=1200)

    refund = await caudal.payments.refund(made.id, amount=200, reason="broken", metadata={"item": "4"})
    detail = await caudal.payments.get(made.id)

    assert (refund.amount, refund.currency, refund.state) == (200, "EUR", PartState.PENDING)
    assert await caudal.refunds.get(refund.id) == refund
    assert [row async for row in caudal.payments.refunds(made.id)] == [refund]
    assert (detail.state, detail.captured_amount, detail.refunding_amount) == (
        PaymentState.SUCCEEDED, 1200, 200,
    )  # fmt: skip
    assert [capture.amount for capture in detail.captures] == [400, 800]
    assert detail.state.is_final
    with pytest.raises(Unprocessable) as refused:
        await caudal.payments.refund(made.id, amount=1001)
    assert refused.value.code == "exceeds_captured_amount"


async def test_payments_are_found_page_by_page(world: PaymentWorld, caudal: Caudal) -> None:
    customer, friend = await world.customer(balance=10_000), await world.customer()
    made = [
        await caudal.payments.create(
            kind=PaymentKind.INTERNAL,
            customer=customer,
            destination=friend,
            amount=100 + n,
            currency="EUR",
            reference=f"gift-{n}",
        )
        for n in range(3)
    ]
    out = await caudal.payouts.create(
        customer=customer, amount=700, currency="EUR", instrument="tok_bank_ok", description="withdrawal"
    )
    since = made[1].created_at

    assert [row.id async for row in caudal.payments.list(customer=customer, page_size=2)] == [
        out.id, *(payment.id for payment in reversed(made)),
    ]  # fmt: skip
    assert [row.id async for row in caudal.payouts.list(customer=customer)] == [out.id]
    assert [row.id async for row in caudal.payments.list(reference="gift-1", currency="EUR")] == [made[1].id]
    found = caudal.payments.list(
        customer=customer, kind=PaymentKind.INTERNAL, state=PaymentState.SUCCEEDED, created_from=since
    )
    assert [row.id async for row in found] == [made[2].id, made[1].id]
    assert [row.amount async for row in caudal.payments.list(customer=customer, amount=700)] == [700]
    assert [row.id async for row in caudal.payouts.list(customer=customer, partner="bank")] == [out.id]
    assert [row.id async for row in caudal.payments.list(customer=customer, partner="stripe")] == []


async def test_a_payment_is_called_off_confirmed_and_decided_on(world: PaymentWorld, caudal: Caudal) -> None:
    customer = await world.customer(balance=10_000)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    scheduled = await caudal.payouts.create(
        customer=customer, amount=1, currency="EUR", instrument="tok_bank_ok", execute_at=later
    )
    waiting = await world.authorised(customer)
    yes, no = [await world.begun(pay_in(customer, 1000)) for _ in range(2)]
    for payment in (yes, no):
        await world.said(payment["id"], Status.SUCCEEDED, amount=900, captured=900)

    assert scheduled.state is PaymentState.SCHEDULED
    assert (await caudal.payments.cancel(scheduled.id)).state is PaymentState.CANCELLED
    assert (await caudal.payments.cancel(waiting["id"])).state is PaymentState.CANCELLING
    assert (await caudal.payments.approve(yes["id"])).captured_amount == 900
    assert (await caudal.payments.decline(no["id"])).state is PaymentState.FAILED
    # The customer may come back from the partner's page when all is over.
    assert (await caudal.payments.confirm(yes["id"])).state is PaymentState.SUCCEEDED
    unsent = await caudal.payouts.create(
        customer=customer, amount=1, currency="EUR", instrument="tok_bank_ok", execute_at=later
    )
    with pytest.raises(Conflict) as refused:
        await caudal.payments.confirm(unsent.id)
    assert refused.value.code == "payment_not_confirmable"


async def test_disputes_are_found_and_read(world: PaymentWorld, caudal: Caudal) -> None:
    paid = await world.succeeded(await world.customer())
    await world.disputed(paid)

    (dispute,) = [row async for row in caudal.disputes.list(payment=paid["id"], state=DisputeState.OPEN)]

    assert (dispute.amount, dispute.state, dispute.partner) == (1050, DisputeState.OPEN, "stripe")
    assert await caudal.disputes.get(dispute.id) == dispute
    with pytest.raises(NotFound):
        await caudal.disputes.get("dp_" + "7" * 32)


async def test_lost_answers_are_asked_for_again_with_the_same_bytes_and_key(
    world: PaymentWorld, network: Network, caudal: Caudal
) -> None:
    customer = await world.customer(balance=1000)
    network.faults[:] = [lost_answer, lost_answer]

    made = await caudal.payouts.create(
        customer=customer, amount=400, currency="EUR", instrument="tok_bank_ok"
    )

    assert len(network.seen) == 3
    assert len({(seen.key, seen.body) for seen in network.seen}) == 1
    assert await world.available(customer) == 600
    assert [row.id async for row in caudal.payouts.list(customer=customer)] == [made.id]


async def test_another_process_goes_on_with_the_id(
    world: PaymentWorld, network: Network, caudal: Caudal
) -> None:
    customer = await world.customer(balance=1000)
    wanted = {"customer": customer, "amount": 400, "currency": "EUR", "instrument": "tok_bank_ok"}
    kept = new_payment_id()
    network.faults[:] = [lost_answer]
    async with Setting(world.services, network, world.key).client(retry=Retry(attempts=1)) as hasty:
        with pytest.raises(OutcomeUnknown):
            await hasty.payouts.create(**wanted, id=kept)

    again = await caudal.payouts.create(**wanted, id=kept)

    assert again.id == kept
    assert await world.available(customer) == 600
