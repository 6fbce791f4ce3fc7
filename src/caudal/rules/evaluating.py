"""Rule sets made ready, and what comes of them on a row of values. Pure; evaluating raises nothing."""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from caudal.expressions import Conditions, Reason, compile, compile_all, explain
from caudal.rules.names import APPLICATION, AT, environment
from caudal.rules.types import (
    SEVERITY,
    ApplicationValue,
    Outcome,
    RiskRule,
    RiskRules,
    RuleStage,
    RuleSubject,
    Snooze,
)

Value = bool | int | float | str | dt.datetime | None
"""Of a name in a row; None is missing."""

Row = Mapping[str, Value]
"""Values by name: `payment.amount`, `features.card_count_1h`. Other names in it are passed over."""


class Fired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came of the rules of a stage on one row."""

    outcome: Outcome | None = None
    """The severest of the rules that fired; None: none did."""
    rules: tuple[RiskRule, ...] = ()
    """Those that fired, in their order."""
    missing: tuple[str, ...] = ()
    """Those that could not say, since a value is missing, or something was divided by zero, …"""
    snoozed: tuple[str, ...] = ()
    """Those that would have fired, were they not snoozed."""
    approved: bool = False
    """A rule that approves has fired: the rules behind it were not asked, of the next stage neither."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the rules that fired."""
        return tuple(rule.name for rule in self.rules)


_INT64: Final = range(-(2**63), 2**63)

NOTHING: Final = Fired()
"""No rule had anything to say."""


class _Part:
    """The rules on something at one stage, as one function."""

    def __init__(
        self, whole: RiskRules, rules: Sequence[RiskRule], features: Mapping[str, str], stage: RuleStage,
        on: RuleSubject,
    ) -> None:  # fmt: skip
        self.rules = tuple(rules)
        names = environment(whole, features, stage, on)
        read = {name for rule in rules for name in compile(rule.when, names).names}
        # Only what is read: a row is made for each decision.
        own = environment(whole, features, stage, on, only=read)
        self.conditions: Conditions = compile_all([(rule.name, compile(rule.when, own)) for rule in rules])
        self.names = own.names
        self._reads_time = AT in own.places
        self._declared = None if on is RuleSubject.PAYMENT else whole.application

    def row(self, values: Row, now: dt.datetime) -> tuple[Value, ...]:
        if self._declared is not None:
            return tuple([_applied(values, name, self._declared) for name in self.names])
        row = tuple(map(values.get, self.names))
        if not self._reads_time:
            return row
        return tuple(now if name == AT else value for name, value in zip(self.names, row, strict=True))


class RuleSet:
    """A version of the rules, made ready, with what is snoozed of it. Never changes."""

    def __init__(
        self, version: int, rules: RiskRules, reads: Mapping[str, str], feature_set: int = 0,
        snoozes: Iterable[Snooze] = (),
    ) -> None:  # fmt: skip
        """`reads` are the features that `rules` read, with their types. Raises `ExpressionInvalid`."""
        self.version = version
        """0: the book has no rules."""
        self.rules = rules.rules
        self.feature_set = feature_set
        self._parts: dict[tuple[RuleSubject, RuleStage], _Part] = {}
        for on in RuleSubject:
            for stage in RuleStage:
                own = [rule for rule in rules.rules if rule.on is on and rule.stage is stage]
                if own:
                    self._parts[on, stage] = _Part(rules, own, reads, stage, on)
        newest: dict[str, Snooze] = {}
        for snooze in sorted(snoozes, key=lambda one: one.number):
            newest[snooze.rule] = snooze
        self.snoozed: Mapping[str, dt.datetime] = {rule: one.until for rule, one in newest.items()}
        """Until when, by rule; also of those that are over."""
        self.snoozes = max((snooze.number for snooze in newest.values()), default=0)
        """The number of the newest snooze that it knows of: with it, replay knows the same."""

    @property
    def reads(self) -> frozenset[str]:
        """Every name that a row should have."""
        return frozenset(name for part in self._parts.values() for name in part.names)

    def part(self, stage: RuleStage, on: RuleSubject = RuleSubject.PAYMENT) -> _Part | None:
        """The rules on something at a stage; None where there are none."""
        return self._parts.get((on, stage))

    def speaks_of(self, on: RuleSubject) -> bool:
        """Whether any rule is on it."""
        return any(subject is on for subject, _ in self._parts)

    def explain(self, rule: str, row: Row, now: dt.datetime) -> tuple[Reason, ...]:
        """What made a rule fire, or not, on `row`: the parts of its condition, with their values."""
        for part in self._parts.values():
            for place, one in enumerate(part.rules):
                if one.name == rule:
                    return explain(part.conditions.expressions[place], part.row(row, now))
        return ()

    def why_missing(self, rule: str, row: Row, now: dt.datetime) -> str | None:
        """Why a rule could not say anything on `row`; None where it could."""
        for part in self._parts.values():
            for place, one in enumerate(part.rules):
                if one.name == rule:
                    found = part.conditions.why_missing(part.row(row, now), place)
                    return None if found is None else str(found)
        return None


