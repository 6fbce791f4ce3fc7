"""`caudal payments`, `payouts` and `disputes`, on a database of their own without workers.

What partners report is told by the tests: nobody is called.
"""

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from caudal.app import create_app
from caudal.client import new_payment_id
from caudal.connectors import Status
from caudal.ledger import require_book
from support.payment_api import BOOK, SETTINGS, PaymentWorld
from support.processes import Ran, run

if TYPE_CHECKING:
    from conftest import Server

PARTNERS = json.dumps(
    {
        name: {"connector": name, "book": BOOK, "url": partner.url, "api_key": partner.api_key.reveal()}
        for name, partner in SETTINGS.partners.items()
    }
)


class Desk:
    """Commands on one database, and what happens beside them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        asyncio.run(self._with_world(self._make))

    async def _with_world(self, work: Any, *arguments: Any) -> Any:
        application = create_app(SETTINGS, dsn=self.dsn)
        async with application.running() as services:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                return await work(http, services, *arguments)

    async def _make(self, http: Any, services: Any) -> None:
        await PaymentWorld.make(http, services)

    def caudal(self, *arguments: object) -> Ran:
        """A command in the book."""
        return run(
            *arguments,
            "--book",
            BOOK,
            environment={"CAUDAL_DATABASE_URL": self.dsn, "CAUDAL_PARTNERS": PARTNERS},
        )

    def customer(self, balance: int = 0) -> str:
        """A new customer's id."""

        async def make(http: Any, services: Any) -> str:
            return await (await self._enter(http, services)).customer(balance)

        return str(asyncio.run(self._with_world(make)))

    def said(self, payment: str, status: Status, **more: Any) -> None:
        """The partner says where the payment stands."""

        async def tell(http: Any, services: Any) -> None:
            await (await self._enter(http, services)).said(payment, status, **more)

        asyncio.run(self._with_world(tell))

    def disputed(self, payment: str) -> None:
        """The payer asks their bank for the money back."""

        async def tell(http: Any, services: Any) -> None:
            world = await self._enter(http, services)
            await world.disputed(await world.read(payment))

        asyncio.run(self._with_world(tell))

    async def _enter(self, http: Any, services: Any) -> PaymentWorld:
        async with services.database.connection() as connection:
            book = await require_book(connection, BOOK)
        return await PaymentWorld.enter(http, services, book)


@pytest.fixture(scope="module")
def desk(server: "Server", migrated_template: str) -> Iterator[Desk]:
    name = server.create_database(template=migrated_template)
    yield Desk(server.dsn(name))
    server.drop_database(name)


def paid(desk: Desk, customer: str, amount: str = "10.50", *more: str) -> dict[str, Any]:
    """A card payment that was begun."""
    made = desk.caudal(
        "payments", "create", "--customer", customer, "--amount", amount, "--currency", "EUR",
        "--instrument", "pm_card_visa", *more, "--json",
    )  # fmt: skip
    assert made.code == 0, made
    answer: dict[str, Any] = made.json
    return answer


def test_a_payment_is_begun_captured_refunded_and_shown(desk: Desk) -> None:
    customer = desk.customer(balance=1000)
    context = {
        "device": "d-1",
        "ip": "192.0.2.7",
        "merchant": "shop-7",
        "card_token": "tok_card_1",
        "country": "DE",
    }
    given = [word for name, value in context.items() for word in (f"--{name.replace('_', '-')}", value)]
    made = paid(desk, customer, "10.50", "--capture", "manual", *given, "-m", "cart=9")
    payment = made["id"]
    desk.said(payment, Status.AUTHORISED)

    raised = desk.caudal("payments", "increment", payment, "--amount", "12", "--json").json
    desk.said(payment, Status.AUTHORISED, amount=1200)
    part = desk.caudal("payments", "capture", payment, "--amount", "4", "--hold-rest", "--json").json
    desk.said(payment, Status.AUTHORISED, amount=1200, captured=400)
    desk.caudal("payments", "capture", payment)
    desk.said(payment, Status.SUCCEEDED, amount=1200, captured=1200)
    refund = desk.caudal(
        "payments", "refund", payment, "--amount", "2.50", "--reason", "broken", "--json"
    ).json
    shown = desk.caudal("payments", "show", payment, "--json").json
    told = desk.caudal("payments", "show", payment).out

    assert (made["state"], made["amount"], made["context"], made["metadata"]) == (
        "processing", 1050, context, {"cart": "9"},
    )  # fmt: skip
    assert (raised["state"], part["state"]) == ("incrementing", "capturing")
    assert (refund["amount"], refund["state"], refund["reason"]) == (250, "pending", "broken")
    assert (shown["state"], shown["captured_amount"]) == ("succeeded", 1200)
    assert [capture["amount"] for capture in shown["captures"]] == [400, 800]
    assert shown["refunds"] == [refund]
    for words in ("12.00 EUR", "Calls to the partner", "increment", "Refunds", "broken", "Transfers"):
        assert words in told


