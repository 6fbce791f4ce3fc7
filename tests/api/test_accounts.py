import asyncio

import pytest

from support.worlds import World, problem, some_id, transfer


async def test_an_account_is_opened_and_read(world: World) -> None:
    body = {
        "currency": "USD",
        "normal_side": "credit",
        "code": "customer",
        "reference": "customer-42",
        "metadata": {"plan": "basic"},
        "limit": "debits_must_not_exceed_credits",
        "overdraft": 500,
    }

    opened = await world.post("/v1/accounts", body)

    assert opened.status_code == 201
    told = opened.json()
    assert told == {
        **body,
        "id": told["id"],
        "status": "open",
        "balance": 0,
        "available": 0,
        "debits_posted": 0,
        "credits_posted": 0,
        "debits_pending": 0,
        "credits_pending": 0,
        "version": 1,
        "opened_at": told["opened_at"],
    }
    assert opened.headers["location"] == f"/v1/accounts/{told['id']}"
    assert (await world.get(f"/v1/accounts/{told['id']}")).json() == told


async def test_an_account_is_opened_once_under_an_id(world: World) -> None:
    body = {"id": some_id("acct", world.services), "currency": "USD", "normal_side": "credit"}
    first = await world.post("/v1/accounts", body)

    again = await world.post("/v1/accounts", body)
    other = await world.post("/v1/accounts", {**body, "normal_side": "debit"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert problem(other) == (409, "exists_with_different_normal_side", "normal_side")


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"currency": "XXQ"}, 422, "unknown_currency", "currency"),
        ({"normal_side": "left"}, 400, "invalid_field", "normal_side"),
        ({"overdraft": 5}, 422, "overdraft_needs_limit", "overdraft"),
        ({"overdraft": -5}, 422, "amount_must_be_positive", "overdraft"),
        ({"reference": "system:suspense"}, 422, "reference_reserved", "reference"),
        ({"id": "acct_5"}, 400, "invalid_field", "id"),
    ],
)
async def test_accounts_that_cannot_be(
    world: World, change: dict[str, object], status: int, code: str, field: str
) -> None:
    response = await world.post("/v1/accounts", {"currency": "USD", "normal_side": "credit", **change})

    assert problem(response) == (status, code, field)
    assert await world.seq() == 0


async def test_a_reference_is_unique_in_its_book(world: World) -> None:
    await world.account(reference="one")

    response = await world.post(
        "/v1/accounts", {"currency": "USD", "normal_side": "credit", "reference": "one"}
    )

    assert problem(response) == (409, "reference_taken", "reference")


async def test_a_frozen_account_moves_nothing_until_it_is_unfrozen(world: World) -> None:
    debit, credit = await world.pair()

    frozen = await world.post(f"/v1/accounts/{debit}/freeze")
    refused = await world.post("/v1/transfers", transfer(debit, credit))
    unfrozen = await world.post(f"/v1/accounts/{debit}/unfreeze")

    assert (frozen.status_code, frozen.json()["status"]) == (200, "frozen")
    assert problem(refused) == (409, "debit_account_frozen", "debit_account")
    assert unfrozen.json()["status"] == "open"
    await world.moved(debit, credit)


async def test_an_account_closes_only_at_zero_and_reopens(world: World) -> None:
    debit, credit = await world.pair()
    moved = await world.moved(debit, credit)
    refused = await world.post(f"/v1/accounts/{credit}/close")
    await world.post(f"/v1/transfers/{moved['id']}/reverse")

    closed = await world.post(f"/v1/accounts/{credit}/close")
    reopened = await world.post(f"/v1/accounts/{credit}/reopen")

    assert problem(refused)[:2] == (409, "account_not_empty")
    assert (closed.json()["status"], reopened.json()["status"]) == ("closed", "open")


async def test_a_limit_changes_unless_the_account_is_beyond_it(world: World) -> None:
    debit, credit = await world.pair()
    await world.moved(debit, credit, 100)
    limit = {"limit": "debits_must_not_exceed_credits"}

    refused = await world.post(f"/v1/accounts/{debit}/limit", limit)
    changed = await world.post(f"/v1/accounts/{debit}/limit", {**limit, "overdraft": 100})

    assert problem(refused) == (409, "limit_already_exceeded", "limit")
    assert (changed.json()["limit"], changed.json()["overdraft"]) == (limit["limit"], 100)


async def test_accounts_are_found_by_what_they_have(world: World) -> None:
    first = await world.account(code="customer", reference="one", metadata={"plan": "basic", "land": "CZ"})
    second = await world.account(code="customer", metadata={"plan": "basic"}, currency="EUR")
    frozen = await world.account(code="house")
    await world.post(f"/v1/accounts/{frozen}/freeze")

    async def found(**conditions: str) -> list[str]:
        response = await world.get("/v1/accounts", **conditions)
        assert response.status_code == 200, response.text
        return [account["id"] for account in response.json()["data"]]

    assert await found() == [first, second, frozen]
    assert await found(code="customer") == [first, second]
    assert await found(reference="one") == [first]
    assert await found(currency="EUR") == [second]
    assert await found(status="frozen") == [frozen]
    assert await found(**{"metadata[plan]": "basic"}) == [first, second]
    assert await found(**{"metadata[plan]": "basic", "metadata[land]": "CZ"}) == [first]
    assert await found(**{"metadata[plan]": "gold"}) == []


