"""What a run's book holds before the first payment: products, customers, a list."""

from collections.abc import Sequence
from typing import Final, TypeVar

from caudal import risk
from caudal.access import OPERATOR, Caller
from caudal.customers import (
    CreateCustomer,
    CustomerId,
    Customers,
    CustomerType,
    Fee,
    NewProduct,
    Review,
    ReviewDefault,
    create_products,
)
from caudal.ledger import Ledger
from caudal.simulation.plans import (
    CURRENCIES,
    LIMITED,
    LIMITED_ABOVE,
    PRODUCT,
    WATCHED,
    WATCHED_DEVICE,
    Customer,
)
from caudal_base import ids
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.decide import Limit
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource

R = TypeVar("R")

FEES: Final = tuple(
    fee
    for currency in CURRENCIES
    for fee in (
        Fee(kind="pay_in", method="card", currency=currency, flat=30, basis_points=150),
        Fee(kind="pay_in", method="bank_debit", currency=currency, flat=20),
        Fee(kind="payout", currency=currency, flat=25),
    )
)

REVIEW_S: Final = 4
"""How long a person has: as short as a run needs, to see what comes after."""

PRODUCTS: Final = (
    NewProduct(name=PRODUCT, currencies=CURRENCIES, fees=FEES),
    NewProduct(
        name=WATCHED,
        currencies=CURRENCIES,
        fees=FEES,
        review=Review(timeout_s=REVIEW_S, default=ReviewDefault.APPROVE),
    ),
    NewProduct(
        name=LIMITED,
        currencies=CURRENCIES,
        limits=tuple(Limit(currency=currency, per_payment=LIMITED_ABOVE) for currency in CURRENCIES),
        review=Review(timeout_s=REVIEW_S, default=ReviewDefault.DECLINE),
    ),
)


async def fill(database: Database, book_id: int, people: Sequence[Customer]) -> None:
    """Take the customers on, with their products, and watch the device that scripts name."""
    clock = SystemClock()
    new_ids, ledger = IdSource(clock), Ledger(clock)
    caller = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, new_ids.new()))
    async with database.transaction() as connection:
        _all(
            await create_products(connection, book_id, PRODUCTS, caller=caller, ledger=ledger, at=clock.now())
        )
    commands = [
        CreateCustomer(
            id=CustomerId(person.id),
            type=CustomerType.PERSON,
            product=person.product,
            jurisdiction="DE",
        )
        for person in people
    ]
    async with database.transaction() as connection:
        _all(await Customers(ledger, clock, new_ids).apply(connection, book_id, commands, caller=caller))
    watch = risk.AddEntry(
        list=risk.ListKind.WATCH, subject=risk.SubjectKind.DEVICE, value=WATCHED_DEVICE, reason="simulation"
    )
    async with database.transaction() as connection:
        _all(await risk.add_entries(connection, book_id, [watch], caller=caller, at=clock.now()))


def _all(results: Sequence[R | CaudalError]) -> None:
    """Raise the first error: what is set up here is never refused."""
    for result in results:
        if isinstance(result, CaudalError):
            raise result
