"""Rules of decisions, as the API answers and takes them. Amounts are integers of minor units."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from caudal.client.bodies import Body
from caudal.client.types import Answer, OpenEnum

Given = bool | int | float | str | None
"""A value that a rule reads; None is missing."""


class RuleOutcome(OpenEnum):
    """What a rule wants to become of a payment or an application."""

    APPROVE = "approve"
    """The rules behind it are not asked."""
    CHALLENGE = "challenge"
    REVIEW = "review"
    DECLINE = "decline"


class RuleSubject(OpenEnum):
    """What a rule is asked about."""

    PAYMENT = "payment"
    APPLICATION = "application"
    """What is no payment: a loan that is applied for."""


class ApplicationValue(OpenEnum):
    """The type of a value of applications."""

    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"


class RuleStage(OpenEnum):
    """When a rule is asked."""

    BEFORE_MODEL = "before_model"
    AFTER_MODEL = "after_model"
    """It may read `model.score`."""


class RuleExpected(OpenEnum):
    """What a test expects, or found, of a rule's condition."""

    FIRES = "fires"
    DOES_NOT_FIRE = "does_not_fire"
    MISSING = "missing"


class ReviewVerdict(OpenEnum):
    """What a reviewer says of a draft."""

    ACCEPT = "accept"
    REJECT = "reject"


class StatsPeriod(OpenEnum):
    """What figures are summed up by, in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class RuleSetState(OpenEnum):
    """How far a rule set has come."""

    DRAFT = "draft"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CURRENT = "current"
    """Decisions go by it."""
    RETIRED = "retired"


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people write, and get again."""


class RuleTest(_Written, frozen=True, kw_only=True):
    """An example of what a rule is for, or is not."""

    given: Mapping[str, Given | Mapping[str, Given]]
    expect: RuleExpected
    name: str = ""


class RiskRule(_Written, frozen=True, kw_only=True):
    """A condition, and what follows where it holds."""

    name: str
    when: str
    outcome: RuleOutcome
    reason: str
    on: RuleSubject = RuleSubject.PAYMENT
    stage: RuleStage = RuleStage.BEFORE_MODEL
    tests: Sequence[RuleTest] = ()


class NewRiskRules(Body, frozen=True, kw_only=True):
    """POST /v1/risk/rule-sets"""

    rules: Sequence[RiskRule]
    """In the order in which they are asked."""
    application: Mapping[str, ApplicationValue] = {}
    """The values of applications that rules read as `application.…`, with their types."""
    feature_set: int | None = None
    """The version that they speak of; the one in use by default."""
    note: str | None = None


class NewRuleReview(Body, frozen=True, kw_only=True):
    """POST /v1/risk/rule-sets/{name}/review"""

    verdict: ReviewVerdict
    note: str | None = None


class NewSnooze(Body, frozen=True, kw_only=True):
    """POST /v1/risk/rules/{rule}/snooze"""

    until: dt.datetime
    reason: str


class NewWake(Body, frozen=True, kw_only=True):
    """POST /v1/risk/rules/{rule}/wake"""

    reason: str


class NewBacktest(Body, frozen=True, kw_only=True):
    """POST /v1/risk/rules/backtest"""

    rules: NewRiskRules | None = None
    rule_set: str | None = None
    made_from: dt.datetime | None = None
    made_before: dt.datetime | None = None
    label_after_days: int | None = None
    """How old a decision is when its end is known; by default the book's own."""


class RuleReview(Answer, frozen=True, kw_only=True):
    """What somebody other than the author said of a rule set."""

    verdict: ReviewVerdict
    reviewed_at: dt.datetime
    reviewed_by: str
    note: str | None = None


class RuleTested(Answer, frozen=True, kw_only=True):
    """What came of a rule's test."""

    rule: str
    number: int
    expected: RuleExpected
    found: RuleExpected
    passed: bool
    why: Sequence[str]
    name: str | None = None


class RuleFault(Answer, frozen=True, kw_only=True):
    """Something that is wrong with rules."""

    code: str
    field: str
    detail: str
    rule: str | None = None
    line: int | None = None
    column: int | None = None
    picture: str | None = None


class RuleSnooze(Answer, frozen=True, kw_only=True):
    """A rule that does not fire for a while."""

    rule: str
    until: dt.datetime
    reason: str
    snoozed_at: dt.datetime
    snoozed_by: str
    number: int


