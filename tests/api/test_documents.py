"""The OpenAPI document and the pages say what is served, and load nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from caudal import payments
from caudal.api import ENDPOINTS, docs, document_text, examples
from caudal.api.endpoint import Access, KeyUse, NoBody
from caudal.ledger import REASONS
from caudal.ledger.statements import CSV_COLUMNS
from caudal_base.strictjson import StrictDecoder
from support.worlds import World

REVIEWED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
DESCRIBED = [endpoint for endpoint in ENDPOINTS if endpoint.documented]
PAGES = ("/docs", "/docs/webhooks", "/docs/schemas", "/docs/errors")


def test_the_reviewed_document_is_current() -> None:
    assert REVIEWED.read_bytes() == document_text(), "run: .venv/bin/python tools/write_openapi.py"


async def test_the_document_is_served(world: World) -> None:
    response = await world.http.get("/openapi.json")

    assert response.json() == docs.document()
    assert response.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=lambda e: e.name)
def test_examples_are_what_the_schemas_say(endpoint: Any) -> None:
    document = docs.document()
    operation = document["paths"][endpoint.path][endpoint.method.lower()]

    def validate(content: dict[str, Any]) -> None:
        schema = {**content["schema"], "components": document["components"]}
        jsonschema_rs.validate(schema, content["example"])

    for answer in operation["responses"].values():
        for media_type, content in answer.get("content", {}).items():
            if media_type == "application/json":
                validate(content)
            else:
                assert content["example"].endswith("\n")
    if endpoint.body is not NoBody:
        validate(operation["requestBody"]["content"]["application/json"])
        decoder = StrictDecoder(endpoint.body, max_bytes=10_000)
        decoder.decode(msgspec.json.encode(endpoint.example))


def test_the_example_of_a_csv_has_the_columns_of_one() -> None:
    lines = examples.STATEMENT_CSV.splitlines()

    assert tuple(lines[0].split(",")) == CSV_COLUMNS
    assert {len(line.split(",")) for line in lines} == {len(CSV_COLUMNS)}


@pytest.mark.parametrize("endpoint", DESCRIBED, ids=lambda e: e.name)
def test_every_operation_says_who_may_call_it_and_with_which_headers(endpoint: Any) -> None:
    operation = docs.document()["paths"][endpoint.path][endpoint.method.lower()]
    headers = {row["name"]: row["required"] for row in operation["parameters"] if row["in"] == "header"}

    assert operation["security"] == ([] if endpoint.access is Access.PUBLIC else [{"key": []}])
    assert ("Caudal-Book" in headers) == (endpoint.access is Access.BOOK)
    assert (
        headers.get("Idempotency-Key")
        == {
            KeyUse.NONE: None,
            KeyUse.ACCEPTED: False,
            KeyUse.REQUIRED: True,
        }[endpoint.key]
    )


def test_no_object_takes_fields_that_the_document_does_not_name() -> None:
    for name, schema in docs.document()["components"]["schemas"].items():
        if "properties" in schema:
            assert schema.get("additionalProperties") is False, name


def test_all_that_moves_money_needs_a_key() -> None:
    moving = {endpoint.name for endpoint in ENDPOINTS if endpoint.key is KeyUse.REQUIRED}

    assert moving == {
        "create_transfer",
        "create_batch",
        "post_transfer",
        "void_transfer",
        "reverse_transfer",
        "create_transaction",
        "create_payment",
        "capture_payment",
        "increment_payment",
        "cancel_payment",
        "approve_payment",
        "decline_payment",
        "create_refund",
        "create_payout",
    }


class Links(HTMLParser):
    """What a page refers to, and what its own anchors are."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.tags: set[str] = set()
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src"}:
                self.targets.append(value or "")
            elif name == "id":
                self.anchors.add(value or "")
            elif name == "style" or name.startswith("on"):
                self.inline.append(name)


@pytest.mark.parametrize("path", PAGES)
async def test_pages_load_nothing_from_elsewhere(world: World, path: str) -> None:
    response = await world.http.get(path)
    links = Links(response.text)

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert not links.tags & {"script", "img", "iframe", "style"}
    assert links.inline == []
    assert all(target.startswith(("/", "#")) for target in links.targets)


async def test_every_link_leads_somewhere(world: World) -> None:
    pages = {path: Links((await world.http.get(path)).text) for path in PAGES}
    for path, links in pages.items():
        for target in links.targets:
            page, _, anchor = target.partition("#")
            if anchor:
                assert anchor in pages[page or path].anchors, f"{path} links to {target}"
            else:
                assert (await world.http.get(page)).status_code == 200


async def test_the_page_of_webhooks_has_every_event_with_its_example(world: World) -> None:
    page = (await world.http.get("/docs/webhooks")).text
    told = (await world.http.get("/openapi.json")).json()["webhooks"]

    assert len(told) > 50
    for type_ in told:
        assert page.count(f'<h3 id="{type_}">') == 1
    assert page.count("<summary>Example</summary>") == len(told)
    assert "webhook-signature" in page


async def test_the_page_of_errors_has_every_code(world: World) -> None:
    page = (await world.http.get("/docs/errors")).text

    for code in ("invalid_idempotency_key", "unknown_field", "duplicate_key", "missing_scope", "unavailable"):
        assert f'id="{code}"' in page
    for reason in (*REASONS, *payments.REASONS):
        assert page.count(f'id="{reason.code}"') == 1, reason.code


async def test_the_stylesheet_knows_light_and_dark(world: World) -> None:
    response = await world.http.get("/docs/style.css")

    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert "light-dark(" in response.text
    assert not re.search(r"url\(|@import", response.text)


async def test_documents_may_be_cached_and_answers_may_not(
    application: tuple[httpx.AsyncClient, Any],
) -> None:
    http, _ = application

    assert "max-age" in (await http.get("/openapi.json")).headers["cache-control"]
    assert (await http.get("/health/live")).headers["cache-control"] == "no-store"
