from typing import Any

import pytest

from support.worlds import World, new_key, problem

PARAMETERS = {
    "price": {"type": "amount"},
    "buyer": {"type": "account"},
    "seller": {"type": "account"},
    "order": {"type": "text"},
}


def sale(house: str, percent: str = "2.9") -> dict[str, Any]:
    """A template: the buyer pays, the house takes a fee, the seller gets the rest."""
    return {
        "name": "sale",
        "definition": {
            "parameters": PARAMETERS,
            "legs": [
                {"account": "buyer", "side": "debit", "amount": {"kind": "whole", "of": "price"}},
                {
                    "account": house,
                    "side": "credit",
                    "amount": {"kind": "percent", "of": "price", "percent": percent},
                },
                {
                    "account": "seller",
                    "side": "credit",
                    "amount": {"kind": "remainder", "currency_of": "price"},
                },
            ],
            "reference": "{order}",
        },
    }


def posting(account: str, side: str, amount: Any) -> dict[str, Any]:
    return {"account": account, "side": side, "amount": amount, "currency": "USD"}


async def test_an_entry_of_many_postings_is_recorded_and_read(world: World) -> None:
    buyer, seller, house = [await world.account() for _ in range(3)]
    postings = [posting(buyer, "debit", 1000), posting(seller, "credit", 971), posting(house, "credit", 29)]

    response = await world.post("/v1/transactions", {"postings": postings, "reference": "order-17"})

    assert response.status_code == 201
    told = response.json()
    assert told["postings"] == postings
    assert [transfer["amount"] for transfer in told["transfers"]] == [971, 29]
    assert response.headers["location"] == f"/v1/transactions/{told['id']}"
    assert (await world.get(f"/v1/transactions/{told['id']}")).json() == told
    assert [await world.balance(account) for account in (buyer, seller, house)] == [-1000, 971, 29]
    listed = await world.get("/v1/transfers", transaction=told["id"])
    assert [row["amount"] for row in listed.json()["data"]] == [971, 29]


@pytest.mark.parametrize(
    ("amounts", "status", "code", "field"),
    [
        ((1000, 999), 422, "postings_unbalanced", "postings"),
        ((0, 0), 422, "amount_must_be_positive", "postings[0].amount"),
        ((2**53, 2**53), 422, "amount_too_large", "postings[0].amount"),
        ((10.5, 10.5), 400, "invalid_field", "postings[0].amount"),
    ],
)
async def test_entries_that_are_none(
    world: World, amounts: tuple[Any, Any], status: int, code: str, field: str
) -> None:
    one, other = await world.pair()
    postings = [posting(one, "debit", amounts[0]), posting(other, "credit", amounts[1])]

    response = await world.post("/v1/transactions", {"postings": postings})

    assert problem(response) == (status, code, field)
    assert await world.seq() == 2


async def test_an_entry_needs_postings_or_a_template(world: World) -> None:
    one, other = await world.pair()
    postings = [posting(one, "debit", 5), posting(other, "credit", 5)]

    neither = await world.post("/v1/transactions", {"reference": "x"})
    both = await world.post("/v1/transactions", {"postings": postings, "template": "sale"})
    stray = await world.post("/v1/transactions", {"postings": postings, "parameters": {}})

    assert problem(neither) == (400, "missing_field", "postings")
    assert problem(both) == (400, "unknown_field", "postings")
    assert problem(stray) == (400, "unknown_field", "parameters")


async def test_a_template_makes_an_entry(world: World) -> None:
    buyer, seller, house = [await world.account() for _ in range(3)]
    kept = await world.post("/v1/templates", sale(house))
    parameters = {
        "price": {"amount": 1000, "currency": "USD"},
        "buyer": buyer,
        "seller": seller,
        "order": "order-17",
    }

    response = await world.post("/v1/transactions", {"template": "sale", "parameters": parameters})

    assert (kept.status_code, kept.json()["version"]) == (201, 1)
    assert response.status_code == 201
    told = response.json()
    assert (told["template"], told["reference"]) == ("sale@1", "order-17")
    assert [line["amount"] for line in told["postings"]] == [1000, 29, 971]
    tried = await world.post(
        "/v1/transactions?dry_run=true", {"template": "sale@1", "parameters": parameters}
    )
    assert tried.status_code == 200
    assert await world.balance(seller) == 971


@pytest.mark.parametrize(
    ("order", "code", "field"),
    [
        ("jane@example.com", "personal_data_refused", "parameters.order"),
        (f"pay_{7:032x}", "reference_reserved", "reference"),
    ],
)
async def test_a_template_makes_no_text_that_must_not_be_kept(
    world: World, order: str, code: str, field: str
) -> None:
    buyer, seller, house = [await world.account() for _ in range(3)]
    await world.post("/v1/templates", sale(house))
    price = {"amount": 1000, "currency": "USD"}
    parameters = {"price": price, "buyer": buyer, "seller": seller, "order": order}

    refused = await world.post("/v1/transactions", {"template": "sale", "parameters": parameters})

    assert problem(refused) == (422, code, field)
    assert await world.balance(seller) == 0


