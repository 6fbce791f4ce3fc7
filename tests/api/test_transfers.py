import pytest

from support.worlds import World, problem, some_id, transfer


async def test_a_transfer_is_recorded_and_answered(world: World) -> None:
    debit, credit = await world.pair()

    response = await world.post("/v1/transfers", transfer(debit, credit, 1050, reference="order-17"))

    assert response.status_code == 201
    told = response.json()
    assert told == {
        "id": told["id"],
        "seq": 3,
        "kind": "posted",
        "debit_account": debit,
        "credit_account": credit,
        "amount": 1050,
        "currency": "USD",
        "recorded_at": told["recorded_at"],
        "reference": "order-17",
    }
    assert told["recorded_at"].endswith("Z")
    assert response.headers["location"] == f"/v1/transfers/{told['id']}"
    assert await world.balance(credit) == 1050
    assert await world.balance(debit) == -1050


async def test_a_transfer_can_be_read_again(world: World) -> None:
    told = await world.moved(*await world.pair(), metadata={"order": "17"}, code="sale")

    response = await world.get(f"/v1/transfers/{told['id']}")

    assert response.status_code == 200
    assert response.json() == told


async def test_the_same_id_and_content_answers_the_original(world: World) -> None:
    body = transfer(*await world.pair(), id=some_id("tr", world.services))
    first = await world.post("/v1/transfers", body)

    again = await world.post("/v1/transfers", body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_the_same_id_with_other_content_names_the_field(world: World) -> None:
    body = transfer(*await world.pair(), id=some_id("tr", world.services))
    await world.post("/v1/transfers", body)

    again = await world.post("/v1/transfers", {**body, "amount": 101})

    assert problem(again) == (409, "exists_with_different_amount", "amount")


async def test_a_hold_reserves_and_is_posted_in_part(world: World) -> None:
    account = await world.funded(1000)
    other = await world.account()
    hold = await world.moved(account, other, 600, pending=True)
    assert (hold["kind"], hold["state"]) == ("pending", "open")
    told = (await world.get(f"/v1/accounts/{account}")).json()
    assert (told["balance"], told["available"]) == (1000, 400)

    posted = await world.post(f"/v1/transfers/{hold['id']}/post", {"amount": 250})

    assert posted.status_code == 201
    assert (posted.json()["kind"], posted.json()["pending_id"]) == ("post_pending", hold["id"])
    told = (await world.get(f"/v1/accounts/{account}")).json()
    assert (told["balance"], told["available"]) == (750, 750)
    held = (await world.get(f"/v1/transfers/{hold['id']}")).json()
    assert (held["state"], held["resolved_by"]) == ("posted", posted.json()["id"])


async def test_the_rest_of_a_hold_can_be_held_anew(world: World) -> None:
    account = await world.funded(1000)
    hold = await world.moved(account, await world.account(), 600, pending=True)

    posted = await world.post(f"/v1/transfers/{hold['id']}/post", {"amount": 250, "remainder": "hold"})

    rest = (await world.get(f"/v1/transfers/{posted.json()['remainder_id']}")).json()
    assert (rest["kind"], rest["state"], rest["amount"]) == ("pending", "open", 350)


async def test_a_hold_is_released_without_a_body(world: World) -> None:
    account = await world.funded(1000)
    hold = await world.moved(account, await world.account(), 600, pending=True)

    voided = await world.http.post(
        f"/v1/transfers/{hold['id']}/void", headers=world.headers(Idempotency_Key="void")
    )

    assert voided.status_code == 201
    assert voided.json()["kind"] == "void_pending"
    again = await world.post(f"/v1/transfers/{hold['id']}/post")
    assert problem(again) == (409, "pending_already_voided", "pending_id")


async def test_a_transfer_is_reversed_and_never_for_more_than_it_moved(world: World) -> None:
    debit, credit = await world.pair()
    original = await world.moved(debit, credit, 1000)

    part = await world.post(f"/v1/transfers/{original['id']}/reverse", {"amount": 300})
    rest = await world.post(f"/v1/transfers/{original['id']}/reverse")
    more = await world.post(f"/v1/transfers/{original['id']}/reverse", {"amount": 1})

    assert (part.json()["amount"], rest.json()["amount"]) == (300, 700)
    assert part.json()["original_id"] == original["id"]
    assert problem(more)[:2] == (409, "already_reversed")
    assert await world.balance(credit) == 0
    assert (await world.get(f"/v1/transfers/{original['id']}")).json()["reversed_amount"] == 1000


async def test_what_was_asked_of_a_transfer_is_told(world: World) -> None:
    account = await world.funded(500)
    version = (await world.get(f"/v1/accounts/{account}")).json()["version"]

    told = await world.moved(account, await world.account(), 900, up_to=True, if_version={"debit": version})

    assert (told["amount"], told["requested"], told["if_version"]) == (500, 900, {"debit": version})


async def test_times_are_answered_in_utc(world: World) -> None:
    told = await world.moved(*await world.pair(), effective_at="2026-03-01T12:00:00+02:00")

    assert told["effective_at"] == "2026-03-01T10:00:00Z"


async def test_a_refused_transfer_moves_nothing(world: World) -> None:
    account = await world.funded(100)
    before = await world.seq()

    response = await world.post("/v1/transfers", transfer(account, await world.account(), 101))

    assert problem(response) == (422, "exceeds_debit_limit", "amount")
    assert await world.balance(account) == 100
    assert await world.seq() == before + 1, "only the other account's opening"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("post", "pending_transfer_not_found"),
        ("void", "pending_transfer_not_found"),
        ("reverse", "original_not_found"),
    ],
)
async def test_a_path_that_names_no_transfer_is_not_found_and_its_repeat_has_the_same_answer(
    world: World, action: str, code: str
) -> None:
    path = f"/v1/transfers/{some_id('tr', world.services)}/{action}"

    first = await world.post(path, key="once")
    again = await world.post(path, key="once")
    tried = await world.post(f"{path}?dry_run=true")

    assert problem(first) == problem(tried) == (404, code, "id")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


async def test_in_a_batch_the_item_is_refused_that_names_no_transfer(world: World) -> None:
    missing = some_id("tr", world.services)
    items = [
        {"type": "void_pending", "id": some_id("tr", world.services), "pending_id": missing},
        {"type": "reversal", "id": some_id("tr", world.services), "original_id": missing},
    ]

    response = await world.post("/v1/transfers/batch", {"transfers": items})

    assert response.status_code == 200
    assert [(row["error"]["code"], row["error"]["field"]) for row in response.json()["results"]] == [
        ("pending_transfer_not_found", "transfers[0].pending_id"),
        ("original_not_found", "transfers[1].original_id"),
    ]
