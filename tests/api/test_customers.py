"""Customers and products over HTTP."""

import json
import logging
from typing import Any

import pytest

from caudal.access import Scope
from caudal.api import customer_examples as examples
from support.worlds import World, new_key, some_id

BASIC = {"name": "basic", "currencies": ["EUR", "USD"]}
REVIEW = {"timeout_s": 86_400, "default": "decline"}
PERSON = {"type": "person", "product": "basic", "jurisdiction": "DE"}


@pytest.fixture
async def world(world: World) -> World:
    assert (await world.post("/v1/products", BASIC)).status_code == 201
    return world


async def test_a_customer_is_taken_on_and_read_again(world: World) -> None:
    body = {**PERSON, "reference": "C-1", "email_token": "tok_email_1", "metadata": {"segment": "gold"}}
    created = await world.post("/v1/customers", body)

    assert created.status_code == 201
    customer = created.json()
    assert created.headers["location"] == f"/v1/customers/{customer['id']}"
    assert {name: customer[name] for name in body} == body
    assert (customer["status"], customer["product_version"]) == ("active", 1)
    assert list(customer["accounts"]) == ["EUR", "USD"]
    read = await world.get(f"/v1/customers/{customer['id']}")
    assert read.json() == customer
    for currency, account in customer["accounts"].items():
        shown = (await world.get(f"/v1/accounts/{account}")).json()
        assert (shown["currency"], shown["reference"]) == (currency, f"customer:{customer['id']}:{currency}")


async def test_an_id_of_the_callers_making_is_kept_and_repeated_under_it(world: World) -> None:
    body = {**PERSON, "id": some_id("cus", world.services)}

    first = await world.post("/v1/customers", body)
    again = await world.post("/v1/customers", body)
    other = await world.post("/v1/customers", {**body, "jurisdiction": "FR"})

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json() == again.json()
    assert (other.json()["code"], other.json()["field"]) == ("customer_exists", "jurisdiction")


async def test_a_repeat_under_the_same_key_is_replayed_also_where_it_was_refused(world: World) -> None:
    for body, status in ((PERSON, 201), ({**PERSON, "product": "none"}, 422)):
        first = await world.post("/v1/customers", body, key=f"same-{status}")
        again = await world.post("/v1/customers", body, key=f"same-{status}")

        assert (first.status_code, again.status_code) == (status, status)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.content == first.content


async def test_a_dry_run_answers_and_leaves_nothing(world: World) -> None:
    tried = await world.post("/v1/customers?dry_run=true", PERSON)

    assert tried.status_code == 200
    assert tried.headers["caudal-dry-run"] == "true"
    assert (await world.get("/v1/customers")).json()["data"] == []
    assert (await world.get("/v1/accounts")).json()["data"] == []


async def test_a_customer_is_blocked_unblocked_moved_and_closed(world: World) -> None:
    await world.post("/v1/products", {"name": "swiss", "currencies": ["CHF"]})
    path = f"/v1/customers/{(await world.post('/v1/customers', PERSON)).json()['id']}"
    seen = []
    for action, body in (("block", {}), ("unblock", {}), ("product", {"product": "swiss"}), ("close", {})):
        answer = await world.post(f"{path}/{action}", body)
        assert answer.status_code == 200, answer.text
        seen.append((answer.json()["status"], answer.json()["product"], list(answer.json()["accounts"])))

    assert seen == [
        ("blocked", "basic", ["EUR", "USD"]),
        ("active", "basic", ["EUR", "USD"]),
        ("active", "swiss", ["EUR", "USD", "CHF"]),
        ("closed", "swiss", ["EUR", "USD", "CHF"]),
    ]
    after = await world.post(f"{path}/block")
    assert (after.status_code, after.json()["code"]) == (409, "customer_closed")


async def test_lists_filter_and_page(world: World) -> None:
    made = [
        (await world.post("/v1/customers", {**PERSON, "reference": f"C-{n}", "jurisdiction": j})).json()
        for n, j in enumerate(("DE", "FR", "DE"))
    ]

    first = (await world.get("/v1/customers", limit=2)).json()
    second = (await world.get("/v1/customers", limit=2, cursor=first["next_cursor"])).json()
    french = (await world.get("/v1/customers", jurisdiction="FR")).json()
    named = (await world.get("/v1/customers", reference="C-2", status="active", product="basic")).json()

    assert (first["data"], second["data"]) == (made[:2], made[2:])
    assert second["next_cursor"] is None
    assert french["data"] == [made[1]]
    assert named["data"] == [made[2]]


