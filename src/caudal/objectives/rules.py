"""When a budget burns too fast, and what follows. Pure.

Source of the rules: Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs", approach 6:
"Multiwindow, Multi-Burn-Rate Alerts", table 5-8.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from caudal.objectives.errors import ObjectiveInvalid
from caudal.objectives.types import (
    BurnRule,
    Counts,
    Indicator,
    Measure,
    Objective,
    Severity,
    Standing,
)

_MINUTES: Final = dt.timedelta(minutes=1)
_HOURS: Final = dt.timedelta(hours=1)
_DAYS: Final = dt.timedelta(days=1)

BURN_RULES: Final = (
    BurnRule(Severity.PAGE, 144, 1 * _HOURS, 5 * _MINUTES),
    BurnRule(Severity.PAGE, 60, 6 * _HOURS, 30 * _MINUTES),
    BurnRule(Severity.TICKET, 10, 3 * _DAYS, 6 * _HOURS),
)
"""Table 5-8: of a budget of 30 days they use up 2 % in an hour, 5 % in six, 10 % in three days."""

WINDOWS: Final[Mapping[str, dt.timedelta]] = {
    "5m": 5 * _MINUTES,
    "30m": 30 * _MINUTES,
    "1h": _HOURS,
    "6h": 6 * _HOURS,
    "3d": 3 * _DAYS,
}
"""The windows of the rules, by how they are called."""

BY_MINUTES: Final = 6 * _HOURS
"""Windows up to this one are summed from minutes, longer ones from hours."""

COOLING: Final = 5 * _MINUTES
"""An alert ends, or becomes milder, when no rule has asked for it for so long: on the edge it would else
open and close every minute."""

MAX_WITHIN_MS: Final = 86_400_000
MAX_LEAST_BAD: Final = 1_000_000
TARGETS: Final = range(5_000, 10_000)
DAYS: Final = range(1, 91)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)

TIMED: Final = frozenset(set(Indicator) - {Indicator.PAYMENTS_ACCEPTED, Indicator.LEDGER_READS})
"""The indicators that know a time."""

DEFAULTS: Final = (
    Objective(
        name="payments_accepted", indicator=Indicator.PAYMENTS_ACCEPTED, target_basis_points=9_990,
    ),
    Objective(
        name="accept_latency", indicator=Indicator.ACCEPT_LATENCY, within_ms=100, target_basis_points=9_900,
    ),
    Objective(name="ledger_reads", indicator=Indicator.LEDGER_READS, target_basis_points=9_990),
    Objective(
        name="payment_ends", indicator=Indicator.PAYMENT_ENDS, within_ms=60_000, target_basis_points=9_900,
    ),
    Objective(
        name="webhook_in_applied", indicator=Indicator.WEBHOOK_IN_APPLIED, within_ms=60_000,
        target_basis_points=9_990,
    ),
    Objective(
        name="webhook_delivered", indicator=Indicator.WEBHOOK_DELIVERED, within_ms=60_000,
        target_basis_points=9_900,
    ),
    Objective(
        name="attempt_known", indicator=Indicator.ATTEMPT_KNOWN, within_ms=900_000,
        target_basis_points=9_900, least_bad=5,
    ),
)  # fmt: skip
"""What every book has until it says otherwise."""


def measure_of(objective: Objective) -> Measure:
    """What is counted for it."""
    return Measure(objective.indicator, objective.within_ms)


def id_of(book_id: int, name: str) -> UUID:
    """An objective's id: always the same for a book and a name, so that those nobody has set have one too."""
    digest = hashlib.sha256(f"caudal objective {book_id} {name}".encode()).digest()
    return UUID(bytes=digest[:16], version=5)


def refuse_wrong(objective: Objective) -> None:
    """Refuse what cannot be an objective. Raises `ObjectiveInvalid` with the field at fault."""
    if not _NAME.fullmatch(objective.name):
        raise ObjectiveInvalid("a name has 1 to 50 of a-z, 0-9 and _, and begins with a letter", field="name")
    if objective.target_basis_points not in TARGETS:
        raise ObjectiveInvalid("a target is 50 % to 99.99 %: 5000 to 9999", field="target_basis_points")
    if objective.window_days not in DAYS:
        raise ObjectiveInvalid("a window has 1 to 90 days", field="window_days")
    if not 1 <= objective.least_bad <= MAX_LEAST_BAD:
        raise ObjectiveInvalid(f"from 1 to {MAX_LEAST_BAD:,}", field="least_bad")
    if objective.indicator in TIMED:
        if not 1 <= objective.within_ms <= MAX_WITHIN_MS:
            raise ObjectiveInvalid("this indicator needs a time, of 24 hours at most", field="within_ms")
    elif objective.within_ms:
        raise ObjectiveInvalid("this indicator knows no time", field="within_ms")