NO_RULES: Final = RuleSet(0, RiskRules(rules=()), {})
"""Of a book without published rules."""


def evaluate(
    rule_set: RuleSet, row: Row, now: dt.datetime, stage: RuleStage = RuleStage.BEFORE_MODEL,
    on: RuleSubject = RuleSubject.PAYMENT,
) -> Fired:  # fmt: skip
    """What the rules of a stage say of a row at the moment `now`, which is that of the decision.

    The values of an application stand in the row by their own names; what is not of its declared type is
    missing.

    The severest outcome of those that fire counts. One that approves ends it: the rules behind it are not
    asked (and after `approved` of the first stage the second is not to be asked). A rule whose condition is
    missing does not fire. Raises nothing, whatever the values are.
    """
    part = rule_set.part(stage, on)
    if part is None:
        return NOTHING
    fired, missing = part.conditions.evaluate(part.row(row, now))
    if not fired and not missing:
        return NOTHING
    return _fired(rule_set, part, fired, missing, now)


def _applied(values: Row, name: str, declared: Mapping[str, ApplicationValue]) -> Value:
    """A value of an application, as its declaration takes it."""
    if not name.startswith(APPLICATION):
        return values.get(name)
    own = name.removeprefix(APPLICATION)
    value = values.get(own)
    match declared[own]:
        case ApplicationValue.BOOL:
            return value if isinstance(value, bool) else None
        case ApplicationValue.STRING:
            return value if isinstance(value, str) else None
        case ApplicationValue.INT:
            whole = isinstance(value, int) and not isinstance(value, bool)
            return value if whole and value in _INT64 else None
        case ApplicationValue.DOUBLE:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            try:
                number = float(value)
            except OverflowError:
                return None
            return number if math.isfinite(number) else None


def _fired(
    rule_set: RuleSet, part: _Part, fired: Sequence[int], missing: Sequence[int], now: dt.datetime
) -> Fired:
    rules, asleep = part.rules, rule_set.snoozed
    kept: list[RiskRule] = []
    snoozed: list[str] = []
    end = len(rules)
    outcome: Outcome | None = None
    for place in fired:
        rule = rules[place]
        if asleep and rule.name in asleep and now < asleep[rule.name]:
            snoozed.append(rule.name)
            continue
        kept.append(rule)
        if outcome is None or SEVERITY[rule.outcome] > SEVERITY[outcome]:
            outcome = rule.outcome
        if rule.outcome is Outcome.APPROVE:
            end = place
            break
    return Fired(
        outcome=outcome,
        rules=tuple(kept),
        missing=tuple([rules[place].name for place in missing if place < end]),
        snoozed=tuple(snoozed),
        approved=end < len(rules),
    )


def severest(outcomes: Iterable[Outcome | None]) -> Outcome | None:
    """The severest of outcomes; None where there is none."""
    there = [outcome for outcome in outcomes if outcome is not None]
    return max(there, key=SEVERITY.__getitem__, default=None)