async def test_products_are_kept_in_versions_and_read_again(world: World) -> None:
    second = await world.post("/v1/products", examples.NEW_PRODUCT)
    product = second.json()

    assert second.status_code == 201
    assert second.headers["location"] == "/v1/products/basic?version=2"
    assert product == {**examples.NEW_PRODUCT, "version": 2, "created_at": product["created_at"]}
    assert (await world.get("/v1/products/basic")).json() == product
    oldest = (await world.get("/v1/products/basic", version=1)).json()
    assert (oldest["version"], oldest["limits"], oldest["fees"], oldest["review"]) == (1, [], [], REVIEW)
    page = (await world.get("/v1/products", limit=1)).json()
    assert (page["data"], page["next_cursor"]) == ([oldest], "basic@1")
    rest = (await world.get("/v1/products", cursor="basic@1")).json()
    assert rest == {"data": [product], "next_cursor": None}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "field"),
    [
        ("/v1/customers", {**PERSON, "product": "none"}, 422, "product_unknown", "product"),
        ("/v1/customers", {**PERSON, "jurisdiction": "XX"}, 422, "unknown_country", "jurisdiction"),
        ("/v1/customers", {**PERSON, "name_token": "Ann"}, 422, "invalid_token", "name_token"),
        ("/v1/customers", {**PERSON, "type": "robot"}, 400, "invalid_field", "type"),
        ("/v1/customers", {**PERSON, "name": "Ann"}, 400, "unknown_field", "name"),
        ("/v1/products", {**BASIC, "currencies": []}, 422, "product_invalid", "currencies"),
        ("/v1/products", {**BASIC, "name": "Basic"}, 422, "product_invalid", "name"),
        (
            "/v1/products",
            {**BASIC, "fees": [{"kind": "pay_in", "flat": 30}]},
            422,
            "product_invalid",
            "fees[0].currency",
        ),
        (
            "/v1/products",
            {**BASIC, "limits": [{"currency": "EUR", "per_day": 10**30}]},
            422,
            "product_invalid",
            "limits[0].per_day",
        ),
        (f"/v1/customers/cus_{'7' * 32}/block", {}, 404, "customer_not_found", None),
        ("/v1/customers/cus_7/block", {}, 400, "invalid_id", "id"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(
    world: World, path: str, body: Any, status: int, code: str, field: str | None
) -> None:
    answer = await world.post(path, body)

    assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (status, code, field)


@pytest.mark.parametrize(
    ("canary", "kind"),
    [
        ("4242 4242 4242 4242", "a card number"),
        ("ann.canary@example.com", "an e-mail address"),
        ("+49 151 23456789", "a telephone number"),
        ("DE89 3704 0044 0532 0130 00", "an IBAN"),
    ],
)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda text: {"reference": text}, "reference"),
        (lambda text: {"email_token": text}, "email_token"),
        (lambda text: {"metadata": {"note": f"call {text} now"}}, "metadata.note"),
        (lambda text: {"metadata": {text: "x"}}, "metadata"),
    ],
)
async def test_personal_data_is_refused_and_stays_nowhere(
    world: World, caplog: pytest.LogCaptureFixture, canary: str, kind: str, change: Any, field: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await world.post("/v1/customers", {**PERSON, **change(canary)})

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == ("personal_data_refused", field)
    assert kind in answer.json()["detail"]
    assert canary not in answer.text
    assert canary not in caplog.text
    async with world.services.database.connection() as connection:
        for table in ("audit.record", "idempotency.answer", "customers.customer", "events.event"):
            cursor = await connection.execute(
                f"select count(*) from {table} t where t::text like %s", (f"%{canary}%",)
            )
            assert await cursor.fetchone() == (0,)
        cursor = await connection.execute(
            "select convert_from(leaf, 'UTF8') from audit.record"
            " where book_id = %s and action = 'customer.create'",
            (world.book.book_id,),
        )
        leaves = [json.loads(leaf) for (leaf,) in await cursor.fetchall()]
    assert [leaf["result"] for leaf in leaves] == ["personal_data_refused"]
    assert canary not in json.dumps(leaves)


async def test_reading_and_writing_need_scopes_of_their_own(world: World) -> None:
    books = frozenset({world.book.book_id})

    async def caller(scope: Scope) -> World:
        key = await new_key(world.services, books, frozenset({scope}))
        return World(world.http, world.services, world.book, key)

    reader, writer = await caller(Scope.CUSTOMERS_READ), await caller(Scope.CUSTOMERS_WRITE)

    assert (await reader.get("/v1/customers")).status_code == 200
    assert (await reader.post("/v1/customers", PERSON)).status_code == 403
    assert (await reader.post("/v1/products", BASIC)).status_code == 403
    assert (await writer.get("/v1/customers")).status_code == 403
    assert (await writer.post("/v1/customers", PERSON)).status_code == 201
