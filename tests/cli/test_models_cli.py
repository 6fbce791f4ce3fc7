"""`caudal models`, on a database of its own."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from caudal import models
from caudal.access import Scope
from caudal.app import create_app
from support.model_worlds import ROW, scorecard_file
from support.payment_api import BOOK, SETTINGS, PaymentWorld
from support.processes import Ran, run
from support.worlds import new_key

if TYPE_CHECKING:
    from conftest import Server


@dataclass
class Place:
    """A database with a book, files, and the key of somebody who approves."""

    dsn: str
    directory: Path
    key: str

    def models(self, *arguments: object) -> Ran:
        return run("models", *arguments, "--book", BOOK, environment={"CAUDAL_DATABASE_URL": self.dsn})

    def file(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def place(
    server: "Server", migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    name = server.create_database(template=migrated_template)

    async def fill() -> str:
        application = create_app(SETTINGS, dsn=server.dsn(name))
        async with application.running() as services:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
                world = await PaymentWorld.make(http, services)
                books = frozenset({world.book.book_id})
                return await new_key(services, books, scopes=frozenset({Scope.MODELS_APPROVE}))

    key = asyncio.run(fill())
    yield Place(server.dsn(name), tmp_path_factory.mktemp("models"), key)
    server.drop_database(name)


def test_a_model_is_registered_shadowed_promoted_by_another_tried_and_taken_back(place: Place) -> None:
    key = ("--key-file", place.file("ben.key", place.key.encode()))
    terms = {"review_at": 0.5, "gate": {"max_latency_us": 10_000_000}}
    # Latency is left to its own test: it says nothing on a machine that does other things beside.
    assert place.models("terms", place.file("terms.json", json.dumps(terms).encode()), *key).code == 0
    contents = [models.content_of(scorecard_file(shift)) for shift in (0.0, 1.0)]
    for number, content in enumerate(contents, start=1):
        file = place.file(f"{number}.caudal-model", content)
        kept = place.models("register", file, "--json").json
        assert (kept["version"], kept["stage"], kept["registered_by"]) == (number, "registered", "operator")
        assert place.models("promote", "card-fraud", *key, "--json").json["error"]["code"] == "model_stage"
        assert place.models("shadow", "card-fraud", "--json").json["stage"] == "shadow"
        own = place.models("promote", "card-fraud", "--json")
        assert (own.code, own.json["error"]["code"]) == (1, "model_same_person")
        assert place.models("promote", "card-fraud", *key, "--json").json["stage"] == "champion"

    listed = place.models("list", "--json").json["data"]
    assert [(one["version"], one["stage"]) for one in listed] == [(2, "champion"), (1, "retired")]
    back = place.models("rollback", "--reason", "too many reviews", *key, "--json").json
    assert (back["version"], back["stage"]) == (1, "champion")
    assert "card-fraud@1" in place.models("list").out
    assert "too many reviews" in place.models("history").out
    serving = place.models("serving", "--json").json
    assert (serving["champion"], serving["terms"]["review_at"]) == (back["id"], 0.5)
    row = place.file("row.json", json.dumps(ROW).encode())
    told = place.models("score", "card-fraud@1", row, "--json").json
    assert (told["raw"], told["reasons"][0]["code"]) == (0.75, "features.card_count_1h")
    assert "amount: 20000" in place.models("score", "card-fraud@1", row).out
    assert "gate" in place.models("show", "card-fraud").out
    compared = place.models("compare", "card-fraud@2", "--json").json["compared"]
    assert (compared["champion"], compared["rows"], compared["differences"]) == ("card-fraud@1", 0, [])
    assert "too few" in place.models("compare", "card-fraud@2").out
    silent = place.models("rollback", *key, "--json")
    assert (silent.code, silent.json["error"]["code"]) == (2, "usage")
    assert "say why, as in --reason 'too many reviews'" in silent.json["error"]["detail"]
    nothing = place.models("rollback", "--reason", "again", *key, "--json")
    assert (nothing.code, nothing.json["error"]["code"]) == (1, "model_nothing_to_roll_back")
    copy = place.directory / "copy.caudal-model"
    assert place.models("export", "card-fraud@2", copy).code == 0
    assert copy.read_bytes() == contents[1]
    assert "Nobody has looked yet." in place.models("drift", "card-fraud").out


def test_a_corrupt_file_is_refused_by_type_without_and_with_a_database(place: Place) -> None:
    file = place.file("bad.caudal-model", models.content_of(scorecard_file())[:-3])
    assert place.models("register", file, "--json").json["error"]["code"] == "model_corrupt"
    environment = {"CAUDAL_DATABASE_URL": place.dsn}
    assert run("models", "check", file, "--json", environment=environment).code == 1
    sound = place.file("sound.caudal-model", models.content_of(scorecard_file()))
    checked = run("models", "check", sound, "--json", environment=environment)
    assert (checked.code, checked.json["broken"]) == (0, [])
