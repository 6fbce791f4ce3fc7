"""Customers and products through the client, before the whole application."""

import pytest

from caudal.client import (
    Caudal,
    Conflict,
    CustomerStatus,
    CustomerType,
    Fee,
    NotFound,
    Product,
    ProductLimit,
    Review,
    ReviewDefault,
    Unprocessable,
    new_customer_id,
)


@pytest.fixture
async def basic(caudal: Caudal) -> Product:
    return await caudal.products.create(
        "basic",
        currencies=["EUR"],
        limits=[ProductLimit(currency="EUR", per_payment=500_000, country="FR")],
        fees=[Fee(kind="pay_in", method="card", flat=25, basis_points=140, maximum=1_000)],
        review=Review(timeout_s=60, default=ReviewDefault.APPROVE),
    )


async def test_a_product_comes_back_as_it_was_given(caudal: Caudal, basic: Product) -> None:
    assert (basic.name, basic.version, basic.currencies) == ("basic", 1, ["EUR"])
    assert basic.limits == [ProductLimit(currency="EUR", per_payment=500_000, country="FR")]
    assert basic.fees == [Fee(kind="pay_in", method="card", flat=25, basis_points=140, maximum=1_000)]
    assert basic.review == Review(timeout_s=60, default=ReviewDefault.APPROVE)
    second = await caudal.products.create("basic", currencies=["EUR", "USD"])
    assert await caudal.products.get("basic") == second
    assert await caudal.products.get("basic", version=1) == basic
    assert [product async for product in caudal.products.list(page_size=1)] == [basic, second]


async def test_a_customer_lives_through_its_states(caudal: Caudal, basic: Product) -> None:
    await caudal.products.create("plus", currencies=["USD"])
    id_ = new_customer_id()
    wanted = {"product": "basic", "jurisdiction": "DE", "reference": "C-1", "name_token": "tok_name"}

    created = await caudal.customers.create(id=id_, type=CustomerType.BUSINESS, **wanted)
    again = await caudal.customers.create(id=id_, type=CustomerType.BUSINESS, **wanted)

    assert created == again == await caudal.customers.get(id_)
    assert (created.status, list(created.accounts)) == (CustomerStatus.ACTIVE, ["EUR"])
    tried = await caudal.customers.block(id_, dry_run=True)
    assert tried.status is CustomerStatus.BLOCKED
    assert (await caudal.customers.get(id_)).status is CustomerStatus.ACTIVE
    assert (await caudal.customers.block(id_)).status is CustomerStatus.BLOCKED
    assert [c.id async for c in caudal.customers.list(status=CustomerStatus.BLOCKED)] == [id_]
    assert (await caudal.customers.unblock(id_)).status is CustomerStatus.ACTIVE
    moved = await caudal.customers.change_product(id_, "plus", version=1)
    assert (moved.product, list(moved.accounts)) == ("plus", ["EUR", "USD"])
    assert (await caudal.customers.close(id_)).status is CustomerStatus.CLOSED
    with pytest.raises(Conflict):
        await caudal.customers.unblock(id_)


async def test_lists_meet_every_condition_and_page(caudal: Caudal, basic: Product) -> None:
    made = [
        await caudal.customers.create(
            type=CustomerType.PERSON, product="basic", jurisdiction=country, reference=f"C-{country}"
        )
        for country in ("DE", "FR", "IT")
    ]

    assert [c async for c in caudal.customers.list(page_size=1)] == made
    assert [c async for c in caudal.customers.list(reference="C-FR")] == [made[1]]
    assert [c async for c in caudal.customers.list(product="basic", jurisdiction="IT")] == [made[2]]


async def test_refusals_are_typed(caudal: Caudal, basic: Product) -> None:
    person = {"type": CustomerType.PERSON, "jurisdiction": "DE"}
    with pytest.raises(NotFound):
        await caudal.customers.get(new_customer_id())
    with pytest.raises(NotFound):
        await caudal.products.get("none")
    with pytest.raises(Unprocessable) as refused:
        await caudal.customers.create(**person, product="basic", reference="ann@example.com")
    assert refused.value.problem.code == "personal_data_refused"
    assert refused.value.problem.field == "reference"