def burn_rate(counts: Counts, target_basis_points: int) -> float:
    """How many times as fast as it may the budget burns: the bad share over the share that may be bad."""
    if not counts.total:
        return 0.0
    return counts.bad / counts.total * 10_000 / (10_000 - target_basis_points)


def burns(counts: Counts, target_basis_points: int, tenths: int) -> bool:
    """Whether the burn rate is `tenths` / 10 or more: exactly, in integers."""
    if not counts.total:
        return False
    return counts.bad * 100_000 >= tenths * (10_000 - target_basis_points) * counts.total


def budget_left(counts: Counts, target_basis_points: int) -> int:
    """What is left of the budget of all that `counts` hold, in basis points; below 0 it is overdrawn."""
    allowed = (10_000 - target_basis_points) * counts.total
    if not allowed:
        return 10_000
    return 10_000 - counts.bad * 100_000_000 // allowed


def demanded(objective: Objective, counted: Mapping[str, Counts]) -> Severity | None:
    """The highest severity that a rule asks for, given the counts by window."""
    for rule in BURN_RULES:
        long, short = counted[label(rule.long)], counted[label(rule.short)]
        target = objective.target_basis_points
        enough = long.bad >= objective.least_bad
        if enough and burns(long, target, rule.tenths) and burns(short, target, rule.tenths):
            return rule.severity
    return None


def label(window: dt.timedelta) -> str:
    """How a window of the rules is called."""
    return _LABELS[window]


_LABELS: Final = {window: name for name, window in WINDOWS.items()}
_RANK: Final = {None: 0, Severity.TICKET: 1, Severity.PAGE: 2}


def evaluated(
    objective: Objective,
    counted: Mapping[str, Counts],
    whole: Counts,
    before: Standing | None,
    now: dt.datetime,
) -> Standing:
    """How the objective stands `now`; `whole` was counted in its window.

    An alert opens and rises at once; it ends or falls after `COOLING`.
    """
    wanted = demanded(objective, counted)
    severity = None if before is None else before.severity
    since = None if before is None else before.since
    asked = None if before is None else before.demanded_at
    if wanted is not None and _RANK[wanted] >= _RANK[severity]:
        asked = now
    if _RANK[wanted] > _RANK[severity]:
        severity, since = wanted, now
    elif _RANK[wanted] < _RANK[severity] and (asked is None or now - asked >= COOLING):
        severity, since = wanted, None if wanted is None else now
        asked = None if wanted is None else now
    return Standing(
        evaluated_at=now,
        total=whole.total,
        bad=whole.bad,
        budget_left_basis_points=max(budget_left(whole, objective.target_basis_points), -(2**31)),
        burn_rates={
            name: round(burn_rate(counts, objective.target_basis_points), 2)
            for name, counts in counted.items()
        },
        severity=severity,
        since=since,
        demanded_at=asked,
    )


def current(set_: Sequence[Objective]) -> list[Objective]:
    """A book's objectives: those that it has set, and the defaults that it has not."""
    by_name = {one.name: one for one in DEFAULTS} | {one.name: one for one in set_}
    return [by_name[name] for name in sorted(by_name)]


def floor(moment: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """The beginning of the span (a minute, an hour) of UTC that `moment` is in."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return moment - (moment - epoch) % span


def sums(
    rows: Mapping[tuple[str, Measure], Counts],
    extra: Mapping[tuple[str, Measure], Counts],
    measure: Measure,
    windows: Sequence[str],
) -> dict[str, Counts]:
    """By window what was counted of a measure, `extra` added: what failed before its book was known."""
    found = {}
    for name in windows:
        of_book = rows.get((name, measure), Counts(0, 0))
        of_none = extra.get((name, measure), Counts(0, 0))
        found[name] = Counts(of_book.total + of_none.total, of_book.bad + of_none.bad)
    return found
