"""Accounts by the caller's own references, many at once: for uploads that name accounts by nothing else."""

from collections.abc import Collection
from typing import Final, NamedTuple

from caudal.ledger.codes import account_id
from caudal.ledger.types import AccountId, Side
from caudal_base import arrays
from caudal_base.database import Connection

# A join, not `= any`: on a table without statistics, the planner would compare each row with all references.
_BY_REFERENCE: Final = """
select a.reference, a.id, a.currency, a.normal_side
  from unnest(%(references)s) as w(reference)
  join ledger.account a
    on a.book_id = %(book_id)s and a.reference = w.reference
"""


class AccountIdentity(NamedTuple):
    """What never changes of an account."""

    id: AccountId
    currency: str
    normal_side: Side


async def accounts_by_reference(
    connection: Connection, book_id: int, references: Collection[str]
) -> dict[str, AccountIdentity]:
    """The accounts of the book that have one of these references, by it, in one statement.

    References that no account has are not in the answer.
    """
    parameters = {"book_id": book_id, "references": arrays.texts(list(set(references)))}
    cursor = await connection.execute(_BY_REFERENCE, parameters)
    return {
        row[0]: AccountIdentity(AccountId(account_id(row[1])), row[2], Side(row[3]))
        for row in await cursor.fetchall()
    }