async def test_pages_neither_skip_nor_repeat_while_accounts_are_opened(world: World) -> None:
    accounts = [await world.account() for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await world.get("/v1/accounts", limit=2, **cursor)).json()
        seen += [account["id"] for account in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        if len(accounts) < 7:
            accounts.append(await world.account())

    assert seen == accounts


async def test_balances_of_the_past_can_be_read(world: World) -> None:
    debit, credit = await world.pair()
    first = await world.moved(debit, credit, 100)
    second = await world.moved(debit, credit, 50, effective_at="2020-01-01T00:00:00Z")

    assert await world.balance(credit) == 150
    assert await world.balance(credit, at_seq=first["seq"]) == 100
    assert await world.balance(credit, at_recorded=second["recorded_at"]) == 150
    assert await world.balance(credit, at_effective="2020-06-01T00:00:00Z") == 50
    both = await world.get(f"/v1/accounts/{credit}/balance", at_seq=1, at_effective="2020-06-01T00:00:00Z")
    assert problem(both) == (400, "invalid_parameter", "at_effective")


async def test_a_balance_says_what_it_counts(world: World) -> None:
    account = await world.funded(1000)
    hold = await world.moved(account, await world.account(), 300, pending=True)

    told = (await world.get(f"/v1/accounts/{account}/balance")).json()

    assert told == {
        "account": account,
        "currency": "USD",
        "normal_side": "credit",
        "balance": 1000,
        "available": 700,
        "debits_posted": 0,
        "credits_posted": 1000,
        "debits_pending": 300,
        "credits_pending": 0,
        "version": hold["seq"],
        "seq": hold["seq"],
    }


async def test_entries_carry_the_balance_after_each(world: World) -> None:
    debit, credit = await world.pair()
    moved = [await world.moved(debit, credit, amount) for amount in (100, 50, 25)]

    forth = (await world.get(f"/v1/accounts/{credit}/entries", limit=2)).json()
    rest = (await world.get(f"/v1/accounts/{credit}/entries", cursor=forth["next_cursor"])).json()
    back = (await world.get(f"/v1/accounts/{debit}/entries", newest_first="true")).json()

    entries = forth["data"] + rest["data"]
    assert [(entry["amount"], entry["balance"]) for entry in entries] == [(100, 100), (50, 150), (25, 175)]
    assert [entry["transfer"] for entry in entries] == moved
    assert {entry["side"] for entry in entries} == {"credit"}
    assert [entry["balance"] for entry in back["data"]] == [-175, -150, -100]


async def test_a_statement_adds_up(world: World) -> None:
    debit, credit = await world.pair()
    await world.moved(debit, credit, 100, effective_at="2025-12-31T23:00:00Z")
    await world.moved(debit, credit, 50, effective_at="2026-01-15T12:00:00Z")
    await world.moved(credit, debit, 30, effective_at="2026-01-10T12:00:00Z", reference="=1+1")
    days = {"from": "2026-01-01", "through": "2026-01-31", "basis": "effective"}

    told = (await world.get(f"/v1/accounts/{credit}/statement", **days)).json()

    assert (told["opening_balance"], told["closing_balance"]) == (100, 120)
    assert [(line["side"], line["amount"], line["balance"]) for line in told["lines"]] == [
        ("debit", 30, 70),
        ("credit", 50, 120),
    ]


async def test_a_statement_comes_as_csv(world: World) -> None:
    debit, credit = await world.pair()
    await world.moved(credit, debit, 30, effective_at="2026-01-10T12:00:00Z", reference='=1+1, "x"')
    days = {"from": "2026-01-01", "through": "2026-01-31", "basis": "effective"}

    asked = await world.get(f"/v1/accounts/{credit}/statement", format="csv", **days)
    accepted = await world.http.get(
        f"/v1/accounts/{credit}/statement", params=days, headers=world.headers(Accept="text/csv")
    )

    assert asked.headers["content-type"].startswith("text/csv")
    assert accepted.text == asked.text
    head, opening, entry, closing = asked.text.splitlines()
    assert head.startswith("type,seq,transfer")
    assert (opening.split(",")[0], closing.split(",")[0]) == ("opening", "closing")
    assert '"\'=1+1, ""x"""' in entry, "a spreadsheet must not run a caller's reference"
    assert ",-30,-0.30,USD," in entry


async def test_a_statement_ends_after_it_starts(world: World) -> None:
    account = await world.account()

    response = await world.get(
        f"/v1/accounts/{account}/statement", **{"from": "2026-02-01", "through": "2026-01-31"}
    )
    missing = await world.get(f"/v1/accounts/{account}/statement", through="2026-01-31")

    assert problem(response) == (422, "statement_days_reversed", "through")
    assert problem(missing) == (400, "invalid_parameter", "from")


async def test_concurrent_withdrawals_never_pass_the_limit(world: World) -> None:
    account, other = await world.funded(100), await world.account()

    answers = await asyncio.gather(
        *(world.post("/v1/transfers", transfer(account, other, 30)) for _ in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 7
    assert await world.balance(account) == 10
