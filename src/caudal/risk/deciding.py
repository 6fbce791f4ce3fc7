"""A decision: lists, then rules, then the model, then what becomes of it. Pure.

The same `Served`, rules and model give the same `Decided`, today and in years.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from caudal.risk.decision_types import (
    SEVERITY,
    Because,
    Decided,
    Fallback,
    FallbackPolicy,
    Fired,
    Model,
    Reason,
    Row,
    Rules,
    Scored,
    Served,
    Thresholds,
    Value,
)
from caudal.risk.types import Met
from caudal_base.decide import Verdict

MOST_REASONS: Final = 16
MODEL_REASONS: Final = 4
"""What a customer is told at most of what moved a score (Regulation B's commentary on adverse action)."""

FEATURES: Final = "features."
SCORE: Final = "model.score"

_ENTITY_WORDS: Final = {
    "customer": "the customer", "instrument": "the card or bank account", "device": "the device",
    "ip": "the network address", "country": "the country", "merchant": "the merchant",
}  # fmt: skip
_LIMIT_WORDS: Final = {
    "limit_per_payment": "it is more than one payment may be",
    "limit_per_payment_country": "it is more than one payment from this country may be",
    "limit_per_day": "with it, the day's payments are more than they may be",
    "limit_per_day_country": "with it, the day's payments from this country are more than they may be",
}
_FALLBACK_WORDS: Final = {
    Fallback.MISSING: "the model that should have decided is not there",
    Fallback.UNREADABLE: "the model that should have decided cannot be read",
    Fallback.LATE: "the model that should have decided was late",
    Fallback.NO_SCORE: "the model that should have decided gave no score",
    Fallback.FAILED: "what should have decided has failed",
}
_LIST_WORDS: Final = {"blocked": "is on the block list", "watched": "is watched", "allowed": "is allowed"}


class Judges(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides, in the versions of one moment."""

    rules: Rules | None = None
    model: Model | None = None
    """None: there is none to be asked, or `Served.fallback` says why it is not."""
    thresholds: Thresholds = Thresholds()
    policy: FallbackPolicy = FallbackPolicy()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, and what is worth knowing besides."""

    decided: Decided
    fired: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    snoozed: tuple[str, ...] = ()
    model_wants: Verdict = Verdict.APPROVE
    fallback: Fallback | None = None
    """As `Served` has it, or that the model gave no score."""


def row_of(served: Served, names: Sequence[str]) -> dict[str, Value]:
    """The values that rules and models read. `names` are those of the features, each with its prefix."""
    row: dict[str, Value] = dict(served.facts)
    row.update(zip(names, served.features, strict=True))
    met = served.met
    row["lists.block"], row["lists.allow"] = bool(met.blocked), bool(met.allowed)
    row["lists.watch"] = bool(met.watched)
    return row


def decide(served: Served, judges: Judges, row: dict[str, Value]) -> Judged:
    """Decide. `row` is `row_of(served, …)`, and gets the score.

    The severest of what lists, limits, rules and the model want is done. The allow list ends what watching,
    rules and the model want short of DECLINE; blocks, limits and rules that decline hold all the same. A
    rule that approves ends what rules behind it and the model want. Where a model should have answered and
    none did, the declared policy wants something in its place. What should be challenged and cannot is
    reviewed.
    """
    met = served.met
    before = Fired() if judges.rules is None else judges.rules.before(row, served.at)
    fallback = served.fallback
    scored: Scored | None = None
    if judges.model is not None and fallback is None:
        scored = _sound(judges.model.score(row))
        if scored.value is None:
            fallback = Fallback.LATE if scored.late else Fallback.NO_SCORE
    row[SCORE] = None if scored is None else scored.value
    after = Fired() if judges.rules is None or before.approved else judges.rules.after(row, served.at)
    spared = before.approved or after.approved
    of_model: list[Reason] = []
    if fallback is not None:
        of_model += _of_fallback(fallback, judges.policy, row)
    elif scored is not None:
        of_model += _of_score(scored, judges, row)
    wanted = [*_of_lists(met), *_of_rules(before), *_of_rules(after), *([] if spared else of_model)]
    return Judged(
        fired=tuple(rule.name for rule in (*before.rules, *after.rules)),
        model_wants=of_model[0].wants if of_model else Verdict.APPROVE,
        decided=_decided(met, wanted, scored, authenticates=served.authenticates),
        missing=before.missing + after.missing, snoozed=before.snoozed + after.snoozed, fallback=fallback,
    )  # fmt: skip


def _sound(scored: Scored) -> Scored:
    """What is no probability is no score."""
    value = scored.value
    if scored.late:
        return Scored(value=None, late=True)
    if value is None or 0.0 <= value <= 1.0:
        return scored
    return Scored(value=None, why=f"{value} is no probability", missing=scored.missing)


def of_score(score: float, thresholds: Thresholds) -> Verdict:
    """What a score wants."""
    for at, verdict in (
        (thresholds.decline_at, Verdict.DECLINE),
        (thresholds.review_at, Verdict.REVIEW),
        (thresholds.challenge_at, Verdict.CHALLENGE),
    ):
        if at is not None and score >= at:
            return verdict
    return Verdict.APPROVE


def list_reason(code: str, wants: Verdict) -> Reason:
    """An entry of a list, in words."""
    how, _, what = code.partition("_")
    text = f"{_ENTITY_WORDS.get(what, what)} {_LIST_WORDS.get(how, how)}"
    return Reason(code=code, text=text, because=Because.LIST, wants=wants)


def _of_lists(met: Met) -> Iterator[Reason]:
    for code in met.blocked:
        yield list_reason(code, Verdict.DECLINE)
    for code in met.breached:
        text = _LIMIT_WORDS.get(code, code)
        yield Reason(code=code, text=text, because=Because.LIMIT, wants=Verdict.DECLINE)
    for code in met.watched:
        yield list_reason(code, Verdict.REVIEW)


def _of_rules(fired: Fired) -> Iterator[Reason]:
    for rule in fired.rules:
        yield Reason(code=f"rule_{rule.name}", text=rule.reason, because=Because.RULE, wants=rule.wants)


def _of_score(scored: Scored, judges: Judges, row: Row) -> Iterator[Reason]:
    score = scored.value
    wants = Verdict.APPROVE if score is None else of_score(score, judges.thresholds)
    if wants is Verdict.APPROVE or judges.model is None:
        return
    text = f"the model's score is {score:.4f}"
    yield Reason(code="model_score", text=text, because=Because.MODEL, wants=wants)
    for finding in judges.model.findings(row)[:MODEL_REASONS]:
        yield Reason(
            code=finding.code, text=finding.text, because=Because.MODEL, wants=wants, points=finding.points
        )


def _of_fallback(fallback: Fallback, policy: FallbackPolicy, row: Row) -> Iterator[Reason]:
    wants = policy.verdict
    amount, currency = row.get("payment.amount"), row.get("payment.currency")
    if policy.approve_below is not None and isinstance(amount, int) and isinstance(currency, str):
        below = policy.approve_below.get(currency)
        if below is not None and amount < below:
            wants = Verdict.APPROVE
    text = _FALLBACK_WORDS[fallback]
    yield Reason(code=fallback.value, text=text, because=Because.FALLBACK, wants=wants)


def _decided(met: Met, wanted: Iterable[Reason], scored: Scored | None, *, authenticates: bool) -> Decided:
    score = None if scored is None else scored.value
    counting = [reason for reason in wanted if _counts(reason, met)]
    outcome = max((r.wants for r in counting), key=SEVERITY.__getitem__, default=Verdict.APPROVE)
    if outcome is Verdict.CHALLENGE and not authenticates:
        outcome = Verdict.REVIEW
        counting.insert(0, _CANNOT_CHALLENGE)
    if outcome is Verdict.APPROVE:
        spared = [list_reason(code, Verdict.APPROVE) for code in met.allowed] if met.watched else []
        told = [r for r in counting if r.because is Because.FALLBACK]
        return Decided(outcome=outcome, score=score, reasons=(*spared, *told))
    # A stable sort: of equally severe ones lists stand before limits, rules and the model, as they came.
    ranked = sorted((r for r in counting if r.wants is not Verdict.APPROVE or r.because is Because.FALLBACK),
                    key=lambda reason: -SEVERITY[reason.wants])  # fmt: skip
    return Decided(outcome=outcome, score=score, reasons=tuple(ranked[:MOST_REASONS]))


_CANNOT_CHALLENGE: Final = Reason(
    code="challenge_not_possible", text="the customer cannot be made to authenticate with this method",
    because=Because.METHOD, wants=Verdict.REVIEW,
)  # fmt: skip


def _counts(reason: Reason, met: Met) -> bool:
    """Whether the allow list leaves it standing."""
    if not met.allowed or reason.wants is Verdict.APPROVE:
        return True
    if reason.because in (Because.LIST, Because.LIMIT, Because.RULE):
        return reason.wants is Verdict.DECLINE
    return reason.because is Because.MODEL and reason.wants is Verdict.DECLINE
