"""The vocabulary of rules: what people write, what is kept of it, what comes of a set on a row of values.

Amounts are integers in minor units; times are aware. Every struct is immutable.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from caudal_base.decide import Verdict
from caudal_base.enums import QuickEnum


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people write: whatever is not known is refused."""


Outcome = Verdict
"""What a rule wants. One that approves spares what is decided on: the rules behind it are not asked."""

SEVERITY: Final[Mapping[Outcome, int]] = {outcome: place for place, outcome in enumerate(Outcome)}
"""Outcomes in rising severity."""


class RuleStage(QuickEnum):
    """When a rule is asked."""

    BEFORE_MODEL = "before_model"
    AFTER_MODEL = "after_model"
    """It may read `model.score`."""


class RuleSubject(QuickEnum):
    """What a rule is asked about."""

    PAYMENT = "payment"
    APPLICATION = "application"
    """What is no payment: a loan that is applied for. It may read the declared `application.…`."""


class ApplicationValue(QuickEnum):
    """The type of a value of applications."""

    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"


class RuleExpected(QuickEnum):
    """What a test expects of a rule's condition."""

    FIRES = "fires"
    DOES_NOT_FIRE = "does_not_fire"
    MISSING = "missing"
    """A value that it needs is missing, so that it does not fire."""


Given = bool | int | float | str | None
"""A value as JSON has it; None is missing."""


class RuleTest(_Written, frozen=True, kw_only=True):
    """An example of what a rule is for, or is not: publishing runs it."""

    given: Mapping[str, Given | Mapping[str, Given]]
    """Values by name: `{"features.card_count_1h": 7}`, or nested; what is not named is missing."""
    expect: RuleExpected
    name: str = ""


class RiskRule(_Written, frozen=True, kw_only=True):
    """A condition, and what follows where it holds."""

    name: str
    """A lower-case word, `many_payments_by_card`: reasons, figures and snoozes go by it across versions."""
    when: str
    """An expression over `payment.…`, `features.…`, `lists.…` and, after the model, `model.score`.

    Of applications `application.…` stands in the place of payments and features.
    """
    outcome: Outcome
    reason: str
    """In words that a person understands."""
    on: RuleSubject = RuleSubject.PAYMENT
    stage: RuleStage = RuleStage.BEFORE_MODEL
    tests: tuple[RuleTest, ...] = ()


class RiskRules(_Written, frozen=True, kw_only=True):
    """Rules in the order in which they are asked."""

    rules: tuple[RiskRule, ...]
    application: Mapping[str, ApplicationValue] = {}
    """The values of applications that rules read as `application.…`, by the names that callers give them."""
    feature_set: int | None = None
    """The version of the feature set that the rules speak of; the one in use by default."""
    note: str | None = None
    """What it is for, or what it changes."""


class ReviewVerdict(QuickEnum):
    """What a reviewer says of a draft."""

    ACCEPT = "accept"
    REJECT = "reject"


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody other than the author has looked at a draft."""

    verdict: ReviewVerdict
    at: dt.datetime
    by: str
    """The actor, as the audit log names it."""
    note: str | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A rule set as it is kept; its rules never change. Which one counts, publications say."""

    version: int
    rules: RiskRules
    feature_set: int
    """The version of the feature set that it speaks of; 0: of no features."""
    reads: Mapping[str, str]
    """The features that its conditions read (`card_count_1h`), with their types: `int` or `double`."""
    created_at: dt.datetime
    created_by: str
    author: UUID
    """The lasting identity of who wrote it: no reviewer may have the same."""
    review: Review | None = None
    published_at: dt.datetime | None = None
    """When it was last published; None: never."""
    published_by: str | None = None


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that does not fire until a moment, in whichever version is published."""

    number: int
    """Counts the snoozes of the book."""
    rule: str
    until: dt.datetime
    """The first moment at which it fires again."""
    reason: str
    at: dt.datetime
    by: str


class RuleTested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a rule's test."""

    rule: str
    number: int
    """Which test of the rule, from 1."""
    name: str
    expected: RuleExpected
    found: RuleExpected
    why: tuple[str, ...]
    """What made it so, in words."""

    @property
    def passed(self) -> bool:
        """Whether what was expected was found."""
        return self.expected is self.found