def test_payments_and_payouts_are_listed_newest_first(desk: Desk) -> None:
    customer, friend = desk.customer(balance=10_000), desk.customer()
    both = ("--customer", customer, "--currency", "EUR")
    made = [
        desk.caudal(
            "payments", "create", *both, "--kind", "internal", "--to", friend, "--amount", "5",
            "--reference", f"gift-{n}", "--json",
        ).json["id"]
        for n in range(2)
    ]  # fmt: skip
    out = desk.caudal(
        "payouts", "create", *both, "--amount-minor", "700", "--instrument", "tok_bank_ok", "--json"
    ).json

    first = desk.caudal("payments", "list", "--customer", customer, "--limit", "2", "--json").json
    rest = desk.caudal(
        "payments", "list", "--customer", customer, "--after", first["next_cursor"], "--json"
    ).json
    gifts = desk.caudal("payments", "list", "--kind", "internal", "--reference", "gift-0", "--json").json
    payouts = desk.caudal(
        "payouts", "list", "--customer", customer, "--amount", "7", "--currency", "EUR", "--json"
    ).json
    by_bank, by_stripe = (
        desk.caudal("payments", "list", "--customer", customer, "--partner", name, "--json").json["data"]
        for name in ("bank", "stripe")
    )
    table = desk.caudal("payments", "list", "--customer", customer).out

    assert ([row["id"] for row in by_bank], by_stripe) == ([out["id"]], [])
    assert [row["id"] for row in first["data"]] == [out["id"], made[1]]
    assert ([row["id"] for row in rest["data"]], rest["next_cursor"]) == ([made[0]], None)
    assert [row["id"] for row in gifts["data"]] == [made[0]]
    assert [row["id"] for row in payouts["data"]] == [out["id"]]
    assert (out["state"], out["partner"], out["amount"]) == ("processing", "bank", 700)
    assert desk.caudal("payouts", "show", out["id"], "--json").json["id"] == out["id"]
    assert "gift-1" in table
    assert "7.00 EUR" in table


def test_disputes_are_listed_and_shown(desk: Desk) -> None:
    made = paid(desk, desk.customer())
    desk.said(made["id"], Status.SUCCEEDED, captured=1050)
    desk.disputed(made["id"])

    (dispute,) = desk.caudal("disputes", "list", "--payment", made["id"], "--json").json["data"]

    assert (dispute["state"], dispute["amount"]) == ("open", 1050)
    assert desk.caudal("disputes", "show", dispute["id"], "--json").json == dispute
    assert "10.50 EUR" in desk.caudal("disputes", "list", "--state", "open").out
    assert "No disputes." in desk.caudal("disputes", "list", "--state", "won").out


