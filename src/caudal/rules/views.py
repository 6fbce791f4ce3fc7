"""Rule sets, snoozes and what was tried, as the API and the command line show them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal.rules import checking
from caudal.rules.backtest import RuleBacktest, RuleChange, RuleOverlap, RuleTried
from caudal.rules.errors import Problem
from caudal.rules.figures import RuleCount
from caudal.rules.stats import RulePeriod, StatsPeriod
from caudal.rules.types import (
    ApplicationValue,
    Review,
    ReviewVerdict,
    RiskRule,
    RuleExpected,
    RuleSubject,
    RuleTested,
    Snooze,
    Version,
)
from caudal_base import ids
from caudal_base.enums import QuickEnum

Time = Annotated[dt.datetime, Meta(tz=True)]

MAX_WARNINGS = 50
MAX_OVERLAPS = 1_000


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have in common."""


class RuleSetState(QuickEnum):
    """How far a rule set has come."""

    DRAFT = "draft"
    """Nobody has reviewed it."""
    ACCEPTED = "accepted"
    """It may be published."""
    REJECTED = "rejected"
    CURRENT = "current"
    """Decisions go by it."""
    RETIRED = "retired"
    """Decisions went by it; it may be published again."""


class RuleReviewView(View, frozen=True, kw_only=True):
    """What somebody other than the author said of it."""

    verdict: ReviewVerdict
    reviewed_at: Time
    reviewed_by: str
    note: str | None = None


class RuleTestedView(View, frozen=True, kw_only=True):
    """What came of a rule's test."""

    rule: str
    number: int
    """Which test of the rule, from 1."""
    expected: RuleExpected
    found: RuleExpected
    passed: bool
    why: tuple[str, ...]
    """What made it so: `features.card_count_1h = 5 <= 5`."""
    name: str | None = None


class RuleFaultView(View, frozen=True, kw_only=True):
    """Something that is wrong with rules."""

    code: str
    """Stable: see `/docs/errors`."""
    field: str
    """The part at fault: `rules[2].when`."""
    detail: str
    rule: str | None = None
    line: int | None = None
    """Within the expression, from 1; so is `column`."""
    column: int | None = None
    picture: str | None = None
    """The line, with what is meant underlined."""


class RuleSnoozeView(View, frozen=True, kw_only=True):
    """A rule that does not fire for a while, in whichever version is published."""

    rule: str
    until: Time
    """The first moment at which it fires again."""
    reason: str
    snoozed_at: Time
    snoozed_by: str
    number: int
    """Counts the snoozes of the book: decisions keep the newest that they knew of."""


class RiskRuleSetView(View, frozen=True, kw_only=True):
    """A rule set of decisions; its rules never change."""

    name: str
    """`v3`"""
    version: int
    state: RuleSetState
    rules: tuple[RiskRule, ...]
    """In the order in which they are asked."""
    feature_set: int
    """The version of the feature set that it speaks of; 0: of no features."""
    reads: tuple[str, ...]
    """The features that it reads."""
    application: Mapping[str, ApplicationValue] = {}
    """The values of applications that it may read."""
    created_at: Time
    created_by: str
    note: str | None = None
    review: RuleReviewView | None = None
    published_at: Time | None = None
    """When it was last published; not there: never."""
    published_by: str | None = None
    tests: int = 0
    """How many tests its rules have."""
    failed: tuple[RuleTestedView, ...] = ()
    """Those that do not find what they expect: it cannot be published. Lists do not tell; nor of warnings."""
    warnings: tuple[str, ...] = ()
    """What is odd about it, and allowed."""
    snoozed: tuple[RuleSnoozeView, ...] = ()
    """Of its rules, those that do not fire for now; not in lists."""


class RuleTestsView(View, frozen=True, kw_only=True):
    """What came of trying rules that are not kept."""

    passed: bool
    """There are no faults, and every test found what it expects."""
    faults: tuple[RuleFaultView, ...] = ()
    """Why the rules cannot be kept; then no test is run."""
    tests: tuple[RuleTestedView, ...] = ()
    warnings: tuple[str, ...] = ()


