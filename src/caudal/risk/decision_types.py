"""The words of a decision: what it is made of, what comes of it, and the record that is kept of it.

A record holds everything that the decision depended on, so that it can be made again, to the same bytes.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from caudal.risk.types import Met
from caudal_base.decide import Verdict
from caudal_base.enums import QuickEnum

Value = int | float | str | bool | None
"""Of a name in a row; None is missing."""

Row = Mapping[str, Value]
"""Values by name: `payment.amount`, `features.card_count_1h`, `lists.watch`, `model.score`."""

SEVERITY: Final[Mapping[Verdict, int]] = {
    Verdict.APPROVE: 0, Verdict.CHALLENGE: 1, Verdict.REVIEW: 2, Verdict.DECLINE: 3,
}  # fmt: skip


class SubjectOf(QuickEnum):
    """What is decided on."""

    PAYMENT = "payment"
    APPLICATION = "application"
    """Something that is no payment: a loan that is applied for."""


class Because(QuickEnum):
    """What gave a reason."""

    LIST = "list"
    LIMIT = "limit"
    RULE = "rule"
    MODEL = "model"
    FALLBACK = "fallback"
    """There should have been a model, and none answered."""
    METHOD = "method"
    """The payment's method cannot be challenged."""


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Why a decision was not simply yes. A decision's reasons have the weightiest first."""

    code: str
    """Stable: `blocked_device`, `limit_per_day`, `rule_many_cards`, `model_score`."""
    text: str
    """In words that a person understands."""
    because: Because
    wants: Verdict
    """What would have become of it for this reason alone."""
    points: float | None = None
    """Of what a model found: how much it added to the score, in the model's own measure."""


class Fallback(enum.StrEnum):
    """Why no model decided, though one should have."""

    MISSING = "model_missing"
    """The model that serves is not there."""
    UNREADABLE = "model_unreadable"
    """It is corrupt, of another schema, or needs a library that is not installed."""
    LATE = "model_late"
    """It was not ready in time."""
    NO_SCORE = "model_no_score"
    """It was asked and gave no number."""
    FAILED = "decision_failed"
    """What should have decided has failed: a defect, and it is logged."""


class FallbackPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who decides where no model answers: what lists and rules say holds in any case."""

    verdict: Verdict = Verdict.APPROVE
    """APPROVE: rules alone decide."""
    approve_below: Mapping[str, int] | None = None
    """Amounts in minor units by currency: what is below is approved, and `verdict` is for the rest."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From which score on the model wants what; None: it never does."""

    challenge_at: float | None = None
    review_at: float | None = None
    decline_at: float | None = None


class FiredRule(msgspec.Struct, frozen=True, gc=False):
    """A rule that fired."""

    name: str
    wants: Verdict
    reason: str


class Fired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the rules of a stage said."""

    rules: tuple[FiredRule, ...] = ()
    missing: tuple[str, ...] = ()
    """Rules that could not say: a value is missing, or something was divided by zero."""
    snoozed: tuple[str, ...] = ()
    approved: bool = False
    """A rule has spared it: rules behind that one, and the model, have nothing to say."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What of a row moved a model's score, and how much."""

    code: str
    """Stable: an adverse-action code of a model of credit, else `model_` and the value's name."""
    points: float
    text: str


class Scored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a model said."""

    value: float | None
    """A probability from 0 to 1; None: it gave none, and `why` says why."""
    why: str | None = None
    late: bool = False
    """It may have given one, when the time was over."""
    missing: tuple[str, ...] = ()
    """Inputs that had no value."""


class Rules(Protocol):
    """Published rules, made ready."""

    version: int
    snoozes: int

    def before(self, row: Row, now: dt.datetime) -> Fired:
        """What those say that are asked before the model."""

    def after(self, row: Row, now: dt.datetime) -> Fired:
        """What those say that are asked after it: they may read `model.score`."""


class Model(Protocol):
    """A model, made ready."""

    ref: str
    """`fraud@3`"""

    def score(self, row: Row) -> Scored:
        """What it says of a row. Raises nothing."""

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """What raised its score most, the weightiest first; nothing where it cannot say so at once."""


class Served(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that a decision was made of."""

    facts: Mapping[str, Value]
    """What is decided on: `payment.amount` and so on."""
    features: tuple[int | float | None, ...] = ()
    """In the order of the feature set."""
    feature_set: int = 0
    """Its version; 0: there was none."""
    rule_set: int = 0
    snoozes: int = 0
    """The newest snooze of a rule that was known."""
    serving: int = 0
    """The version of what says which models serve; 0: there was none."""
    model: str | None = None
    role: str | None = None
    """`champion` or `challenger`."""
    met: Met = Met()
    at: dt.datetime
    authenticates: bool = False
    """The partner could have the customer authenticate."""
    fallback: Fallback | None = None
    """Why no model was asked, or none answered: then the policy decided, and does so again."""


class Decided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it."""

    outcome: Verdict
    score: float | None = None
    reasons: tuple[Reason, ...] = ()


class Shadow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model would have said that serves for comparison only."""

    model: str
    score: float | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is kept. Never changes."""

    id: str
    of: SubjectOf
    subject: str
    """The payment's id, or the caller's own name of an application."""
    customer: str | None = None
    at: dt.datetime
    as_of: dt.datetime
    """From when windows of features were measured."""
    ordinal: int
    """The newest event that features knew; 0 where there were none."""
    served: Served
    decided: Decided
    fired: tuple[str, ...] = ()
    """All rules that fired, in their order."""
    missing: tuple[str, ...] = ()
    """Rules that could not say."""
    snoozed: tuple[str, ...] = ()
    model_wants: Verdict = Verdict.APPROVE
    """What the model would have done with it alone, or the policy in its place."""
    shadows: tuple[Shadow, ...] = ()
    latency_us: Mapping[str, int] = {}
    """By stage. Of what is read for a whole batch together, the batch's."""


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions are wanted; None is any."""

    subject: str | None = None
    customer: str | None = None
    outcome: Verdict | None = None
    of: SubjectOf | None = None
    score_from: float | None = None
    """At least this score."""
    made_from: dt.datetime | None = None
    made_before: dt.datetime | None = None
