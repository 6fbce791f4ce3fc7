"""Finding what an operator names."""

from caudal import customers
from caudal.cli.operator import Operator
from caudal.customers import Customer, CustomerFilter, CustomerId, CustomerNotFound
from caudal.ledger import (
    Account,
    AccountId,
    AccountNotFound,
    BookInfo,
    get_account,
    get_account_by_reference,
)
from caudal_base import ids


async def find_account(operator: Operator, book: BookInfo, named: str, *, field: str = "account") -> Account:
    """The account of this id or reference. Raises `InvalidId`, and `AccountNotFound` naming `field`."""
    async with operator.database.connection() as connection:
        now = operator.clock.now()
        try:
            if named.startswith(f"{ids.ACCOUNT}_"):
                return await get_account(connection, book.book_id, AccountId(named), now=now)
            return await get_account_by_reference(connection, book.book_id, named, now=now)
        except AccountNotFound:
            raise AccountNotFound(
                f"The book {book.name} has no account {named}. `caudal accounts list` shows those it has.",
                field=field,
            ) from None


async def find_customer(
    operator: Operator, book: BookInfo, named: str, *, field: str = "customer"
) -> Customer:
    """The customer of this id or reference. Raises `InvalidId`, and `CustomerNotFound` naming `field`."""
    async with operator.database.connection() as connection:
        if named.startswith(f"{ids.CUSTOMER}_"):
            ids.decode(ids.CUSTOMER, named, field=field)
            try:
                return await customers.get_customer(connection, book.book_id, CustomerId(named))
            except CustomerNotFound as error:
                raise CustomerNotFound(error.detail, field=field) from None
        wanted = CustomerFilter(reference=named)
        found = await customers.list_customers(connection, book.book_id, wanted, limit=1)
    if not found:
        raise CustomerNotFound(
            f"The book {book.name} has no customer with this reference. `caudal customers list` shows all.",
            field=field,
        )
    return found[0]
