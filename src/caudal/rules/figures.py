"""Decisions of the past, and what is counted over them. Pure; amounts by currency, in minor units."""

import datetime as dt
import math
from typing import Final

import msgspec

from caudal.rules.evaluating import Row
from caudal.rules.types import Outcome, RuleSubject

_Z: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: intervals cover 95 %."""


class Past(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A decision of the past: what it was made of, what came of it, and what is known since."""

    id: str
    """Of the decision, or of what was decided on: for people who want an example."""
    at: dt.datetime
    on: RuleSubject = RuleSubject.PAYMENT
    row: Row
    """The values as they were served, with the score, and what lists said."""
    amount: int
    currency: str
    outcome: Outcome
    lists: Outcome = Outcome.APPROVE
    """What lists and limits wanted."""
    model: Outcome = Outcome.APPROVE
    """What the model wanted, or what was declared for where there is none."""
    allowed: bool = False
    """On the allow list: nothing short of DECLINE counts."""
    authenticates: bool = True
    """The customer could be challenged; else a person reviews it in place of that."""
    fired: tuple[str, ...] = ()
    """The rules that fired then; so are `missing` and `snoozed`."""
    missing: tuple[str, ...] = ()
    snoozed: tuple[str, ...] = ()
    rule_set: int = 0
    """The version of the rules then; 0: there were none."""
    bad: bool | None = None
    """Its matured label: fraud, or a default. None: it is too early to say, or nobody can."""
    reported: bool = False
    """Too early, and somebody has called it bad already."""
    unknown: bool = False
    """Old enough, and declined, and nobody has said anything: nobody can say how it would have ended."""


class RuleAmounts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Sums of one currency, in minor units."""

    all: int = 0
    matured: int = 0
    bad: int = 0


class RuleCount(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Decisions of one sort, so far."""

    decisions: int = 0
    matured: int = 0
    """Of these, the ones that are old enough for their end to be known."""
    bad: int = 0
    """Of the matured ones, those that were fraud, or a default."""
    reported: int = 0
    """Of those that are too young, the ones that somebody has called bad so far: in no rate."""
    unknown: int = 0
    """Old enough, but declined, and nobody has said anything: how they would have ended is not known."""
    amounts: dict[str, RuleAmounts] = {}
    """By currency."""

    def take(self, past: Past) -> None:
        """Count it."""
        self.decisions += 1
        sums = self.amounts.get(past.currency)
        if sums is None:
            sums = self.amounts[past.currency] = RuleAmounts()
        sums.all += past.amount
        self.reported += past.reported
        self.unknown += past.unknown
        if past.bad is None:
            return
        self.matured += 1
        sums.matured += past.amount
        if past.bad:
            self.bad += 1
            sums.bad += past.amount


class RuleRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a whole, with its 95 % interval."""

    value: float
    low: float
    high: float


def rate(part: int, whole: int) -> RuleRate | None:
    """`part` of `whole`, with Wilson's score interval (1927); None of nothing."""
    if not whole:
        return None
    share = part / whole
    centre = share + _Z * _Z / (2 * whole)
    reach = _Z * math.sqrt(share * (1 - share) / whole + _Z * _Z / (4 * whole * whole))
    scale = 1 + _Z * _Z / whole
    low = 0.0 if part == 0 else (centre - reach) / scale
    high = 1.0 if part == whole else (centre + reach) / scale
    return RuleRate(share, low, high)
