"""Events of a book, told as rooms tell them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from caudal import events
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource

AT = dt.datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=dt.UTC)
CLOCK = ManualClock(AT)
IDS = IdSource(CLOCK)


def payment_id(number: int) -> str:
    """`pay_…` of a small number."""
    return ids.encode(ids.PAYMENT, UUID(int=number))


def event(number: int = 1, type: str = "payment.succeeded", *, data: Any = None) -> NewEvent:
    """An event about the payment of this number."""
    about = payment_id(number)
    return NewEvent(
        type=type, object_type="payment", object_id=about, at=AT, data={"id": about} if data is None else data
    )


async def told(database: Database, book_id: int, new_events: Sequence[NewEvent]) -> None:
    """Write events in a transaction of their own, under the book's lock."""
    async with database.transaction() as connection:
        async with connection.pipeline():
            load = await Ledger(CLOCK).begin(connection, book_id, ())
            await load.finish()
        await events.append(connection, book_id, new_events, IDS)
