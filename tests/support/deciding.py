"""Decisions as payments ask for them, in batches, with what becomes known of them later."""

import datetime as dt
import random
from typing import Any

from caudal import features, risk
from caudal.features import FeatureSet
from caudal.ledger import Ledger
from caudal.risk import AddLabel, Decider, DecisionFilter, LabelKind, Record
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Context, Subject
from caudal_base.ids import IdSource
from caudal_base.statements import execute
from support.customer_worlds import CALLER
from support.histories import START


class Decisions:
    """A book whose clock is moved by hand."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database, self.book_id = database, book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)
        self.decider = Decider(self.clock, IdSource(self.clock))
        self.count = 0

    async def publish(self, declared: FeatureSet) -> None:
        async with self.database.transaction() as connection:
            made = await features.publish(
                connection, self.book_id, declared, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )
            assert isinstance(made, features.Version), made
        more = True
        while more:
            async with self.database.transaction() as connection:
                more = await features.fill(connection, self.book_id, ledger=self.ledger)

    def subject(self, draw: random.Random) -> Subject:
        self.count += 1
        return Subject(
            payment_id=f"pay_{self.count:032x}", kind="pay_in", customer_id=f"cus_{draw.randrange(4):032x}",
            amount=2**53 - 1 if draw.randrange(30) == 0 else draw.randrange(1, 90_000),
            currency=draw.choice(["EUR", "EUR", "USD"]), method="card", partner="stripe",
            instrument=f"tok_card_{draw.randrange(3)}", limits=(),
            context=None if draw.randrange(8) == 0 else Context(
                device=f"phone-{draw.randrange(3)}", ip=f"203.0.113.{draw.randrange(2)}",
                merchant=f"m{draw.randrange(3)}", country="ES",
            ),
        )  # fmt: skip

    async def decide(self, *subjects: Subject) -> None:
        async with self.database.transaction() as connection:
            async with connection.pipeline():
                await (await self.ledger.begin(connection, self.book_id, ())).finish()
                batch = await self.decider.begin(connection, self.book_id, subjects)
            await batch.ready(self.clock.now())
            for subject in subjects:
                batch.recorded(subject, batch.decide(subject))
            await execute(connection, list(batch.writes()))

    async def label(self, payment: str, kind: LabelKind) -> None:
        async with self.database.transaction() as connection:
            (result,) = await risk.add_labels(
                connection, self.book_id, [AddLabel(subject=payment, kind=kind)], caller=CALLER,
                ledger=self.ledger, at=self.clock.now(),
            )  # fmt: skip
        assert isinstance(result, risk.Label), result

    async def records(self) -> list[Record]:
        async with self.database.connection() as connection:
            found = await risk.find_decisions(connection, self.book_id, DecisionFilter(), limit=1_000)
        return sorted(found, key=lambda record: record.ordinal)


async def some_history(book: Decisions, seed: int = 1, batches: int = 40) -> dict[str, list[Any]]:
    """Batches hours apart. Days later some payments are reported as fraud, and some of those cleared again.

    Of each payment what was said of it, and when.
    """
    draw = random.Random(seed)
    waiting: list[tuple[dt.datetime, str, LabelKind]] = []
    said: dict[str, list[Any]] = {}
    for _ in range(batches):
        book.clock.advance(dt.timedelta(seconds=draw.choice([1, 60, 3_600, draw.randrange(40_000)])))
        now = book.clock.now()
        for word in sorted(each for each in waiting if each[0] <= now):
            waiting.remove(word)
            await book.label(word[1], word[2])
            said.setdefault(word[1], []).append((now, word[2]))
        subjects = [book.subject(draw) for _ in range(draw.randrange(1, 5))]
        await book.decide(*subjects)
        for subject in subjects:
            if draw.random() < 0.25:
                due = now + dt.timedelta(hours=draw.randrange(1, 60))
                waiting.append((due, subject.payment_id, LabelKind.FRAUD))
                if draw.random() < 0.3:
                    waiting.append((due + dt.timedelta(hours=12), subject.payment_id, LabelKind.LEGITIMATE))
    return said
