"""Decisions of the past: read, and made again. Nothing here opens or commits a transaction."""

import datetime as dt
from typing import Final
from uuid import UUID

import msgspec

from caudal import features, models, rules
from caudal.risk import deciding, store_decisions
from caudal.risk.decision_types import Because, Decided, DecisionFilter, Reason, Record, Served
from caudal.risk.engine import Past
from caudal.risk.errors import DecisionNotFound
from caudal.risk.published_rules import PublishedRules
from caudal.risk.serving_models import LoadedModel, Serving
from caudal.risk.showing import FeatureShown, features_of
from caudal.rules import RuleSubject
from caudal_base import ids
from caudal_base.check import check
from caudal_base.database import Connection
from caudal_base.decide import Verdict

MAX_PAGE: Final = 1_000

KEEP_FOR: Final = dt.timedelta(days=7 * 365 + 2)
"""Decisions are kept for seven years: Regulation B wants 25 months (12 CFR 1002.12(b)), rules against money
laundering five years (Directive (EU) 2015/849, article 40), and limitation of claims is longer in places."""


PURGE_LIMIT: Final = 5_000
"""Decisions deleted by one call of `purge_decisions`."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A decision made again of what is stored of it."""

    record: Record
    again: Decided
    same: bool
    """Score, outcome and reasons are the same, byte for byte."""
    stored: bytes
    """Score, outcome and reasons as they were, as JSON."""
    made: bytes
    """As they are now."""


async def get_decision(connection: Connection, book_id: int, decision_id: str) -> Record:
    """A decision. Raises `DecisionNotFound`, `InvalidId`."""
    found = await store_decisions.get(connection, book_id, decision_id)
    if found is None:
        raise DecisionNotFound("no decision has this id", field="id")
    return found


async def find_decisions(
    connection: Connection,
    book_id: int,
    wanted: DecisionFilter,
    *,
    before: str | None = None,
    limit: int = 100,
) -> list[Record]:
    """Decisions, the newest first, behind the one `before`."""
    check(1 <= limit <= MAX_PAGE, "a page has 1 to 1,000 decisions")
    return await store_decisions.find(connection, book_id, wanted, before=before, limit=limit)


async def purge_decisions(connection: Connection, book_id: int, *, at: dt.datetime) -> int:
    """Delete decisions that need no longer be kept, up to `PURGE_LIMIT`; how many it were."""
    return await store_decisions.delete_old(connection, book_id, _first_of(at - KEEP_FOR), PURGE_LIMIT)


def _first_of(moment: dt.datetime) -> UUID:
    """No id that was made from `moment` on is below this one."""
    return ids.uuid7(moment, bytes)


async def replay(connection: Connection, book_id: int, decision_id: str) -> Replay:
    """Make a decision again: with the values that it was served, and the versions that it was made with.

    Raises `DecisionNotFound`, and what loading a version raises that is there no longer.
    """
    record = await get_decision(connection, book_id, decision_id)
    past = await past_of(connection, book_id, record)
    row = deciding.row_of(record.served, past.names)
    again = deciding.decide(record.served, past.judges(record.served), row).decided
    encode = msgspec.json.encode
    stored, made = encode(record.decided), encode(again)
    return Replay(record=record, again=again, same=stored == made, stored=stored, made=made)


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a decision came out as it did."""

    record: Record
    words: tuple[str, ...]
    """A sentence each, the weightiest first."""
    reasons: tuple[Reason, ...]
    features: tuple[FeatureShown, ...]


async def explain(connection: Connection, book_id: int, decision_id: str) -> Explanation:
    """Say why, in words. Raises `DecisionNotFound`."""
    record = await get_decision(connection, book_id, decision_id)
    shown = await features_of(connection, book_id, [record])
    reasons = record.decided.reasons
    if any(reason.because is Because.MODEL for reason in reasons):
        reasons = _with_findings(reasons, await past_of(connection, book_id, record), record.served)
    words = tuple(f"{_LED_TO[reason.wants]}: {reason.text}." for reason in reasons)
    if not words:
        words = ("Approved: no list, limit, rule or model had anything against it.",)
    return Explanation(record=record, words=words, reasons=reasons, features=shown[record.id])


def _with_findings(reasons: tuple[Reason, ...], past: Past, served: Served) -> tuple[Reason, ...]:
    """Reasons with what moved the score, of models that could not say so while the payment waited."""
    model = past.judges(served).model
    of_model = [reason for reason in reasons if reason.because is Because.MODEL]
    if len(of_model) > 1 or not isinstance(model, LoadedModel):
        return reasons
    row = deciding.row_of(served, past.names)
    found = [
        Reason(
            code=one.code, text=one.text, because=Because.MODEL, wants=of_model[0].wants, points=one.points
        )
        for one in model.all_findings(row, deciding.MODEL_REASONS)
    ]
    place = reasons.index(of_model[0]) + 1
    return (*reasons[:place], *found, *reasons[place:])


_LED_TO: Final = {
    Verdict.APPROVE: "Approved",
    Verdict.CHALLENGE: "Challenged",
    Verdict.REVIEW: "Held for review",
    Verdict.DECLINE: "Declined",
}


async def past_of(connection: Connection, book_id: int, record: Record) -> Past:
    """Who decided then: the versions that the record names."""
    served = record.served
    names: tuple[str, ...] = ()
    if served.feature_set:
        found = await features.get_version(connection, book_id, served.feature_set)
        names = tuple(feature.name for feature in found.declared.features)
    rule_set = await rules.load_version(connection, book_id, served.rule_set, snoozes=served.snoozes)
    serving = await models.Directory().load_version(connection, book_id, served.serving)
    return Past(
        names, PublishedRules(rule_set, RuleSubject(record.of.value)) if rule_set.version else None,
        Serving(serving) if serving.version else None,
    )  # fmt: skip
