"""Rules of decisions over HTTP: from draft by a second person to publication, tests, snoozes."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from caudal import features
from caudal.access import Scope
from caudal.api import rules_examples as examples
from caudal.app import create_app
from support.payment_api import CALLER, SETTINGS, PaymentWorld, pay_in
from support.rule_worlds import FEATURES, LARGE, MANY, rule
from support.worlds import World, new_key

if TYPE_CHECKING:
    from conftest import Server

SETS = "/v1/risk/rule-sets"
RULES = "/v1/risk/rules"


class Worlds:
    """An author and a reviewer in one book."""

    def __init__(self, author: PaymentWorld, reviewer: PaymentWorld) -> None:
        self.author, self.reviewer = author, reviewer

    async def published(self, *each: dict[str, Any]) -> dict[str, Any]:
        name = (await self.author.post(SETS, {"rules": each})).json()["name"]
        assert (await self.reviewer.post(f"{SETS}/{name}/review", {"verdict": "accept"})).status_code == 200
        answer = await self.author.post(f"{SETS}/{name}/publish")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture
async def worlds(server: "Server", migrated_template: str) -> AsyncIterator[Worlds]:
    """A book to itself: rules are the book's."""
    name = server.create_database(template=migrated_template)
    application = create_app(SETTINGS, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            author = await PaymentWorld.make(http, services)
            async with services.database.transaction() as connection:
                await features.publish(
                    connection, author.book.book_id, FEATURES, caller=CALLER, ledger=services.ledger,
                    at=services.clock.now(),
                )  # fmt: skip
            yield Worlds(author, await PaymentWorld.enter(http, services, author.book))
    server.drop_database(name)


async def test_rules_count_once_a_second_person_has_accepted_them(worlds: Worlds) -> None:
    author, reviewer = worlds.author, worlds.reviewer
    draft = await author.post(SETS, {"rules": [MANY, LARGE], "note": "first"})
    assert draft.status_code == 201, draft.text
    assert draft.headers["location"] == f"{SETS}/v1"
    told = draft.json()
    assert (told["name"], told["state"], told["reads"], told["tests"]) == (
        "v1", "draft", ["card_count_1h"], 3,
    )  # fmt: skip
    assert told["rules"][0]["tests"][1]["given"] == {"features.card_count_1h": 5}
    assert (await author.get(f"{SETS}/current")).status_code == 404

    early = await author.post(f"{SETS}/v1/publish")
    assert (early.status_code, early.json()["code"]) == (409, "risk_rules_not_reviewed")
    own = await author.post(f"{SETS}/v1/review", {"verdict": "accept"})
    assert (own.status_code, own.json()["code"]) == (403, "risk_rules_own_review")
    reviewed = await reviewer.post(f"{SETS}/v1/review", {"verdict": "accept", "note": "fine"})
    assert (reviewed.json()["state"], reviewed.json()["review"]["note"]) == ("accepted", "fine")
    again = await reviewer.post(f"{SETS}/v1/review", {"verdict": "reject"})
    assert (again.status_code, again.json()["code"]) == (409, "risk_rules_reviewed")
    published = await author.post(f"{SETS}/v1/publish")
    assert (published.status_code, published.json()["state"]) == (200, "current")

    await worlds.published(LARGE)
    page = (await author.get(SETS)).json()
    assert [(one["name"], one["state"]) for one in page["data"]] == [("v2", "current"), ("v1", "retired")]
    await author.post(f"{SETS}/v1/publish")
    assert (await author.get(f"{SETS}/current")).json()["name"] == "v1"
    assert (await author.get(f"{SETS}/v3")).json()["code"] == "risk_rule_set_not_found"
    assert (await author.get(f"{SETS}/three")).status_code == 404


async def test_faults_are_told_with_their_rule_line_and_column(worlds: Worlds) -> None:
    wrong = {"rules": [LARGE, rule("one", "features.none > 1"), rule("two", "payment.amount >\n 'x'")]}
    refused = await worlds.author.post(SETS, wrong)
    told = refused.json()
    assert (refused.status_code, told["code"], told["field"]) == (422, "risk_rules_invalid", "rules[1].when")
    assert [(one["rule"], one["line"], one["code"]) for one in told["problems"]] == [
        ("one", 1, "expression_name_unknown"),
        ("two", 1, "expression_mistyped"),
    ]
    assert told["problems"][0]["picture"] == "features.none > 1\n^~~~~~~~~~~~~"
    tried = (await worlds.author.post(f"{RULES}/test", wrong)).json()
    assert (tried["passed"], [one["rule"] for one in tried["faults"]]) == (False, ["one", "two"])
    assert (await worlds.author.get(SETS)).json()["data"] == []


async def test_tests_are_run_before_anything_is_kept_and_again_when_publishing(worlds: Worlds) -> None:
    wrong = {**MANY, "tests": [{"given": {"features.card_count_1h": 5}, "expect": "fires"}]}
    tried = (await worlds.author.post(f"{RULES}/test", {"rules": [wrong]})).json()
    assert not tried["passed"]
    assert tried["tests"][0]["why"] == ["features.card_count_1h = 5 <= 5"]
    assert (await worlds.author.post(f"{RULES}/test", {"rules": [MANY]})).json()["passed"]

    assert (await worlds.author.post(SETS, {"rules": [wrong]})).json()["failed"][0]["found"] == (
        "does_not_fire"
    )
    await worlds.reviewer.post(f"{SETS}/v1/review", {"verdict": "accept"})
    refused = await worlds.author.post(f"{SETS}/v1/publish")
    assert (refused.status_code, refused.json()["code"]) == (422, "risk_rule_tests_failed")
    assert refused.json()["tests"][0]["expected"] == "fires"


async def test_a_rule_is_snoozed_and_woken(worlds: Worlds) -> None:
    await worlds.published(LARGE)
    author = worlds.author
    until = author.services.clock.now() + dt.timedelta(hours=3)
    body = {"until": until.isoformat(), "reason": "a sale"}
    snoozed = await author.post(f"{RULES}/large/snooze", body)
    assert (snoozed.status_code, snoozed.json()["number"]) == (200, 1)
    assert [one["rule"] for one in (await author.get(f"{RULES}/snoozes")).json()["data"]] == ["large"]
    shown = (await author.get("/v1/risk/rule-sets/current")).json()
    assert shown["snoozed"] == [snoozed.json()]
    unknown = await author.post(f"{RULES}/unknown/snooze", body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "risk_rule_not_found")
    late = await author.post(f"{RULES}/large/snooze", {**body, "until": "2020-01-01T00:00:00Z"})
    assert (late.status_code, late.json()["code"], late.json()["field"]) == (
        422, "risk_snooze_invalid", "until",
    )  # fmt: skip
    assert (await author.post(f"{RULES}/large/wake", {"reason": "over"})).json()["number"] == 2
    assert (await author.get(f"{RULES}/snoozes")).json()["data"] == []


async def test_rules_are_tried_on_decisions_of_the_past_and_have_figures(worlds: Worlds) -> None:
    await worlds.published(LARGE)
    author = worlds.author
    customer = await author.customer()
    for amount in (1_000, 150_000):
        await author.begun(pay_in(customer, amount))
    body = {"rules": {"rules": [rule("all", "payment.amount > 0", "decline")]}}
    tried = await author.post(f"{RULES}/backtest", body)
    assert tried.status_code == 200, tried.text
    told = tried.json()
    assert (told["decisions"]["decisions"], told["hits"]["decisions"], told["changed"]) == (2, 2, 2)
    assert told["rules"][0]["hits"]["amounts"] == {"EUR": {"all": 151_000, "matured": 0, "bad": 0}}
    assert "precision" not in told["rules"][0]
    assert (told["overlaps_then"][0]["other"], told["complete"]) == ("large", True)
    (matured,) = told["matured"]
    assert (matured["on"], matured["label_after_days"], matured["decisions"]["decisions"]) == (
        "payment", 120, 0,
    )  # fmt: skip
    kept = (await author.post(f"{RULES}/backtest", {"rule_set": "current"})).json()
    assert (kept["changed"], kept["rules"][0]["hits"]["decisions"]) == (0, 1)
    assert (await author.post(f"{RULES}/backtest", {"rule_set": "v9"})).status_code == 404
    for wrong in ({}, {**body, "rule_set": "v1"}):
        assert (await author.post(f"{RULES}/backtest", wrong)).status_code == 400
    long = {"rule_set": "v1", "made_from": "2020-01-01T00:00:00Z"}
    assert (await author.post(f"{RULES}/backtest", long)).json()["field"] == "made_before"
    assert (await author.post(f"{RULES}/backtest", {"rules": {"rules": []}})).status_code == 422

    stats = (await author.get(f"{RULES}/stats", by="month")).json()
    (large,) = stats["data"]
    assert (large["rule"], large["asked"], large["fired"]["decisions"], large["fire_rate"]["value"]) == (
        "large", 2, 1, 0.5,
    )  # fmt: skip
    assert [one["label_after_days"] for one in stats["matured"]] == [120]
    sooner = (await author.get(f"{RULES}/stats", label_after_days="7")).json()
    assert [(one["label_after_days"], one["data"]) for one in sooner["matured"]] == [(7, [])]
    for wrong in ({"by": "year"}, {"label_after_days": "0"}):
        assert (await author.get(f"{RULES}/stats", **wrong)).status_code == 400


async def test_the_examples_of_the_document_work(worlds: Worlds) -> None:
    sound = {**examples.RULES, "rules": [MANY, examples.RULES["rules"][1]]}
    assert (await worlds.author.post(SETS, sound)).status_code == 201
    assert (await worlds.reviewer.post(f"{SETS}/v1/review", examples.NEW_REVIEW)).status_code == 200
    tried = (await worlds.author.post(f"{RULES}/test", examples.RULES)).json()
    assert tried == examples.TESTS


@pytest.mark.parametrize("body", [{}, {"rules": "x"}, {"rules": [{"name": "x"}]}, {"rules": [], "other": 1}])
async def test_bodies_that_are_none_are_refused(worlds: Worlds, body: dict[str, Any]) -> None:
    assert (await worlds.author.post(SETS, body)).status_code == 400


async def test_each_scope_permits_its_own(worlds: Worlds) -> None:
    await worlds.author.post(SETS, {"rules": [LARGE]})
    services, book = worlds.author.services, worlds.author.book
    wanted = {
        Scope.RULES_READ: {"read"},
        Scope.RULES_WRITE: {"draft"},
        Scope.RULES_REVIEW: {"review"},
        Scope.PAYMENTS_WRITE: set(),
    }
    for scope, allowed in wanted.items():
        key = await new_key(services, frozenset({book.book_id}), scopes=frozenset({scope}))
        other = World(worlds.author.http, services, book, key)
        answers = {
            "read": await other.get(SETS),
            "draft": await other.post(SETS, {"rules": [LARGE]}),
            "review": await other.post(f"{SETS}/v1/review", {"verdict": "accept"}),
        }
        assert {name for name, answer in answers.items() if answer.status_code != 403} == allowed
