"""`caudal rules`, on a database of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from caudal import features
from caudal.access import Scope
from caudal.app import create_app
from support.payment_api import BOOK, CALLER, SETTINGS, PaymentWorld, pay_in
from support.processes import Ran, run
from support.rule_worlds import FEATURES
from support.worlds import new_key

if TYPE_CHECKING:
    from conftest import Server

RULES = """
note = "cards that are used too often"

[[rules]]
name = "many_payments"
when = '''
features.card_count_1h > 5
  && payment.amount > 1000  // small ones are let through
'''
outcome = "review"
reason = "Many payments with this card in the last hour"

[[rules.tests]]
given.features.card_count_1h = 7
given.payment.amount = 2500
expect = "fires"

[[rules.tests]]
name = "a new card"
given = { "payment.amount" = 2500, "payment.at" = 2026-03-02T09:30:00Z }
expect = "missing"
"""


class Place:
    """A database with a book and its features, and a reviewer's key in a file."""

    def __init__(self, dsn: str, directory: Path, keys: dict[str, str]) -> None:
        self.dsn, self.directory = dsn, directory
        self.keys = {name: self.file(f"{name}.key", text + "\n") for name, text in keys.items()}

    def file(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def rules(self, *arguments: object) -> Ran:
        return run("rules", *arguments, "--book", BOOK, environment={"CAUDAL_DATABASE_URL": self.dsn})


@pytest.fixture(scope="module")
def place(
    server: "Server", migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    name = server.create_database(template=migrated_template)

    async def fill() -> dict[str, str]:
        application = create_app(SETTINGS, dsn=server.dsn(name))
        async with application.running() as services:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                world = await PaymentWorld.make(http, services)
                book = world.book.book_id
                async with services.database.transaction() as connection:
                    await features.publish(
                        connection, book, FEATURES, caller=CALLER, ledger=services.ledger,
                        at=services.clock.now(),
                    )  # fmt: skip
                await world.begun(pay_in(await world.customer(), 2_500))
                reviewing = frozenset({Scope.RULES_REVIEW})
                return {
                    "reviewer": await new_key(services, frozenset({book}), scopes=reviewing),
                    "elsewhere": await new_key(services, frozenset({book + 1}), scopes=reviewing),
                    "other": await new_key(services, frozenset({book}), frozenset({Scope.RULES_READ})),
                }

    keys = asyncio.run(fill())
    yield Place(server.dsn(name), tmp_path_factory.mktemp("rules"), keys)
    server.drop_database(name)


def test_rules_are_tested_drafted_reviewed_by_another_published_snoozed_and_woken(place: Place) -> None:
    file = place.file("rules.toml", RULES)
    assert "No rules" in place.rules("list").out
    assert place.rules("show").code == 1

    tried = place.rules("test", file)
    assert (tried.code, "2 tests, 0 of which fail." in tried.out) == (0, True)
    assert "features.card_count_1h = 7 > 5" in tried.out
    draft = place.rules("draft", file, "--json").json
    assert (draft["name"], draft["state"], draft["created_by"], draft["feature_set"]) == (
        "v1", "draft", "operator", 1,
    )  # fmt: skip

    own = place.rules("review", "v1", "accept", "--json")
    assert (own.code, own.json["error"]["code"]) == (1, "risk_rules_own_review")
    assert place.rules("publish", "v1", "--json").json["error"]["code"] == "risk_rules_not_reviewed"
    for key, code in (("other", "missing_scope"), ("elsewhere", "book_out_of_reach")):
        refused = place.rules("review", "v1", "accept", "--key-file", place.keys[key], "--json")
        assert (refused.code, refused.json["error"]["code"]) == (1, code)
    nobody = place.rules("review", "v1", "accept", "--key-file", place.file("no.key", "none"), "--json")
    assert nobody.json["error"]["code"] == "unauthenticated"
    accepted = place.rules(
        "review", "v1", "accept", "--note", "fine", "--key-file", place.keys["reviewer"], "--json"
    ).json
    assert (accepted["state"], accepted["review"]["note"]) == ("accepted", "fine")
    assert accepted["review"]["reviewed_by"].startswith("key_")
    assert place.rules("publish", "v1", "--json").json["state"] == "current"
    shown = place.rules("show").out
    assert "v1 (current)" in shown
    assert "2 of 2 find what they expect" in shown
    assert [one["state"] for one in place.rules("list", "--json").json["data"]] == ["current"]

    made = place.rules("snooze", "many_payments", "--for", "2h", "--reason", "a sale")
    assert (made.code, "a sale" in made.out) == (0, True)
    assert "many_payments" in place.rules("snoozes").out
    assert "many_payments until" in place.rules("show").out
    assert [one["reason"] for one in place.rules("show", "--json").json["snoozed"]] == ["a sale"]
    assert place.rules("snooze", "none", "--for", "2h", "--reason", "x").code == 1
    assert place.rules("wake", "many_payments", "--reason", "over", "--json").json["number"] == 2
    assert "No rule is snoozed." in place.rules("snoozes").out


def test_faults_are_shown_with_their_rule_line_column_and_picture(place: Place) -> None:
    file = place.file("wrong.toml", RULES.replace("payment.amount > 1000", "payment.amuont > 1000"))
    refused = place.rules("draft", file)
    assert refused.code == 1
    assert "many_payments: line 2, column 6: there is no payment.amuont" in refused.err
    assert "    ^~~~" in refused.err.replace("     ", "")
    told = place.rules("draft", file, "--json").json["error"]
    assert (told["code"], told["problems"][0]["line"]) == ("risk_rules_invalid", 2)
    tried = place.rules("test", file)
    assert (tried.code, "rules[0].when" in tried.out) == (1, True)


def test_a_test_that_fails_ends_with_1(place: Place) -> None:
    file = place.file("failing.toml", RULES.replace('expect = "missing"', 'expect = "fires"'))
    tried = place.rules("test", file)
    assert (tried.code, "FAILS" in tried.out) == (1, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules = 1", "rules"),
        ("[[rules]]\nname = 'x'", "when"),
        ("not toml", "no TOML"),
        ("note = 'x'\nother = 1\nrules = []", "other"),
        (RULES.replace("= 7", "= nan"), "no number"),
        (RULES.replace("= 7", "= 99999999999999999999"), "64 bits"),
        (RULES.replace("09:30:00Z", "09:30:00"), "time zone"),
    ],
)
def test_files_that_are_no_rules_are_refused(place: Place, text: str, says: str) -> None:
    refused = place.rules("draft", place.file("none.toml", text))
    assert refused.code == 2
    assert says in refused.err


def test_rules_are_tried_on_decisions_of_the_past(place: Place) -> None:
    text = '{"rules": [{"name": "large", "when": "payment.amount > 5", "outcome": "review", "reason": "x"}]}'
    file = place.file("tried.json", text)
    tried = place.rules("backtest", file, "--json").json
    assert (tried["decisions"]["decisions"], tried["changed"], tried["complete"]) == (1, 1, True)
    shown = place.rules("backtest", file).out
    assert "25.00 EUR" in shown
    assert "1 would have come out another way" in shown
    assert "0 old enough to judge" in shown
    assert ", 120 days old: none were kept." in shown
    sooner = place.rules("backtest", file, "--label-after", "3", "--json").json["matured"]
    assert [(one["on"], one["label_after_days"]) for one in sooner] == [("payment", 3)]
    assert place.rules("backtest", file, "--label-after", "0").code == 2
    early = place.rules("backtest", file, "--since", "2026-01-01", "--until", "2026-01-02")
    assert "No decisions were kept in this time." in early.out
    assert place.rules("backtest", file, "--since", "2020-01-01").code == 2
    assert place.rules("backtest", "v99").code == 1


def test_published_rules_have_figures(place: Place) -> None:
    stats = place.rules("stats", "--by", "week", "--json").json
    assert (stats["by"], stats.get("matured")) == ("week", None)
    assert place.rules("stats").code == 0
    assert place.rules("stats", "--since", "2020-01-01").code == 2


def test_json_is_read_too_and_a_file_must_be_there(place: Place) -> None:
    text = '{"rules": [{"name": "large", "when": "payment.amount > 5", "outcome": "review", "reason": "x"}]}'
    tried = place.rules("test", place.file("rules.json", text))
    assert (tried.code, tried.out.strip()) == (0, "The rules can be kept; they have no tests.")
    assert place.rules("test", place.directory / "nothing.toml").code == 1
    assert place.rules("publish", "three").code == 2
