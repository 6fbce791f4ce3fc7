"""How objectives look outside: in answers of the API and in events, alike."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

import msgspec

from caudal.objectives.types import Indicator, Severity, Watched

Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have in common."""


class ObjectiveStandingView(View, frozen=True, kw_only=True):
    """How an objective stands, as of the last minute."""

    evaluated_at: Time
    total: int
    """Counted in the objective's window."""
    bad: int
    budget_left_basis_points: int
    """Of the window's budget: 10000 is untouched, 0 used up; below 0 the promise is broken."""
    burn_rates: Mapping[str, float]
    """By window: `5m`, `30m`, `1h`, `6h`, `3d`. At 1 the budget is used up exactly at the window's end."""
    severity: Severity | None = None
    """Of the alert that is open: `page` (now) or `ticket` (in the next days)."""
    since: Time | None = None
    """When the alert was opened, or last changed its severity."""


class ObjectiveView(View, frozen=True, kw_only=True):
    """What is promised of an indicator, and how it stands."""

    id: str
    name: str
    version: int
    """0: it comes with the program, and nobody has set it."""
    indicator: Indicator
    target_basis_points: int
    """Of all that is counted, the share that must not be bad: 9990 is 99.9 %."""
    window_days: int
    least_bad: int
    """Nobody is told while fewer were bad."""
    enabled: bool
    within_ms: int | None = None
    """What counts as in time, of the indicators that know a time."""
    set_at: Time | None = None
    set_by: str | None = None
    standing: ObjectiveStandingView | None = None
    """Not there: it has not been evaluated yet, or is not watched."""


def objective_view(one: Watched) -> ObjectiveView:
    """`one` for a caller."""
    objective, standing = one.version.objective, one.standing
    return ObjectiveView(
        id=one.id,
        name=objective.name,
        version=one.version.number,
        indicator=objective.indicator,
        within_ms=objective.within_ms or None,
        target_basis_points=objective.target_basis_points,
        window_days=objective.window_days,
        least_bad=objective.least_bad,
        enabled=objective.enabled,
        set_at=one.version.created_at,
        set_by=one.version.created_by,
        standing=None
        if standing is None
        else ObjectiveStandingView(
            evaluated_at=standing.evaluated_at,
            total=standing.total,
            bad=standing.bad,
            budget_left_basis_points=standing.budget_left_basis_points,
            burn_rates=standing.burn_rates,
            severity=standing.severity,
            since=standing.since,
        ),
    )
