"""A book that decides on applications."""

from typing import Any

import msgspec

from caudal import models, rules
from caudal.ledger import Ledger
from caudal.models import Stage, Terms
from caudal.risk import Application, Applications, Engines, Record
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.histories import START
from support.model_worlds import ANA, BEN, credit_file
from support.rule_worlds import AUTHOR, REVIEWER, written


class Lender:
    """Its clock is moved by hand."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database, self.book_id = database, book_id
        self.clock = ManualClock(START)
        self.engines = Engines()
        self.applications = Applications(Ledger(self.clock), self.clock, IdSource(self.clock), self.engines)

    async def serve(self, upto: Stage = Stage.CHAMPION, **changes: Any) -> None:
        file, names, artifact = credit_file(), ("income", "late", "country"), credit_file().artifact
        inputs = []
        for one, name in zip(file.card.inputs, names, strict=True):
            inputs.append(msgspec.structs.replace(one, name=name))
            artifact = artifact.replace(one.name.encode(), name.encode())
        card = msgspec.structs.replace(file.card, inputs=tuple(inputs), **changes)
        named = models.assemble(card, artifact)
        of = {"ledger": Ledger(self.clock), "at": self.clock.now()}
        measured = models.Measured(latency_us=5.0, latency_p99_us=9.0)
        terms = Terms(review_at=0.02, decline_at=0.04, purpose=models.Purpose.CREDIT)
        async with self.database.transaction() as connection:
            prepared = models.Prepared(file=named, measured=measured)
            made = await models.register(connection, self.book_id, prepared, caller=ANA, **of)
            await models.set_terms(connection, self.book_id, terms, caller=BEN, **of)
            for stage in dict.fromkeys((Stage.SHADOW, upto)):
                result = await models.change_stage(connection, self.book_id, made.id, stage, caller=BEN, **of)
                assert isinstance(result, models.Registered), result

    async def with_rules(self, *each: dict[str, Any], **more: Any) -> None:
        of = {"ledger": Ledger(self.clock), "at": self.clock.now()}
        async with self.database.transaction() as connection:
            draft = await rules.draft(connection, self.book_id, written(*each, **more), caller=AUTHOR, **of)
            assert isinstance(draft, rules.Version), draft
            for step in (rules.review, rules.publish):
                extra = {"verdict": rules.ReviewVerdict.ACCEPT} if step is rules.review else {}
                who = REVIEWER if extra else AUTHOR
                made = await step(connection, self.book_id, draft.version, caller=who, **of, **extra)
                assert isinstance(made, rules.Version), made

    async def decide(self, **values: object) -> Record:
        async with self.database.transaction() as connection:
            return await self.applications.decide(
                connection, self.book_id, Application(**{"subject": "loan-1", **values})
            )
