"""The SQL of customers. That of products is in `product_store`."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.customers.types import (
    Customer,
    CustomerFilter,
    CustomerId,
    CustomerRow,
    CustomerStatus,
    CustomerType,
)
from caudal_base import arrays, ids
from caudal_base.database import Connection

Cursor = AsyncCursor[TupleRow]

STATUS: Final = {CustomerStatus.ACTIVE: 1, CustomerStatus.BLOCKED: 2, CustomerStatus.CLOSED: 3}
_STATUS_OF: Final = {number: status for status, number in STATUS.items()}
_TYPE: Final = {CustomerType.PERSON: 1, CustomerType.BUSINESS: 2}
_TYPE_OF: Final = {number: type_ for type_, number in _TYPE.items()}

_COLUMNS: Final = """id, type, status, jurisdiction, product, product_version, currencies, reference,
       name_token, email_token, phone_token, metadata, created_at, updated_at"""

# On the way of every payment: of each customer only what a payment asks.
ROWS: Final = """
select id, status, jurisdiction, product, product_version
  from customers.customer
 where book_id = %(book_id)s
   and id = any(%(ids)s)
"""

BY_ID_OR_REFERENCE: Final = f"""
select {_COLUMNS}
  from customers.customer
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 union
select {_COLUMNS}
  from customers.customer
 where book_id = %(book_id)s
   and reference = any(%(references)s)
"""

_INSERT: Final = """
insert into customers.customer (book_id, id, type, status, jurisdiction, product, product_version,
                                currencies, reference, name_token, email_token, phone_token, metadata,
                                created_at, updated_at)
select %(book_id)s, n.id, n.type, n.status, n.jurisdiction, n.product, n.product_version,
       string_to_array(n.currencies, ','), n.reference, n.name_token, n.email_token, n.phone_token,
       n.metadata, n.created_at, n.updated_at
  from unnest(%(ids)s, %(types)s, %(statuses)s, %(jurisdictions)s, %(products)s, %(versions)s,
              %(currencies)s, %(references)s, %(name_tokens)s, %(email_tokens)s, %(phone_tokens)s,
              %(metadata)s, %(created)s, %(updated)s)
       as n(id, type, status, jurisdiction, product, product_version, currencies, reference, name_token,
            email_token, phone_token, metadata, created_at, updated_at)
"""

_UPDATE: Final = """
update customers.customer c
   set status = n.status,
       product = n.product,
       product_version = n.product_version,
       currencies = string_to_array(n.currencies, ','),
       updated_at = n.updated_at
  from unnest(%(ids)s, %(statuses)s, %(products)s, %(versions)s, %(currencies)s, %(updated)s)
       as n(id, status, product, product_version, currencies, updated_at)
 where c.book_id = %(book_id)s
   and c.id = n.id
"""


class RowsLoad:
    """Customers on their way: queued, to be finished in the same pipeline or after it."""

    def __init__(self, cursor: Cursor) -> None:
        """Of the statement that was sent."""
        self._cursor = cursor

    async def finish(self) -> dict[CustomerId, CustomerRow]:
        """Those that there are, by id."""
        found = {}
        for row in await self._cursor.fetchall():
            customer = CustomerId(ids.encode(ids.CUSTOMER, row[0]))
            found[customer] = CustomerRow(customer, _STATUS_OF[row[1]], row[2], row[3], row[4])
        return found


async def queue_rows(connection: Connection, book_id: int, customers: Sequence[str]) -> RowsLoad:
    """Send the statement that reads `customers`; in a pipeline this does not wait."""
    parameters = {"book_id": book_id, "ids": arrays.hex_uuids(customers)}
    return RowsLoad(await connection.execute(ROWS, parameters))


async def queue_known(
    connection: Connection, book_id: int, customers: Sequence[str], references: Sequence[str]
) -> Cursor:
    """Send the statement that finds customers by id and by reference; `customers_of` reads its rows."""
    parameters = {
        "book_id": book_id,
        "ids": arrays.hex_uuids(customers),
        "references": arrays.texts(references),
    }
    return await connection.execute(BY_ID_OR_REFERENCE, parameters)


async def customers_of(cursor: Cursor) -> list[Customer]:
    """The customers in a cursor's rows."""
    return [_customer_of(row) for row in await cursor.fetchall()]


