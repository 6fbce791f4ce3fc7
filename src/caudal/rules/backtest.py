"""What rules would have done with decisions of the past. Pure: takes one row after another, keeps sums.

    backtest = Backtest(rule_set)
    async for past in decisions:
        backtest.take(past)
    backtest.result()

Memory is bounded by the number of rules, whatever is taken in.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import msgspec

from caudal.rules.evaluating import Fired, RuleSet, evaluate, severest
from caudal.rules.figures import Past, RuleCount, RuleRate, rate
from caudal.rules.types import SEVERITY, Outcome, RuleStage

MAX_EXAMPLES: Final = 5
MAX_THEN: Final = 1_000
"""Different rules of the past that overlaps are counted with."""


class RuleTried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a rule would have done."""

    rule: str
    outcome: Outcome
    stage: RuleStage
    hits: RuleCount
    missing: int
    """Decisions on which it could not say."""
    alone: int
    """Hits without any other rule of the set."""
    examples: tuple[str, ...]
    """The last few that it hit."""
    precision: RuleRate | None = None
    """Of its matured hits, those that were bad; not there: none is matured."""
    recall: RuleRate | None = None
    """Of all that was bad, what it hit; not there: nothing was."""


class RuleOverlap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decisions that two rules hit."""

    rule: str
    other: str
    decisions: int
    bad: int


class RuleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decisions that came out one way, and would have another."""

    was: Outcome
    would_be: Outcome
    counted: RuleCount


class RuleBacktest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a backtest."""

    decisions: RuleCount
    """All that was taken in."""
    hits: RuleCount
    """Those that any rule hit."""
    first_at: dt.datetime | None
    last_at: dt.datetime | None
    rules: tuple[RuleTried, ...]
    """In their order."""
    overlaps: tuple[RuleOverlap, ...]
    """Of two rules of the set."""
    overlaps_then: tuple[RuleOverlap, ...]
    """Of a rule of the set with one that fired at the time."""
    changes: tuple[RuleChange, ...]
    """From the outcome that was to the one that would have been; also where they are the same."""

    @property
    def changed(self) -> int:
        """Decisions that would have come out another way."""
        return sum(one.counted.decisions for one in self.changes if one.was is not one.would_be)


class Backtest:
    """Rules over decisions that are taken in one after another."""

    def __init__(self, rule_set: RuleSet) -> None:
        """Snoozes of `rule_set` hold, if it has any."""
        self._rule_set = rule_set
        self._all = RuleCount()
        self._any = RuleCount()
        self._hits = {rule.name: RuleCount() for rule in rule_set.rules}
        self._missing: defaultdict[str, int] = defaultdict(int)
        self._alone: defaultdict[str, int] = defaultdict(int)
        self._examples: defaultdict[str, list[str]] = defaultdict(list)
        self._pairs: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._then: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._names_then: set[str] = set()
        self._changes: defaultdict[tuple[Outcome, Outcome], RuleCount] = defaultdict(RuleCount)
        self._first: dt.datetime | None = None
        self._last: dt.datetime | None = None

    def take(self, past: Past, would_be: Outcome | None = None) -> None:
        """Another decision. `would_be` is what it would have been, where the caller knows better.

        Else what `outcome_with` says.
        """
        self._all.take(past)
        self._first = past.at if self._first is None else min(self._first, past.at)
        self._last = past.at if self._last is None else max(self._last, past.at)
        fired = fired_on(self._rule_set, past)
        for name in fired.missing:
            self._missing[name] += 1
        names = fired.names
        if names:
            self._any.take(past)
        bad = past.bad is True
        for name in names:
            self._hits[name].take(past)
            examples = self._examples[name]
            examples.append(past.id)
            del examples[:-MAX_EXAMPLES]
            for other in past.fired:
                if other in self._names_then or len(self._names_then) < MAX_THEN:
                    self._names_then.add(other)
                    _add(self._then[name, other], bad=bad)
        if len(names) == 1:
            self._alone[names[0]] += 1
        for pair in combinations(names, 2):
            _add(self._pairs[pair], bad=bad)
        outcome = outcome_with(past, fired) if would_be is None else would_be
        self._changes[past.outcome, outcome].take(past)

    def result(self) -> RuleBacktest:
        """What has come of those taken in so far."""
        return RuleBacktest(
            decisions=self._all, hits=self._any, first_at=self._first, last_at=self._last,
            rules=tuple(self._rule(rule.name, rule.outcome, rule.stage) for rule in self._rule_set.rules),
            overlaps=_overlaps(self._pairs), overlaps_then=_overlaps(self._then),
            changes=tuple(
                RuleChange(was=was, would_be=would_be, counted=self._changes[was, would_be])
                for was, would_be in sorted(
                    self._changes, key=lambda pair: (SEVERITY[pair[0]], SEVERITY[pair[1]])
                )
            ),
        )  # fmt: skip

    def _rule(self, name: str, outcome: Outcome, stage: RuleStage) -> RuleTried:
        hits = self._hits[name]
        return RuleTried(
            rule=name, outcome=outcome, stage=stage, hits=hits, missing=self._missing[name],
            alone=self._alone[name], precision=rate(hits.bad, hits.matured),
            recall=rate(hits.bad, self._all.bad), examples=tuple(self._examples[name]),
        )  # fmt: skip


def fired_on(rule_set: RuleSet, past: Past) -> Fired:
    """What rules say of a decision of the past, both stages together."""
    before = evaluate(rule_set, past.row, past.at, on=past.on)
    if before.approved:
        return before
    after = evaluate(rule_set, past.row, past.at, RuleStage.AFTER_MODEL, past.on)
    return Fired(
        outcome=severest((before.outcome, after.outcome)),
        rules=before.rules + after.rules,
        missing=before.missing + after.missing,
        snoozed=before.snoozed + after.snoozed,
        approved=after.approved,
    )


def outcome_with(past: Past, fired: Fired) -> Outcome:
    """What a decision would have been, had these rules fired.

    The severest of what lists, rules and the model want. A rule that approves ends what the model wants; the
    allow list ends all that is short of DECLINE. What cannot be challenged is reviewed.
    """
    wanted = [past.lists, fired.outcome, Outcome.APPROVE if fired.approved else past.model]
    outcome = severest(wanted) or Outcome.APPROVE
    if past.allowed and outcome is not Outcome.DECLINE:
        return Outcome.APPROVE
    return Outcome.REVIEW if outcome is Outcome.CHALLENGE and not past.authenticates else outcome


def _add(counted: list[int], *, bad: bool) -> None:
    counted[0] += 1
    counted[1] += bad


def _overlaps(pairs: dict[tuple[str, str], list[int]]) -> tuple[RuleOverlap, ...]:
    found: Sequence[RuleOverlap] = [
        RuleOverlap(rule=rule, other=other, decisions=decisions, bad=bad)
        for (rule, other), (decisions, bad) in pairs.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.decisions, one.rule, one.other)))
