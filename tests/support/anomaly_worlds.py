"""Books with streams and events, made by the rooms themselves."""

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from typing import Any

from caudal import anomalies, features
from caudal.access import OPERATOR, Caller
from caudal.anomalies import (
    Anomaly,
    AnomalyFilter,
    AnomalyStream,
    Found,
    History,
    Profile,
    StreamVersion,
    Watch,
)
from caudal.cases import Case, CaseFilter, Cases, list_cases
from caudal.features import Entity, Event
from caudal.ledger import Ledger
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.ledgers import new_book

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)

CALLER = Caller(principal=OPERATOR, request_id="req_test", origin="192.0.2.1")


def stream(**changes: Any) -> AnomalyStream:
    fields: dict[str, Any] = {
        "name": "payments",
        "entity": Entity.CUSTOMER,
        "about": "payments",
        "warm_up": 72,
    }
    return AnomalyStream(**{**fields, **changes})


def event(
    number: int | str, at: dt.datetime, *, customer: str = "ana", merchant: str = "shop", amount: int = 1_000,
    known_at: dt.datetime | None = None, **changes: Any,
) -> Event:  # fmt: skip
    fields: dict[str, Any] = {
        "id": f"p{number}", "source": "payment", "event_at": at, "known_at": known_at or at,
        "entities": {"customer": customer, "merchant": merchant}, "tags": {"currency": "EUR"},
        "values": {"amount": amount},
    }  # fmt: skip
    return Event(**{**fields, **changes})


def steady(hours: int, *, customer: str = "ana", begun: dt.datetime = MONDAY) -> list[Event]:
    """One to three payments an hour, in a pattern."""
    return [
        event(f"{customer}-{hour}-{n}", begun + hour * HOUR + n * 17 * MINUTE, customer=customer)
        for hour in range(hours)
        for n in range((1, 2, 3, 2)[hour % 4])
    ]


def noisy(seed: int, *, days: int = 14, customers: int = 3) -> list[Event]:
    """Payments at random, with bursts, late ones, and new merchants, in the order in which they are known."""
    draw = random.Random(seed)
    found = []
    for number in range(days * 24 * customers):
        at = MONDAY + dt.timedelta(seconds=draw.randrange(days * 86_400))
        many = 8 if draw.random() < 0.01 else 1
        customer = f"c{draw.randrange(customers)}"
        for n in range(many):
            late = dt.timedelta(hours=draw.randrange(1, 30)) if draw.random() < 0.1 else dt.timedelta()
            happened = at + n * MINUTE
            amount = 40_000 if draw.random() < 0.03 else draw.choice((900, 1_100, 1_500))
            found.append(
                event(
                    f"{number}-{n}", happened, customer=customer, merchant=f"m{draw.randrange(40)}",
                    amount=amount, known_at=happened + late,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.known_at, one.id))


def seen(declared: AnomalyStream, events: Iterable[Event]) -> list[Found]:
    """What a stream finds in events, without a database."""
    watch = Watch(declared, Profile())
    histories: dict[str, History] = {}
    known: set[tuple[str, str]] = set()
    found = []
    for one in events:
        key = one.entities[declared.entity.value]
        pair = (key, one.entities["merchant"])
        found += watch.see(one, histories.setdefault(key, History()), new=pair not in known, tell=True)
        known.add(pair)
    return found


class AnomalyWorld:
    """A book with streams, on a clock that stands at the first Monday."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(MONDAY)
        self.new_ids = IdSource(self.clock)
        self.ledger = Ledger(self.clock)
        self.cases = Cases(self.ledger, self.clock, self.new_ids)

    @classmethod
    async def make(cls, database: Database) -> "AnomalyWorld":
        return cls(database, (await new_book(database)).book_id)

    async def declare(self, declared: AnomalyStream) -> StreamVersion:
        async with self.database.transaction() as connection:
            return await anomalies.declare(
                connection, self.book_id, declared, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )

    async def record(self, events: Sequence[Event]) -> None:
        newest = max(one.known_at for one in events)
        if newest > self.clock.now():
            self.clock.advance(newest - self.clock.now())
        for at in range(0, len(events), 1_000):
            async with self.database.transaction() as connection:
                results = await features.record(
                    connection, self.book_id, events[at : at + 1_000], ledger=self.ledger, at=self.clock.now()
                )
            assert all(isinstance(result, bool) for result in results), results

    async def follow(self, version: StreamVersion, *, limit: int = 500) -> int:
        """To the end; how many transactions it took."""
        for steps in range(1, 1_000):
            async with self.database.transaction() as connection:
                if not await anomalies.follow(
                    connection, self.book_id, version, cases=self.cases, new_ids=self.new_ids, caller=CALLER,
                    limit=limit,
                ):  # fmt: skip
                    return steps
        raise AssertionError("it never ends")

    async def found(self, **wanted: Any) -> list[Anomaly]:
        """All of them, in the order of their events."""
        async with self.database.connection() as connection:
            rows = await anomalies.list_anomalies(
                connection, self.book_id, AnomalyFilter(**wanted), limit=1_000
            )
        return rows[::-1]

    async def opened(self) -> list[Case]:
        async with self.database.connection() as connection:
            return await list_cases(connection, self.book_id, CaseFilter(), limit=1_000)
