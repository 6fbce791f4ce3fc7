"""`caudal cases` and `caudal anomalies`, as people work with them."""

import asyncio
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from caudal.ledger import require_book_number
from caudal_base.database import Database
from support.anomaly_worlds import HOUR, MINUTE, MONDAY, AnomalyWorld, event, steady, stream
from support.processes import Ran, run

if TYPE_CHECKING:
    from conftest import Server

ANA = "customer:ana"


@pytest.fixture(scope="module")
def world(server: "Server", migrated_template: str) -> Iterator[tuple[str, str]]:
    """A database, and a book in it in which Ana has paid ten times as often as usual for an hour."""
    name = server.create_database(template=migrated_template)

    async def fill() -> str:
        database = await Database.open(server.dsn(name))
        made = await AnomalyWorld.make(database)
        version = await made.declare(stream())
        await made.record(steady(24 * 14))
        await made.record(
            [event(f"more-{n}", MONDAY + 14 * 24 * HOUR + n * 2 * MINUTE, customer="ana") for n in range(20)]
        )
        await made.follow(version)
        async with database.connection() as connection:
            book = await require_book_number(connection, made.book_id)
        await database.close()
        return book.name

    yield server.dsn(name), asyncio.run(fill())
    server.drop_database(name)


def caudal(world: tuple[str, str], *arguments: object) -> Ran:
    dsn, book = world
    return run(*arguments, "--book", book, environment={"CAUDAL_DATABASE_URL": dsn})


def test_what_is_unusual_is_listed_explained_and_leads_to_its_case(world: tuple[str, str]) -> None:
    (found,) = caudal(world, "anomalies", "list", "--entity", ANA, "--json").json["data"]
    text = caudal(world, "anomalies", "explain", found["id"]).out
    case = caudal(world, "cases", "show", found["case"], "--json").json

    assert caudal(world, "anomalies", "list", "--entity", "customer:ben", "--json").json["data"] == []
    assert found["stream"] == "payments"
    assert re.search(r"payments in the hour, usually \d", text), text
    assert (case["kind"], case["key"], case["state"]) == ("anomaly", ANA, "open")
    assert ANA in caudal(world, "cases", "list", "--state", "open").out


def test_a_case_is_worked_on_from_opening_to_reopening(world: tuple[str, str]) -> None:
    opened = caudal(
        world, "cases", "open", "--kind", "alert", "--key", "payout-file", "--title", "The file is late",
        "--severity", "high", "--subject", "merchant:m1", "--json",
    )  # fmt: skip
    case = opened.json["id"]
    again = caudal(
        world, "cases", "open", "--kind", "alert", "--key", "payout-file", "--title", "Late again", "--json"
    )
    assert (opened.code, again.json["id"], again.json["occurrences"]) == (0, case, 2)

    assert caudal(world, "cases", "assign", case, "ana").code == 0
    assert caudal(world, "cases", "note", case, "Asked the bank.").code == 0
    assert caudal(world, "cases", "close", case, "--outcome", "resolved").code == 0
    refused = caudal(world, "cases", "close", case, "--outcome", "duplicate", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "case_closed")
    assert caudal(world, "cases", "reopen", case, "--due-in", "4h").code == 0

    shown = caudal(world, "cases", "show", case, "--json").json
    assert (shown["state"], shown["assignee"], shown["severity"]) == ("open", "ana", "high")
    assert [note["text"] for note in shown["notes"]] == ["Asked the bank."]
    due = dt.datetime.fromisoformat(shown["due_at"])
    assert (
        dt.timedelta(hours=3, minutes=50) < due - dt.datetime.now(dt.UTC) < dt.timedelta(hours=4, minutes=1)
    )
    rows = caudal(world, "cases", "list", "--subject", "merchant:m1", "--json").json["data"]
    assert [row["id"] for row in rows] == [case]
    assert "Asked the bank." in caudal(world, "cases", "show", case).out


def test_streams_and_silences(world: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stream.json"
    declared = {"name": "bursts", "entity": "card", "about": "payments", "burst": {"window": "10m"}}
    file.write_text(json.dumps(declared), encoding="utf-8")
    made = caudal(world, "anomalies", "streams", "declare", file, "--json")
    assert (made.code, made.json["name"], made.json["version"]) == (0, "bursts", 1)
    file.write_text(json.dumps({**declared, "colour": "red"}), encoding="utf-8")
    refused = caudal(world, "anomalies", "streams", "declare", file, "--json")
    assert refused.code != 0
    assert "colour" in json.dumps(refused.json["error"])
    assert "bursts" in caudal(world, "anomalies", "streams", "list").out

    silenced = caudal(
        world, "anomalies", "silence", "--entity", ANA, "--for", "7d", "--reason", "a sale", "--json"
    )
    assert silenced.code == 0
    (row,) = caudal(world, "anomalies", "silences", "--json").json["data"]
    assert (row["entity"], row["reason"]) == (ANA, "a sale")
