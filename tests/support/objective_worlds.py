"""Books whose objectives are watched, on a clock that a test moves."""

import datetime as dt
from typing import Any

from caudal import events, objectives
from caudal.access import DEPLOYMENT
from caudal.events import Event, NewEvent
from caudal.ledger import Ledger
from caudal.objectives import Meter, Objective, Standing, Watched
from caudal.objectives.rules import id_of
from caudal.objectives.store import sums
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.events import payment_id
from support.histories import START
from support.ledgers import new_book

MINUTE = dt.timedelta(minutes=1)


class ObjectiveWorld:
    """A book, its objectives and what is counted of them."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START.replace(second=0, microsecond=0))
        self.ledger = Ledger(self.clock)
        self.ids = IdSource(self.clock)
        self.meter = Meter(self.clock)

    @classmethod
    async def make(cls, database: Database) -> "ObjectiveWorld":
        return cls(database, (await new_book(database)).book_id)

    def passes(self, **span: float) -> None:
        """So much time goes by."""
        self.clock.advance(dt.timedelta(**span))

    async def put(self, objective: Objective) -> Watched:
        async with self.database.transaction() as connection:
            return await objectives.put(
                connection, self.book_id, objective, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )

    async def watch(self) -> list[Watched]:
        """What the job does each minute; the objectives whose alerts changed."""
        now = self.clock.now()
        async with self.database.connection() as connection:
            since = [(name, "minute", now - size) for name, size in objectives.WINDOWS.items()]
            of_none = await sums(connection, DEPLOYMENT, since)
        async with self.database.transaction() as connection:
            await objectives.measure(connection, self.book_id, now=now)
            return await objectives.evaluate(
                connection, self.book_id, of_none, ledger=self.ledger, new_ids=self.ids, now=now
            )

    async def served(self, *, good: int = 0, bad: int = 0, book_id: int | None = None) -> None:
        """So many requests for payments were answered, and counted."""
        book = self.book_id if book_id is None else book_id
        for status, count in ((201, good), (503, bad)):
            for _ in range(count):
                self.meter.accepted(book, status, 0.010)
        await self.meter.flush(self.database)

    async def standing(self, name: str) -> Standing:
        async with self.database.connection() as connection:
            found = (await objectives.get(connection, self.book_id, name)).standing
        assert found is not None, name
        return found

    async def counts(self, name: str) -> tuple[int, int]:
        """What is counted of an objective in its window: all, and bad ones."""
        await self.watch()
        standing = await self.standing(name)
        return standing.total, standing.bad

    async def told(self, *told: tuple[int, str]) -> None:
        """Events of payments (their numbers and types) are told now."""
        at = self.clock.now()
        new = [
            NewEvent(
                type=type_, object_type="payment", object_id=payment_id(number), at=at, data={"id": number}
            )
            for number, type_ in told
        ]
        async with self.database.transaction() as connection:
            async with connection.pipeline():
                await (await self.ledger.begin(connection, self.book_id, ())).finish()
            await events.append(connection, self.book_id, new, self.ids)

    async def alerts(self) -> list[Event]:
        """What was told of objectives."""
        async with self.database.connection() as connection:
            page = await events.find(connection, self.book_id, limit=1_000)
        return [event for event in page.events if event.object_type == "objective"]

    async def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """SQL of a test's own: what another room would have written."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement,  # type: ignore[arg-type]
                {"book": self.book_id, "now": self.clock.now(), "id": self.ids.new(), **values},
            )
            return [] if cursor.description is None else list(await cursor.fetchall())

    @property
    def now(self) -> dt.datetime:
        return self.clock.now()


def objective_id(world: ObjectiveWorld, name: str) -> str:
    """The id of an objective of a world."""
    return ids.encode(ids.OBJECTIVE, id_of(world.book_id, name))
