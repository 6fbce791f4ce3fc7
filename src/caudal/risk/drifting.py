"""The job that holds what has been decided against what models were trained on."""

import datetime as dt
from typing import Any, Final
from uuid import UUID

from caudal import jobs, models
from caudal.ledger import Ledger
from caudal.models import DriftBounds, Purpose, Sample, Watch
from caudal.risk import deciding, store_labels
from caudal.risk.decision_types import Record, SubjectOf
from caudal.risk.labels import delays_of, is_bad
from caudal.risk.trying_rules import each_matured
from caudal_base.database import Connection

SPAN: Final = dt.timedelta(days=7)
"""What is looked at: long enough that a weekend is no drift."""
LABEL_SPAN: Final = dt.timedelta(days=28)
"""Of what is old enough for its end to be known, so much."""
MOST: Final = 50_000
"""Decisions that are looked at, the oldest of the span first."""


async def look_for_drift(work: jobs.Work[Any], ledger: Ledger) -> None:
    """Measure every model that serves, also shadows; tell of what is over the bounds of the book's terms."""
    now = work.clock.now()
    async with work.database.connection() as connection:
        watched: list[UUID | None] = []
        for purpose in Purpose:
            serving = await models.get_serving(connection, work.book_id, purpose=purpose)
            if serving is not None:
                watched += [serving.champion, serving.challenger, *serving.shadows]
        reports = await measure(connection, work.book_id, [each for each in watched if each], now=now)
    async with work.database.transaction() as connection:
        for id, report in reports.items():
            await models.note_drift(connection, work.book_id, id, report, ledger=ledger, at=now)
        await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})


async def measure(
    connection: Connection, book_id: int, wanted: list[UUID], *, now: dt.datetime
) -> dict[UUID, models.DriftReport]:
    """How far each of `wanted` is from its training, over the decisions of the last `SPAN` that it scored.

    Ends are those of all decisions on what the model is for, made in the `LABEL_SPAN` before the last ones
    whose end is known: of newer ones only bad ends are.
    """
    if not wanted:
        return {}
    watches: dict[str, tuple[UUID, Watch, DriftBounds]] = {}
    for id in wanted:
        model = await models.get_registered(connection, book_id, id)
        serving = await models.get_serving(connection, book_id, purpose=model.card.purpose)
        bounds = DriftBounds() if serving is None else serving.terms.drift
        watch = Watch(model.card)
        watches[model.label] = (id, watch, bounds)
        watch.ends(*await _ends(connection, book_id, model.card.purpose, bounds, now))
    count = 0
    async for one, names in each_matured(connection, book_id, made_from=now - SPAN, made_before=now, now=now):
        served = one.record.served
        row = deciding.row_of(served, names[served.feature_set] if served.features else ())
        for label, score in _scores(one.record):
            if label in watches:
                watches[label][1].take(Sample(row, score))
        count += 1
        if count == MOST:
            break
    return {id: watch.report(bounds) for id, watch, bounds in watches.values()}


async def _ends(
    connection: Connection, book_id: int, purpose: Purpose, bounds: DriftBounds, now: dt.datetime
) -> tuple[int, int]:
    """How many decisions have ended, and how many of them badly."""
    of = SubjectOf.APPLICATION if purpose is Purpose.CREDIT else SubjectOf.PAYMENT
    after = delays_of(bounds.label_after_days).after(of)
    found = await store_labels.ends(
        connection, book_id, of=of,
        made_from=now - after - LABEL_SPAN, made_before=now - after, known_by=now, limit=MOST,
    )  # fmt: skip
    bad = sum(count for kind, count in found.items() if kind is not None and is_bad(kind))
    return sum(found.values()), bad


def _scores(record: Record) -> list[tuple[str, float | None]]:
    """The models that a decision asked, by name and version, and what they said."""
    found = [(shadow.model, shadow.score) for shadow in record.shadows]
    if record.served.model is not None:
        found.append((record.served.model, record.decided.score))
    return found
