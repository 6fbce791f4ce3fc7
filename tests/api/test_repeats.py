"""One effect per idempotency key; its first final answer is given again, byte for byte."""

import asyncio

import pytest

from caudal.api import examples
from support.worlds import World, new_key, problem, transfer


async def test_a_repeat_gets_the_first_answer_byte_for_byte(world: World) -> None:
    debit, credit = await world.pair()
    body = transfer(debit, credit)
    first = await world.post("/v1/transfers", body, key="once")

    again = await world.post("/v1/transfers", body, key="once")

    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await world.balance(credit) == 100


async def test_fifty_repeats_at_once_have_one_effect_and_one_answer(world: World) -> None:
    debit, credit = await world.pair()
    body = transfer(debit, credit)

    answers = await asyncio.gather(*(world.post("/v1/transfers", body, key="same") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await world.balance(credit) == 100


async def test_another_body_under_the_same_key_is_refused(world: World) -> None:
    debit, credit = await world.pair()
    await world.post("/v1/transfers", transfer(debit, credit), key="once")

    other = await world.post("/v1/transfers", transfer(debit, credit, 101), key="once")

    assert problem(other) == (422, "idempotency_key_reused", "Idempotency-Key")
    assert await world.balance(credit) == 100


async def test_another_path_under_the_same_key_is_refused(world: World) -> None:
    hold = await world.moved(*await world.pair(), pending=True)
    await world.post(f"/v1/transfers/{hold['id']}/void", key="once")

    other = await world.post(f"/v1/transfers/{hold['id']}/post", key="once")

    assert problem(other)[:2] == (422, "idempotency_key_reused")


async def test_a_refusal_is_an_answer_too(world: World) -> None:
    account, other = await world.funded(100), await world.account()
    body = transfer(account, other, 500)
    first = await world.post("/v1/transfers", body, key="once")
    await world.moved(await world.account(normal_side="debit"), account, 1000)

    again = await world.post("/v1/transfers", body, key="once")

    assert problem(first)[:2] == (422, "exceeds_debit_limit")
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert await world.balance(other) == 0


async def test_an_id_that_was_refused_in_passing_stays_refused(world: World) -> None:
    account, other = await world.funded(100), await world.account()
    body = transfer(account, other, 500, id="tr_0199f3a1c2d47e8f9a0b1c2d3e4f5a6b")
    await world.post("/v1/transfers", body)
    await world.moved(await world.account(normal_side="debit"), account, 1000)

    late = await world.post("/v1/transfers", body)

    assert problem(late) == (409, "id_already_refused", "id")
    assert await world.balance(other) == 0


async def test_a_malformed_request_leaves_its_key_free(world: World) -> None:
    debit, credit = await world.pair()
    wrong = await world.post("/v1/transfers", transfer(debit, credit, "100"), key="once")

    right = await world.post("/v1/transfers", transfer(debit, credit, 100), key="once")

    assert (wrong.status_code, right.status_code) == (400, 201)


@pytest.mark.parametrize(
    "path", ["/v1/transfers", "/v1/transfers/batch", "/v1/transactions", "/v1/transfers/tr_{}/post",
             "/v1/transfers/tr_{}/void", "/v1/transfers/tr_{}/reverse"]
)  # fmt: skip
async def test_what_moves_money_needs_a_key(world: World, path: str) -> None:
    response = await world.http.post(path.format("1" * 32), json={}, headers=world.headers())

    assert problem(response) == (400, "invalid_idempotency_key", "Idempotency-Key")


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_keys_that_are_none(world: World, key: str) -> None:
    named = world.headers(Idempotency_Key=key)

    response = await world.http.post(
        "/v1/transfers",
        json=transfer(*await world.pair()),
        headers=[(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    )

    assert problem(response) == (400, "invalid_idempotency_key", "Idempotency-Key")


async def test_a_key_belongs_to_its_caller(world: World) -> None:
    debit, credit = await world.pair()
    await world.post("/v1/transfers", transfer(debit, credit), key="once")
    world.key = await new_key(world.services, frozenset({world.book.book_id}))

    other = await world.post("/v1/transfers", transfer(debit, credit), key="once")

    assert other.status_code == 201
    assert "idempotent-replayed" not in other.headers
    assert await world.balance(credit) == 200


async def test_accounts_books_templates_and_periods_take_a_key(world: World) -> None:
    body = {"currency": "USD", "normal_side": "credit", "reference": "one"}
    first = await world.post("/v1/accounts", body, key="account")
    again = await world.post("/v1/accounts", body, key="account")
    assert first.status_code == 201
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")

    closed = await world.post("/v1/periods", {"through": "2020-01-31"}, key="period")
    repeated = await world.post("/v1/periods", {"through": "2020-01-31"}, key="period")
    assert closed.status_code == 201
    assert (repeated.content, repeated.headers["idempotent-replayed"]) == (closed.content, "true")

    refused = await world.post("/v1/periods", {"through": "2019-12-31"}, key="earlier")
    assert problem(refused) == (409, "period_already_closed", "through")
    repeated = await world.post("/v1/periods", {"through": "2019-12-31"}, key="earlier")
    assert repeated.content == refused.content


async def test_a_dry_run_writes_nothing_and_leaves_its_key_free(world: World) -> None:
    debit, credit = await world.pair()

    tried = await world.post("/v1/transfers?dry_run=true", transfer(debit, credit), key="once")

    assert tried.status_code == 200
    assert tried.headers["caudal-dry-run"] == "true"
    assert "location" not in tried.headers
    assert tried.json()["amount"] == 100
    assert (await world.balance(credit), await world.seq()) == (0, 2)
    assert (await world.post("/v1/transfers", transfer(debit, credit), key="once")).status_code == 201


async def test_a_dry_run_says_what_would_be_refused(world: World) -> None:
    account = await world.funded(10)

    tried = await world.post("/v1/transfers?dry_run=true", transfer(account, await world.account(), 11))

    assert problem(tried)[:2] == (422, "exceeds_debit_limit")
    again = await world.post("/v1/transfers?dry_run=true", transfer(account, await world.account(), 10))
    assert again.status_code == 200


@pytest.mark.parametrize("path", ["/v1/periods", "/v1/templates", "/v1/books"])
async def test_a_dry_run_of_what_moves_no_money_keeps_nothing_either(world: World, path: str) -> None:
    bodies = {
        "/v1/periods": {"through": "2020-01-31"},
        "/v1/templates": examples.NEW_TEMPLATE,
        "/v1/books": {"name": f"{world.book.name}-tried"},
    }
    if path == "/v1/books":
        world.key = await new_key(world.services, None)
    headers = {"Caudal_Book": world.book.name}
    before = (await world.http.get(path, headers=world.headers(**headers))).json()

    tried = await world.post(f"{path}?dry_run=true", bodies[path], key="once", **headers)
    seen = (await world.http.get(path, headers=world.headers(**headers))).json()
    done = await world.post(path, bodies[path], key="once", **headers)
    refused = await world.post(f"{path}?dry_run=true", {}, **headers)

    assert (tried.status_code, tried.headers["caudal-dry-run"]) == (200, "true")
    assert "location" not in tried.headers
    assert tried.json().keys() == done.json().keys()
    assert seen == before
    assert (done.status_code, "idempotent-replayed" in done.headers) == (201, False)
    assert problem(refused)[:2] == (400, "missing_field")


async def test_a_dry_run_says_for_what_a_period_or_a_book_would_be_refused(world: World) -> None:
    world.key = await new_key(world.services, None)

    period = await world.post(
        "/v1/periods?dry_run=true", {"through": "2999-01-01"}, Caudal_Book=world.book.name
    )
    book = await world.post("/v1/books?dry_run=true", {"name": world.book.name})

    assert problem(period) == (422, "period_not_over", "through")
    assert problem(book) == (409, "book_name_taken", "name")
