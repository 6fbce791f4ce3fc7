"""Routing over HTTP: rule sets, what they would do, figures, partners' health."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from caudal.access import Scope
from caudal.api import routing_examples as examples
from caudal.app import create_app
from caudal.connectors import Status
from support.payment_api import SETTINGS, PaymentWorld, internal, pay_in, payout
from support.worlds import World, new_key

if TYPE_CHECKING:
    from conftest import Server

SETS = "/v1/routing/rule-sets"
DEFAULT = {"name": "default", "to": {"partner": "stripe"}, "next": [{"partner": "bank"}]}
RULES: dict[str, Any] = {"rules": [DEFAULT]}


@pytest.fixture
async def world(server: "Server", migrated_template: str) -> AsyncIterator[PaymentWorld]:
    """A book to itself: rules are the book's."""
    name = server.create_database(template=migrated_template)
    application = create_app(SETTINGS, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield await PaymentWorld.make(http, services)
    server.drop_database(name)


async def published(world: PaymentWorld, rules: dict[str, Any]) -> dict[str, Any]:
    name = (await world.post(SETS, rules)).json()["name"]
    answer = await world.post(f"{SETS}/{name}/publish")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_rules_are_kept_published_and_gone_back_to(world: PaymentWorld) -> None:
    draft = await world.post(SETS, {**RULES, "note": "first"})
    assert draft.status_code == 201
    assert draft.headers["location"] == f"{SETS}/v1"
    told = draft.json()
    assert (told["name"], told["version"], told["current"], told["note"]) == ("v1", 1, False, "first")
    assert told["rules"] == [DEFAULT]
    assert "problems" not in told
    assert (await world.get(f"{SETS}/current")).status_code == 404

    first = await world.post(f"{SETS}/v1/publish")
    assert (first.status_code, first.json()["current"]) == (200, True)
    assert first.json()["published_by"].startswith("key_")
    second = {"rules": [{"name": "default", "to": {"partner": "bank"}, "next": [{"partner": "stripe"}]}]}
    await published(world, second)
    assert (await world.get(f"{SETS}/current")).json()["name"] == "v2"
    await world.post(f"{SETS}/v1/publish")
    assert (await world.get(f"{SETS}/current")).json()["name"] == "v1"

    page = (await world.get(SETS, limit=1)).json()
    assert ([row["name"] for row in page["data"]], page["next_cursor"]) == (["v2"], "2")
    rest = (await world.get(SETS, cursor="2")).json()
    assert ([row["name"] for row in rest["data"]], rest["next_cursor"]) == (["v1"], None)
    assert (await world.get(f"{SETS}/v2")).json()["rules"] == second["rules"]


@pytest.mark.parametrize(
    ("rules", "code", "field"),
    [
        ({"rules": [{**DEFAULT, "when": {"currency": ["EUR"]}}]}, "routing_no_default", "rules"),
        (
            {"rules": [{"name": "default", "to": {"route": "a"}}], "routes": {"a": {"to": {"route": "a"}}}},
            "routing_cycle",
            "routes.a",
        ),
        (
            {"rules": [{"name": "default", "to": {"route": "a"}}]},
            "routing_route_unknown",
            "rules[0].to.route",
        ),
        ({"rules": [{"name": "default", "to": {"partner": "x"}}]}, "routing_partner_unknown", "rules[0].to"),
        (
            {"rules": [{**DEFAULT, "name": "own", "when": {"method": ["card"]}}, DEFAULT]},
            "routing_partner_incapable",
            "rules[0]",
        ),
        (
            {"rules": [{"name": "default", "to": {"split": [{"partner": "stripe", "weight": 99}]}}]},
            "routing_weights",
            "rules[0].to.split",
        ),
        (
            {**RULES, "retries": [{"cause": "hard_decline", "then": "elsewhere"}]},
            "routing_retry_forbidden",
            "retries[0].then",
        ),
        ({"rules": [{**DEFAULT, "name": "Own"}]}, "routing_invalid", "rules[0].name"),
    ],
)
async def test_what_must_not_be_published_is_kept_told_and_refused(
    world: PaymentWorld, rules: dict[str, Any], code: str, field: str
) -> None:
    draft = await world.post(SETS, rules)
    assert draft.status_code == 201
    problem = draft.json()["problems"][0]
    assert (problem["code"], problem["field"]) == (code, field)

    refused = await world.post(f"{SETS}/v1/publish")
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, code, field)
    assert (await world.get(f"{SETS}/current")).status_code == 404
    made = await world.begun(pay_in(await world.customer()))
    assert (made["partner"], "route" in made) == ("stripe", False)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "rules"),
        ({"rules": [{"name": "a", "to": {"partner": 1}}]}, "invalid_field", "rules[0].to.partner"),
        ({"rules": [{"name": "a", "to": {"partner": "x"}, "whens": {}}]}, "unknown_field", "rules[0].whens"),
        ({**RULES, "retries": [{"cause": "unknown", "then": "later"}]}, "invalid_field", "retries[0].cause"),
        ({**RULES, "note": "ask ann@example.com"}, "personal_data_refused", "note"),
    ],
)
async def test_what_is_not_of_the_form_is_not_kept(
    world: PaymentWorld, body: dict[str, Any], code: str, field: str
) -> None:
    answer = await world.post(SETS, body)
    assert answer.status_code in (400, 422), answer.text
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    assert (await world.get(SETS)).json()["data"] == []


