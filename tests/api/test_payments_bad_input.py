"""Whatever is wrong with a request about payments gets a typed error, naming the field, and is not done."""

import json
from typing import Any

import pytest

from support.payment_api import PaymentWorld, internal, pay_in, payout
from support.worlds import problem

NOBODY = "cus_" + "7" * 32
NOTHING = "pay_" + "7" * 32


@pytest.fixture
def world(payments: PaymentWorld) -> PaymentWorld:
    """A caller in a book with partners."""
    return payments


async def nothing_of(world: PaymentWorld, customer: str) -> bool:
    """Whether the customer has no payments and no transfers."""
    listed = (await world.get("/v1/payments", customer=customer)).json()["data"]
    entries = (await world.get(f"/v1/accounts/{world.wallet(customer)}/entries")).json()["data"]
    return not listed and not entries


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"amount": 0}, 422, "amount_must_be_positive", "amount"),
        ({"amount": -1}, 422, "amount_must_be_positive", "amount"),
        ({"amount": 2**53}, 422, "amount_too_large", "amount"),
        ({"amount": 10**30}, 422, "amount_too_large", "amount"),
        ({"amount": 10.5}, 400, "invalid_field", "amount"),
        ({"amount": "10"}, 400, "invalid_field", "amount"),
        ({"currency": "USD"}, 422, "currency_not_offered", "currency"),
        ({"currency": "XXX"}, 422, "currency_not_offered", "currency"),
        ({"currency": "eur"}, 422, "currency_not_offered", "currency"),
        ({"currency": "euro"}, 400, "invalid_field", "currency"),
        ({"kind": "charge"}, 400, "invalid_field", "kind"),
        ({"kind": None}, 400, "invalid_field", "kind"),
        ({"customer": "ana"}, 400, "invalid_field", "customer"),
        ({"customer": "acct_" + "7" * 32}, 400, "invalid_field", "customer"),
        ({"customer": NOBODY}, 422, "customer_not_found", "customer"),
        ({"id": "pay_1"}, 400, "invalid_field", "id"),
        ({"id": "pay_" + "0" * 32}, 400, "invalid_id", "id"),
        ({"method": "cheque"}, 400, "invalid_field", "method"),
        ({"method": "bank_transfer"}, 422, "partner_unsupported", "method"),
        ({"partner": "bank"}, 422, "partner_unsupported", "partner"),
        ({"partner": "adyen"}, 422, "unknown_partner", "partner"),
        ({"partner": ""}, 400, "invalid_field", "partner"),
        ({"instrument": None}, 422, "instrument_missing", "instrument"),
        ({"instrument": ""}, 400, "invalid_field", "instrument"),
        ({"instrument": "pm card"}, 400, "invalid_field", "instrument"),
        ({"instrument": "pm_card_visa\n"}, 400, "invalid_field", "instrument"),
        ({"instrument": "x" * 256}, 400, "invalid_field", "instrument"),
        ({"capture": "later"}, 400, "invalid_field", "capture"),
        ({"method": "bank_debit", "capture": "manual"}, 422, "partner_unsupported", "method"),
        ({"destination": NOBODY}, 422, "destination_not_allowed", "destination"),
        ({"reference": ""}, 400, "invalid_field", "reference"),
        ({"reference": "x" * 256}, 400, "invalid_field", "reference"),
        ({"reference": "a\0b"}, 400, "nul_character", "reference"),
        ({"description": "x" * 501}, 400, "invalid_field", "description"),
        ({"metadata": {"k": 5}}, 400, "invalid_field", "metadata"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, 400, "invalid_field", "metadata"),
        ({"context": {"browser": "x"}}, 400, "unknown_field", "context.browser"),
        ({"context": {"ip": "127.0.0.256"}}, 400, "invalid_field", "context.ip"),
        ({"context": {"country": "XX"}}, 422, "unknown_country", "context.country"),
        ({"context": {"country": "Germany"}}, 400, "invalid_field", "context.country"),
        ({"context": {"card_token": "card_17"}}, 422, "invalid_token", "context.card_token"),
        ({"execute_at": "2001-01-01T00:00:00Z"}, 422, "execute_at_in_the_past", "execute_at"),
        ({"execute_at": "2999-01-01T00:00:00"}, 400, "invalid_field", "execute_at"),
        ({"execute_at": "9999-12-31T23:59:59-14:00"}, 400, "invalid_field", "execute_at"),
        ({"return_url": "javascript:alert(1)"}, 400, "invalid_field", "return_url"),
        ({"return_url": "https://shop.example/a b"}, 400, "invalid_field", "return_url"),
        ({"amuont": 5}, 400, "unknown_field", "amuont"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
async def test_fields_that_are_wrong(
    world: PaymentWorld, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    customer = await world.customer()

    response = await world.post("/v1/payments", {**pay_in(customer), **change})

    assert problem(response) == (status, code, field)
    assert await nothing_of(world, customer)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"instrument": "4242424242424242"}, "instrument"),
        ({"instrument": "DE89370400440532013000"}, "instrument"),
        ({"reference": "for ana@example.com"}, "reference"),
        ({"description": "call +49 30 901820"}, "description"),
        ({"metadata": {"card": "4242 4242 4242 4242"}}, "metadata.card"),
        ({"metadata": {"ana@example.com": "yes"}}, "metadata"),
        ({"context": {"device": "ana@example.com"}}, "context.device"),
        ({"context": {"merchant": "+4930901820"}}, "context.merchant"),
        ({"context": {"card_token": "tok_4242424242424242"}}, "context.card_token"),
        ({"return_url": "https://shop.example/?mail=ana@example.com"}, "return_url"),
    ],
)
async def test_what_looks_like_personal_data_is_kept_nowhere(
    world: PaymentWorld, change: dict[str, Any], field: str
) -> None:
    customer = await world.customer()

    response = await world.post("/v1/payments", {**pay_in(customer), **change})

    assert problem(response) == (422, "personal_data_refused", field)
    said = {name: value for name, value in response.json().items() if name != "instance"}  # a random id
    for secret in ("4242", "ana@", "30901820", "DE8937"):
        assert secret not in json.dumps(said)
    assert await nothing_of(world, customer)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"destination": None}, "destination_missing", "destination"),
        ({"destination": NOBODY}, "customer_not_found", "destination"),
        ({"partner": "bank"}, "instrument_not_allowed", "partner"),
        ({"method": "card"}, "instrument_not_allowed", "method"),
        ({"instrument": "pm_card_visa"}, "instrument_not_allowed", "instrument"),
        ({"capture": "manual"}, "instrument_not_allowed", "capture"),
        ({"amount": 1001}, "exceeds_debit_limit", None),
    ],
)
async def test_internal_payments_that_cannot_be(
    world: PaymentWorld, change: dict[str, Any], code: str, field: str | None
) -> None:
    ana, bo = await world.customer(balance=1000), await world.customer()

    response = await world.post("/v1/payments", {**internal(ana, bo), **change})

    assert problem(response) == (422, code, field)
    assert await world.available(ana) == 1000


