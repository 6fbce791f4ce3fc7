"""The decision on payments, as they ask for it: a batch, in the transaction of its payments.

What is read comes with the batch's own first round trip: lists, limits, the features of all its subjects, and
the stamp by which the process knows that what it has compiled still holds. Deciding then is without I/O.
"""

import datetime as dt
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Final

import msgspec
import structlog

from caudal.features import Asked, Feature, Lookup
from caudal.risk import deciding, facts, store, store_decisions
from caudal.risk.allowances import Allowance
from caudal.risk.deciding import Judged
from caudal.risk.decision_types import (
    Fallback,
    Record,
    Served,
    Shadow,
    SubjectOf,
)
from caudal.risk.engine import Engine, Engines
from caudal.risk.lists_and_limits import Batch as Listed
from caudal.risk.lists_and_limits import ListsAndLimits
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.decide import APPROVED, Decision, Subject, Unmoved
from caudal_base.ids import IdSource
from caudal_base.statements import Statement

log: Final = structlog.get_logger("caudal.risk")

_NS: Final = 1_000


class Decider:
    """Decides by lists, limits, rules and models. Holds what it has compiled, and nothing of any payment."""

    def __init__(
        self, clock: Clock, new_ids: IdSource, engines: Engines | None = None, *, elsewhere: bool = False
    ) -> None:
        """`clock` is the one that gives batches their time.

        Payments that are carried out `elsewhere` are of no customers of ours, and no limits hold for them;
        the decision on one is kept even where nothing is published that could have decided.
        """
        self._clock = clock
        self._new_ids = new_ids
        self._lists = ListsAndLimits(clock, limits=not elsewhere)
        self._engines = engines or Engines()
        self._elsewhere = elsewhere

    async def begin(self, connection: Connection, book_id: int, subjects: Sequence[Subject]) -> "Deciding":
        """Queue what lists and limits need, the stamp, and the features of all subjects."""
        begun = perf_counter_ns()
        as_of = self._clock.now()
        listed = await self._lists.begin(connection, book_id, subjects)
        stamp = await store_decisions.queue_stamp(connection, book_id)
        engine = self._engines.known(book_id)
        asked: dict[str, Asked] = {}
        lookup = None if engine is None else _lookup(engine, book_id, as_of, subjects, asked)
        if lookup is not None:
            await lookup.queue(connection)
        reading = Reading(connection, book_id, tuple(subjects), as_of, begun, stamp, engine, lookup, asked)
        return Deciding(reading, listed, self._engines, self._new_ids, always=self._elsewhere)

    def given_back(self, book_id: int, unmoved: Sequence[Unmoved]) -> Sequence[Statement]:
        """What takes off the sums of limits what has not moved."""
        return (store.giving_back(book_id, unmoved),)


class Reading(msgspec.Struct, frozen=True):
    """What a batch has asked for."""

    connection: Connection
    book_id: int
    subjects: tuple[Subject, ...]
    as_of: dt.datetime
    begun: int
    """When, in nanoseconds of the process's counter."""
    stamp: store.Cursor
    engine: Engine | None
    lookup: Lookup | None
    asked: dict[str, Asked]
    """Whose features are wanted, by payment."""


