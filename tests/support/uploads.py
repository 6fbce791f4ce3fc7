"""A book to import into, and what stands in it afterwards."""

from collections import Counter
from typing import Any

import msgspec

from caudal.imports import Target
from caudal.ledger import Ledger
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from support.histories import START
from support.ledgers import new_book


async def new_target(database: Database, **options: Any) -> Target:
    """An empty book, ready to be imported into."""
    book = await new_book(database)
    return Target(database=database, ledger=Ledger(ManualClock(START)), book_id=book.book_id, **options)


def with_options(target: Target, **options: Any) -> Target:
    """The same book, imported into in another way."""
    return msgspec.structs.replace(target, **options)


async def rows(target: Target, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds; `%(book)s` is the target's book."""
    async with target.database.connection() as connection:
        return await (await connection.execute(statement, {"book": target.book_id})).fetchall()


async def balances(target: Target) -> dict[str, int]:
    """Credits less debits of every account, in minor units, by reference."""
    return dict(
        await rows(
            target,
            """
            select a.reference, s.credits_posted - s.debits_posted
              from ledger.account a
              join ledger.account_state s
                on s.book_id = a.book_id and s.account_no = a.account_no
             where a.book_id = %(book)s
            """,
        )
    )


async def transfer_counts(target: Target) -> Counter[str]:
    """How many transfers there are, by code."""
    found = await rows(
        target, "select coalesce(code, ''), count(*) from ledger.transfer where book_id = %(book)s group by 1"
    )
    return Counter(dict(found))
