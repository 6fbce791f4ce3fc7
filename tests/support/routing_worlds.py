"""Books with rule sets, made by the room itself."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from caudal import routing
from caudal.connectors import Capabilities
from caudal.ledger import Ledger
from caudal.routing import Directory, Rules, Version
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from caudal_base.statements import Statement, execute
from support.customer_worlds import CALLER
from support.histories import START
from support.ledgers import new_book
from support.routes import PARTNERS


class RoutingWorld:
    """A book and its rules, on a clock that stands still; the directory reads anew each time."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)
        self.directory = Directory(self.clock, fresh_s=0.0)
        self.partners: Mapping[str, Capabilities] = PARTNERS

    @classmethod
    async def make(cls, database: Database) -> "RoutingWorld":
        return cls(database, (await new_book(database)).book_id)

    async def create(self, rules: Rules) -> Version:
        async with self.database.transaction() as connection:
            return await routing.create(
                connection, self.book_id, rules, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )

    async def publish(self, version: int) -> Version | CaudalError:
        async with self.database.transaction() as connection:
            return await routing.publish(
                connection, self.book_id, version, self.partners, caller=CALLER, ledger=self.ledger,
                at=self.clock.now(),
            )  # fmt: skip

    async def published(self, rules: Rules) -> Version:
        """Rules that count from now on."""
        result = await self.publish((await self.create(rules)).version)
        assert isinstance(result, Version), result
        return result

    async def standing(self) -> routing.Standing:
        async with self.database.connection() as connection:
            return await self.directory.load(connection, self.book_id)

    async def write(self, statements: Sequence[Statement]) -> None:
        async with self.database.transaction() as connection:
            await execute(connection, statements)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), {"book_id": self.book_id})
            return await cursor.fetchall()


def seconds(count: float) -> dt.timedelta:
    return dt.timedelta(seconds=count)
