"""Decisions on what is no payment: an application for credit, as a row of values that the caller names.

Lists (of the customer), the rules that are on applications and the model that serves decide.
"""

import math
import re
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Final

import msgspec

from caudal.ledger import Ledger
from caudal.risk import deciding, rules, store, store_decisions
from caudal.risk.allowances import Allowance
from caudal.risk.deciding import Judged
from caudal.risk.decision_types import Record, Served, Shadow, SubjectOf, Value
from caudal.risk.engine import Engines, Past
from caudal.risk.errors import ApplicationInvalid, NoModelServes
from caudal.risk.rules import MET_NOTHING
from caudal.risk.types import ListKind, Met, SubjectKind
from caudal_base import ids
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.ids import IdSource
from caudal_base.personal import refuse_personal

MAX_VALUES: Final = 2_000
MAX_SUBJECT: Final = 255
_NAME: Final = re.compile(r"[A-Za-z][\w .:/&-]{0,199}", re.ASCII)
_OURS: Final = ("application.", "payment.", "features.", "lists.", "model.")


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What is applied for."""

    subject: str
    """The caller's own name of it; labels go by it."""
    values: Mapping[str, Value]
    """What the model reads, by the names of its inputs; None, or not there, is missing."""
    customer: str | None = None


class Applications:
    """Decides on applications. One for each process."""

    def __init__(
        self, ledger: Ledger, clock: Clock, new_ids: IdSource, engines: Engines | None = None
    ) -> None:
        """`ledger` takes the book's lock; `clock` says when a decision is made.

        `engines` may be those that payments are decided by.
        """
        self._ledger = ledger
        self._clock = clock
        self._new_ids = new_ids
        self._engines = engines or Engines()

    async def decide(self, connection: Connection, book_id: int, application: Application) -> Record:
        """Decide, and keep the decision. The caller commits.

        Raises `ApplicationInvalid`, `PersonalDataRefused`, and `NoModelServes` where nobody could decide.
        """
        refuse_unfit(application)
        began, now = perf_counter_ns(), self._clock.now()
        stamp = await store_decisions.stamp_of(await store_decisions.queue_stamp(connection, book_id))
        engine = self._engines.known(book_id)
        if engine is None or engine.stamp != stamp:
            engine = await self._engines.load(connection, book_id, stamp)
        served = Served(
            facts=_finite(application.values), met=await self._met(connection, book_id, application), at=now
        )
        served = _with_judges(served, engine.applications, application.customer or application.subject)
        read = perf_counter_ns()
        judged, shadows = self._judged(engine.applications, served)
        took = {"read": (read - began) // 1_000, "decide": (perf_counter_ns() - read) // 1_000}
        record = Record(
            id=ids.encode(ids.DECISION, self._new_ids.new()), of=SubjectOf.APPLICATION,
            subject=application.subject, customer=application.customer, at=now, as_of=now, ordinal=0,
            served=msgspec.structs.replace(served, fallback=judged.fallback), decided=judged.decided,
            fired=judged.fired, missing=judged.missing, snoozed=judged.snoozed,
            model_wants=judged.model_wants, shadows=shadows, latency_us=took,
        )  # fmt: skip
        await self._ledger.lock(connection, book_id)
        await store_decisions.insert(connection, book_id, record)
        self._engines.counts.decided(book_id, record)
        return record

    def _judged(self, present: Past, served: Served) -> tuple[Judged, tuple[Shadow, ...]]:
        judges = present.judges(served)
        row = deciding.row_of(served, ())
        if present.serving is None:
            return deciding.decide(served, judges, row), ()
        return Allowance(present.serving, self._engines.counts).judged(served, judges, row)

    async def _met(self, connection: Connection, book_id: int, application: Application) -> Met:
        if application.customer is None:
            return MET_NOTHING
        named = (SubjectKind.CUSTOMER, application.customer)
        found = await (await store.queue_entries(connection, book_id, [named])).fetchall()
        now = self._clock.now()
        kinds = {store.LIST_OF[number] for _, _, number, until in found if rules.counts(until, now)}
        return Met(
            blocked=("blocked_customer",) if ListKind.BLOCK in kinds else (),
            watched=("watched_customer",) if ListKind.WATCH in kinds else (),
            allowed=("allowed_customer",) if ListKind.ALLOW in kinds else (),
        )


def _with_judges(served: Served, present: Past, key: str) -> Served:
    """With the versions of rules and of what serves. Raises `NoModelServes` where there is neither."""
    changes: dict[str, object] = {} if present.serving is None else present.serving.asked(key)
    if present.rules is None and not changes.keys() & {"model", "fallback"}:
        raise NoModelServes("neither a model nor rules decide on applications in this book")
    if present.rules is not None:
        changes |= {"rule_set": present.rules.version, "snoozes": present.rules.snoozes}
    return msgspec.structs.replace(served, **changes)


def refuse_unfit(application: Application) -> None:
    """Raise for names and texts that cannot be; numbers that are none are missing."""
    for field, text in (("subject", application.subject), ("customer", application.customer)):
        if text is not None:
            if not 1 <= len(text) <= MAX_SUBJECT or not text.isprintable():
                raise ApplicationInvalid(f"1 to {MAX_SUBJECT} printable characters", field=field)
            refuse_personal(text, field)
    if not 1 <= len(application.values) <= MAX_VALUES:
        raise ApplicationInvalid(f"1 to {MAX_VALUES} values", field="values")
    for name, value in application.values.items():
        if _NAME.fullmatch(name) is None or name.startswith(_OURS):
            raise ApplicationInvalid("a letter first, and no name of payments", field=f"values.{name[:64]}")
        if isinstance(value, str):
            if len(value) > MAX_SUBJECT or not value.isprintable():
                raise ApplicationInvalid(f"up to {MAX_SUBJECT} printable characters", field=f"values.{name}")
            refuse_personal(value, f"values.{name}")


def _finite(values: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in sorted(values.items())
    }