async def insert(connection: Connection, book_id: int, customers: Sequence[Customer]) -> None:
    """Write new customers."""
    parameters = _moving(book_id, customers) | {
        "types": arrays.smallints([_TYPE[c.type] for c in customers]),
        "jurisdictions": arrays.texts([c.jurisdiction for c in customers]),
        "references": arrays.texts([c.reference for c in customers]),
        "name_tokens": arrays.texts([c.name_token for c in customers]),
        "email_tokens": arrays.texts([c.email_token for c in customers]),
        "phone_tokens": arrays.texts([c.phone_token for c in customers]),
        "metadata": arrays.jsonbs(
            [msgspec.json.encode(c.metadata) if c.metadata else None for c in customers]
        ),
        "created": arrays.timestamps([c.created_at for c in customers]),
    }
    await connection.execute(_INSERT, parameters)


async def update(connection: Connection, book_id: int, customers: Sequence[Customer]) -> None:
    """Write what moves of customers: their status, product, currencies."""
    await connection.execute(_UPDATE, _moving(book_id, customers))


def _moving(book_id: int, customers: Sequence[Customer]) -> dict[str, Any]:
    return {
        "book_id": book_id,
        "ids": arrays.hex_uuids([c.id for c in customers]),
        "statuses": arrays.smallints([STATUS[c.status] for c in customers]),
        "products": arrays.texts([c.product for c in customers]),
        "versions": arrays.integers([c.product_version for c in customers]),
        "currencies": arrays.texts([",".join(c.currencies) for c in customers]),
        "updated": arrays.timestamps([c.updated_at for c in customers]),
    }


async def find(
    connection: Connection, book_id: int, wanted: CustomerFilter, *, after: CustomerId | None, limit: int
) -> list[Customer]:
    """Up to `limit` customers that `wanted` wants, by id, behind `after`."""
    statement, parameters = search(book_id, wanted, after=after, limit=limit)
    return await customers_of(await connection.execute(statement, parameters))


def search(
    book_id: int, wanted: CustomerFilter, *, after: CustomerId | None, limit: int
) -> tuple[str, dict[str, Any]]:
    """The statement of `find`, with its parameters."""
    parameters: dict[str, Any] = {"book_id": book_id, "limit": limit}
    conditions = ""
    if wanted.reference is not None:
        conditions += "\n   and reference = %(reference)s"
        parameters["reference"] = wanted.reference
    if wanted.status is not None:
        # In the text: the index of the few that are not active must be seen to serve.
        conditions += f"\n   and status = {STATUS[wanted.status]}"
    if wanted.product is not None:
        conditions += "\n   and product = %(product)s"
        parameters["product"] = wanted.product
    if wanted.jurisdiction is not None:
        conditions += "\n   and jurisdiction = %(jurisdiction)s"
        parameters["jurisdiction"] = wanted.jurisdiction
    if after is not None:
        conditions += "\n   and id > %(after)s"
        parameters["after"] = ids.decode(ids.CUSTOMER, after, field="cursor")
    statement = f"""
select {_COLUMNS}
  from customers.customer
 where book_id = %(book_id)s{conditions}
 order by id
 limit %(limit)s
"""
    return statement, parameters


def _customer_of(row: TupleRow) -> Customer:
    created: dt.datetime = row[12]
    return Customer(
        id=CustomerId(ids.encode(ids.CUSTOMER, row[0])),
        type=_TYPE_OF[row[1]],
        status=_STATUS_OF[row[2]],
        jurisdiction=row[3],
        product=row[4],
        product_version=row[5],
        currencies=tuple(row[6]),
        reference=row[7],
        name_token=row[8],
        email_token=row[9],
        phone_token=row[10],
        metadata=row[11],
        created_at=created,
        updated_at=row[13],
    )