class RiskRuleSetToldView(View, frozen=True, kw_only=True):
    """Which rule set it is; `GET /v1/risk/rule-sets/{name}` has its rules, which never change."""

    id: str
    name: str
    """`v3`"""
    version: int
    rules: int
    """How many it has."""
    feature_set: int
    created_at: Time
    created_by: str
    note: str | None = None
    review: RuleReviewView | None = None
    published_at: Time | None = None
    """When it was last published."""
    published_by: str | None = None


class RiskRuleToldView(View, frozen=True, kw_only=True):
    """A rule, as it sleeps or is awake from now on, in whichever version is published."""

    id: str
    """The same for all rules of its name."""
    rule: str
    until: Time
    """The first moment at which it fires again; of one that was woken, when that was."""
    reason: str
    at: Time
    by: str


class RuleBacktestMaturedView(View, frozen=True, kw_only=True):
    """How rules do on decisions that are old enough for their ends to be known."""

    on: RuleSubject
    label_after_days: int
    """How old that is."""
    made_from: Time
    made_before: Time
    decisions: RuleCount
    """All that were looked at: of what the rules are on."""
    rules: tuple[RuleTried, ...]
    """In their order; those that are on something else are left out."""
    complete: bool
    """False: there were more decisions than are looked at; these are the oldest."""


class RuleBacktestView(View, frozen=True, kw_only=True):
    """What rules would have done with the decisions of a span."""

    made_from: Time
    made_before: Time
    decisions: RuleCount
    """All that were looked at."""
    hits: RuleCount
    """Those that any of the rules hit."""
    changed: int
    """Decisions that would have come out another way."""
    rules: tuple[RuleTried, ...]
    """In their order."""
    overlaps: tuple[RuleOverlap, ...]
    """Of two of the rules, the most frequent first."""
    overlaps_then: tuple[RuleOverlap, ...]
    """Of one of the rules with one that fired at the time."""
    changes: tuple[RuleChange, ...]
    """From the outcome that was to the one that would have been; also where they are the same."""
    complete: bool
    """False: there were more decisions than are looked at; these are the oldest."""
    last_at: Time | None = None
    """When the last of them was made."""
    matured: tuple[RuleBacktestMaturedView, ...] = ()
    """The same rules, by what they are on, over the last span of this length whose decisions are all old
    enough for their ends to be known; empty: those of this span are."""


class RuleStatsMaturedView(View, frozen=True, kw_only=True):
    """How published rules did on decisions that are old enough for their ends to be known."""

    on: RuleSubject
    label_after_days: int
    """How old that is."""
    made_from: Time
    made_before: Time
    data: tuple[RulePeriod, ...]


class RuleStatsView(View, frozen=True, kw_only=True):
    """How published rules have done in a span."""

    made_from: Time
    made_before: Time
    by: StatsPeriod
    data: tuple[RulePeriod, ...]
    """By rule, and of each the periods in their order; days are those of UTC."""
    matured: tuple[RuleStatsMaturedView, ...] = ()
    """Of the rules, by what they are on, over the last span of this length whose decisions are all old enough
    for their ends to be known; empty: those of this span are."""


def backtest_view(
    made: RuleBacktest, made_from: dt.datetime, made_before: dt.datetime, *, complete: bool,
    matured: tuple[RuleBacktestMaturedView, ...] = (),
) -> RuleBacktestView:  # fmt: skip
    """What came of a backtest."""
    return RuleBacktestView(
        made_from=made_from, made_before=made_before, decisions=made.decisions, hits=made.hits,
        changed=made.changed, rules=made.rules, overlaps=made.overlaps[:MAX_OVERLAPS],
        overlaps_then=made.overlaps_then[:MAX_OVERLAPS], changes=made.changes, complete=complete,
        last_at=made.last_at, matured=matured,
    )  # fmt: skip


