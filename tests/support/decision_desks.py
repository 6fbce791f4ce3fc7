"""Decisions as payments ask for them: each call is a batch in a transaction of its own."""

from typing import Any

from psycopg.sql import SQL

from caudal import features, models, risk, rules
from caudal.features import FeatureSet
from caudal.ledger import Ledger
from caudal.models import Measured, ModelFile, Prepared, Registered, Stage, Terms
from caudal.risk import Decider, DecisionFilter, Engines
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Context, Decision, Subject
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from caudal_base.statements import execute
from support.customer_worlds import CALLER, new_customer_id
from support.histories import START
from support.model_worlds import ANA, BEN
from support.rule_worlds import AUTHOR, REVIEWER, written


class DecisionDesk:
    """Payments as the room sees them: each call is a batch in a transaction of its own."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)
        self.engines = Engines()
        self.decider = Decider(self.clock, IdSource(self.clock), self.engines)
        self.queries = 0
        self._payments = 0

    async def publish(self, declared: FeatureSet) -> None:
        async with self.database.transaction() as connection:
            await features.publish(
                connection, self.book_id, declared, caller=CALLER, ledger=self.ledger, at=self.clock.now()
            )

    def subject(self, amount: int = 1_000, **changes: Any) -> Subject:
        self._payments += 1
        fields: dict[str, Any] = {
            "payment_id": f"pay_{self._payments:032x}", "kind": "pay_in", "customer_id": new_customer_id(),
            "amount": amount, "currency": "EUR", "method": "card", "partner": "stripe",
            "instrument": "pm_card_visa", "context": Context(device="device-1", country="DE"), "limits": (),
        }  # fmt: skip
        return Subject(**{**fields, **changes})

    async def decide(self, *subjects: Subject) -> list[Decision]:
        async with self.database.transaction() as connection:
            async with connection.pipeline():
                await (await self.ledger.begin(connection, self.book_id, ())).finish()
                batch = await self.decider.begin(connection, self.book_id, subjects)
            await batch.ready(self.clock.now())
            decisions = []
            for subject in subjects:
                decision = batch.decide(subject)
                batch.recorded(subject, decision)
                decisions.append(decision)
            statements = batch.writes()
            if statements:
                await execute(connection, statements)
        return decisions

    async def records(self, **wanted: Any) -> list[risk.Record]:
        async with self.database.connection() as connection:
            return await risk.find_decisions(connection, self.book_id, DecisionFilter(**wanted))

    async def count(self, table: str) -> int:
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                SQL(f"select count(*) from {table} where book_id = %s"), (self.book_id,)
            )
            return (await cursor.fetchall())[0][0]

    async def with_model(
        self, file: ModelFile, terms: Terms | None = None, stage: Stage = Stage.CHAMPION, **more: Any
    ) -> Registered:
        """Register a model and let it serve."""
        prepared = Prepared(file=file, measured=Measured(latency_us=5.0, latency_p99_us=9.0))
        of = {"ledger": self.ledger, "at": self.clock.now()}
        if terms is not None:
            await self.set_terms(terms)
        async with self.database.transaction() as connection:
            made = await models.register(connection, self.book_id, prepared, caller=ANA, **of)
            for step in dict.fromkeys((Stage.SHADOW, stage)):
                told = more if step is stage else {}
                result = await models.change_stage(
                    connection, self.book_id, made.id, step, caller=BEN, **of, **told
                )
                assert isinstance(result, Registered), result
        return result

    async def set_terms(self, terms: Terms) -> None:
        """Thresholds, fallback, gate."""
        async with self.database.transaction() as connection:
            made = await models.set_terms(
                connection, self.book_id, terms, caller=BEN, ledger=self.ledger, at=self.clock.now()
            )
            assert not isinstance(made, CaudalError), made

    async def damage_models(self) -> None:
        """Have the artifacts be no longer what their hashes say."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "update models.model set artifact = '\\x00' where book_id = %(book_id)s",
                {"book_id": self.book_id},
            )

    async def with_rules(self, *each: dict[str, Any]) -> None:
        """Draft, review and publish rules."""
        of = {"ledger": self.ledger, "at": self.clock.now()}
        async with self.database.transaction() as connection:
            draft = await rules.draft(connection, self.book_id, written(*each), caller=AUTHOR, **of)
            assert isinstance(draft, rules.Version), draft
            await rules.review(
                connection, self.book_id, draft.version, rules.ReviewVerdict.ACCEPT, caller=REVIEWER, **of
            )
            await rules.publish(connection, self.book_id, draft.version, caller=AUTHOR, **of)
