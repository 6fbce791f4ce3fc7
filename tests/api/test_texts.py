"""What callers write into their own fields: no personal data, and no references of payments."""

from typing import Any

import pytest

from support.worlds import World, problem, some_id, transfer

EMAIL = "jane@example.com"
CARD = "4242 4242 4242 4242"
PAYMENT = f"pay_{7:032x}"

UNFIT = [
    ({"reference": EMAIL}, "personal_data_refused", "reference"),
    ({"reference": PAYMENT}, "reference_reserved", "reference"),
    ({"reference": f"{PAYMENT}:fee"}, "reference_reserved", "reference"),
    ({"code": CARD}, "personal_data_refused", "code"),
    ({"metadata": {EMAIL: "x"}}, "personal_data_refused", "metadata"),
    ({"metadata": {"payer": "+49 30 1234567"}}, "personal_data_refused", "metadata.payer"),
]
"""What no command may hold, and why."""

FIT: dict[str, Any] = {
    "reference": "order 2026-11-22/0017",
    "code": "sale.4000",
    "metadata": {
        "payment": PAYMENT,
        "at": "2026-11-22T18:05:03Z",
        "item": "8f14e45f-ceea-467f-a8f2-0a1d8c1d8e1e",
    },
}


async def requests(world: World) -> dict[str, tuple[str, dict[str, Any]]]:
    """A request of each kind that takes texts, by name: its path and body."""
    debit, credit = await world.pair()
    held = await world.moved(debit, credit, 10, pending=True)
    other = await world.moved(debit, credit, 10, pending=True)
    moved = await world.moved(debit, credit, 10)
    postings = [
        {"account": account, "side": side, "amount": 5, "currency": "USD"}
        for account, side in ((debit, "debit"), (credit, "credit"))
    ]
    return {
        "account": ("/v1/accounts", {"currency": "USD", "normal_side": "credit"}),
        "transfer": ("/v1/transfers", transfer(debit, credit)),
        "post": (f"/v1/transfers/{held['id']}/post", {}),
        "void": (f"/v1/transfers/{other['id']}/void", {}),
        "reversal": (f"/v1/transfers/{moved['id']}/reverse", {}),
        "transaction": ("/v1/transactions", {"postings": postings}),
    }


@pytest.mark.parametrize("kind", ["account", "transfer", "post", "void", "reversal", "transaction"])
async def test_unfit_texts_are_refused_and_nothing_else_is(world: World, kind: str) -> None:
    path, body = (await requests(world))[kind]
    before = await world.seq()

    for texts, code, field in UNFIT:
        refused = await world.post(path, {**body, **texts})
        assert problem(refused) == (422, code, field)
        assert EMAIL not in refused.text
        assert CARD not in refused.text
    assert await world.seq() == before

    assert (await world.post(path, {**body, **FIT})).status_code == 201


async def test_an_unfit_text_of_a_batch_names_its_item(world: World) -> None:
    debit, credit = await world.pair()
    items = [transfer(debit, credit, id=some_id("tr", world.services)) for _ in range(3)]
    before = await world.seq()

    for texts, code, field in UNFIT:
        refused = await world.post("/v1/transfers/batch", {"transfers": [*items[:2], {**items[2], **texts}]})
        assert problem(refused) == (422, code, f"transfers[2].{field}")
    assert await world.seq() == before

    taken = await world.post("/v1/transfers/batch", {"transfers": [{**item, **FIT} for item in items]})
    assert taken.json()["created"] == 3


async def test_a_dry_run_refuses_them_too(world: World) -> None:
    body = transfer(*await world.pair(), reference=EMAIL)

    refused = await world.post("/v1/transfers?dry_run=true", body)

    assert problem(refused) == (422, "personal_data_refused", "reference")


async def test_a_key_that_looks_like_personal_data_is_refused(world: World) -> None:
    body = transfer(*await world.pair())
    before = await world.seq()

    refused = await world.http.post(
        "/v1/transfers", json=body, headers=world.headers(Idempotency_Key=f"pay {EMAIL}")
    )

    assert problem(refused) == (422, "personal_data_refused", "Idempotency-Key")
    assert EMAIL not in refused.text
    assert await world.seq() == before