class RiskRuleSet(Answer, frozen=True, kw_only=True):
    """A rule set of decisions; its rules never change."""

    name: str
    """`v3`"""
    version: int
    state: RuleSetState
    rules: Sequence[RiskRule]
    feature_set: int
    reads: Sequence[str]
    application: Mapping[str, ApplicationValue] = {}
    """The values of applications that it may read."""
    created_at: dt.datetime
    created_by: str
    note: str | None = None
    review: RuleReview | None = None
    published_at: dt.datetime | None = None
    published_by: str | None = None
    tests: int = 0
    failed: Sequence[RuleTested] = ()
    warnings: Sequence[str] = ()
    snoozed: Sequence[RuleSnooze] = ()
    """Of its rules, those that do not fire for now; not in lists."""


class RuleTests(Answer, frozen=True, kw_only=True):
    """What came of trying rules that are not kept."""

    passed: bool
    faults: Sequence[RuleFault] = ()
    tests: Sequence[RuleTested] = ()
    warnings: Sequence[str] = ()


class RuleSnoozes(Answer, frozen=True, kw_only=True):
    """The rules that are snoozed now."""

    data: Sequence[RuleSnooze]


class RuleAmounts(Answer, frozen=True, kw_only=True):
    """Sums of one currency."""

    all: int = 0
    matured: int = 0
    bad: int = 0


class RuleCount(Answer, frozen=True, kw_only=True):
    """Decisions of one sort."""

    decisions: int = 0
    matured: int = 0
    """Of these, the ones that are old enough for their end to be known."""
    bad: int = 0
    """Of the matured ones, those that were fraud, or a default."""
    reported: int = 0
    """Of those that are too young, the ones that somebody has called bad so far: in no rate."""
    unknown: int = 0
    """Old enough, but declined, and nobody has said anything: how they would have ended is not known."""
    amounts: Mapping[str, RuleAmounts] = {}
    """By currency."""


class RuleRate(Answer, frozen=True, kw_only=True):
    """A part of a whole, with its 95 % interval."""

    value: float
    low: float
    high: float


class RuleTried(Answer, frozen=True, kw_only=True):
    """What a rule would have done."""

    rule: str
    outcome: RuleOutcome
    stage: RuleStage
    hits: RuleCount
    missing: int
    alone: int
    """Hits without any other rule of the set."""
    examples: Sequence[str]
    precision: RuleRate | None = None
    recall: RuleRate | None = None


class RuleOverlap(Answer, frozen=True, kw_only=True):
    """Decisions that two rules hit."""

    rule: str
    other: str
    decisions: int
    bad: int


class RuleChange(Answer, frozen=True, kw_only=True):
    """Decisions that came out one way, and would have another."""

    was: RuleOutcome
    would_be: RuleOutcome
    counted: RuleCount


class RuleBacktestMatured(Answer, frozen=True, kw_only=True):
    """How rules do on decisions that are old enough for their ends to be known."""

    on: RuleSubject
    label_after_days: int
    """How old that is."""
    made_from: dt.datetime
    made_before: dt.datetime
    decisions: RuleCount
    rules: Sequence[RuleTried]
    complete: bool
    """False: there were more decisions; these are the oldest."""


class RuleBacktest(Answer, frozen=True, kw_only=True):
    """What rules would have done with the decisions of a span."""

    made_from: dt.datetime
    made_before: dt.datetime
    decisions: RuleCount
    hits: RuleCount
    changed: int
    rules: Sequence[RuleTried]
    overlaps: Sequence[RuleOverlap]
    overlaps_then: Sequence[RuleOverlap]
    """With the rules that fired at the time."""
    changes: Sequence[RuleChange]
    complete: bool
    """False: there were more decisions; these are the oldest."""
    last_at: dt.datetime | None = None
    matured: Sequence[RuleBacktestMatured] = ()
    """The same rules on the last decisions that are old enough; empty: all of the span is."""


class RulePeriod(Answer, frozen=True, kw_only=True):
    """How a rule did in a period."""

    rule: str
    start: dt.date
    asked: int
    fired: RuleCount
    missing: int
    snoozed: int
    fire_rate: RuleRate | None = None
    precision: RuleRate | None = None


class RuleStatsMatured(Answer, frozen=True, kw_only=True):
    """How published rules did on decisions that are old enough for their ends to be known."""

    on: RuleSubject
    label_after_days: int
    """How old that is."""
    made_from: dt.datetime
    made_before: dt.datetime
    data: Sequence[RulePeriod]


class RuleStats(Answer, frozen=True, kw_only=True):
    """How published rules have done in a span."""

    made_from: dt.datetime
    made_before: dt.datetime
    by: StatsPeriod
    data: Sequence[RulePeriod]
    matured: Sequence[RuleStatsMatured] = ()
    """By what they are on, over the last span of this length that is old enough; empty: all of this is."""
