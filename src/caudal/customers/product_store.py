"""The SQL of products."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.customers.types import Definition, NewProduct, Product
from caudal_base import arrays
from caudal_base.database import Connection

# The book's lock is held, so that versions have no gaps and no twins.
_INSERT: Final = """
insert into customers.product (book_id, name, version, definition, created_at)
select %(book_id)s, g.name,
       row_number() over (partition by g.name order by g.ordinality)
       + coalesce((select max(version)
                     from customers.product
                    where book_id = %(book_id)s
                      and name = g.name), 0),
       g.definition, %(at)s
  from unnest(%(names)s, %(definitions)s) with ordinality as g(name, definition, ordinality)
returning name, version
"""

NEWEST: Final = """
select p.name, p.version, p.definition, p.created_at
  from unnest(%(names)s) as w(name)
 cross join lateral (select name, version, definition, created_at
                       from customers.product
                      where book_id = %(book_id)s
                        and name = w.name
                      order by version desc
                      limit 1) p
"""

VERSIONS: Final = """
select p.name, p.version, p.definition, p.created_at
  from unnest(%(names)s, %(versions)s) as w(name, version)
  join customers.product p
    on p.book_id = %(book_id)s and p.name = w.name and p.version = w.version
"""

_FIND: Final = """
select name, version, definition, created_at
  from customers.product
 where book_id = %(book_id)s
   and (name, version) > (%(after_name)s, %(after_version)s)
 order by name, version
 limit %(limit)s
"""

Named = tuple[str, int]
"""The name and version of a product."""


async def insert(
    connection: Connection, book_id: int, products: Sequence[NewProduct], at: dt.datetime
) -> list[Product]:
    """Write each product as the next version of its name."""
    parameters = {
        "book_id": book_id,
        "names": arrays.texts([product.name for product in products]),
        "definitions": arrays.jsonbs([msgspec.json.encode(_definition(product)) for product in products]),
        "at": at,
    }
    cursor = await connection.execute(_INSERT, parameters)
    versions: dict[str, list[int]] = {}
    for name, version in sorted(await cursor.fetchall()):
        versions.setdefault(name, []).append(version)
    return [_product(product, product.name, versions[product.name].pop(0), at) for product in products]


async def queue_newest(connection: Connection, book_id: int, names: Sequence[str]) -> AsyncCursor[TupleRow]:
    """Send the statement that reads the newest version of each of `names`."""
    return await connection.execute(NEWEST, {"book_id": book_id, "names": arrays.texts(names)})


async def queue_versions(
    connection: Connection, book_id: int, wanted: Sequence[Named]
) -> AsyncCursor[TupleRow]:
    """Send the statement that reads the versions `wanted`."""
    parameters = {
        "book_id": book_id,
        "names": arrays.texts([name for name, _ in wanted]),
        "versions": arrays.integers([version for _, version in wanted]),
    }
    return await connection.execute(VERSIONS, parameters)


async def products_of(cursor: AsyncCursor[TupleRow]) -> list[Product]:
    """The products in a cursor's rows."""
    return [
        _product(msgspec.convert(definition, Definition), name, version, created_at)
        for name, version, definition, created_at in await cursor.fetchall()
    ]


async def find(connection: Connection, book_id: int, *, after: Named, limit: int) -> list[Product]:
    """Every version of every product, by name and version: the first `limit` behind `after`."""
    parameters: dict[str, Any] = {
        "book_id": book_id,
        "after_name": after[0],
        "after_version": after[1],
        "limit": limit,
    }
    return await products_of(await connection.execute(_FIND, parameters))


def _definition(product: Definition) -> Definition:
    return Definition(
        currencies=product.currencies, limits=product.limits, fees=product.fees, review=product.review
    )


def _product(definition: Definition, name: str, version: int, created_at: dt.datetime) -> Product:
    return Product(
        name=name,
        version=version,
        created_at=created_at,
        currencies=definition.currencies,
        limits=definition.limits,
        fees=definition.fees,
        review=definition.review,
    )
