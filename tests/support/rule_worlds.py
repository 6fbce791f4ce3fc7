"""Books with features and rules, made by the rooms themselves."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from caudal import events, features, rules
from caudal.access import OPERATOR, Caller
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.ledger import Ledger
from caudal.rules import ReviewVerdict, RiskRules, RuleSet, Snooze, Version
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from support.documented import refuse_undocumented
from support.histories import START
from support.ledgers import new_book

AUTHOR = Caller(principal=OPERATOR, request_id="req_author", origin="192.0.2.1")
REVIEWER = Caller(
    principal=msgspec.structs.replace(OPERATOR, id=UUID(int=7), key_id=UUID(int=7), actor="key_reviewer"),
    request_id="req_reviewer",
)

CARD, SAME = (Entity.CARD,), ("currency",)
COUNT = Feature(name="card_count_1h", by=CARD, aggregate=Aggregate.COUNT, window="1h")
MEAN = Feature(name="card_mean_7d", by=CARD, aggregate=Aggregate.MEAN, value="amount", window="7d", same=SAME)
MOST = Feature(name="card_max_7d", by=CARD, aggregate=Aggregate.MAX, value="amount", window="7d", same=SAME)
FEATURES = FeatureSet(features=(COUNT, MEAN, MOST))
KNOWN = rules.features_of(FEATURES)

PAYMENT = {"payment.amount": 250_000, "payment.currency": "EUR", "payment.kind": "pay_in"}


def rule(name: str, when: str, outcome: str = "review", **more: Any) -> dict[str, Any]:
    return {"name": name, "when": when, "outcome": outcome, "reason": f"because of {name}", **more}


def written(*each: dict[str, Any], **more: Any) -> RiskRules:
    """Rules as people write them, through JSON."""
    return rules.flat(msgspec.json.decode(msgspec.json.encode({"rules": each, **more}), type=RiskRules))


def ready(*each: dict[str, Any], snoozes: Sequence[Snooze] = ()) -> RuleSet:
    """Rules over `FEATURES`, compiled."""
    return RuleSet(1, written(*each), KNOWN, 1, snoozes)


MANY = rule(
    "many_payments",
    "features.card_count_1h > 5",
    tests=[
        {"given": {"features.card_count_1h": 6}, "expect": "fires"},
        {"given": {"features": {"card_count_1h": 5}}, "expect": "does_not_fire"},
        {"given": {}, "expect": "missing", "name": "a new card"},
    ],
)
LARGE = rule("large", "payment.amount > 100000", "challenge")


class RuleWorld:
    """A book with `FEATURES`, on a clock that stands still until it is moved."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database, self.book_id = database, book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)

    @classmethod
    async def make(cls, database: Database) -> "RuleWorld":
        world = cls(database, (await new_book(database)).book_id)
        await world.declare(*FEATURES.features)
        return world

    async def declare(self, *declared: Feature) -> None:
        async with self.database.transaction() as connection:
            await features.publish(
                connection, self.book_id, FeatureSet(features=declared), caller=AUTHOR, ledger=self.ledger,
                at=self.clock.now(),
            )  # fmt: skip

    async def draft(self, what: RiskRules, caller: Caller = AUTHOR) -> Version | CaudalError:
        async with self.database.transaction() as connection:
            return await rules.draft(
                connection, self.book_id, what, caller=caller, ledger=self.ledger, at=self.clock.now()
            )

    async def review(
        self, version: int, verdict: ReviewVerdict = ReviewVerdict.ACCEPT, caller: Caller = REVIEWER,
        note: str | None = None,
    ) -> Version | CaudalError:  # fmt: skip
        async with self.database.transaction() as connection:
            return await rules.review(
                connection, self.book_id, version, verdict, caller=caller, ledger=self.ledger,
                at=self.clock.now(), note=note,
            )  # fmt: skip

    async def publish(self, version: int, caller: Caller = AUTHOR) -> Version | CaudalError:
        async with self.database.transaction() as connection:
            return await rules.publish(
                connection, self.book_id, version, caller=caller, ledger=self.ledger, at=self.clock.now()
            )

    async def published(self, *each: dict[str, Any]) -> Version:
        """Rules that decisions go by from now on."""
        draft = await self.draft(written(*each))
        assert isinstance(draft, Version), draft
        await self.review(draft.version)
        result = await self.publish(draft.version)
        assert isinstance(result, Version), result
        return result

    async def snooze(self, rule: str, length: dt.timedelta, reason: str = "too loud") -> Snooze | CaudalError:
        now = self.clock.now()
        async with self.database.transaction() as connection:
            return await rules.snooze(
                connection, self.book_id, rule, now + length, reason, caller=AUTHOR, ledger=self.ledger,
                at=now,
            )  # fmt: skip

    async def wake(self, rule: str) -> Snooze | CaudalError:
        async with self.database.transaction() as connection:
            return await rules.wake(
                connection, self.book_id, rule, "all is well", caller=AUTHOR, ledger=self.ledger,
                at=self.clock.now(),
            )  # fmt: skip

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What the book's events tell of rules, each as the document says."""
        async with self.database.connection() as connection:
            page = await events.find(connection, self.book_id)
        found = [event for event in page.events if event.object_type.startswith("risk_rule")]
        for event in found:
            refuse_undocumented(event)
        return [(event.type, msgspec.json.decode(event.data)) for event in found]

    async def load(self) -> RuleSet:
        """As a process that decides loads them."""
        async with self.database.connection() as connection:
            return await rules.load_published(connection, self.book_id)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(statement.encode(), {"book_id": self.book_id})
            return await cursor.fetchall()
