"""`caudal.routing`"""

import datetime as dt

import msgspec

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.routing_types import (
    NewDrain,
    NewRules,
    NewTrial,
    Partners,
    PartnerStanding,
    RoutingReport,
    RuleSet,
    Trial,
)
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_RULE_SETS = "/v1/routing/rule-sets"
_PARTNERS = "/v1/routing/partners"


class ReportQuery(Body, frozen=True, kw_only=True):
    """GET /v1/routing/report"""

    from_day: dt.date | None = msgspec.field(name="from", default=None)
    through_day: dt.date | None = msgspec.field(name="through", default=None)


class Routing:
    """Which partner gets which payments: rules in versions, partners' health, and how each route does."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self, rules: NewRules, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RuleSet:
        """Keep rules as the book's next version, a draft; its `problems` say why it may not be published."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        return await self._sender.write(RuleSet, _RULE_SETS, rules, key=key, query=Write(dry_run=dry_run))

    async def publish(
        self, name: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RuleSet:
        """Let payments go by a rule set (`v3`), in all processes within two seconds; an older one: go back.

        Raises `Unprocessable` for rules that may not be published: `routing_no_default`, `routing_cycle`,
        `routing_partner_unknown`, `routing_partner_incapable`, `routing_weights`, …; `NotFound`.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_RULE_SETS}/{segment(name)}/publish"
        return await self._sender.write(RuleSet, path, None, key=key, query=Write(dry_run=dry_run))

    async def get(self, name: str = "current") -> RuleSet:
        """A rule set, by default the one that payments go by. Raises `NotFound`."""
        return await self._sender.read(RuleSet, f"{_RULE_SETS}/{segment(name)}")

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[RuleSet]:
        """Every rule set, the newest first."""
        return Rows(self._sender, Page[RuleSet], _RULE_SETS, ListQuery(cursor=cursor, limit=page_size))

    async def try_rules(
        self,
        rules: NewRules,
        *,
        created_from: dt.datetime | None = None,
        created_before: dt.datetime | None = None,
    ) -> Trial:
        """What rules would have done with the payments of a span, by default of the last 7 days.

        Nothing is kept. Raises `Unprocessable` for rules that may not be published.
        """
        body = NewTrial(rules=rules, created_from=created_from, created_before=created_before)
        return await self._sender.write(Trial, "/v1/routing/try", body, key=new_idempotency_key())

    async def report(
        self, *, from_day: dt.date | None = None, through_day: dt.date | None = None
    ) -> RoutingReport:
        """How each route has done in some days (UTC), by default the last 7: approvals, declines, cost."""
        query = ReportQuery(from_day=from_day, through_day=through_day)
        return await self._sender.read(RoutingReport, "/v1/routing/report", query)

    async def partners(self) -> Partners:
        """Which partners of the book get new payments."""
        return await self._sender.read(Partners, _PARTNERS)

    async def drain(
        self, partner: str, reason: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> PartnerStanding:
        """Let a partner run dry: it gets only new payments that name it. Raises `NotFound`."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_PARTNERS}/{segment(partner)}/drain"
        body = NewDrain(reason=reason)
        return await self._sender.write(PartnerStanding, path, body, key=key, query=Write(dry_run=dry_run))

    async def resume(
        self, partner: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> PartnerStanding:
        """Send a partner new payments again. Raises `NotFound`."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_PARTNERS}/{segment(partner)}/resume"
        return await self._sender.write(PartnerStanding, path, None, key=key, query=Write(dry_run=dry_run))
