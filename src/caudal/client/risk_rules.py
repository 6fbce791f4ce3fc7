"""`caudal.rules`"""

import datetime as dt

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.risk_rule_types import (
    NewBacktest,
    NewRiskRules,
    NewRuleReview,
    NewSnooze,
    NewWake,
    ReviewVerdict,
    RiskRuleSet,
    RuleBacktest,
    RuleSnooze,
    RuleSnoozes,
    RuleStats,
    RuleTests,
    StatsPeriod,
)
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_SETS = "/v1/risk/rule-sets"
_RULES = "/v1/risk/rules"


class StatsQuery(Body, frozen=True, kw_only=True):
    """GET /v1/risk/rules/stats"""

    made_from: dt.datetime | None = None
    made_before: dt.datetime | None = None
    by: StatsPeriod = StatsPeriod.DAY
    label_after_days: int | None = None


class RiskRules:
    """Rules of decisions: drafted, accepted by a second person, published; tried, and snoozed."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def draft(
        self, rules: NewRiskRules, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RiskRuleSet:
        """Keep rules as the book's next version.

        Raises `Unprocessable` for rules that cannot be; its `problem.problems` have rule, line and column.
        """
        key = idempotency_key or new_idempotency_key()
        return await self._sender.write(RiskRuleSet, _SETS, rules, key=key, query=Write(dry_run=dry_run))

    async def review(
        self, name: str, verdict: ReviewVerdict, *, note: str | None = None,
        idempotency_key: str | None = None, dry_run: bool = False,
    ) -> RiskRuleSet:  # fmt: skip
        """Accept or reject a draft (`v3`), once. Raises `Forbidden` for its author, `Conflict`."""
        key = idempotency_key or new_idempotency_key()
        path, body = f"{_SETS}/{segment(name)}/review", NewRuleReview(verdict=verdict, note=note)
        return await self._sender.write(RiskRuleSet, path, body, key=key, query=Write(dry_run=dry_run))

    async def publish(
        self, name: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RiskRuleSet:
        """Let decisions go by a rule set from the next batch on; an older one: go back.

        Raises `Conflict` for one that was not accepted, `Unprocessable` where its tests fail or a feature
        that it reads is not there, `NotFound`.
        """
        key = idempotency_key or new_idempotency_key()
        path = f"{_SETS}/{segment(name)}/publish"
        return await self._sender.write(RiskRuleSet, path, None, key=key, query=Write(dry_run=dry_run))

    async def get(self, name: str = "current") -> RiskRuleSet:
        """A rule set, by default the one that decisions go by. Raises `NotFound`."""
        return await self._sender.read(RiskRuleSet, f"{_SETS}/{segment(name)}")

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[RiskRuleSet]:
        """Every rule set, the newest first."""
        return Rows(self._sender, Page[RiskRuleSet], _SETS, ListQuery(cursor=cursor, limit=page_size))

    async def test(self, rules: NewRiskRules) -> RuleTests:
        """What is wrong with rules, and what comes of their tests. Nothing is kept."""
        return await self._sender.write(RuleTests, f"{_RULES}/test", rules, key=new_idempotency_key())

    async def backtest(
        self, rules: NewRiskRules | str, *, made_from: dt.datetime | None = None,
        made_before: dt.datetime | None = None, label_after_days: int | None = None,
    ) -> RuleBacktest:  # fmt: skip
        """What rules, or a rule set by its name, would have done with decisions of a span.

        By default of the last 30 days. Nothing is kept. How rightly they would have fired is in `matured`,
        over decisions that are `label_after_days` old.
        """
        new = rules if isinstance(rules, NewRiskRules) else None
        body = NewBacktest(
            rules=new, rule_set=rules if isinstance(rules, str) else None, made_from=made_from,
            made_before=made_before, label_after_days=label_after_days,
        )  # fmt: skip
        return await self._sender.write(RuleBacktest, f"{_RULES}/backtest", body, key=new_idempotency_key())

    async def stats(
        self, *, by: StatsPeriod = StatsPeriod.DAY, made_from: dt.datetime | None = None,
        made_before: dt.datetime | None = None, label_after_days: int | None = None,
    ) -> RuleStats:  # fmt: skip
        """How often published rules have fired, by default in the last 30 days.

        How often rightly is in `matured`, over decisions that are `label_after_days` old.
        """
        query = StatsQuery(
            by=by, made_from=made_from, made_before=made_before, label_after_days=label_after_days
        )
        return await self._sender.read(RuleStats, f"{_RULES}/stats", query)

    async def snoozes(self) -> RuleSnoozes:
        """The rules that are snoozed now."""
        return await self._sender.read(RuleSnoozes, f"{_RULES}/snoozes")

    async def snooze(
        self, rule: str, *, until: dt.datetime, reason: str, idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> RuleSnooze:  # fmt: skip
        """Have a rule not fire before `until`. Raises `NotFound`, `Unprocessable`."""
        key = idempotency_key or new_idempotency_key()
        path, body = f"{_RULES}/{segment(rule)}/snooze", NewSnooze(until=until, reason=reason)
        return await self._sender.write(RuleSnooze, path, body, key=key, query=Write(dry_run=dry_run))

    async def wake(
        self, rule: str, *, reason: str, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RuleSnooze:
        """Have a snoozed rule fire again. Raises `NotFound`, `Unprocessable`."""
        key = idempotency_key or new_idempotency_key()
        path, body = f"{_RULES}/{segment(rule)}/wake", NewWake(reason=reason)
        return await self._sender.write(RuleSnooze, path, body, key=key, query=Write(dry_run=dry_run))
