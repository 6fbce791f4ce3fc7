"""Products: what they may be, and what a payment costs under one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caudal import events
from caudal.customers import (
    Fee,
    NewProduct,
    Product,
    ProductInvalid,
    ProductNotFound,
    Review,
    ReviewDefault,
    get_product,
    list_products,
    price,
)
from caudal_base.database import Database
from caudal_base.decide import Limit
from caudal_base.errors import CaudalError
from caudal_base.money import MAX_AMOUNT
from support.customer_worlds import CustomerWorld, basic, seconds
from support.documented import refuse_undocumented


@pytest.mark.parametrize(
    ("fee", "amount", "cost"),
    [
        (Fee(kind="pay_in"), 1_000, 0),
        (Fee(kind="pay_in", flat=30), 1_000, 30),
        (Fee(kind="pay_in", flat=30), 1, 30),
        (Fee(kind="pay_in", basis_points=290), 1_000, 29),
        (Fee(kind="pay_in", flat=30, basis_points=290), 1_000, 59),
        (Fee(kind="pay_in", basis_points=100), 49, 0),
        (Fee(kind="pay_in", basis_points=100), 50, 1),
        (Fee(kind="pay_in", basis_points=100), 149, 1),
        (Fee(kind="pay_in", basis_points=100), 150, 2),
        (Fee(kind="pay_in", basis_points=100, minimum=5), 150, 5),
        (Fee(kind="pay_in", basis_points=100, maximum=1), 1_000, 1),
        (Fee(kind="pay_in", flat=10, minimum=10, maximum=10), 10**9, 10),
        (Fee(kind="pay_in", basis_points=10_000), MAX_AMOUNT, MAX_AMOUNT),
    ],
)
def test_a_fee_is_flat_plus_a_share_with_halves_up_within_its_bounds(
    fee: Fee, amount: int, cost: int
) -> None:
    assert price([fee], "pay_in", "card", "EUR", amount) == cost


def test_the_first_fee_that_fits_is_the_price_and_none_is_free() -> None:
    fees = [
        Fee(kind="pay_in", method="card", currency="USD", flat=1),
        Fee(kind="pay_in", method="card", flat=2),
        Fee(kind="pay_in", flat=3),
        Fee(kind="pay_in", method="card", flat=4),
        Fee(kind="internal", flat=5),
    ]

    assert price(fees, "pay_in", "card", "USD", 100) == 1
    assert price(fees, "pay_in", "card", "EUR", 100) == 2
    assert price(fees, "pay_in", "bank_debit", "USD", 100) == 3
    assert price(fees, "internal", None, "EUR", 100) == 5
    assert price(fees, "payout", "bank_transfer", "EUR", 100) == 0
    assert price([], "pay_in", "card", "EUR", 100) == 0


@given(
    st.builds(
        Fee,
        kind=st.just("pay_in"),
        flat=st.integers(0, 10**6),
        basis_points=st.integers(0, 10_000),
        minimum=st.none() | st.integers(0, 100),
        maximum=st.none() | st.integers(100, 10**6),
    ),
    st.integers(1, MAX_AMOUNT - 1),
)
def test_more_is_never_cheaper_and_the_share_is_exact_to_half_a_minor_unit(fee: Fee, amount: int) -> None:
    cost = price([fee], "pay_in", "card", "EUR", amount)

    assert isinstance(cost, int)
    assert 0 <= cost <= price([fee], "pay_in", "card", "EUR", amount + 1)
    unbounded = msgspec.structs.replace(fee, minimum=None, maximum=None)
    error = (
        price([unbounded], "pay_in", "card", "EUR", amount) - fee.flat
    ) * 10_000 - amount * fee.basis_points
    assert -5_000 < error <= 5_000


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "Basic"}, "name"),
    ({"name": "a" * 64}, "name"),
    ({"currencies": ()}, "currencies"),
    ({"currencies": ("EUR", "EUR")}, "currencies"),
    ({"currencies": ("EUR", "XXX")}, "currencies[1]"),
    ({"limits": (Limit(currency="USD", per_day=1),)}, "limits[0].currency"),
    ({"limits": (Limit(currency="EUR", kind="gift", per_day=1),)}, "limits[0].kind"),
    ({"limits": (Limit(currency="EUR", country="ZZ", per_day=1),)}, "limits[0].country"),
    ({"limits": (Limit(currency="EUR", per_day=1), Limit(currency="EUR"))}, "limits[1]"),
    ({"limits": (Limit(currency="EUR", per_payment=-1),)}, "limits[0].per_payment"),
    ({"limits": (Limit(currency="EUR", per_day=MAX_AMOUNT + 1),)}, "limits[0].per_day"),
    ({"limits": (Limit(currency="EUR", per_day=1),) * 101}, "limits"),
    ({"fees": (Fee(kind="gift"),)}, "fees[0].kind"),
    ({"fees": (Fee(kind="pay_in", method="cash"),)}, "fees[0].method"),
    ({"fees": (Fee(kind="pay_in", currency="USD"),)}, "fees[0].currency"),
    ({"fees": (Fee(kind="pay_in", flat=-1),)}, "fees[0].flat"),
    ({"fees": (Fee(kind="pay_in", basis_points=10_001),)}, "fees[0].basis_points"),
    ({"fees": (Fee(kind="pay_in", minimum=2, maximum=1),)}, "fees[0].minimum"),
    ({"fees": (Fee(kind="pay_in"),) * 101}, "fees"),
    ({"currencies": ("EUR", "JPY"), "fees": (Fee(kind="pay_in", flat=30),)}, "fees[0].currency"),
    ({"currencies": ("EUR", "JPY"), "fees": (Fee(kind="pay_in", maximum=30),)}, "fees[0].currency"),
    ({"review": Review(timeout_s=0)}, "review.timeout_s"),
    ({"review": Review(timeout_s=30 * 86_400 + 1)}, "review.timeout_s"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
async def test_a_product_that_cannot_work_is_refused_with_the_field(
    shared_database: Database, changes: dict[str, Any], field: str
) -> None:
    world = await CustomerWorld.make(shared_database, NewProduct(name="first", currencies=("EUR",)))

    refused, kept = await world.try_keep(basic(**{"limits": (), **changes}), basic())

    assert isinstance(refused, ProductInvalid)
    assert refused.field == field
    assert isinstance(kept, Product)
    assert await world.rows("select count(*) from customers.product where book_id = %(book_id)s") == [(2,)]


async def test_each_product_becomes_the_next_version_of_its_name(shared_database: Database) -> None:
    world = await CustomerWorld.make(shared_database)
    world.clock.advance(seconds(1))

    kept = await world.keep(basic(), basic(name="plus"), basic(currencies=("EUR", "USD")), basic(name="plus"))

    assert [(product.name, product.version) for product in kept] == [
        ("basic", 2),
        ("plus", 1),
        ("basic", 3),
        ("plus", 2),
    ]
    async with world.database.connection() as connection:
        assert await get_product(connection, world.book_id, "basic") == kept[2]
        assert await get_product(connection, world.book_id, "basic", 2) == kept[0]
        with pytest.raises(ProductNotFound):
            await get_product(connection, world.book_id, "basic", 4)
        listed = await list_products(connection, world.book_id)
        rest = await list_products(connection, world.book_id, after=("basic", 2), limit=2)
    assert [(product.name, product.version) for product in listed] == [
        ("basic", 1),
        ("basic", 2),
        ("basic", 3),
        ("plus", 1),
        ("plus", 2),
    ]
    assert rest == listed[2:4]


async def test_a_product_is_read_as_it_was_given(shared_database: Database) -> None:
    wanted = NewProduct(
        name="full",
        currencies=("EUR", "USD"),
        limits=(Limit(currency="EUR", kind="payout", country="FR", per_payment=1, per_day=2),),
        fees=(
            Fee(kind="pay_in", method="card", currency="EUR", flat=1, basis_points=2, minimum=3, maximum=4),
        ),
        review=Review(timeout_s=60, default=ReviewDefault.APPROVE),
    )
    world = await CustomerWorld.make(shared_database, wanted)

    async with world.database.connection() as connection:
        product = await get_product(connection, world.book_id, "full")

    for field in ("currencies", "limits", "fees", "review"):
        assert getattr(product, field) == getattr(wanted, field)


async def test_products_leave_audit_records_with_their_versions(shared_database: Database) -> None:
    world = await CustomerWorld.make(shared_database, NewProduct(name="first", currencies=("EUR",)))
    results = await world.try_keep(basic(name="Wrong"))

    assert isinstance(results[0], CaudalError)
    leaves = await world.rows(
        "select leaf from audit.record where book_id = %(book_id)s and action = 'product.create' order by id"
    )
    records = [json.loads(leaf) for (leaf,) in leaves]
    assert sorted((record["object_id"], record["result"]) for record in records) == [
        ("first@1", "created"),
        ("product", "product_invalid"),
    ]


async def test_a_version_of_a_product_is_told_of_and_all_of_them_are_one_object(
    shared_database: Database,
) -> None:
    world = await CustomerWorld.make(shared_database, basic())
    await world.try_keep(basic(), basic(name="Wrong"), basic(name="plus"))

    async with world.database.connection() as connection:
        found = (await events.find(connection, world.book_id, type="product.created")).events
    told = [json.loads(bytes(event.data)) for event in found]
    assert [(one["name"], one["version"]) for one in told] == [("basic", 1), ("basic", 2), ("plus", 1)]
    assert [event.object_id for event in found] == [one["id"] for one in told]
    assert told[0]["id"] == told[1]["id"] != told[2]["id"]
    for event in found:
        refuse_undocumented(event)
