"""Rule sets and partners as events tell of them, and partners as the API shows them."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal.routing.types import Conditioned, PartnerHealth, Version
from caudal_base import ids

Time = Annotated[dt.datetime, Meta(tz=True)]


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have in common."""


class RuleSetToldView(View, frozen=True, kw_only=True):
    """Which rule set it is; `GET /v1/routing/rule-sets/{name}` has its rules, which never change."""

    id: str
    name: str
    """`v3`"""
    version: int
    rules: int
    """How many it has."""
    created_at: Time
    created_by: str
    note: str | None = None
    published_at: Time | None = None
    """When it was last published; not there: it is a draft."""
    published_by: str | None = None


class OutageView(View, frozen=True, kw_only=True):
    """What was found when a worker last called a partner."""

    reason: str
    """`breaker_open`, `rate_limited`, `unreachable` or `credentials`."""
    since: Time
    until: Time
    """Then some payments try whether it is over."""


class DrainView(View, frozen=True, kw_only=True):
    """An operator lets a partner run dry."""

    reason: str
    since: Time
    by: str


class PartnerStandingView(View, frozen=True, kw_only=True):
    """Whether rules send a partner anything new."""

    partner: str
    health: PartnerHealth
    outage: OutageView | None = None
    drain: DrainView | None = None


class ToldPartnerView(PartnerStandingView, frozen=True, kw_only=True):
    """A partner as events tell of it: whether rules send it anything new."""

    id: str
    """Follows from the name: always the same in a book."""


def rule_set_told(version: Version) -> RuleSetToldView:
    """What is told of a version."""
    return RuleSetToldView(
        id=ids.encode(ids.RULE_SET, UUID(int=version.version)),
        name=f"v{version.version}",
        version=version.version,
        rules=len(version.rules.rules),
        created_at=version.created_at,
        created_by=version.created_by,
        note=version.rules.note,
        published_at=version.published_at,
        published_by=version.published_by,
    )


def condition_view(one: Conditioned) -> PartnerStandingView:
    """A partner's health."""
    outage, drain = one.outage, one.drain
    return PartnerStandingView(
        partner=one.partner,
        health=one.health,
        outage=None
        if outage is None
        else OutageView(reason=outage.reason, since=outage.since, until=outage.until),
        drain=None if drain is None else DrainView(reason=drain.reason, since=drain.since, by=drain.by),
    )


def partner_told(one: Conditioned) -> ToldPartnerView:
    """What is told of a partner."""
    shown = condition_view(one)
    return ToldPartnerView(
        id=ids.of_names(ids.PARTNER, shown.partner),
        partner=shown.partner,
        health=shown.health,
        outage=shown.outage,
        drain=shown.drain,
    )
