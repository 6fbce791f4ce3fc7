"""`/v1/risk/rule-sets` and `/v1/risk/rules`: rules of decisions from draft to publication, and snoozes."""

import datetime as dt
import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from caudal import risk, rules
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Moment, utc
from caudal.api.paging import number, page_answer
from caudal.api.problems import problem
from caudal.api.queries import PageQuery
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.rules import (
    ReviewVerdict,
    RiskRules,
    RuleSetNotFound,
    RuleSnoozeView,
    Snooze,
    StatsPeriod,
    Version,
)
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest

CURRENT: Final = "current"
"""What the rule set that decisions go by is called, whichever it is."""

MONTH: Final = dt.timedelta(days=30)
MOST_DECISIONS: Final = 100_000
"""Of a backtest by the API: some seconds of work. The command line knows no bound."""

_NAME: Final = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)

Note = Annotated[str, Meta(min_length=1, max_length=1_000, description="Why, without personal data.")]
Reason = Annotated[str, Meta(min_length=1, max_length=200, description="Why, without personal data.")]


RuleSetName = Annotated[str, Meta(max_length=12, description="One that is kept: `v3`, `current`.")]
MadeFrom = Annotated[dt.datetime, Meta(tz=True, description="30 days before `made_before` by default.")]
MadeBefore = Annotated[dt.datetime, Meta(tz=True, description="Now by default.")]
LabelAfterDays = Annotated[
    int,
    Meta(
        ge=1, le=3_660,
        description="How old a decision is when its end is known. By default what the terms of the book's "
        "models say (`label_after_days` of `drift`), else 120; of applications 365.",
    ),
]  # fmt: skip
By = Annotated[StatsPeriod, Meta(description="`day`, `week` (from Monday) or `month`, in UTC.")]


class NewRuleReview(RequestBody, frozen=True, kw_only=True):
    """What somebody other than the author says of a draft."""

    verdict: ReviewVerdict
    note: Note | None = None


class NewSnooze(RequestBody, frozen=True, kw_only=True):
    """How long a rule is not to fire, and why."""

    until: Moment
    """Up to 366 days from now."""
    reason: Reason


class NewWake(RequestBody, frozen=True, kw_only=True):
    """Why a rule is to fire again."""

    reason: Reason


class NewBacktest(RequestBody, frozen=True, kw_only=True):
    """Rules, and the span whose decisions they are tried on: one of `rules` and `rule_set`."""

    rules: RiskRules | None = None
    rule_set: RuleSetName | None = None
    made_from: Moment | None = None
    """30 days before `made_before` by default."""
    made_before: Moment | None = None
    """Now by default; at most 366 days after `made_from`."""
    label_after_days: LabelAfterDays | None = None


class StatsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions are counted, and in what periods."""

    made_from: MadeFrom | None = None
    made_before: MadeBefore | None = None
    by: By = StatsPeriod.DAY
    label_after_days: LabelAfterDays | None = None


class SnoozesView(View, frozen=True, kw_only=True):
    """The rules that are snoozed now, by name."""

    data: tuple[RuleSnoozeView, ...]


async def draft_rule_set(request: Request[Write, RiskRules]) -> Answer:
    """POST /v1/risk/rule-sets"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        kept = await rules.draft(
            connection, request.book_id, request.body, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        if isinstance(kept, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays. So it is of all that follow.
            return problem(kept)
        location = ("Location", f"/v1/risk/rule-sets/v{kept.version}")
        return json_answer(201, rules.rule_set_view(kept, None), location)

    return await request.once(work, dry_run=request.query.dry_run)


async def review_rule_set(request: Request[Write, NewRuleReview]) -> Answer:
    """POST /v1/risk/rule-sets/{name}/review"""
    services, body = request.services, request.body
    version = _version(request.ids["name"])

    async def work(connection: Connection) -> Answer:
        result = await rules.review(
            connection, request.book_id, version, body.verdict, caller=caller_of(request),
            ledger=services.ledger, at=services.clock.now(), note=body.note,
        )  # fmt: skip
        return await _answer(request, connection, result)

    return await request.once(work, dry_run=request.query.dry_run)


async def publish_rule_set(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/risk/rule-sets/{name}/publish"""
    services = request.services
    version = _version(request.ids["name"])

    async def work(connection: Connection) -> Answer:
        result = await rules.publish(
            connection, request.book_id, version, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        return await _answer(request, connection, result)

    return await request.once(work, dry_run=request.query.dry_run)


async def find_rule_sets(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/risk/rule-sets"""
    query = request.query
    async with request.services.database.connection() as connection:
        found, current = await rules.list_versions(
            connection, request.book_id, before=number(query.cursor), limit=query.limit
        )
    next_ = found[-1].version if len(found) == query.limit else None
    return page_answer([rules.rule_set_row(version, current) for version in found], next_)


async def read_rule_set(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/risk/rule-sets/{name}"""
    name = request.ids["name"]
    async with request.services.database.connection() as connection:
        wanted = None if name == CURRENT else _version(name)
        version = await rules.get_version(connection, request.book_id, wanted)
        return await _answer(request, connection, version)


async def test_rules(request: Request[NoQuery, RiskRules]) -> Answer:
    """POST /v1/risk/rules/test"""
    async with request.services.database.connection() as connection:
        checked, tested = await rules.try_tests(connection, request.book_id, request.body)
    return json_answer(200, rules.tests_view(checked.problems, tested, checked.warnings))


async def backtest_rules(request: Request[NoQuery, NewBacktest]) -> Answer:
    """POST /v1/risk/rules/backtest"""
    body, services = request.body, request.services
    if (body.rules is None) == (body.rule_set is None):
        raise InvalidRequest("either rules or a rule_set", field="rules")
    await request.take_long_place()
    made_from, made_before, now = _span(services.clock.now(), body.made_from, body.made_before)
    async with services.database.connection() as connection:
        if body.rules is not None:
            rule_set = await rules.compiled(connection, request.book_id, body.rules)
        else:
            named = str(body.rule_set)
            version = await rules.get_version(
                connection, request.book_id, None if named == CURRENT else _version(named)
            )
            rule_set = rules.RuleSet(version.version, version.rules, version.reads)
        view = await risk.backtest(
            connection, request.book_id, rule_set, made_from=made_from, made_before=made_before, now=now,
            label_after_days=body.label_after_days, most=MOST_DECISIONS,
        )  # fmt: skip
    return json_answer(200, view)


async def read_rule_stats(request: Request[StatsQuery, NoBody]) -> Answer:
    """GET /v1/risk/rules/stats"""
    await request.take_long_place()
    query, services = request.query, request.services
    made_from, made_before, now = _span(services.clock.now(), query.made_from, query.made_before)
    async with services.database.connection() as connection:
        view = await risk.rule_stats(
            connection, request.book_id, query.by, made_from=made_from, made_before=made_before, now=now,
            label_after_days=query.label_after_days,
        )  # fmt: skip
    return json_answer(200, view)


def _span(
    now: dt.datetime, made_from: dt.datetime | None, made_before: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime, dt.datetime]:
    before = utc(made_before, "made_before") or now
    return utc(made_from, "made_from") or before - MONTH, before, now


async def find_snoozes(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/risk/rules/snoozes"""
    services = request.services
    async with services.database.connection() as connection:
        found = await rules.list_snoozes(connection, request.book_id, at=services.clock.now())
    return json_answer(200, SnoozesView(data=tuple(rules.snooze_view(one) for one in found)))


async def snooze_rule(request: Request[Write, NewSnooze]) -> Answer:
    """POST /v1/risk/rules/{rule}/snooze"""
    services, body = request.services, request.body
    until = utc(body.until, "until")

    async def work(connection: Connection) -> Answer:
        result = await rules.snooze(
            connection, request.book_id, request.ids["rule"], until or body.until, body.reason,
            caller=caller_of(request), ledger=services.ledger, at=services.clock.now(),
        )  # fmt: skip
        return _snoozed(result)

    return await request.once(work, dry_run=request.query.dry_run)


async def wake_rule(request: Request[Write, NewWake]) -> Answer:
    """POST /v1/risk/rules/{rule}/wake"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        result = await rules.wake(
            connection, request.book_id, request.ids["rule"], request.body.reason, caller=caller_of(request),
            ledger=services.ledger, at=services.clock.now(),
        )  # fmt: skip
        return _snoozed(result)

    return await request.once(work, dry_run=request.query.dry_run)


def _snoozed(result: Snooze | CaudalError) -> Answer:
    return problem(result) if isinstance(result, CaudalError) else json_answer(200, rules.snooze_view(result))


async def _answer(
    request: Request[Any, Any], connection: Connection, result: Version | CaudalError
) -> Answer:
    if isinstance(result, CaudalError):
        return problem(result)
    now = request.services.clock.now()
    return json_answer(200, await rules.shown(connection, request.book_id, result, at=now))


def _version(name: str) -> int:
    match = _NAME.fullmatch(name)
    if match is None:
        raise RuleSetNotFound("a rule set is called v1, v2, …, or current", field="name")
    return int(match[1])
