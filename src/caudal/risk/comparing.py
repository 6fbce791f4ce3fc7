"""A model held against the champion, on what was decided and has come to an end.

Both score what decisions were served, so that it does not matter who decided then, or was a shadow. Left out
is what either was trained on, what is too young for its end to be known, what lacks a feature that either
reads, and declines of which nobody said anything: they never had a chance to come to a bad end.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal import features, models
from caudal.models import Case, Comparison, Purpose, Registered, Scorer
from caudal.risk import deciding, store_labels
from caudal.risk.decision_types import Record, Row, SubjectOf
from caudal.risk.labels import delays_of, is_bad
from caudal_base.database import Connection

MOST: Final = 10_000
"""Decisions with a label, and again without, that are looked at: the newest."""

_LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


async def compare(
    connection: Connection, book_id: int, model: Registered, *, now: dt.datetime
) -> Comparison | None:
    """How a model does beside the champion of its purpose; None where that is itself, or there is none.

    A second or two, off the event loop. Raises what loading a model raises.
    """
    serving = await models.get_serving(connection, book_id, purpose=model.card.purpose)
    if serving is None or serving.champion in (None, model.id):
        return None
    champion = await models.get_registered(connection, book_id, serving.champion)
    of = SubjectOf.APPLICATION if model.card.purpose is Purpose.CREDIT else SubjectOf.PAYMENT
    trained = [one.card.training.data_to for one in (champion, model)]
    ended = await store_labels.ended(
        connection, book_id, of=of,
        made_from=max([end for end in trained if end is not None], default=_LONG_AGO),
        silent_since=now - delays_of(serving.terms.drift.label_after_days).after(of), known_by=now,
        limit=MOST,
    )  # fmt: skip
    rows = await _rows(connection, book_id, [record for record, _ in ended], (champion, model))
    ends = [kind is not None and is_bad(kind) for _, kind in ended]
    files = [await models.get_file(connection, book_id, one.id) for one in (champion, model)]
    least = serving.terms.gate.least_compared

    def work() -> Comparison:
        known = [(row, end) for row, end in zip(rows, ends, strict=True) if row is not None]
        cases = _cases([models.load(file) for file in files], known)
        return models.compare(champion.label, cases, least=least, unscored=len(known) - len(cases))

    return await asyncio.to_thread(work)


async def _rows(
    connection: Connection, book_id: int, records: Sequence[Record], both: Sequence[Registered]
) -> list[Row | None]:
    """What each decision was served; None where features were not kept that one of the models reads."""
    wanted = {
        one.name for model in both for one in model.card.inputs if one.name.startswith(deciding.FEATURES)
    }
    names: dict[int, tuple[str, ...]] = {0: ()}
    for version in {record.served.feature_set for record in records} - {0}:
        declared = (await features.get_version(connection, book_id, version)).declared
        names[version] = tuple(deciding.FEATURES + one.name for one in declared.features)
    rows: list[Row | None] = []
    for record in records:
        served = record.served
        there = names[served.feature_set] if served.features else ()
        rows.append(deciding.row_of(served, there) if wanted.issubset(there) else None)
    return rows


def _cases(scorers: Sequence[Scorer], known: Sequence[tuple[Row, bool]]) -> list[Case]:
    rows = [row for row, _ in known]
    scored = [scorer.score_many(rows) for scorer in scorers]
    return [
        (before.value, after.value, end)
        for before, after, (_, end) in zip(*scored, known, strict=True)
        if before.value is not None and after.value is not None
    ]
