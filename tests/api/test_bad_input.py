"""Whatever is wrong with a request gets a typed error that names the field, and nothing happens."""

import json
from typing import Any

import pytest

from support.worlds import World, problem, some_id, transfer


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        (0, 422, "amount_must_be_positive"),
        (-5, 422, "amount_must_be_positive"),
        (2**53, 422, "amount_too_large"),
        (10**30, 422, "amount_too_large"),
        (10.5, 400, "invalid_field"),
        (10.0, 400, "invalid_field"),
        ("10", 400, "invalid_field"),
        (None, 400, "invalid_field"),
        (True, 400, "invalid_field"),
        ([10], 400, "invalid_field"),
    ],
)
async def test_amounts_that_are_none(world: World, amount: Any, status: int, code: str) -> None:
    debit, credit = await world.pair()

    response = await world.post("/v1/transfers", transfer(debit, credit, amount))

    assert problem(response) == (status, code, "amount")
    assert await world.seq() == 2


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"currency": "XXQ"}, 422, "unknown_currency", "currency"),
        ({"currency": "EUR"}, 422, "currency_mismatch", "debit_account"),
        ({"currency": "usd"}, 422, "unknown_currency", "currency"),
        ({"currency": "DOLLAR"}, 400, "invalid_field", "currency"),
        ({"debit_account": "acct_17"}, 400, "invalid_field", "debit_account"),
        ({"debit_account": "acct_" + "0" * 31 + "F"}, 400, "invalid_field", "debit_account"),
        ({"debit_account": "acct_" + "0" * 31 + "f\n"}, 400, "invalid_field", "debit_account"),
        ({"debit_account": "acct_" + "1" * 32}, 422, "debit_account_not_found", "debit_account"),
        ({"credit_account": "acct_" + "1" * 32}, 422, "credit_account_not_found", "credit_account"),
        ({"amuont": 5}, 400, "unknown_field", "amuont"),
        ({"if_version": {"debit": -1}}, 400, "invalid_field", "if_version.debit"),
        ({"if_version": {"both": 1}}, 400, "unknown_field", "if_version.both"),
        ({"min_available": -1}, 422, "min_available_negative", "min_available"),
        ({"effective_at": "2026-03-01T12:00:00"}, 400, "invalid_field", "effective_at"),
        ({"effective_at": "0001-01-01T00:00:00+14:00"}, 400, "invalid_field", "effective_at"),
        ({"effective_at": "9999-12-31T23:59:59-14:00"}, 400, "invalid_field", "effective_at"),
        ({"effective_at": 5}, 400, "invalid_field", "effective_at"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, 422, "expiry_needs_pending", "expires_at"),
        ({"pending": True, "expires_at": "2001-01-01T00:00:00Z"}, 422, "expires_in_the_past", "expires_at"),
        ({"reference": ""}, 400, "invalid_field", "reference"),
        ({"reference": "x" * 256}, 400, "invalid_field", "reference"),
        ({"code": "x" * 65}, 400, "invalid_field", "code"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, 400, "invalid_field", "metadata"),
        ({"metadata": {"k": "v" * 501}}, 400, "invalid_field", "metadata"),
        ({"metadata": {"k": 5}}, 400, "invalid_field", "metadata"),
        ({"metadata": {"k": "a\0b"}}, 400, "nul_character", "metadata.k"),
        ({"rate": "1.5"}, 422, "rate_needs_two_legs", "rate"),
        ({"id": "tr_5"}, 400, "invalid_field", "id"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else None,
)
async def test_fields_that_are_wrong(
    world: World, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    debit, credit = await world.pair()

    response = await world.post("/v1/transfers", {**transfer(debit, credit), **change})

    assert problem(response) == (status, code, field)
    assert await world.seq() == 2


async def test_a_field_that_is_missing_is_named(world: World) -> None:
    body = transfer(*await world.pair())
    del body["currency"]

    assert problem(await world.post("/v1/transfers", body)) == (400, "missing_field", "currency")


async def test_the_same_account_on_both_sides(world: World) -> None:
    account = await world.account()

    response = await world.post("/v1/transfers", transfer(account, account))

    assert problem(response)[:2] == (422, "same_account")


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"", "malformed_json", None),
        (b"{", "malformed_json", None),
        (b'{"amount": 1, "amount": 2}', "missing_field", "debit_account"),
        (b'{"reference": "\xff"}', "invalid_text", "reference"),
        (b'{"reference": "\\ud800"}', "invalid_text", "reference"),
        (b"[]", "invalid_field", None),
        (b"null", "invalid_field", None),
        (b'{"amount": NaN}', "malformed_json", None),
        (b"[" * 100_000, "malformed_json", None),
    ],
)
async def test_bodies_that_are_no_transfer(
    world: World, content: bytes, code: str, field: str | None
) -> None:
    response = await world.send("/v1/transfers", content)

    status, told, named = problem(response)
    assert (status, named) == (400, field)
    assert told in {code, "too_deep", "invalid_field"}


