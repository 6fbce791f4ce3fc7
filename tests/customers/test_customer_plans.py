"""At size: what payments ask of customers and products costs what it gives, and so does a page of a list."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from caudal.customers import CustomerFilter, CustomerId, CustomerStatus, product_store, store
from caudal_base import arrays
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_as_prepared, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1
FILL = """
insert into customers.product (book_id, name, version, definition, created_at)
select 1, 'product-' || n, v, '{"currencies": ["EUR"]}', now()
  from generate_series(1, 100) n
 cross join generate_series(1, 50) v;

insert into customers.customer (book_id, id, type, status, jurisdiction, product, product_version, currencies,
                                reference, created_at, updated_at)
select 1, lpad(to_hex(n), 32, '0')::uuid, 1, case when n % 1000 = 0 then 2 else 1 end,
       (array['DE', 'FR', 'IT', 'ES'])[1 + n % 4], 'product-' || 1 + n % 100, 1, '{EUR}', 'ref-' || n,
       now(), now()
  from generate_series(1, 50000) n;

analyze customers.product;
analyze customers.customer;
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 50,000 customers and 5,000 versions of products."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


@pytest.mark.parametrize("size", [1, 30, 500])
async def test_customers_of_payments_are_read_by_seeks(connection: Connection, size: int) -> None:
    wanted = [UUID(int=1 + 97 * number) for number in range(size)]

    now = await touched_by(connection, store.ROWS, {"book_id": BOOK, "ids": arrays.uuids(wanted)})
    prepared = await touched_as_prepared(
        connection, store.ROWS, {"book_id": ("integer", BOOK), "ids": ("uuid[]", wanted)}
    )

    for told in (now, prepared):
        assert (told.rows, told.scanned) == (size, [])
        assert told.blocks <= 5 * size + 5, told.plan


async def test_customers_are_found_by_id_and_reference_by_seeks(connection: Connection) -> None:
    wanted = {
        "book_id": BOOK,
        "ids": arrays.uuids([UUID(int=7)]),
        "references": arrays.texts(["ref-7", "ref-8"]),
    }

    told = await touched_by(connection, store.BY_ID_OR_REFERENCE, wanted)

    assert (told.rows, told.scanned) == (2, [])
    assert told.blocks <= 30, told.plan


@pytest.mark.parametrize(("statement", "rows"), [(product_store.NEWEST, 3), (product_store.VERSIONS, 3)])
async def test_products_are_read_by_seeks(connection: Connection, statement: str, rows: int) -> None:
    wanted = {
        "book_id": BOOK,
        "names": arrays.texts(["product-1", "product-50", "product-99"]),
        "versions": arrays.integers([1, 25, 50]),
    }

    told = await touched_by(connection, statement, wanted)

    assert (told.rows, told.scanned) == (rows, [])
    assert told.blocks <= 20, told.plan


@pytest.mark.parametrize(
    ("wanted", "rows", "blocks"),
    [
        (CustomerFilter(), 100, 110),
        (CustomerFilter(reference="ref-30000"), 1, 10),
        (CustomerFilter(status=CustomerStatus.BLOCKED), 25, 60),
        (CustomerFilter(product="product-7"), 100, 220),
        (CustomerFilter(jurisdiction="FR"), 100, 220),
    ],
)
async def test_a_page_of_customers_touches_few_blocks(
    connection: Connection, wanted: Any, rows: int, blocks: int
) -> None:
    middle = CustomerId(f"cus_{25_000:032x}")
    statement, values = store.search(BOOK, wanted, after=middle, limit=100)

    told = await touched_by(connection, statement, values)

    assert (told.rows, told.scanned) == (rows, [])
    assert told.blocks <= blocks, told.plan
