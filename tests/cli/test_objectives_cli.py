"""`caudal objectives`, on a database of its own without workers."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import yaml  # type: ignore[import-untyped]

from caudal.ledger import require_book_number
from caudal_base.database import Database
from support.objective_worlds import ObjectiveWorld
from support.processes import Ran, run

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="module")
def world(server: "Server", migrated_template: str) -> Iterator[tuple[str, str]]:
    """A database, and a book in it of which most requests have failed."""
    name = server.create_database(template=migrated_template)

    async def fill() -> str:
        database = await Database.open(server.dsn(name))
        made = await ObjectiveWorld.make(database)
        await made.served(good=10, bad=30)
        await made.watch()
        async with database.connection() as connection:
            book = await require_book_number(connection, made.book_id)
        await database.close()
        return book.name

    yield server.dsn(name), asyncio.run(fill())
    server.drop_database(name)


def objectives(world: tuple[str, str], *arguments: object) -> Ran:
    dsn, book = world
    return run("objectives", *arguments, "--book", book, environment={"CAUDAL_DATABASE_URL": dsn})


def test_a_list_ends_with_1_while_somebody_is_to_be_paged(world: tuple[str, str]) -> None:
    ran = objectives(world, "list", "--json")

    rows = {one["name"]: one for one in ran.json["data"]}
    assert ran.code == 1
    assert rows["payments_accepted"]["standing"]["severity"] == "page"
    assert "severity" not in rows["ledger_reads"]["standing"]
    text = objectives(world, "list").out
    assert "payments_accepted" in text
    assert "-74900.0 %" in text


def test_an_objective_is_set_by_what_is_named_alone_and_shown_with_its_versions(
    world: tuple[str, str],
) -> None:
    ran = objectives(world, "set", "webhook_delivered", "--target", "99.5", "--no-watch", "--json")
    assert (ran.code, ran.json["target_basis_points"], ran.json["enabled"]) == (0, 9_950, False)
    objectives(world, "set", "webhook_delivered", "--within-ms", "5000", "--watch")

    shown = objectives(world, "show", "webhook_delivered", "--json").json
    assert (shown["target_basis_points"], shown["within_ms"], shown["enabled"]) == (9_950, 5_000, True)
    assert [one["version"] for one in shown["versions"]] == [2, 1]
    assert "99.5 %" in objectives(world, "show", "webhook_delivered").out


def test_a_new_one_needs_what_is_counted_and_a_target_that_can_be(world: tuple[str, str]) -> None:
    assert objectives(world, "set", "ours", "--target", "99").code != 0
    for target in ("100", "99.999", "much"):
        assert objectives(world, "set", "ledger_reads", "--target", target).code != 0
    made = objectives(world, "set", "ours", "--indicator", "ledger_reads", "--target", "95", "--json")
    assert (made.code, made.json["version"], made.json["window_days"]) == (0, 1, 28)


def test_the_rule_file_is_yaml_with_an_alert_for_each(world: tuple[str, str]) -> None:
    rules = yaml.safe_load(objectives(world, "prometheus").out)["groups"][0]["rules"]

    assert {rule["alert"] for rule in rules} == {"CaudalObjectiveBurning", "CaudalObjectivesNotEvaluated"}
    assert all(rule["expr"] and rule["labels"]["severity"] for rule in rules)
