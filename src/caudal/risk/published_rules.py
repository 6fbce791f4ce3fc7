"""The rules room as decisions ask it."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from caudal import rules
from caudal.risk.decision_types import Fired, FiredRule, Row
from caudal.rules import RuleSet, RuleStage, RuleSubject
from caudal_base.decide import Verdict

_VERDICTS: Final[Mapping[rules.Outcome, Verdict]] = {
    outcome: Verdict(outcome.value) for outcome in rules.Outcome
}
_NOTHING: Final = Fired()


class PublishedRules:
    """A version of the book's rules, made ready: those on payments, or on applications. Never changes."""

    def __init__(self, rule_set: RuleSet, on: RuleSubject = RuleSubject.PAYMENT) -> None:
        """As `caudal.rules` has it."""
        self._on = on
        self.version = rule_set.version
        self.snoozes = rule_set.snoozes
        self.rule_set = rule_set

    def before(self, row: Row, now: dt.datetime) -> Fired:
        """What those say that are asked before the model."""
        return self._fired(row, now, RuleStage.BEFORE_MODEL)

    def after(self, row: Row, now: dt.datetime) -> Fired:
        """What those say that are asked after it."""
        return self._fired(row, now, RuleStage.AFTER_MODEL)

    def why(self, rule: str, row: Row, now: dt.datetime) -> tuple[str, ...]:
        """What made a rule fire: the parts of its condition with their values, in words."""
        return tuple(str(reason.text) for reason in self.rule_set.explain(rule, row, now))

    def _fired(self, row: Row, now: dt.datetime, stage: RuleStage) -> Fired:
        found = rules.evaluate(self.rule_set, row, now, stage, self._on)
        if found is rules.NOTHING:
            return _NOTHING
        return Fired(
            rules=tuple(FiredRule(one.name, _VERDICTS[one.outcome], one.reason) for one in found.rules),
            missing=found.missing, snoozed=found.snoozed, approved=found.approved,
        )  # fmt: skip
