"""How rule sets, trials, partners' health and figures look outside."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from caudal import routing
from caudal.api.fields import Time
from caudal.api.views import View
from caudal.connectors import Capabilities
from caudal.payments import Tried
from caudal.routing import (
    Figures,
    Outcome,
    PartnerStandingView,
    Retry,
    Route,
    Rule,
    RulesInvalid,
    Version,
)

MAX_WARNINGS: Final = 50


class RuleProblemView(View, frozen=True, kw_only=True):
    """Why rules may not be published."""

    code: str
    """Stable: see `/docs/errors`."""
    detail: str
    field: str | None = None
    """The part at fault: `rules[2].next[0]`."""


class RuleSetView(View, frozen=True, kw_only=True):
    """A rule set; it never changes. Which one counts, `current` says."""

    name: str
    """`v3`"""
    version: int
    current: bool
    """Payments go by it."""
    rules: tuple[Rule, ...]
    created_at: Time
    created_by: str
    routes: Mapping[str, Route] = {}
    retries: tuple[Retry, ...] = ()
    note: str | None = None
    published_at: Time | None = None
    """When it was last published; not there: it is a draft."""
    published_by: str | None = None
    problems: tuple[RuleProblemView, ...] = ()
    """Why it may not be published now."""
    warnings: tuple[str, ...] = ()
    """What is odd about it: rules that nothing reaches, payments that no rule serves."""


class PartnersView(View, frozen=True, kw_only=True):
    """The partners of the book, in the order of the settings."""

    data: tuple[PartnerStandingView, ...]


class TrialLineView(View, frozen=True, kw_only=True):
    """What would have gone by a rule to a partner, as its first choice."""

    partner: str
    currency: str
    payments: int
    amount: int
    before: int
    """How many of these payments the partner had."""
    approved_amount: int
    """Of those that came through, wherever they went."""
    rule: str | None = None
    """Not there: the callers had named the partner, and it stays so."""
    cost: int | None = None
    """What the partner would have taken for `approved_amount`, at its fees of late; not there: not known."""


class UnservedView(View, frozen=True, kw_only=True):
    """Payments that no rule serves: they would have been refused."""

    kind: str
    method: str
    currency: str
    payments: int
    amount: int
    example: str


class TrialView(View, frozen=True, kw_only=True):
    """What rules would have done with payments of the past, had all partners been up."""

    created_from: Time
    created_before: Time
    payments: int
    moved: int
    """Payments that would have gone to another partner."""
    foreign: int
    """Of those, the ones by an instrument that is not the vault's: it may mean nothing to that partner."""
    lines: tuple[TrialLineView, ...]
    unserved: tuple[UnservedView, ...]
    complete: bool
    """False: there were more payments than are looked at; these are the newest."""


class RouteFiguresView(View, frozen=True, kw_only=True):
    """How a partner does on a route."""

    partner: str
    currency: str
    method: str
    approved: int
    soft_declines: int
    hard_declines: int
    failed: int
    """Refused for another reason, or never seen by the partner."""
    not_sent: int
    """Moved on before they reached the partner: they do not count against it."""
    approved_amount: int
    cost: int
    """The partner's fees, as far as they are known."""
    rule: str | None = None
    """Not there: the callers named the partner, or there were no rules."""
    approval_basis_points: int | None = None
    """Of what the partner has decided on, what it approved: 10,000 is all."""
    cost_basis_points: int | None = None
    """Of the amount approved, in hundredths of a percent."""


class RoutingReportView(View, frozen=True, kw_only=True):
    """What became of attempts to begin payments, in the days from `from_day` to `through_day`."""

    from_day: dt.date
    through_day: dt.date
    data: tuple[RouteFiguresView, ...]


def rule_set_view(version: Version, current: int | None, partners: Mapping[str, Capabilities]) -> RuleSetView:
    """A rule set, held against what the book's `partners` can do."""
    rules = version.rules
    problems: Sequence[RulesInvalid] = routing.problems(rules, partners)
    return RuleSetView(
        name=f"v{version.version}",
        version=version.version,
        current=version.version == current,
        rules=rules.rules,
        routes=rules.routes,
        retries=rules.retries,
        note=rules.note,
        created_at=version.created_at,
        created_by=version.created_by,
        published_at=version.published_at,
        published_by=version.published_by,
        problems=tuple(
            RuleProblemView(code=one.code, detail=one.detail, field=one.field) for one in problems
        ),
        warnings=() if problems else tuple(routing.warnings(rules, partners)[:MAX_WARNINGS]),
    )


def trial_view(tried: Tried, since: dt.datetime, until: dt.datetime) -> TrialView:
    """What came of a trial."""
    trial = tried.trial
    return TrialView(
        created_from=since,
        created_before=until,
        payments=trial.payments,
        moved=trial.moved,
        foreign=trial.foreign,
        complete=tried.complete,
        lines=tuple(
            TrialLineView(
                rule=one.rule or None,
                partner=one.partner,
                currency=one.currency,
                payments=one.payments,
                amount=one.amount,
                before=one.before,
                approved_amount=one.approved_amount,
                cost=one.cost,
            )
            for one in trial.lines
        ),
        unserved=tuple(
            UnservedView(
                kind=one.kind,
                method=one.method,
                currency=one.currency,
                payments=one.payments,
                amount=one.amount,
                example=one.example,
            )
            for one in trial.unserved
        ),
    )


def report_view(figures: Sequence[Figures], since: dt.date, through: dt.date) -> RoutingReportView:
    """The figures of some days."""
    return RoutingReportView(
        from_day=since,
        through_day=through,
        data=tuple(
            RouteFiguresView(
                rule=one.lane.rule or None,
                partner=one.lane.partner,
                currency=one.lane.currency,
                method=one.lane.method,
                approved=one.counts.get(Outcome.APPROVED, 0),
                soft_declines=one.counts.get(Outcome.SOFT_DECLINE, 0),
                hard_declines=one.counts.get(Outcome.HARD_DECLINE, 0),
                failed=one.counts.get(Outcome.FAILED, 0),
                not_sent=one.counts.get(Outcome.NOT_SENT, 0),
                approved_amount=one.approved_amount,
                cost=one.cost,
                approval_basis_points=one.approval_basis_points,
                cost_basis_points=one.cost_basis_points,
            )
            for one in figures
        ),
    )
