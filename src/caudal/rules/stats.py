"""How published rules do over time: how often they fire, and how often rightly. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.rules.figures import Past, RuleCount, RuleRate, rate
from caudal.rules.types import RuleSubject
from caudal_base.enums import QuickEnum

MAX_DAYS: Final = 366


class StatsPeriod(QuickEnum):
    """What figures are summed up by, in UTC."""

    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"


def start_of(moment: dt.datetime, period: StatsPeriod) -> dt.date:
    """The first day of the period that `moment` is in."""
    day = moment.astimezone(dt.UTC).date()
    if period is StatsPeriod.WEEK:
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if period is StatsPeriod.MONTH else day


class RulePeriod(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a rule did in a period."""

    rule: str
    start: dt.date
    asked: int
    """Decisions, of what it is on, by rule sets that had it."""
    fired: RuleCount
    missing: int
    """Decisions on which it could not say."""
    snoozed: int
    """Decisions on which it would have fired."""
    fire_rate: RuleRate | None = None
    """Of the decisions that asked it."""
    precision: RuleRate | None = None
    """Of the decisions on which it fired and that are matured, those that were bad."""


class _Sums:
    """Of a rule in a period, so far."""

    def __init__(self) -> None:
        self.fired = RuleCount()
        self.missing = self.snoozed = 0


class Stats:
    """Decisions that are taken in one after another. Memory is bounded by rules and periods."""

    def __init__(self, period: StatsPeriod, names: Mapping[int, Mapping[str, RuleSubject]]) -> None:
        """`names` are those of the rules of each version, with what they are on: so one that never fires is
        told of too."""
        self._period = period
        self._names = names
        self._sums: defaultdict[tuple[dt.date, str], _Sums] = defaultdict(_Sums)
        self._asked: defaultdict[tuple[dt.date, int, RuleSubject], int] = defaultdict(int)

    def take(self, past: Past) -> None:
        """Another decision."""
        start = start_of(past.at, self._period)
        self._asked[start, past.rule_set, past.on] += 1
        for name in past.fired:
            self._sums[start, name].fired.take(past)
        for name in past.missing:
            self._sums[start, name].missing += 1
        for name in past.snoozed:
            self._sums[start, name].snoozed += 1

    @property
    def kinds(self) -> list[RuleSubject]:
        """What rules have decided on."""
        found = {on for _, version, on in self._asked if version}
        return [on for on in RuleSubject if on in found]

    def result(self) -> list[RulePeriod]:
        """By rule, and of each the periods in their order."""
        asked: defaultdict[tuple[dt.date, str], int] = defaultdict(int)
        for (start, version, on), count in self._asked.items():
            for name, of in self._names.get(version, {}).items():
                if of is on:
                    asked[start, name] += count
        found = []
        for start, name in sorted({*asked, *self._sums}, key=lambda key: (key[1], key[0])):
            sums = self._sums.get((start, name)) or _Sums()
            whole = asked[start, name]
            found.append(
                RulePeriod(
                    rule=name, start=start, asked=whole, fired=sums.fired, missing=sums.missing,
                    snoozed=sums.snoozed,
                    fire_rate=rate(min(sums.fired.decisions, whole), whole),
                    precision=rate(sums.fired.bad, sums.fired.matured),
                )
            )  # fmt: skip
        return found