def test_calling_off_and_declining_ask_first(desk: Desk) -> None:
    payment = paid(desk, desk.customer())["id"]

    for verb in ("cancel", "decline"):
        refused = desk.caudal("payments", verb, payment, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (1, "confirmation_needed")
    done = desk.caudal("payments", "cancel", payment, "--yes", "--json")

    assert (done.code, done.json["state"]) == (0, "cancelled")


def test_reviews_are_decided(desk: Desk) -> None:
    customer = desk.customer()
    yes, no = [paid(desk, customer)["id"] for _ in range(2)]
    for payment in (yes, no):
        desk.said(payment, Status.SUCCEEDED, amount=1000, captured=1000)
    waiting = desk.caudal("payments", "list", "--waiting", "person", "--customer", customer).out

    approved = desk.caudal("payments", "approve", yes, "--json").json
    declined = desk.caudal("payments", "decline", no, "--yes", "--json").json

    assert (yes in waiting, no in waiting) == (True, True)
    assert desk.caudal("payments", "list", "--waiting", "person", "--json").json["data"] == []
    assert (approved["state"], approved["captured_amount"]) == ("succeeded", 1000)
    assert declined["state"] == "failed"


def test_a_held_payment_is_shown_with_what_led_to_it_and_with_what_it_shares(desk: Desk) -> None:
    customer, thief = desk.customer(), desk.customer()
    before = paid(desk, customer, "12")["id"]
    for other in ("d-8", "d-9"):
        desk.caudal("risk", "lists", "add", "watch", "device", other, "--reason", "seen before")
    shared = paid(desk, thief, "20", "--device", "d-9")["id"]
    held = paid(desk, customer, "30", "--device", "d-9")
    assert desk.caudal("risk", "label", shared, "fraud").code == 0

    made = desk.caudal("risk", "review", held["id"], "--json").json
    text = desk.caudal("risk", "review", held["id"]).out

    assert held["state"] == "review"
    assert made["words"] == ["Held for review: the device is watched."]
    (other,) = [one for one in made["linked"] if one["subject"] == shared]
    assert (other["shares"], other["labels"], other["customer"]) == (["card", "device"], ["fraud"], thief)
    assert [(one["payment"], one["amount"]) for one in made["history"]] == [(before, 1200)]
    assert "30.00 EUR" in text
    assert "fraud" in next(line for line in text.splitlines() if shared in line)
    assert held["id"] in desk.caudal("risk", "reviews").out
    assert desk.caudal("payments", "decline", held["id"], "--yes", "--json").json["state"] == "declined"
    assert held["id"] not in desk.caudal("risk", "reviews").out


def test_a_repeat_with_an_id_of_the_callers_answers_the_first(desk: Desk) -> None:
    customer = desk.customer()
    payment = new_payment_id()

    first = paid(desk, customer, "3", "--id", payment)
    again = paid(desk, customer, "3", "--id", payment)

    assert again == first


def test_a_dry_run_says_what_would_happen_and_does_nothing(desk: Desk) -> None:
    customer = desk.customer(balance=1000)
    pays = ("payouts", "create", "--customer", customer, "--currency", "EUR", "--instrument", "tok_bank_ok")

    tried = desk.caudal(*pays, "--amount", "4", "--dry-run", "--json")
    told = desk.caudal(*pays, "--amount", "4", "--dry-run").out
    beyond = desk.caudal(*pays, "--amount", "10.01", "--dry-run", "--json")

    assert (tried.code, tried.json["dry_run"], tried.json["state"]) == (0, True, "processing")
    assert "nothing was done" in told
    assert (beyond.code, beyond.json["error"]["code"]) == (1, "exceeds_debit_limit")
    assert desk.caudal("payouts", "list", "--customer", customer, "--json").json["data"] == []


def test_what_the_api_refuses_is_refused_here_too(desk: Desk) -> None:
    create = ("payments", "create", "--customer", desk.customer(), "--currency", "EUR", "--amount", "1")

    card = desk.caudal(*create, "--instrument", "4242424242424242", "--json").json["error"]
    wrong_id = desk.caudal(*create, "--instrument", "pm_card_visa", "--id", "pay_1", "--json").json["error"]

    assert (card["code"], card["field"]) == ("personal_data_refused", "instrument")
    assert (wrong_id["code"], wrong_id["field"]) == ("invalid_field", "id")


PAYMENT = "pay_" + "7" * 32
CREATE = ("payments", "create", "--currency", "EUR", "--customer", "cus_" + "7" * 32)


@pytest.mark.parametrize(
    ("arguments", "code", "error", "field"),
    [
        (CREATE, 2, "invalid_request", "amount"),
        ((*CREATE, "--amount", "1.234"), 2, "invalid_amount", "amount"),
        ((*CREATE, "--amount", "1", "--instrument", "pm_card_visa"), 1, "customer_not_found", "customer"),
        ((*CREATE, "--amount", "1", "--execute-at", "soon"), 2, "invalid_request", "execute_at"),
        (("payments", "show", "pay_1"), 2, "invalid_id", "payment"),
        (("payments", "show", PAYMENT), 1, "payment_not_found", "id"),
        (("payments", "capture", PAYMENT), 1, "payment_not_found", "id"),
        (("payments", "increment", PAYMENT), 2, "invalid_request", "amount"),
        (("payments", "cancel", PAYMENT, "--yes"), 1, "payment_not_found", "id"),
        (("payments", "confirm", "re_1"), 2, "invalid_id", "payment"),
        (("payments", "list", "--customer", "ana"), 1, "customer_not_found", "customer"),
        (("payments", "list", "--customer", "cus_1"), 2, "invalid_id", "customer"),
        (("payments", "list", "--reference", ""), 2, "invalid_request", "reference"),
        (("payments", "list", "--amount", "5"), 2, "invalid_request", "currency"),
        (("payments", "list", "--after", "next"), 2, "invalid_parameter", "cursor"),
        (("disputes", "show", "dp_1"), 2, "invalid_id", "dispute"),
        (("disputes", "show", "dp_" + "7" * 32), 1, "dispute_not_found", "id"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_json_object_and_an_exit_code(
    desk: Desk, arguments: tuple[str, ...], code: int, error: str, field: str
) -> None:
    refused = desk.caudal(*arguments, "--json")

    problem = refused.json["error"]
    assert (refused.code, problem["code"], problem.get("field")) == (code, error, field)