class Deciding:
    """A batch under decision."""

    def __init__(
        self, reading: Reading, listed: Listed, engines: Engines, new_ids: IdSource, *, always: bool
    ) -> None:
        """Made by `Decider.begin`."""
        self._always = always
        self._reading = reading
        self._listed = listed
        self._engines = engines
        self._new_ids = new_ids
        self._engine: Engine | None = None
        self._lookup = reading.lookup
        self._now = reading.as_of
        self._read_us = 0
        self._allowance: Allowance | None = None
        self._asked = reading.asked
        self._made: dict[str, Record] = {}
        self._kept: list[Record] = []

    async def ready(self, now: dt.datetime) -> None:
        """Read the answers. Where something else has been published meanwhile, that is loaded first."""
        reading = self._reading
        await self._listed.ready(now)
        stamp = await store_decisions.stamp_of(reading.stamp)
        engine, lookup = reading.engine, reading.lookup
        if engine is None or engine.stamp != stamp:
            engine = await self._engines.load(reading.connection, reading.book_id, stamp)
            lookup = _lookup(engine, reading.book_id, reading.as_of, reading.subjects, reading.asked)
            if lookup is not None:
                async with reading.connection.pipeline():
                    await lookup.queue(reading.connection)
        if lookup is not None:
            await lookup.arrive()
        self._engine, self._lookup, self._now = engine, lookup, now
        self._read_us = (perf_counter_ns() - reading.begun) // _NS

    def _asked_of(self, subject: Subject) -> Asked:
        """Whose features are wanted: worked out once."""
        known = self._asked.get(subject.payment_id)
        asked = facts.asked_of(subject)
        if known is None or known != asked:
            known = self._asked[subject.payment_id] = asked
        return known

    def decide(self, subject: Subject) -> Decision:
        """Decide, knowing what was recorded before in this batch. Whatever it is asked, it answers."""
        engine = self._engine
        met = self._listed.met(subject)
        if engine is None or not (engine.decides or any(met) or self._always):
            check(engine is not None, "a decision before its batch is ready")
            return APPROVED
        begun = perf_counter_ns()
        asked = self._asked_of(subject)
        served = Served(
            facts=facts.facts_of(subject, asked), met=met, at=self._now, authenticates=subject.authenticates
        )
        shadows: tuple[Shadow, ...] = ()
        try:
            served = self._served(engine, subject, asked, served)
            judged, shadows = self._judged(engine, served)
        except Exception:
            # A defect of ours must not stop payments: lists, limits and the policy decide, and say so.
            log.exception("decision_failed", payment=subject.payment_id)
            served = Served(
                facts=served.facts, met=met, at=self._now, authenticates=subject.authenticates,
                fallback=Fallback.FAILED, serving=0 if engine.serving is None else engine.serving.version,
            )  # fmt: skip
            judged = deciding.decide(served, engine.judges(served), dict(served.facts))
        return self._decision(subject, served, judged, shadows, perf_counter_ns() - begun)

    def _served(self, engine: Engine, subject: Subject, asked: Asked, served: Served) -> Served:
        """What of features, rules and models goes into the decision."""
        changes: dict[str, object] = {}
        if self._lookup is not None and engine.names:
            changes |= {"features": self._lookup.vector(asked), "feature_set": engine.plan.version}
        if engine.rules is not None:
            changes |= {"rule_set": engine.rules.version, "snoozes": engine.rules.snoozes}
        if engine.serving is not None:
            # By customer: what one customer meets does not change from payment to payment.
            changes |= engine.serving.asked(subject.customer_id)
        return msgspec.structs.replace(served, **changes)

    def _judged(self, engine: Engine, served: Served) -> tuple[Judged, tuple[Shadow, ...]]:
        judges = engine.judges(served)
        row = deciding.row_of(served, engine.names)
        if engine.serving is None:
            return deciding.decide(served, judges, row), ()
        self._allowance = self._allowance or Allowance(engine.serving, self._engines.counts)
        return self._allowance.judged(served, judges, row)

    def _decision(
        self, subject: Subject, served: Served, judged: Judged, shadows: tuple[Shadow, ...], took_ns: int
    ) -> Decision:
        decision_id = ids.encode(ids.DECISION, self._new_ids.new())
        decided = judged.decided
        lookup = self._lookup
        self._made[decision_id] = Record(
            id=decision_id, of=SubjectOf.PAYMENT, subject=subject.payment_id, customer=subject.customer_id,
            at=self._now, as_of=self._reading.as_of, ordinal=0 if lookup is None else lookup.last_ordinal,
            served=served if judged.fallback is served.fallback
            else msgspec.structs.replace(served, fallback=judged.fallback),
            decided=decided, fired=judged.fired, missing=judged.missing, snoozed=judged.snoozed,
            model_wants=judged.model_wants, shadows=shadows,
            latency_us={"read": self._read_us, "decide": took_ns // _NS},
        )  # fmt: skip
        codes = tuple(dict.fromkeys(reason.code for reason in decided.reasons))
        return Decision(verdict=decided.outcome, reasons=codes, id=decision_id)

    def recorded(self, subject: Subject, decision: Decision) -> None:
        """Keep the decision, count the payment against limits, and have those behind it see it."""
        self._listed.recorded(subject, decision)
        if decision.id is not None:
            made = self._made[decision.id]
            self._kept.append(made)
            self._engines.counts.decided(self._reading.book_id, made)
        if self._lookup is not None:
            asked = self._asked.get(subject.payment_id) or facts.asked_of(subject)
            self._lookup.add_now(facts.event_of(subject, asked, decision.verdict, self._now))

    def kept(self, decision: Decision) -> tuple[Record, Sequence[Feature]]:
        """The record of a decision of this batch, and how the features are declared that it was served."""
        check(decision.id is not None and self._engine is not None, "a record of what was decided")
        declared = () if self._engine is None else self._engine.plan.declared.features
        return self._made[decision.id or ""], declared

    def writes(self) -> Sequence[Statement]:
        """What limits count, the decisions, and the payments as events of features."""
        found = list(self._listed.writes())
        if self._kept:
            found.append(store_decisions.inserting(self._reading.book_id, self._kept))
        if self._lookup is not None:
            found += self._lookup.writes()
        return found


def _lookup(
    engine: Engine, book_id: int, as_of: dt.datetime, subjects: Sequence[Subject], asked: dict[str, Asked]
) -> Lookup | None:
    """The features of all subjects; None where none are kept. What is asked goes into `asked`.

    A caller may choose one id for two payments of a batch: each of them is asked about.
    """
    if not engine.looks_up:
        return None
    wanted = [facts.asked_of(subject) for subject in subjects]
    asked.update(zip((subject.payment_id for subject in subjects), wanted, strict=True))
    return Lookup(engine.plan, book_id, as_of, wanted)