async def test_a_repeat_has_its_answer_also_when_the_template_has_changed(world: World) -> None:
    buyer, seller, house = [await world.account() for _ in range(3)]
    await world.post("/v1/templates", sale(house))
    parameters = {
        "price": {"amount": 1000, "currency": "USD"},
        "buyer": buyer,
        "seller": seller,
        "order": "order-17",
    }
    body = {"template": "sale", "parameters": parameters}
    first = await world.post("/v1/transactions", body, key="once")
    newer = sale(house)
    newer["definition"]["parameters"] = {**PARAMETERS, "note": {"type": "text"}}
    newer["definition"]["code"] = "{note}"
    assert (await world.post("/v1/templates", newer)).json()["version"] == 2

    again = await world.post("/v1/transactions", body, key="once")
    fresh = await world.post("/v1/transactions", body)

    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert problem(fresh)[:2] == (422, "template_invalid")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "parameters.buyer"),
        ({"price": {"amount": 0, "currency": "USD"}}, "parameters"),
        ({"price": {"amount": 2**60, "currency": "USD"}}, "parameters.price.amount"),
        ({"price": {"amount": 5, "currency": "XXQ"}}, "parameters.price.currency"),
        ({"price": "5"}, "parameters.price"),
        ({"buyer": "nobody"}, "parameters.buyer"),
        ({"buyer": {"amount": 5, "currency": "USD"}}, "parameters.buyer"),
        ({"more": "x"}, "parameters.more"),
    ],
)
async def test_parameters_that_do_not_fit_are_named(
    world: World, parameters: dict[str, Any], field: str
) -> None:
    buyer, seller, house = [await world.account() for _ in range(3)]
    await world.post("/v1/templates", sale(house))
    good = {
        "price": {"amount": 1000, "currency": "USD"},
        "buyer": buyer,
        "seller": seller,
        "order": "order-17",
    }
    given = {**good, **parameters} if parameters else {}

    response = await world.post("/v1/transactions", {"template": "sale", "parameters": given})

    status, _, named = problem(response)
    assert status in {400, 422}
    assert named == field
    assert await world.balance(seller) == 0


@pytest.mark.parametrize("template", ["sale", "sale@1"])
async def test_a_template_that_is_not_there_is_named_as_it_was_sent(world: World, template: str) -> None:
    response = await world.post("/v1/transactions", {"template": template, "parameters": {}})

    assert problem(response) == (404, "template_not_found", "template")


async def test_templates_are_kept_in_versions(world: World) -> None:
    house = await world.account()
    await world.post("/v1/templates", sale(house))
    same = await world.post("/v1/templates", sale(house))
    second = await world.post("/v1/templates", sale(house, "3.5"))

    assert (same.status_code, same.json()["version"]) == (200, 1)
    assert (second.status_code, second.json()["version"]) == (201, 2)
    assert second.headers["location"] == "/v1/templates/sale?version=2"
    assert (await world.get("/v1/templates/sale")).json()["version"] == 2
    assert (await world.get("/v1/templates/sale", version=1)).json() == same.json()
    page = (await world.get("/v1/templates", limit=1)).json()
    rest = (await world.get("/v1/templates", limit=1, cursor=page["next_cursor"])).json()
    assert [row["version"] for row in page["data"] + rest["data"]] == [1, 2]
    assert problem(await world.get("/v1/templates", cursor="x"))[:2] == (400, "invalid_parameter")
    assert problem(await world.get("/v1/templates/sale", version=3))[:2] == (404, "template_not_found")


async def test_a_template_that_never_balances_is_refused(world: World) -> None:
    wrong = sale(await world.account())
    del wrong["definition"]["legs"][2]

    assert problem(await world.post("/v1/templates", wrong))[:2] == (422, "template_invalid")
    assert problem(await world.post("/v1/templates", {"name": "x"})) == (400, "missing_field", "definition")


async def test_books_are_made_and_found(world: World) -> None:
    bound = world.key
    world.key = await new_key(world.services, None)
    name = f"{world.book.name}-more"

    made = await world.post("/v1/books", {"name": name, "mode": "live"}, key="book")
    again = await world.post("/v1/books", {"name": name, "mode": "live"}, key="book")
    taken = await world.post("/v1/books", {"name": name})
    bad = await world.post("/v1/books", {"name": "No Name"})

    assert made.status_code == 201
    assert (again.content, again.headers["idempotent-replayed"]) == (made.content, "true")
    assert problem(taken) == (409, "book_name_taken", "name")
    assert problem(bad) == (400, "book_name_invalid", "name")
    book = made.json()
    assert (await world.get(f"/v1/books/{book['id']}")).json() == book
    world.key = bound
    assert [row["name"] for row in (await world.get("/v1/books")).json()["data"]] == [world.book.name]
    assert problem(await world.get(f"/v1/books/{book['id']}"))[:2] == (404, "book_not_found")
    assert problem(await world.post("/v1/books", {"name": "mine"}))[:2] == (403, "book_out_of_reach")