async def test_a_key_that_is_given_twice_is_named(world: World) -> None:
    body = json.dumps(transfer(*await world.pair())).encode()

    response = await world.send("/v1/transfers", body[:-1] + b', "amount": 7}')

    assert problem(response) == (400, "duplicate_key", "amount")


async def test_a_body_that_is_too_large(world: World) -> None:
    response = await world.send("/v1/transfers", b" " * (8 * 1024 * 1024 + 1))

    assert problem(response)[:2] == (413, "payload_too_large")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""],
)
async def test_a_body_of_another_type(world: World, content_type: str) -> None:
    body = json.dumps(transfer(*await world.pair())).encode()

    response = await world.send("/v1/transfers", body, Content_Type=content_type)

    assert problem(response) == (415, "unsupported_media_type", "Content-Type")


async def test_json_may_say_its_charset(world: World) -> None:
    body = json.dumps(transfer(*await world.pair())).encode()

    response = await world.send("/v1/transfers", body, Content_Type="application/json; charset=utf-8")

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("acount=x", "unknown_parameter", "acount"),
        ("limit=0", "invalid_parameter", "limit"),
        ("limit=1001", "invalid_parameter", "limit"),
        ("limit=5.0", "invalid_parameter", "limit"),
        ("limit=five", "invalid_parameter", "limit"),
        ("limit=5&limit=6", "invalid_parameter", "limit"),
        ("newest_first=yes", "invalid_parameter", "newest_first"),
        ("kind=moved", "invalid_parameter", "kind"),
        ("recorded_from=5", "invalid_parameter", "recorded_from"),
        ("recorded_from=2026-01-01T00:00:00", "invalid_parameter", "recorded_from"),
        ("account=acct_1", "invalid_parameter", "account"),
        ("cursor=next", "invalid_parameter", "cursor"),
        ("cursor=99999999999999999999", "invalid_parameter", "cursor"),
        ("code=%FF", "invalid_parameter", "code"),
        ("limit=5&code=a%ed%a0%80", "invalid_parameter", "code"),
        ("metadata[%FF]=x", "invalid_parameter", "metadata[\\udcff]"),
        ("code=a%00b", "invalid_parameter", "code"),
        ("metadata=x", "unknown_parameter", "metadata"),
        ("metadata[a]=1&metadata[a]=2", "invalid_parameter", "metadata[a]"),
        ("limit", "invalid_parameter", None),
        ("&".join(f"metadata[{n}]=v" for n in range(80)), "invalid_parameter", None),
    ],
)
async def test_query_parameters_that_are_wrong(
    world: World, query: str, code: str, field: str | None
) -> None:
    response = await world.http.get(f"/v1/transfers?{query}", headers=world.headers())

    assert problem(response) == (400, code, field)


async def test_a_post_refuses_parameters_that_it_does_not_know(world: World) -> None:
    response = await world.post("/v1/transfers?dryrun=true", transfer(*await world.pair()))

    assert problem(response) == (400, "unknown_parameter", "dryrun")
    assert await world.seq() == 2


@pytest.mark.parametrize(
    "path", ["/v1/transfers/tr_5", "/v1/transfers/" + "0" * 35, "/v1/transfers/acct_" + "1" * 32]
)
async def test_a_path_with_something_else_than_an_id(world: World, path: str) -> None:
    assert problem(await world.get(path)) == (400, "invalid_id", "id")


async def test_things_that_are_not_there(world: World) -> None:
    account, entry = some_id("acct", world.services), some_id("txn", world.services)

    assert problem(await world.get(f"/v1/accounts/{account}"))[:2] == (404, "account_not_found")
    assert problem(await world.get(f"/v1/accounts/{account}/balance"))[:2] == (404, "account_not_found")
    assert problem(await world.get(f"/v1/transactions/{entry}"))[:2] == (404, "transaction_not_found")
    assert problem(await world.get("/v1/templates/none"))[:2] == (404, "template_not_found")
    assert problem(await world.get("/v1/templates/N%00ne"))[:2] == (404, "template_not_found")
    assert problem(await world.post(f"/v1/accounts/{account}/freeze"))[:2] == (404, "account_not_found")


async def test_paths_and_methods_that_are_not_served(world: World) -> None:
    nowhere = await world.get("/v1/nothing")
    wrong = await world.http.delete("/v1/transfers", headers=world.headers())

    assert problem(nowhere)[:2] == (404, "path_not_found")
    assert problem(wrong)[:2] == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(wrong.headers["allow"].split(", "))


async def test_a_header_that_stands_twice(world: World) -> None:
    headers = [*world.headers(Idempotency_Key="a").items(), ("Idempotency-Key", "b")]

    response = await world.http.post("/v1/transfers", json=transfer(*await world.pair()), headers=headers)

    assert problem(response) == (400, "repeated_header", "idempotency-key")


async def test_a_body_where_none_is_wanted(world: World) -> None:
    account = await world.account()

    response = await world.post(f"/v1/accounts/{account}/freeze", {"because": "fraud"})

    assert problem(response) == (400, "unknown_field", "because")
