"""Payments over HTTP. What partners report is told by the tests: nobody is called."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from caudal import audit
from caudal.access import Scope
from caudal.connectors import ErrorClass, PartnerError, Status
from support.payment_api import PaymentWorld, internal, pay_in, payout
from support.worlds import ALL_SCOPES, World, new_book, new_key, problem, some_id

if TYPE_CHECKING:
    pass


@pytest.fixture
def world(payments: PaymentWorld) -> PaymentWorld:
    """A caller in a book with partners."""
    return payments


async def test_a_pay_in_is_answered_before_the_partner_is_asked(world: PaymentWorld) -> None:
    customer = await world.customer()
    body = pay_in(
        customer,
        reference="order-17",
        description="two books",
        metadata={"cart": "9"},
        context={"device": "browser-42", "ip": "203.0.113.7", "country": "DE", "card_token": "tok_card_1"},
        return_url="https://shop.example/paid?order=17",
    )

    response = await world.post("/v1/payments", body)

    told = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/payments/{told['id']}"
    assert told == {
        **body,
        "id": told["id"],
        "state": "processing",
        "authorised_amount": 0,
        "captured_amount": 0,
        "refunded_amount": 0,
        "refunding_amount": 0,
        "disputed_amount": 0,
        "fee_amount": 0,
        "capture": "automatic",
        "partner": "stripe",
        "method": "card",
        "created_at": told["created_at"],
        "updated_at": told["created_at"],
        "decision": {"verdict": "approve"},
    }
    assert await world.available(customer) == 0


async def test_a_payment_is_read_with_all_that_belongs_to_it(world: PaymentWorld) -> None:
    paid = await world.succeeded(await world.customer())

    (attempt,) = paid["attempts"]
    assert paid["state"] == "succeeded"
    assert (paid["captured_amount"], paid["fee_amount"]) == (1050, 30)
    assert (attempt["operation"], attempt["state"]) == ("submit", "succeeded")
    assert (paid["captures"], paid["refunds"], paid["disputes"]) == ([], [], [])
    assert [transfer["amount"] for transfer in paid["transfers"]] == [1050, 1050, 30]
    assert {transfer["reference"] for transfer in paid["transfers"]} == {paid["id"]}


async def test_an_internal_payment_moves_at_once(world: PaymentWorld) -> None:
    ana, bo = await world.customer(balance=2000), await world.customer()

    told = await world.begun(internal(ana, bo, 500))

    assert (told["state"], told["captured_amount"]) == ("succeeded", 500)
    assert "partner" not in told
    assert (await world.available(ana), await world.available(bo)) == (1500, 500)


async def test_a_payout_holds_its_amount_and_may_come_back(world: PaymentWorld) -> None:
    customer = await world.customer(balance=2000)

    told = await world.begun(payout(customer, 1500), "/v1/payouts")

    assert (told["kind"], told["state"], told["partner"], told["method"]) == (
        "payout", "processing", "bank", "bank_transfer",
    )  # fmt: skip
    assert await world.available(customer) == 500
    assert (await world.said(told["id"], Status.SUCCEEDED, captured=1500))["state"] == "succeeded"
    assert (await world.said(told["id"], Status.RETURNED))["state"] == "returned"
    assert await world.available(customer) == 2000


async def test_what_the_balance_does_not_cover_is_refused_by_the_ledgers_code(world: PaymentWorld) -> None:
    customer = await world.customer(balance=100)

    response = await world.post("/v1/payouts", payout(customer, 101))

    assert problem(response)[:2] == (422, "exceeds_debit_limit")
    assert await world.available(customer) == 100
    assert (await world.get("/v1/payouts", customer=customer)).json()["data"] == []


async def test_a_declined_payment_is_no_error(world: PaymentWorld) -> None:
    customer = await world.customer(balance=200_000)

    told = await world.begun(payout(customer, 100_001), "/v1/payouts")

    assert told["state"] == "declined"
    decided = {"verdict": "decline", "reasons": ["limit_per_day"]}
    assert told["decision"] == {**decided, "id": told["decision"]["id"]}
    assert await world.available(customer) == 200_000


async def test_a_limit_per_day_counts_what_went_before_it(world: PaymentWorld) -> None:
    customer = await world.customer(balance=200_000)

    states = [(await world.begun(payout(customer, 60_000), "/v1/payouts"))["state"] for _ in range(2)]

    assert states == ["processing", "declined"]


async def test_a_payment_is_scheduled_and_called_off(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    later = "2999-01-01T00:00:00Z"

    told = await world.begun(payout(customer, 600, execute_at=later), "/v1/payouts")
    cancelled = await world.post(f"/v1/payments/{told['id']}/cancel")

    assert (told["state"], told["execute_at"]) == ("scheduled", later)
    assert cancelled.status_code == 200
    assert cancelled.json()["state"] == "cancelled"


async def test_an_authorised_payment_is_captured_in_parts(world: PaymentWorld) -> None:
    customer = await world.customer()
    payment = await world.authorised(customer, 1000)
    path = f"/v1/payments/{payment['id']}"
    assert (payment["state"], payment["authorised_amount"]) == ("authorised", 1000)

    capturing = await world.post(f"{path}/capture", {"amount": 300, "final": False})
    again = await world.said(payment["id"], Status.AUTHORISED, captured=300)
    await world.post(f"{path}/capture")
    done = await world.said(payment["id"], Status.SUCCEEDED, captured=1000)

    assert (capturing.status_code, capturing.json()["state"]) == (200, "capturing")
    assert (again["state"], again["captured_amount"]) == ("authorised", 300)
    assert (done["state"], done["captured_amount"]) == ("succeeded", 1000)
    assert [(part["amount"], part["final"]) for part in done["captures"]] == [(300, False), (700, True)]
    assert await world.available(customer) == 1000 - done["fee_amount"]


async def test_what_cannot_be_captured_is_refused(world: PaymentWorld) -> None:
    payment = await world.authorised(await world.customer(), 1000)
    path = f"/v1/payments/{payment['id']}/capture"

    assert problem(await world.post(path, {"amount": 1001})) == (422, "exceeds_authorised_amount", "amount")
    assert problem(await world.post(path, {"amount": 0})) == (422, "amount_must_be_positive", "amount")
    assert problem(await world.post(path, {"amount": -1})) == (422, "amount_must_be_positive", "amount")
    assert (await world.read(payment["id"]))["state"] == "authorised"


async def test_of_racing_captures_one_wins(world: PaymentWorld) -> None:
    payment = await world.authorised(await world.customer(), 1000)
    path = f"/v1/payments/{payment['id']}/capture"

    answers = await asyncio.gather(*(world.post(path, {"amount": 600}) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert {problem(answer)[1] for answer in answers if answer.status_code == 409} == {"payment_in_flight"}
    assert len((await world.read(payment["id"]))["captures"]) == 1


async def test_of_a_capture_and_a_cancellation_one_wins(world: PaymentWorld) -> None:
    payment = await world.authorised(await world.customer())
    path = f"/v1/payments/{payment['id']}"

    answers = await asyncio.gather(world.post(f"{path}/capture"), world.post(f"{path}/cancel"))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await world.read(payment["id"]))["state"] in ("capturing", "cancelling")


async def test_an_authorisation_is_raised_and_voided(world: PaymentWorld) -> None:
    customer = await world.customer()
    payment = await world.authorised(customer, 1000)
    path = f"/v1/payments/{payment['id']}"

    raising = await world.post(f"{path}/increment", {"amount": 1500})
    raised = await world.said(payment["id"], Status.AUTHORISED, amount=1500)
    voiding = await world.post(f"{path}/cancel")
    voided = await world.said(payment["id"], Status.CANCELLED)

    assert raising.json()["state"] == "incrementing"
    assert (raised["state"], raised["authorised_amount"]) == ("authorised", 1500)
    assert voiding.json()["state"] == "cancelling"
    assert voided["state"] == "cancelled"
    assert await world.available(customer) == 0


@pytest.mark.parametrize("action", ["void", "post"])
async def test_what_a_payment_holds_cannot_be_resolved_beside_it(world: PaymentWorld, action: str) -> None:
    payment = await world.begun(pay_in(await world.customer()))
    (hold,) = (await world.read(payment["id"]))["transfers"]

    beside = await world.post(f"/v1/transfers/{hold['id']}/{action}")
    pretended = await world.post(f"/v1/transfers/{hold['id']}/{action}", {"reference": payment["id"]})

    assert problem(beside) == (409, "hold_of_payment", "pending_id")
    assert problem(pretended) == (422, "reference_reserved", "reference")
    assert [told["id"] for told in (await world.read(payment["id"]))["transfers"]] == [hold["id"]]


async def test_money_of_payments_moves_by_payments_alone(world: PaymentWorld) -> None:
    customer = await world.customer()
    paid = await world.succeeded(customer, 1050)
    clearing = (await world.get("/v1/accounts", reference="partner:stripe:clearing:EUR")).json()["data"][0][
        "id"
    ]
    transfers = (await world.read(paid["id"]))["transfers"]
    posted = next(told["id"] for told in transfers if told["kind"] == "post_pending")
    wallet, other = world.wallet(customer), await world.account(currency="EUR")
    everything = world.key
    world.key = await new_key(
        world.services, frozenset({world.book.book_id}), ALL_SCOPES - {Scope.LEDGER_CORRECT}
    )
    back = {"debit_account": wallet, "credit_account": clearing, "amount": 5, "currency": "EUR"}
    entry = [
        {"account": wallet, "side": "debit", "amount": 5, "currency": "EUR"},
        {"account": clearing, "side": "credit", "amount": 5, "currency": "EUR"},
    ]
    batch = {"transfers": [{"type": "transfer", "id": some_id("tr", world.services), **back}]}

    undone = await world.post(f"/v1/transfers/{posted}/reverse")
    moved = await world.post("/v1/transfers", back)
    forced = await world.post("/v1/transfers", {**back, "beyond_limits": True})
    recorded = await world.post("/v1/transactions", {"postings": entry})
    batched = await world.post("/v1/transfers/batch", batch)

    assert problem(undone) == (409, "transfer_of_payment", "original_id")
    assert problem(moved) == problem(forced) == (409, "account_of_payments", "credit_account")
    assert problem(recorded) == (409, "account_of_payments", "postings[1].account")
    assert batched.json()["results"][0]["error"]["code"] == "account_of_payments"
    assert await world.available(customer) == 1020
    assert (await world.moved(wallet, other, 50, currency="EUR"))["amount"] == 50

    world.key = everything
    corrected = await world.post(f"/v1/transfers/{posted}/reverse", {"amount": 20})

    assert corrected.status_code == 201
    assert await world.available(customer) == 950
    async with world.services.database.connection() as connection:
        query = audit.Query(book_id=world.book.book_id, object_id=corrected.json()["id"])
        (record,) = (await audit.page(connection, query, limit=10)).records
    assert b'"details":{"correction":true}' in record.leaf


async def test_an_increment_must_raise_and_stay_an_amount(world: PaymentWorld) -> None:
    payment = await world.authorised(await world.customer(), 1000)
    path = f"/v1/payments/{payment['id']}/increment"

    assert problem(await world.post(path, {"amount": 1000})) == (422, "increment_not_above", "amount")
    assert problem(await world.post(path, {"amount": 2**53})) == (422, "amount_too_large", "amount")
    assert problem(await world.post(path)) == (400, "missing_field", "amount")


async def test_a_customer_who_must_act_is_sent_to_the_partner(world: PaymentWorld) -> None:
    made = await world.begun(pay_in(await world.customer(), return_url="https://shop.example/paid"))

    told = await world.said(made["id"], Status.ACTION_REQUIRED, action_url="https://bank.example/3ds")
    confirmed = await world.post(f"/v1/payments/{made['id']}/confirm")

    assert told["state"] == "requires_action"
    assert told["next_action"] == {"type": "redirect", "url": "https://bank.example/3ds"}
    assert confirmed.status_code == 200
    assert confirmed.json()["state"] == "requires_action"


async def test_a_partners_no_is_told_with_its_reason(world: PaymentWorld) -> None:
    made = await world.begun(pay_in(await world.customer()))
    error = PartnerError(code="card_declined", class_=ErrorClass.SOFT_DECLINE, message="not enough money")

    told = await world.said(made["id"], Status.FAILED, error=error)

    assert told["state"] == "failed"
    assert told["failure"] == {
        "code": "card_declined", "class": "soft_decline", "message": "not enough money",
    }  # fmt: skip


async def test_another_amount_than_asked_is_for_a_person(world: PaymentWorld) -> None:
    customer = await world.customer()
    approved, declined = [await world.begun(pay_in(customer, 1000)) for _ in range(2)]
    for made in (approved, declined):
        told = await world.said(made["id"], Status.SUCCEEDED, amount=900, captured=900)
        assert told["state"] == "review"
        assert told["review"] == {"reason": "mismatch", "reported_amount": 900, "reported_currency": "EUR"}

    yes = await world.post(f"/v1/payments/{approved['id']}/approve")
    no = await world.post(f"/v1/payments/{declined['id']}/decline")
    late = await world.post(f"/v1/payments/{approved['id']}/decline")

    assert (yes.json()["state"], yes.json()["captured_amount"]) == ("succeeded", 900)
    assert (no.json()["state"], no.json()["captured_amount"]) == ("failed", 0)
    assert problem(late)[:2] == (409, "payment_not_in_review")


async def test_refunds_never_exceed_what_was_captured(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    payment = await world.succeeded(customer, 1000)
    path = f"/v1/payments/{payment['id']}/refunds"
    before = await world.available(customer)

    made = await world.post(path, {"amount": 300, "reason": "one was missing", "metadata": {"item": "4"}})
    more = await world.post(path, {"amount": 701})
    rest = await world.post(path)

    refund = made.json()
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/refunds/{refund['id']}"
    assert refund == {
        "id": refund["id"],
        "payment": payment["id"],
        "amount": 300,
        "currency": "EUR",
        "state": "pending",
        "created_at": refund["created_at"],
        "updated_at": refund["created_at"],
        "reason": "one was missing",
        "metadata": {"item": "4"},
    }
    assert problem(more) == (422, "exceeds_captured_amount", "amount")
    assert rest.json()["amount"] == 700
    assert await world.available(customer) == before - 1000
    assert (await world.get(made.headers["location"])).json() == refund
    listed = (await world.get(path)).json()
    assert [row["amount"] for row in listed["data"]] == [300, 700]
    assert listed["next_cursor"] is None
    read = await world.read(payment["id"])
    assert (read["refunded_amount"], read["refunding_amount"]) == (0, 1000)


async def test_racing_refunds_stay_within_what_was_captured(world: PaymentWorld) -> None:
    payment = await world.succeeded(await world.customer(balance=5000), 1000)
    path = f"/v1/payments/{payment['id']}/refunds"

    answers = await asyncio.gather(*(world.post(path, {"amount": 400}) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 422, 422]
    assert (await world.read(payment["id"]))["refunding_amount"] == 800


async def test_a_disputed_payment_is_not_refunded_too(world: PaymentWorld) -> None:
    customer = await world.customer(balance=5000)
    payment = await world.succeeded(customer, 1000)
    before = await world.available(customer)
    await world.disputed(payment)

    refused = await world.post(f"/v1/payments/{payment['id']}/refunds")
    listed = (await world.get("/v1/disputes", payment=payment["id"], state="open")).json()

    assert problem(refused)[:2] == (409, "payment_disputed")
    (dispute,) = listed["data"]
    assert (dispute["payment"], dispute["amount"], dispute["currency"], dispute["state"]) == (
        payment["id"], 1000, "EUR", "open",
    )  # fmt: skip
    assert (await world.get(f"/v1/disputes/{dispute['id']}")).json() == dispute
    assert (await world.get("/v1/disputes", payment=payment["id"], state="won")).json()["data"] == []
    assert (await world.read(payment["id"]))["disputed_amount"] == 1000
    assert await world.available(customer) == before - 1000


async def test_lists_have_the_newest_first_and_page_by_cursor(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    friend = await world.customer()
    made = [await world.begun(internal(customer, friend, 10 + n, reference=f"r-{n}")) for n in range(3)]
    made.append(await world.begun(pay_in(customer, 99)))
    found = [payment["id"] for payment in reversed(made)]

    async def ids_of(path: str = "/v1/payments", **conditions: str | int) -> list[str]:
        answer = await world.get(path, customer=customer, **conditions)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["data"]]

    first = (await world.get("/v1/payments", customer=customer, limit=3)).json()
    rest = (await world.get("/v1/payments", customer=customer, limit=3, cursor=first["next_cursor"])).json()
    assert [row["id"] for row in (*first["data"], *rest["data"])] == found
    assert rest["next_cursor"] is None
    assert (await world.get("/v1/payments", customer=customer, limit=4)).json()["next_cursor"] is None
    assert await ids_of(kind="internal") == found[1:]
    assert await ids_of(state="processing") == found[:1]
    assert await ids_of(reference="r-1") == [made[1]["id"]]
    assert await ids_of(amount=12, currency="EUR") == [made[2]["id"]]
    assert await ids_of(currency="USD") == []
    assert await ids_of(waiting="person") == []
    assert await ids_of(created_from=made[2]["created_at"]) == found[:2]
    assert await ids_of(created_before=made[1]["created_at"]) == [made[0]["id"]]
    assert await ids_of("/v1/payouts") == []


async def test_the_same_id_and_content_answers_the_payment_as_it_stands(world: PaymentWorld) -> None:
    body = pay_in(await world.customer(), id=some_id("pay", world.services))
    first = await world.post("/v1/payments", body)
    await world.said(body["id"], Status.SUCCEEDED, captured=1050)

    again = await world.post("/v1/payments", body)
    other = await world.post("/v1/payments", {**body, "amount": 1051})

    assert (first.status_code, first.json()["id"]) == (201, body["id"])
    assert (again.status_code, again.json()["state"]) == (200, "succeeded")
    assert problem(other) == (409, "exists_with_different_content", "amount")


async def test_a_repeat_gets_the_first_answer_byte_for_byte(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    body = payout(customer, 400)

    first = await world.post("/v1/payouts", body, key="pay-out-once")
    again = await world.post("/v1/payouts", body, key="pay-out-once")
    other = await world.post("/v1/payouts", {**body, "amount": 401}, key="pay-out-once")

    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert problem(other) == (422, "idempotency_key_reused", "Idempotency-Key")
    assert await world.available(customer) == 600


async def test_repeats_at_once_have_one_effect_and_one_answer(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    payment = await world.succeeded(customer, 1000)
    path = f"/v1/payments/{payment['id']}/refunds"

    answers = await asyncio.gather(*(world.post(path, {"amount": 100}, key="refund-once") for _ in range(20)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (await world.read(payment["id"]))["refunding_amount"] == 100


async def test_a_refusal_is_an_answer_too(world: PaymentWorld) -> None:
    payment = await world.begun(pay_in(await world.customer()))
    path = f"/v1/payments/{payment['id']}/refunds"
    first = await world.post(path, key="too-early")
    await world.said(payment["id"], Status.SUCCEEDED, captured=1050)

    again = await world.post(path, key="too-early")

    assert problem(first)[:2] == (409, "payment_in_flight")
    assert again.content == first.content


async def test_money_moves_under_a_key_only(world: PaymentWorld) -> None:
    customer = await world.customer()
    payment = await world.authorised(customer)
    paths = ("", *(f"/{payment['id']}/{what}" for what in ("capture", "cancel", "refunds", "approve")))

    for path in paths:
        response = await world.http.post(
            f"/v1/payments{path}", json=pay_in(customer) if not path else {}, headers=world.headers()
        )
        assert problem(response) == (400, "invalid_idempotency_key", "Idempotency-Key")


async def test_events_tell_what_the_api_shows(world: PaymentWorld) -> None:
    paid = await world.succeeded(await world.customer())
    listed = (await world.get("/v1/payments", customer=paid["customer"])).json()["data"]

    told = (await world.get("/v1/events", object=paid["id"])).json()["data"]

    assert [event["type"] for event in told] == ["payment.created", "payment.succeeded"]
    assert told[-1]["data"] == listed[0]


async def test_what_was_asked_is_audited(world: PaymentWorld) -> None:
    response = await world.http.post(
        "/v1/payments",
        json=pay_in(await world.customer()),
        headers=world.headers(Idempotency_Key="audited", X_Request_Id="request-17"),
    )

    async with world.services.database.connection() as connection:
        cursor = await connection.execute(
            "select convert_from(leaf, 'UTF8') from audit.record where book_id = %s and object_id = %s",
            (world.book.book_id, response.json()["id"]),
        )
        ((leaf,),) = await cursor.fetchall()
    for word in ('"payment.create"', '"request-17"', '"processing"', '"key_'):
        assert word in leaf


@pytest.mark.parametrize(
    ("scopes", "reads", "writes", "reviews"),
    [
        ({Scope.PAYMENTS_READ}, 200, 403, 403),
        ({Scope.PAYMENTS_WRITE}, 403, 409, 403),
        ({Scope.PAYMENTS_REVIEW}, 403, 403, 409),
        ({Scope.LEDGER_READ, Scope.LEDGER_WRITE}, 403, 403, 403),
    ],
)
async def test_who_may_read_move_and_decide(
    world: PaymentWorld, scopes: set[Scope], reads: int, writes: int, reviews: int
) -> None:
    payment = await world.begun(pay_in(await world.customer()))
    services, book = world.services, world.book
    key = await new_key(services, frozenset({book.book_id}), frozenset(scopes))
    caller = World(world.http, services, book, key)
    path = f"/v1/payments/{payment['id']}"

    assert (await caller.get(path)).status_code == reads
    assert (await caller.post(f"{path}/refunds")).status_code == writes
    assert (await caller.post(f"{path}/approve")).status_code == reviews


async def test_books_do_not_see_one_anothers_payments(world: PaymentWorld) -> None:
    payment = await world.begun(pay_in(await world.customer()))
    other = await new_book(world.services)
    key = await new_key(world.services, frozenset({other.book_id}))
    stranger = World(world.http, world.services, other, key)
    path = f"/v1/payments/{payment['id']}"

    assert problem(await stranger.get(path)) == (404, "payment_not_found", "id")
    assert problem(await stranger.post(f"{path}/cancel")) == (404, "payment_not_found", "id")
    assert (await stranger.get("/v1/payments")).json() == {"data": [], "next_cursor": None}


async def test_a_dry_run_says_what_would_be_answered_and_leaves_nothing(world: PaymentWorld) -> None:
    customer = await world.customer(balance=1000)
    payment = await world.succeeded(await world.customer(balance=5000))
    before = await world.seq()

    begun = await world.post("/v1/payouts?dry_run=true", payout(customer, 400), key="try")
    beyond = await world.post("/v1/payouts?dry_run=true", payout(customer, 1001))
    refund = await world.post(f"/v1/payments/{payment['id']}/refunds?dry_run=true", {"amount": 50})

    assert (begun.status_code, begun.json()["state"]) == (200, "processing")
    assert begun.headers["caudal-dry-run"] == "true"
    assert "location" not in begun.headers
    assert problem(beyond)[:2] == (422, "exceeds_debit_limit")
    assert (refund.status_code, refund.json()["amount"]) == (200, 50)
    assert problem(await world.get(f"/v1/payments/{begun.json()['id']}"))[:2] == (404, "payment_not_found")
    assert await world.read(payment["id"]) == payment
    assert await world.seq() == before
    assert (await world.post("/v1/payouts", payout(customer, 400), key="try")).status_code == 201
