"""Finding what an operator names."""

from caudal.cli.operator import Operator
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
