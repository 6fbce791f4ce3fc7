"""Routing, as the API answers and takes it. Amounts are integers of minor units."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from caudal.client.bodies import Body
from caudal.client.payment_types import CaptureMode, Method
from caudal.client.types import Answer, OpenEnum


class RoutedKind(OpenEnum):
    """Which way a payment goes that goes through a partner."""

    PAY_IN = "pay_in"
    PAYOUT = "payout"


class RetryCause(OpenEnum):
    """Why an attempt to begin a payment did not come to anything."""

    HARD_DECLINE = "hard_decline"
    """Never tried again, whatever the rules say."""
    SOFT_DECLINE = "soft_decline"
    INVALID = "invalid"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"
    NOT_SENT = "not_sent"
    """It never reached the partner."""
    UNAVAILABLE = "unavailable"
    CREDENTIALS = "credentials"


class RetryThen(OpenEnum):
    """What follows upon it."""

    NEVER = "never"
    LATER = "later"
    """Once more at the same partner, after `wait_s`."""
    ELSEWHERE = "elsewhere"
    """At the next partner of the route, at once."""


class PartnerHealth(OpenEnum):
    """Whether rules send a partner anything new."""

    UP = "up"
    RECOVERING = "recovering"
    """Some payments try whether it is back."""
    DOWN = "down"
    DRAINING = "draining"


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people write, and get again."""


class RouteShare(_Written, frozen=True, kw_only=True):
    """A partner's part of a split."""

    partner: str
    weight: int
    """In percent; those of a split make 100."""


class RouteHop(_Written, frozen=True, kw_only=True):
    """Where a payment goes: exactly one of these."""

    partner: str | None = None
    route: str | None = None
    split: Sequence[RouteShare] = ()


class Route(_Written, frozen=True, kw_only=True):
    """A way that several rules share."""

    to: RouteHop
    next: Sequence[RouteHop] = ()


class RuleConditions(_Written, frozen=True, kw_only=True):
    """What a payment must be for a rule to hold; what is empty holds for all."""

    kind: Sequence[RoutedKind] = ()
    method: Sequence[Method] = ()
    currency: Sequence[str] = ()
    capture: Sequence[CaptureMode] = ()
    amount_from: int | None = None
    amount_to: int | None = None
    country: Sequence[str] = ()
    customer: Sequence[str] = ()
    instrument: Sequence[str] = ()
    """How the instrument begins."""


class Rule(_Written, frozen=True, kw_only=True):
    """What goes where; the first that holds serves a payment."""

    name: str
    to: RouteHop
    when: RuleConditions = RuleConditions()
    next: Sequence[RouteHop] = ()


class RetryRule(_Written, frozen=True, kw_only=True):
    """A row of the table of retries; the first that fits counts."""

    cause: RetryCause
    then: RetryThen
    partner: str | None = None
    codes: Sequence[str] = ()
    wait_s: int = 0
    times: int = 1


class NewRules(Body, frozen=True, kw_only=True):
    """POST /v1/routing/rule-sets"""

    rules: Sequence[Rule]
    """The last one without conditions."""
    routes: Mapping[str, Route] = {}
    retries: Sequence[RetryRule] = ()
    note: str | None = None


class NewTrial(Body, frozen=True, kw_only=True):
    """POST /v1/routing/try"""

    rules: NewRules
    created_from: dt.datetime | None = None
    created_before: dt.datetime | None = None


class NewDrain(Body, frozen=True, kw_only=True):
    """POST /v1/routing/partners/{partner}/drain"""

    reason: str


class RuleProblem(Answer, frozen=True, kw_only=True):
    """Why rules may not be published."""

    code: str
    detail: str
    field: str | None = None


class RuleSet(Answer, frozen=True, kw_only=True):
    """A rule set; it never changes."""

    name: str
    """`v3`"""
    version: int
    current: bool
    """Payments go by it."""
    rules: Sequence[Rule]
    created_at: dt.datetime
    created_by: str
    routes: Mapping[str, Route] = {}
    retries: Sequence[RetryRule] = ()
    note: str | None = None
    published_at: dt.datetime | None = None
    published_by: str | None = None
    problems: Sequence[RuleProblem] = ()
    warnings: Sequence[str] = ()


class Outage(Answer, frozen=True, kw_only=True):
    """What was found when a worker last called a partner."""

    reason: str
    since: dt.datetime
    until: dt.datetime


class Drain(Answer, frozen=True, kw_only=True):
    """An operator lets a partner run dry."""

    reason: str
    since: dt.datetime
    by: str


class PartnerStanding(Answer, frozen=True, kw_only=True):
    """Whether rules send a partner anything new."""

    partner: str
    health: PartnerHealth
    outage: Outage | None = None
    drain: Drain | None = None


class Partners(Answer, frozen=True, kw_only=True):
    """The partners of a book, in the order of its settings."""

    data: Sequence[PartnerStanding]


class TrialLine(Answer, frozen=True, kw_only=True):
    """What would have gone by a rule to a partner, as its first choice."""

    partner: str
    currency: str
    payments: int
    amount: int
    before: int
    approved_amount: int
    rule: str | None = None
    """None: the callers had named the partner."""
    cost: int | None = None
    """None: not known."""


class Unserved(Answer, frozen=True, kw_only=True):
    """Payments that no rule serves."""

    kind: str
    method: str
    currency: str
    payments: int
    amount: int
    example: str


class Trial(Answer, frozen=True, kw_only=True):
    """What rules would have done with payments of the past."""

    created_from: dt.datetime
    created_before: dt.datetime
    payments: int
    moved: int
    foreign: int
    """Of those, the ones by an instrument that is not the vault's: it may mean nothing to that partner."""
    lines: Sequence[TrialLine]
    unserved: Sequence[Unserved]
    complete: bool
    """False: there were more payments than are looked at."""


class RouteFigures(Answer, frozen=True, kw_only=True):
    """How a partner does on a route."""

    partner: str
    currency: str
    method: str
    approved: int
    soft_declines: int
    hard_declines: int
    failed: int
    not_sent: int
    approved_amount: int
    cost: int
    rule: str | None = None
    approval_basis_points: int | None = None
    cost_basis_points: int | None = None


class RoutingReport(Answer, frozen=True, kw_only=True):
    """What became of attempts to begin payments."""

    from_day: dt.date
    through_day: dt.date
    data: Sequence[RouteFigures]
