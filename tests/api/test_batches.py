from typing import Any

import pytest

from support.worlds import World, problem, some_id, transfer

HOLD = "tr_" + "1" * 32


def item(world: World, debit: str, credit: str, amount: Any = 100, **fields: Any) -> dict[str, Any]:
    return {"id": some_id("tr", world.services), **transfer(debit, credit, amount), **fields}


async def test_each_item_has_a_result(world: World) -> None:
    account, other = await world.funded(100), await world.account()
    good, bad, last = (item(world, account, other, amount) for amount in (60, 60, 40))

    response = await world.post(
        "/v1/transfers/batch",
        {"transfers": [good, bad, last]},
    )

    assert response.status_code == 200
    told = response.json()
    assert (told["created"], told["exists"], told["refused"]) == (2, 0, 1)
    assert [result["status"] for result in told["results"]] == ["created", "refused", "created"]
    assert told["results"][0]["transfer"]["id"] == good["id"]
    assert told["results"][1]["error"]["code"] == "exceeds_debit_limit"
    assert told["results"][1]["error"]["field"] == "transfers[1].amount"
    assert await world.balance(account) == 0


async def test_items_of_every_type(world: World) -> None:
    account, other = await world.funded(1000), await world.account()
    hold, doomed = (
        item(world, account, other, 300, pending=True),
        item(world, account, other, 50, pending=True),
    )
    moved = item(world, account, other, 200)
    ids = [some_id("tr", world.services) for _ in range(3)]

    response = await world.post(
        "/v1/transfers/batch",
        {
            "transfers": [
                hold,
                doomed,
                moved,
                {"type": "post_pending", "id": ids[0], "pending_id": hold["id"], "amount": 100},
                {"type": "void_pending", "id": ids[1], "pending_id": doomed["id"]},
                {"type": "reversal", "id": ids[2], "original_id": moved["id"], "amount": 50},
            ]
        },
    )

    assert response.json()["created"] == 6
    kinds = [result["transfer"]["kind"] for result in response.json()["results"]]
    assert kinds == ["pending", "pending", "posted", "post_pending", "void_pending", "reversal"]
    assert await world.balance(account) == 1000 - 100 - 200 + 50


async def test_an_atomic_batch_is_all_or_nothing(world: World) -> None:
    account, other = await world.funded(100), await world.account()

    response = await world.post(
        "/v1/transfers/batch",
        {"atomic": True, "transfers": [item(world, account, other, 60), item(world, account, other, 60)]},
    )

    codes = [result["error"]["code"] for result in response.json()["results"]]
    assert codes == ["linked_failed", "exceeds_debit_limit"]
    assert await world.balance(account) == 100


async def test_linked_items_fail_together_and_alone(world: World) -> None:
    account, other = await world.funded(100), await world.account()

    response = await world.post(
        "/v1/transfers/batch",
        {
            "transfers": [
                item(world, account, other, 10),
                item(world, account, other, 60, linked=True),
                item(world, account, other, 60),
                item(world, account, other, 20),
            ]
        },
    )

    statuses = [result["status"] for result in response.json()["results"]]
    assert statuses == ["created", "refused", "refused", "created"]
    assert await world.balance(account) == 70


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"amount": "100"}, 400, "invalid_field", "transfers[1].amount"),
        ({"amuont": 5}, 400, "unknown_field", "transfers[1].amuont"),
        ({"currency": None}, 400, "missing_field", "transfers[1].currency"),
        ({"pending_id": "tr_" + "1" * 32}, 400, "unknown_field", "transfers[1].pending_id"),
        (
            {"type": "void_pending", "pending_id": "tr_" + "1" * 32},
            400,
            "unknown_field",
            "transfers[1].amount",
        ),
        ({"type": "moved"}, 400, "invalid_field", "transfers[1].type"),
        ({"effective_at": "0001-01-01T00:00:00Z"}, 400, "invalid_field", "transfers[1].effective_at"),
    ],
)
async def test_a_malformed_item_fails_the_batch(
    world: World, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    debit, credit = await world.pair()
    items = [item(world, debit, credit), item(world, debit, credit, **change)]

    response = await world.post("/v1/transfers/batch", {"transfers": items})

    told = problem(response)
    assert told[:2] == (status, code)
    assert told[2] == field
    assert await world.seq() == 2


async def test_a_batch_that_repeats_an_id_is_refused_as_a_whole(world: World) -> None:
    debit, credit = await world.pair()
    one = item(world, debit, credit)

    response = await world.post("/v1/transfers/batch", {"transfers": [one, {**one, "amount": 5}]})

    assert problem(response) == (422, "duplicate_id", "transfers[1].id")
    assert await world.seq() == 2


@pytest.mark.parametrize("count", [0, 8_001])
async def test_a_batch_has_1_to_8000_items(world: World, count: int) -> None:
    debit, credit = await world.pair()
    one = item(world, debit, credit)

    response = await world.post("/v1/transfers/batch", {"transfers": [one] * count})

    assert problem(response) == (400, "invalid_field", "transfers")


async def test_eight_thousand_transfers_fit_and_repeat_byte_for_byte(world: World) -> None:
    debit, credit = await world.pair()
    items = [
        {**item(world, debit, credit, 1), "reference": f"order-{number}", "metadata": {"order": f"{number}"}}
        for number in range(8_000)
    ]

    first = await world.post("/v1/transfers/batch", {"transfers": items}, key="upload")
    again = await world.post("/v1/transfers/batch", {"transfers": items}, key="upload")

    assert (first.status_code, first.json()["created"]) == (200, 8_000)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert await world.balance(credit) == 8_000


async def test_a_batch_can_be_tried(world: World) -> None:
    debit, credit = await world.pair()

    response = await world.post(
        "/v1/transfers/batch?dry_run=true", {"transfers": [item(world, debit, credit)]}
    )

    assert response.json()["created"] == 1
    assert await world.seq() == 2


async def test_a_conversion_is_two_linked_transfers_with_their_rate(world: World) -> None:
    dollars, house_usd = await world.pair()
    house_eur, euros = await world.account(currency="EUR"), await world.account(currency="EUR")

    response = await world.post(
        "/v1/transfers/batch",
        {
            "atomic": True,
            "transfers": [
                item(world, dollars, house_usd, 1000, rate="0.92"),
                item(world, house_eur, euros, 920, currency="EUR", rate="0.92"),
            ],
        },
    )

    assert response.json()["created"] == 2
    assert [result["transfer"]["rate"] for result in response.json()["results"]] == ["0.92", "0.92"]