def rule_set_view(version: Version, current: int | None, snoozes: Iterable[Snooze] = ()) -> RiskRuleSetView:
    """A rule set, with what its tests say; `current` is published, `snoozes` are those that last."""
    names = {rule.name for rule in version.rules.rules}
    checked = checking.check_rules(version.rules, version.reads)
    tested = checking.run_tests(version.rules, checked)
    return msgspec.structs.replace(
        rule_set_row(version, current),
        failed=tuple(tested_view(one) for one in tested if not one.passed),
        warnings=checked.warnings[:MAX_WARNINGS],
        snoozed=tuple(snooze_view(one) for one in snoozes if one.rule in names),
    )


def rule_set_row(version: Version, current: int | None) -> RiskRuleSetView:
    """A rule set in a list: its tests are not run."""
    review = version.review
    return RiskRuleSetView(
        name=f"v{version.version}",
        version=version.version,
        state=state_of(version, current),
        rules=version.rules.rules,
        feature_set=version.feature_set,
        reads=tuple(version.reads),
        application=version.rules.application,
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.rules.note,
        review=None if review is None else _review_view(review),
        published_at=version.published_at,
        published_by=version.published_by,
        tests=sum(len(rule.tests) for rule in version.rules.rules),
    )


def rule_set_told(version: Version) -> RiskRuleSetToldView:
    """What events tell of a version."""
    review = version.review
    return RiskRuleSetToldView(
        id=ids.encode(ids.RISK_RULE_SET, UUID(int=version.version)),
        name=f"v{version.version}",
        version=version.version,
        rules=len(version.rules.rules),
        feature_set=version.feature_set,
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.rules.note,
        review=None if review is None else _review_view(review),
        published_at=version.published_at,
        published_by=version.published_by,
    )


def rule_told(made: Snooze) -> RiskRuleToldView:
    """What events tell of a rule that is snoozed, or woken."""
    return RiskRuleToldView(
        id=ids.of_names(ids.RISK_RULE, made.rule), rule=made.rule, until=made.until, reason=made.reason,
        at=made.at, by=made.by,
    )  # fmt: skip


def _review_view(review: Review) -> RuleReviewView:
    return RuleReviewView(
        verdict=review.verdict, reviewed_at=review.at, reviewed_by=review.by, note=review.note
    )


def state_of(version: Version, current: int | None) -> RuleSetState:
    """How far a version has come, where `current` is published."""
    if version.version == current:
        return RuleSetState.CURRENT
    if version.published_at is not None:
        return RuleSetState.RETIRED
    if version.review is None:
        return RuleSetState.DRAFT
    accepted = version.review.verdict is ReviewVerdict.ACCEPT
    return RuleSetState.ACCEPTED if accepted else RuleSetState.REJECTED


def tested_view(one: RuleTested) -> RuleTestedView:
    """What came of a test."""
    return RuleTestedView(
        rule=one.rule, number=one.number, name=one.name or None, expected=one.expected, found=one.found,
        passed=one.passed, why=one.why,
    )  # fmt: skip


def tests_view(
    faults: Iterable[Problem], tested: Iterable[RuleTested], warnings: Iterable[str]
) -> RuleTestsView:
    """What came of trying rules."""
    found, told = tuple(fault_view(one) for one in faults), tuple(tested_view(one) for one in tested)
    return RuleTestsView(
        passed=not found and all(one.passed for one in told), faults=found, tests=told,
        warnings=tuple(warnings)[:MAX_WARNINGS],
    )  # fmt: skip


def fault_view(one: Problem) -> RuleFaultView:
    """Something that is wrong with rules."""
    return RuleFaultView(
        code=one.code, field=one.field, detail=one.detail, rule=one.rule, line=one.line, column=one.column,
        picture=one.picture,
    )  # fmt: skip


def snooze_view(one: Snooze) -> RuleSnoozeView:
    """A snooze."""
    return RuleSnoozeView(
        rule=one.rule, until=one.until, reason=one.reason, snoozed_at=one.at, snoozed_by=one.by,
        number=one.number,
    )  # fmt: skip
