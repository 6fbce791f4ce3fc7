"""Books with products and customers, made by the room itself."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from caudal.access import OPERATOR, Caller
from caudal.customers import (
    Changed,
    CreateCustomer,
    Customer,
    CustomerCommand,
    CustomerId,
    Customers,
    CustomerType,
    NewProduct,
    Product,
    create_products,
)
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Limit
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from support.histories import START
from support.ledgers import new_book

CALLER = Caller(principal=OPERATOR, request_id="req_test", origin="192.0.2.1")

_numbers = itertools.count(1)


def new_customer_id() -> CustomerId:
    return CustomerId(ids.encode(ids.CUSTOMER, UUID(int=next(_numbers))))


def person(customer: CustomerId | None = None, **changes: Any) -> CreateCustomer:
    fields: dict[str, Any] = {"type": CustomerType.PERSON, "product": "basic", "jurisdiction": "DE"}
    return CreateCustomer(**{"id": customer or new_customer_id(), **fields, **changes})


def basic(**changes: Any) -> NewProduct:
    fields: dict[str, Any] = {
        "name": "basic",
        "currencies": ("EUR",),
        "limits": (Limit(currency="EUR", per_payment=10_000),),
    }
    return NewProduct(**{**fields, **changes})


class CustomerWorld:
    """A book with its customers, on a clock that stands still."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)
        self.customers = Customers(self.ledger, self.clock, IdSource(self.clock))

    @classmethod
    async def make(cls, database: Database, *products: NewProduct) -> "CustomerWorld":
        world = cls(database, (await new_book(database)).book_id)
        await world.keep(*(products or (basic(),)))
        return world

    async def try_keep(self, *products: NewProduct) -> list[Product | CaudalError]:
        async with self.database.transaction() as connection:
            return await create_products(
                connection, self.book_id, products, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )

    async def keep(self, *products: NewProduct) -> list[Product]:
        kept = await self.try_keep(*products)
        assert all(isinstance(product, Product) for product in kept), kept
        return [product for product in kept if isinstance(product, Product)]

    async def attempt(self, commands: Sequence[CustomerCommand]) -> list[Changed | CaudalError]:
        async with self.database.transaction() as connection:
            return await self.customers.apply(connection, self.book_id, commands, caller=CALLER)

    async def apply(self, *commands: CustomerCommand) -> list[Customer]:
        """Carry out commands that all succeed."""
        results = await self.attempt(commands)
        assert all(isinstance(result, Changed) for result in results), results
        return [result.customer for result in results if isinstance(result, Changed)]

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), {"book_id": self.book_id})
            return await cursor.fetchall()


def seconds(count: int) -> dt.timedelta:
    return dt.timedelta(seconds=count)