async def test_payments_go_by_rules_at_once_and_say_by_which(world: PaymentWorld) -> None:
    customer = await world.customer(10_000)
    told = await published(world, examples.RULES)
    assert told["current"] is True
    large = await world.begun(pay_in(customer, 100_000))
    assert large["route"] == {"rule": "large_euro", "rule_set": "v1", "partners": ["stripe"]}
    out = await world.begun(payout(customer), "/v1/payouts")
    assert (out["partner"], out["route"]["rule"]) == ("bank", "default")
    named = await world.begun(pay_in(customer, partner="stripe"))
    assert "route" not in named


async def test_a_drained_partner_gets_nothing_new_until_it_is_resumed(world: PaymentWorld) -> None:
    customer = await world.customer()
    await published(world, RULES)
    drained = await world.post("/v1/routing/partners/stripe/drain", examples.NEW_DRAIN)
    assert (drained.status_code, drained.json()["health"]) == (200, "draining")
    assert drained.json()["drain"]["reason"] == examples.NEW_DRAIN["reason"]

    refused = await world.post("/v1/payments", pay_in(customer))
    assert (refused.status_code, refused.json()["code"]) == (409, "partners_drained")
    assert (await world.begun(pay_in(customer, partner="stripe")))["partner"] == "stripe"
    health = (await world.get("/v1/routing/partners")).json()["data"]
    assert [(one["partner"], one["health"]) for one in health] == [("stripe", "draining"), ("bank", "up")]

    resumed = await world.post("/v1/routing/partners/stripe/resume")
    assert resumed.json() == {"partner": "stripe", "health": "up"}
    assert (await world.begun(pay_in(customer)))["partner"] == "stripe"
    for action, body in (("drain", examples.NEW_DRAIN), ("resume", {})):
        answer = await world.post(f"/v1/routing/partners/nobody/{action}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "partner_unknown")


async def test_rules_are_tried_on_what_was_paid_and_nothing_is_changed(world: PaymentWorld) -> None:
    customer = await world.customer(10_000)
    await world.succeeded(customer, 1_000)
    await world.begun(pay_in(customer, 300, partner="stripe"))
    await world.begun(payout(customer, 500), "/v1/payouts")
    await world.begun(internal(customer, await world.customer(), 5))

    tried = await world.post(
        "/v1/routing/try", {"rules": {"rules": [{"name": "all", "to": {"partner": "stripe"}}]}}
    )
    assert tried.status_code == 200, tried.text
    told = tried.json()
    assert (told["payments"], told["moved"], told["complete"]) == (3, 0, True)
    line = {"partner": "stripe", "currency": "EUR", "payments": 1, "before": 1}
    assert told["lines"] == [
        {**line, "amount": 300, "approved_amount": 0, "cost": 0},
        {**line, "rule": "all", "amount": 1_000, "approved_amount": 1_000},
    ]
    assert [(one["kind"], one["payments"], one["amount"]) for one in told["unserved"]] == [("payout", 1, 500)]
    assert (await world.get(SETS)).json()["data"] == []
    for body, code in (
        ({"rules": {"rules": []}}, "routing_no_default"),
        ({"rules": RULES, "created_before": "2020-01-01T00:00:00Z", "created_from": "2021-01-01T00:00:00Z"},
         "invalid_request"),
    ):  # fmt: skip
        refused = await world.post("/v1/routing/try", body)
        assert (refused.status_code in (400, 422), refused.json()["code"]) == (True, code)


async def test_the_report_counts_what_became_of_attempts(world: PaymentWorld) -> None:
    customer = await world.customer()
    await published(world, RULES)
    await world.succeeded(customer, 1_000)
    made = await world.begun(pay_in(customer, 70))
    await world.said(made["id"], Status.FAILED)

    told = (await world.get("/v1/routing/report")).json()
    (line,) = told["data"]
    assert {name: line[name] for name in ("rule", "partner", "method", "approved", "failed")} == {
        "rule": "default", "partner": "stripe", "method": "card", "approved": 1, "failed": 1,
    }  # fmt: skip
    assert (line["approved_amount"], line["approval_basis_points"], line["cost"]) == (1_000, 5_000, 0)
    wrong = await world.get("/v1/routing/report", **{"from": "2026-03-02", "through": "2026-03-01"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "through")


async def test_reading_and_writing_need_scopes_of_their_own(world: PaymentWorld) -> None:
    books = frozenset({world.book.book_id})

    async def caller(scope: Scope) -> World:
        key = await new_key(world.services, books, frozenset({scope}))
        return World(world.http, world.services, world.book, key)

    reader, writer = await caller(Scope.ROUTING_READ), await caller(Scope.ROUTING_WRITE)
    payer = await caller(Scope.PAYMENTS_WRITE)
    assert (await reader.get(SETS)).status_code == 200
    assert (await reader.post("/v1/routing/try", {"rules": RULES})).status_code == 200
    assert (await reader.post(SETS, RULES)).status_code == 403
    assert (await writer.post(SETS, RULES)).status_code == 201
    assert (await writer.get("/v1/routing/report")).status_code == 403
    for call in (payer.post(f"{SETS}/v1/publish"), payer.post("/v1/routing/partners/stripe/resume")):
        assert (await call).status_code == 403