async def test_nobody_pays_themselves(world: PaymentWorld) -> None:
    ana = await world.customer(balance=1000)

    response = await world.post("/v1/payments", internal(ana, ana))

    assert problem(response) == (422, "same_customer", "destination")


async def test_a_blocked_customer_makes_no_payments(world: PaymentWorld) -> None:
    ana = await world.customer(balance=1000)
    await world.block(ana)

    assert problem(await world.post("/v1/payments", pay_in(ana))) == (409, "customer_not_active", "customer")
    assert problem(await world.post("/v1/payouts", payout(ana))) == (409, "customer_not_active", "customer")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"kind": "pay_in"}, 400, "unknown_field", "kind"),
        ({"capture": "manual"}, 400, "unknown_field", "capture"),
        ({"return_url": "https://shop.example"}, 400, "unknown_field", "return_url"),
        ({"instrument": None}, 422, "instrument_missing", "instrument"),
        ({"instrument": "DE89370400440532013000"}, 422, "personal_data_refused", "instrument"),
        ({"method": "card"}, 422, "partner_unsupported", "method"),
        ({"partner": "stripe"}, 422, "partner_unsupported", "partner"),
        ({"amount": 0}, 422, "amount_must_be_positive", "amount"),
    ],
)
async def test_payouts_that_cannot_be(
    world: PaymentWorld, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    customer = await world.customer(balance=5000)

    response = await world.post("/v1/payouts", {**payout(customer), **change})

    assert problem(response) == (status, code, field)
    assert await world.available(customer) == 5000


@pytest.mark.parametrize(
    ("action", "body", "status", "code", "field"),
    [
        ("capture", {"amount": "5"}, 400, "invalid_field", "amount"),
        ("capture", {"amount": 2**53}, 422, "amount_too_large", "amount"),
        ("capture", {"final": 1}, 400, "invalid_field", "final"),
        ("capture", {"remainder": "hold"}, 400, "unknown_field", "remainder"),
        ("increment", {}, 400, "missing_field", "amount"),
        ("increment", {"amount": 0}, 422, "amount_must_be_positive", "amount"),
        ("increment", {"amount": 10**30}, 422, "amount_too_large", "amount"),
        ("cancel", {"reason": "fraud"}, 400, "unknown_field", "reason"),
        ("confirm", {"now": True}, 400, "unknown_field", "now"),
        ("approve", {}, 409, "payment_not_in_review", None),
        ("decline", {}, 409, "payment_not_in_review", None),
        ("refunds", {}, 409, "payment_not_refundable", None),
        ("refunds", {"amount": 0}, 422, "amount_must_be_positive", "amount"),
        ("refunds", {"amount": 1.5}, 400, "invalid_field", "amount"),
        ("refunds", {"reason": ""}, 400, "invalid_field", "reason"),
        ("refunds", {"reason": "ana@example.com"}, 422, "personal_data_refused", "reason"),
        ("refunds", {"metadata": {"k": "4242424242424242"}}, 422, "personal_data_refused", "metadata.k"),
    ],
)
async def test_what_cannot_be_asked_of_an_authorised_payment(
    world: PaymentWorld, action: str, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    payment = await world.authorised(await world.customer())

    response = await world.post(f"/v1/payments/{payment['id']}/{action}", body)

    assert problem(response) == (status, code, field)
    assert await world.read(payment["id"]) == payment


@pytest.mark.parametrize(
    "action", ["capture", "increment", "cancel", "confirm", "approve", "decline", "refunds"]
)
async def test_payments_that_are_not_there(world: PaymentWorld, action: str) -> None:
    body = {"amount": 5} if action == "increment" else {}

    assert problem(await world.post(f"/v1/payments/{NOTHING}/{action}", body)) == (
        404, "payment_not_found", "id",
    )  # fmt: skip
    assert problem(await world.post(f"/v1/payments/re_{'7' * 32}/{action}", body)) == (
        400, "invalid_id", "id",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v1/payments/{NOTHING}", 404, "payment_not_found"),
        (f"/v1/payments/{NOTHING}/refunds", 404, "payment_not_found"),
        ("/v1/payments/17", 400, "invalid_id"),
        ("/v1/reviews/17", 400, "invalid_id"),
        (f"/v1/reviews/{NOTHING}", 404, "payment_not_found"),
        ("/v1/decisions/17", 400, "invalid_id"),
        ("/v1/payments/17/refunds", 400, "invalid_id"),
        ("/v1/refunds/re_" + "7" * 32, 404, "refund_not_found"),
        (f"/v1/refunds/{NOTHING}", 400, "invalid_id"),
        ("/v1/disputes/dp_" + "7" * 32, 404, "dispute_not_found"),
        (f"/v1/disputes/{NOTHING}", 400, "invalid_id"),
    ],
)
async def test_what_cannot_be_read(world: PaymentWorld, path: str, status: int, code: str) -> None:
    assert problem(await world.get(path)) == (status, code, "id")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("payments?custmer=x", "unknown_parameter", "custmer"),
        ("payments?customer=ana", "invalid_parameter", "customer"),
        ("payments?kind=charge", "invalid_parameter", "kind"),
        ("payments?state=done", "invalid_parameter", "state"),
        ("payments?amount=0", "invalid_parameter", "amount"),
        ("payments?amount=9007199254740992", "invalid_parameter", "amount"),
        ("payments?amount=10.50", "invalid_parameter", "amount"),
        ("payments?currency=euro", "invalid_parameter", "currency"),
        ("payments?created_from=yesterday", "invalid_parameter", "created_from"),
        ("payments?created_before=2026-01-01T00:00:00", "invalid_parameter", "created_before"),
        ("payments?cursor=17", "invalid_parameter", "cursor"),
        (f"payments?cursor=dp_{'7' * 32}", "invalid_parameter", "cursor"),
        ("payments?limit=0", "invalid_parameter", "limit"),
        ("payments?limit=1001", "invalid_parameter", "limit"),
        ("payments?reference=a%00b", "invalid_parameter", "reference"),
        ("payouts?kind=payout", "unknown_parameter", "kind"),
        ("payouts?state=done", "invalid_parameter", "state"),
        ("disputes?payment=17", "invalid_parameter", "payment"),
        ("disputes?state=over", "invalid_parameter", "state"),
        (f"disputes?cursor={NOTHING}", "invalid_parameter", "cursor"),
        (f"payments/{NOTHING}?full=true", "unknown_parameter", "full"),
    ],
)
async def test_query_parameters_that_are_wrong(
    world: PaymentWorld, query: str, code: str, field: str
) -> None:
    response = await world.http.get(f"/v1/{query}", headers=world.headers())

    assert problem(response) == (400, code, field)
