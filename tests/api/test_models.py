"""Models over HTTP: registered, let decide by a second person, taken back."""

import base64
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from caudal.access import Scope
from caudal.app import create_app
from support.model_worlds import ROW, scorecard_file
from support.payment_api import SETTINGS, PaymentWorld
from support.worlds import new_key

if TYPE_CHECKING:
    from conftest import Server

MODELS, SERVING = "/v1/models", "/v1/model-serving"


class Worlds:
    """Who registers and who approves, in one book."""

    def __init__(self, ana: PaymentWorld, ben: PaymentWorld) -> None:
        self.ana, self.ben = ana, ben

    async def register(self, **changes: Any) -> dict[str, Any]:
        answer = await self.ana.post(MODELS, written(**changes))
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told


def written(shift: float = 0.0, **changes: Any) -> dict[str, Any]:
    file = scorecard_file(shift, **changes)
    return {"card": msgspec.json.decode(file.text), "artifact": base64.b64encode(file.artifact).decode()}


@pytest.fixture
async def worlds(server: "Server", migrated_template: str) -> AsyncIterator[Worlds]:
    """A book to itself: what serves is the book's."""
    name = server.create_database(template=migrated_template)
    application = create_app(SETTINGS, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            ana = await PaymentWorld.make(http, services)
            yield Worlds(ana, await PaymentWorld.enter(http, services, ana.book))
    server.drop_database(name)


async def test_a_model_goes_from_registration_to_the_champion_and_back(worlds: Worlds) -> None:
    ana, ben = worlds.ana, worlds.ben
    # Latency is left to its own test: it says nothing on a machine that does other things beside.
    terms = {"gate": {"max_latency_us": 10_000_000}, "review_at": 0.5}
    answer = await ben.post(SERVING, terms)
    assert (answer.status_code, answer.json()["terms"]["review_at"]) == (200, 0.5)
    for shift in (0.0, 1.0):
        model = await worlds.register(shift=shift)
        path = f"{MODELS}/{model['id']}"
        assert (await ana.post(f"{path}/shadow")).json()["stage"] == "shadow"
        refused = await ana.post(f"{path}/promote")
        assert (refused.status_code, refused.json()["code"]) == (409, "model_same_person")
        assert (await ben.post(f"{path}/promote")).json()["stage"] == "champion"
    assert (await ana.get(f"{MODELS}/card-fraud@1")).json()["stage"] == "retired"

    back = await ben.post(f"{SERVING}/rollback", {"reason": "too many reviews"})
    assert (back.status_code, back.json()["version"], back.json()["stage"]) == (200, 1, "champion")
    serving = (await ana.get(SERVING)).json()
    assert (serving["version"], serving["champion"], serving["what"]) == (6, back.json()["id"], "rollback")
    history = (await ana.get(f"{SERVING}/history", limit=4)).json()
    assert [one["what"] for one in history["data"]] == ["rollback", "promote", "shadow", "promote"]
    rest = (await ana.get(f"{SERVING}/history", cursor=history["next_cursor"])).json()
    assert [one["what"] for one in rest["data"]] == ["shadow", "terms"]


async def test_a_challenger_has_a_share_and_the_gate_says_what_is_missing(worlds: Worlds) -> None:
    ana, ben = worlds.ana, worlds.ben
    for shift in (0.0, 1.0):
        model = await worlds.register(shift=shift, stability=None)
        await ana.post(f"{MODELS}/{model['id']}/shadow")
        if shift == 0.0:
            closed = await ben.post(f"{MODELS}/{model['id']}/promote")
            assert (closed.status_code, closed.json()["code"]) == (422, "model_gate_closed")
            assert "stability: not measured" in closed.json()["missing"]
            await ben.post(f"{MODELS}/{model['id']}/promote", {"override": "the first one"})
    body = {"share": 25, "override": "a trial"}
    challenger = (await ben.post(f"{MODELS}/card-fraud/challenge", body)).json()
    assert (challenger["version"], challenger["stage"], challenger["share"]) == (2, "challenger", 25)
    assert (await ben.post(f"{MODELS}/card-fraud/retire")).json()["stage"] == "retired"


async def test_what_is_registered_is_read_back_and_listed(worlds: Worlds) -> None:
    first, second = await worlds.register(), await worlds.register(shift=1.0)
    assert (await worlds.ana.post(MODELS, written())).json()["id"] == first["id"]
    assert (await worlds.ana.get(f"{MODELS}/card-fraud")).json() == second
    page = (await worlds.ana.get(MODELS, limit=1)).json()
    assert page["data"] == [second]
    rest = (await worlds.ana.get(MODELS, cursor=page["next_cursor"])).json()
    assert (rest["data"], rest["next_cursor"]) == ([first], None)
    assert (await worlds.ana.get(f"{MODELS}/card-fraud/drift")).json() == {"data": []}


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"artifact": "no base64!"}, 400, "invalid_request", "artifact"),
        ({"artifact": "AAAA"}, 422, "model_corrupt", "artifact"),
        ({"card": {"schema": 9}}, 422, "model_schema_unknown", "schema"),
        ({"card": {}}, 422, "model_schema_unknown", "schema"),
        ({"card": {"schema": 1, "name": "x"}}, 422, "model_invalid", "about"),
        ({"hash": "0" * 64}, 422, "model_hash_mismatch", "hash"),
    ],
)
async def test_what_cannot_be_registered_is_refused_by_type(
    worlds: Worlds, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = await worlds.ana.post(MODELS, {**written(), **change})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)
    assert (await worlds.ana.get(MODELS)).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (f"{MODELS}/card-fraud/shadow", None, "model_not_found"),
        (f"{MODELS}/mdl_{'7' * 32}/promote", {}, "model_not_found"),
        (f"{SERVING}/rollback", {"reason": "why not"}, "model_nothing_to_roll_back"),
        (SERVING, {"review_at": 0.9, "decline_at": 0.1}, "model_serving_invalid"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_type(
    worlds: Worlds, path: str, body: dict[str, Any] | None, code: str
) -> None:
    assert (await worlds.ben.post(path, body)).json()["code"] == code
    assert (await worlds.ben.get(SERVING)).json()["version"] == 0


async def test_a_row_is_scored_by_a_model_of_any_stage_with_reasons_and_nothing_is_kept(
    worlds: Worlds,
) -> None:
    model = await worlds.register()
    await worlds.ben.post(SERVING, {"review_at": 0.6})
    told = (await worlds.ana.post(f"{MODELS}/{model['id']}/score", {"row": dict(ROW)})).json()
    assert (told["model"], told["raw"], round(told["score"], 6)) == ("card-fraud@1", 0.75, 0.679179)
    assert told["outcome"] == "review"
    assert [(one["code"], one["points"]) for one in told["reasons"]][:2] == [
        ("features.card_count_1h", 2.8), ("payment.amount", 2.1),
    ]  # fmt: skip
    assert told["reasons"][1]["text"] == "amount: 20000"
    bare = (await worlds.ana.post(f"{MODELS}/card-fraud/score", {"row": {"payment.amount": "x"}})).json()
    assert bare["missing"] == ["payment.amount", "features.card_count_1h", "payment.country"]
    assert (await worlds.ana.get("/v1/decisions")).json()["data"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("nobody/score", {"row": {"a": 1}}, 404, "model_not_found", "id"),
        ("card-fraud/score", {"row": {}}, 400, "invalid_request", "row"),
        ("card-fraud/score", {"row": {"payment.amount": [1]}}, 400, "invalid_request", "row.payment.amount"),
        (
            "card-fraud/score",
            {"row": {"a": "x" * 256}},
            400,
            "invalid_request",
            "row.a",
        ),
        ("card-fraud/score", {}, 400, "missing_field", "row"),
    ],
)
async def test_a_row_that_is_none_is_refused_by_type(
    worlds: Worlds, path: str, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    await worlds.register()
    answer = await worlds.ana.post(f"{MODELS}/{path}", body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)


async def test_scoring_needs_the_scope_of_reading_models(worlds: Worlds) -> None:
    await worlds.register()
    services, books = worlds.ana.services, frozenset({worlds.ana.book.book_id})
    key = await new_key(services, books, scopes=frozenset({Scope.RISK_READ}))
    answer = await worlds.ana.http.post(
        f"{MODELS}/card-fraud/score", json={"row": dict(ROW)},
        headers={"Authorization": f"Bearer {key}", "Caudal-Book": worlds.ana.book.id},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_what_there_is_to_compare_is_told_with_what_the_gate_would_say(worlds: Worlds) -> None:
    ana, ben = worlds.ana, worlds.ben
    model = await worlds.register(stability=None)
    told = (await ana.get(f"{MODELS}/{model['id']}/comparison")).json()
    assert (told["model"], told.get("champion")) == ("card-fraud@1", None)
    assert "stability: not measured" in told["misses"]
    await ana.post(f"{MODELS}/card-fraud/shadow")
    await ben.post(f"{MODELS}/card-fraud/promote", {"override": "the first one"})
    await worlds.register(shift=1.0)
    told = (await ana.get(f"{MODELS}/card-fraud/comparison")).json()
    assert (told["model"], told["champion"], told["rows"]) == ("card-fraud@2", "card-fraud@1", 0)
    assert told.get("differences", []) == []


@pytest.mark.parametrize("artifact", ["päckchen", "a", "????"])
async def test_an_artifact_that_is_no_base64_is_refused(worlds: Worlds, artifact: str) -> None:
    answer = await worlds.ana.post(MODELS, {**written(), "artifact": artifact})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        400, "invalid_request", "artifact",
    )  # fmt: skip
