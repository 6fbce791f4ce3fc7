"""`caudal routing`, on a database of its own without workers."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from caudal.app import create_app
from support.payment_api import BOOK, SETTINGS, PaymentWorld, payout
from support.processes import Ran, run

if TYPE_CHECKING:
    from conftest import Server

PARTNERS = json.dumps(
    {
        name: {"connector": name, "book": BOOK, "url": partner.url, "api_key": partner.api_key.reveal()}
        for name, partner in SETTINGS.partners.items()
    }
)
CARDS = {"name": "cards", "when": {"method": ["card"]}, "to": {"partner": "stripe"}}
RULES = {"rules": [CARDS, {"name": "default", "to": {"partner": "bank"}}], "note": "cards to Stripe"}


@pytest.fixture(scope="module")
def dsn(server: "Server", migrated_template: str) -> Iterator[str]:
    """A book with a card payment that came through, and a payout under way."""
    name = server.create_database(template=migrated_template)

    async def fill() -> None:
        application = create_app(SETTINGS, dsn=server.dsn(name))
        async with application.running() as services:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                world = await PaymentWorld.make(http, services)
                customer = await world.customer(10_000)
                await world.succeeded(customer, 1_050)
                await world.begun(payout(customer, 500), "/v1/payouts")

    asyncio.run(fill())
    yield server.dsn(name)
    server.drop_database(name)


def routing(dsn: str, *arguments: object) -> Ran:
    """A command in the book."""
    environment = {"CAUDAL_DATABASE_URL": dsn, "CAUDAL_PARTNERS": PARTNERS}
    return run("routing", *arguments, "--book", BOOK, environment=environment)


def written(tmp_path: Path, rules: dict[str, Any]) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return path


def test_rules_are_tried_kept_published_and_shown(dsn: str, tmp_path: Path) -> None:
    file = written(tmp_path, RULES)
    assert "No rules" in routing(dsn, "list").out
    assert routing(dsn, "show").code == 1

    tried = routing(dsn, "try", "--file", file, "--json")
    assert (tried.code, tried.json["payments"], tried.json["moved"]) == (0, 2, 0)
    assert [(one["rule"], one["partner"], one["amount"]) for one in tried.json["lines"]] == [
        ("cards", "stripe", 1_050), ("default", "bank", 500),
    ]  # fmt: skip
    assert routing(dsn, "create", file, "--json").json["name"] == "v1"
    published = routing(dsn, "publish", "v1", "--json").json
    assert (published["current"], published["published_by"]) == (True, "operator")
    shown = routing(dsn, "show").out
    assert "v1 (current)" in shown
    assert "method card → stripe" in shown
    assert [one["name"] for one in routing(dsn, "list", "--json").json["data"]] == ["v1"]


def test_what_no_rule_serves_and_what_may_not_be_published_ends_with_1(dsn: str, tmp_path: Path) -> None:
    only_cards = written(tmp_path, {"rules": [{"name": "default", "to": {"partner": "stripe"}}]})
    tried = routing(dsn, "try", "--file", only_cards)
    assert tried.code == 1
    assert "No rule serves 1 of payout by bank_transfer in EUR" in tried.out
    wrong = written(tmp_path, {"rules": [CARDS]})
    name = routing(dsn, "create", wrong, "--json").json["name"]
    refused = routing(dsn, "publish", name, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "routing_no_default")
    assert routing(dsn, "publish", "first").code == 2


def test_figures_and_health_are_shown_and_partners_drained(dsn: str) -> None:
    (line,) = routing(dsn, "report", "--json").json["data"]
    assert (line["partner"], line["approved"], line["approved_amount"]) == ("stripe", 1, 1_050)
    assert "100.00 %" in routing(dsn, "report").out
    drained = routing(dsn, "drain", "stripe", "--reason", "maintenance", "--json").json
    assert (drained["health"], drained["drain"]["by"]) == ("draining", "operator")
    assert "maintenance" in routing(dsn, "partners").out
    assert routing(dsn, "resume", "stripe", "--json").json["health"] == "up"
    assert routing(dsn, "drain", "nobody", "--reason", "x").code == 1
