"""`/v1/routing`: rule sets, what they would do, partners' health, and how each route does."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from caudal import payments, routing
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.fields import Moment, utc
from caudal.api.paging import day, number, page_answer
from caudal.api.problems import problem
from caudal.api.queries import PageQuery
from caudal.api.request import Request
from caudal.api.routing_views import (
    PartnersView,
    report_view,
    rule_set_view,
    trial_view,
)
from caudal.api.views import json_answer
from caudal.connectors import Capabilities
from caudal.idempotency import Answer
from caudal.routing import Conditioned, Rules, RuleSetNotFound, Version
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

CURRENT: Final = "current"
"""What the rule set that counts is called, whichever it is."""

WEEK: Final = dt.timedelta(days=7)

_NAME: Final = re.compile(r"v([1-9][0-9]{0,8})", re.ASCII)

Day = Annotated[dt.date, Meta(description="A day in UTC; the first of the last 7 by default.")]
LastDay = Annotated[dt.date, Meta(description="A day in UTC, included; today by default.")]


class ReportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which days, both included: at most 366."""

    from_day: Day | None = msgspec.field(name="from", default=None)
    through_day: LastDay | None = msgspec.field(name="through", default=None)


class NewTrial(RequestBody, frozen=True, kw_only=True):
    """Rules, and the payments that they are tried on."""

    rules: Rules
    created_from: Moment | None = None
    """7 days before `created_before` by default."""
    created_before: Moment | None = None
    """Now by default."""


class NewDrain(RequestBody, frozen=True, kw_only=True):
    """Why a partner is to get nothing new."""

    reason: Annotated[str, Meta(min_length=1, max_length=200, description="Why, without personal data.")]


async def partners_of(request: Request[Q, B], connection: Connection) -> Mapping[str, Capabilities]:
    """What the partners of the request's book can do."""
    book = await request.services.books.require_number(connection, request.book_id)
    return {partner.name: partner.capabilities for partner in request.services.partners.of_book(book.name)}


async def create_rule_set(request: Request[Write, Rules]) -> Answer:
    """POST /v1/routing/rule-sets"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        partners = await partners_of(request, connection)
        kept = await routing.create(
            connection,
            request.book_id,
            request.body,
            caller=caller_of(request),
            ledger=services.ledger,
            at=services.clock.now(),
        )
        location = ("Location", f"/v1/routing/rule-sets/v{kept.version}")
        return json_answer(201, rule_set_view(kept, None, partners), location)

    return await request.once(work, dry_run=request.query.dry_run)


async def publish_rule_set(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/routing/rule-sets/{name}/publish"""
    services = request.services
    version = _version(request.ids["name"])

    async def work(connection: Connection) -> Answer:
        partners = await partners_of(request, connection)
        result = await routing.publish(
            connection,
            request.book_id,
            version,
            partners,
            caller=caller_of(request),
            ledger=services.ledger,
            at=services.clock.now(),
        )
        if isinstance(result, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays.
            return problem(result)
        return json_answer(200, rule_set_view(result, version, partners))

    answer = await request.once(work, dry_run=request.query.dry_run)
    services.routing.forget(request.book_id)
    return answer


async def find_rule_sets(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/routing/rule-sets"""
    query = request.query
    async with request.services.database.connection() as connection:
        partners = await partners_of(request, connection)
        found, current = await routing.list_versions(
            connection, request.book_id, before=number(query.cursor), limit=query.limit
        )
    next_ = found[-1].version if len(found) == query.limit else None
    return page_answer([rule_set_view(version, current, partners) for version in found], next_)


async def read_rule_set(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/routing/rule-sets/{name}"""
    name = request.ids["name"]
    async with request.services.database.connection() as connection:
        partners = await partners_of(request, connection)
        wanted = None if name == CURRENT else _version(name)
        version: Version = await routing.get_version(connection, request.book_id, wanted)
        _, current = await routing.list_versions(connection, request.book_id, limit=1)
    return json_answer(200, rule_set_view(version, current, partners))


async def try_rules(request: Request[NoQuery, NewTrial]) -> Answer:
    """POST /v1/routing/try"""
    await request.take_long_place()
    body, services = request.body, request.services
    until = utc(body.created_before, "created_before") or services.clock.now()
    since = utc(body.created_from, "created_from") or until - WEEK
    async with services.database.connection() as connection:
        partners = await partners_of(request, connection)
        tried = await payments.try_rules(
            connection, request.book_id, body.rules, partners, created_from=since, created_before=until
        )
    return json_answer(200, trial_view(tried, since, until))


async def read_report(request: Request[ReportQuery, NoBody]) -> Answer:
    """GET /v1/routing/report"""
    await request.take_long_place()
    query = request.query
    through = query.through_day or request.services.clock.now().date()
    since = query.from_day or day(through, "through") - WEEK + dt.timedelta(days=1)
    async with request.services.database.connection() as connection:
        figures = await routing.report(
            connection, request.book_id, day(since, "from"), day(through, "through")
        )
    return json_answer(200, report_view(figures, since, through))


async def find_partners(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/routing/partners"""
    async with request.services.database.connection() as connection:
        found = await _conditions(request, connection)
    return json_answer(200, PartnersView(data=tuple(routing.condition_view(one) for one in found)))


async def drain_partner(request: Request[Write, NewDrain]) -> Answer:
    """POST /v1/routing/partners/{partner}/drain"""
    services, partner = request.services, request.ids["partner"]

    async def work(connection: Connection) -> Answer:
        names = [*await partners_of(request, connection)]
        await routing.drain(
            connection,
            request.book_id,
            partner,
            request.body.reason,
            names,
            caller=caller_of(request),
            ledger=services.ledger,
            at=services.clock.now(),
        )
        return await _condition(request, connection, partner)

    answer = await request.once(work, dry_run=request.query.dry_run)
    services.routing.forget(request.book_id)
    return answer


async def resume_partner(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/routing/partners/{partner}/resume"""
    services, partner = request.services, request.ids["partner"]

    async def work(connection: Connection) -> Answer:
        names = [*await partners_of(request, connection)]
        await routing.resume(
            connection, request.book_id, partner, names, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        return await _condition(request, connection, partner)

    answer = await request.once(work, dry_run=request.query.dry_run)
    services.routing.forget(request.book_id)
    return answer


async def _conditions(request: Request[Q, B], connection: Connection) -> list[Conditioned]:
    names = [*await partners_of(request, connection)]
    now = request.services.clock.now()
    return await routing.conditions(connection, request.book_id, names, at=now)


async def _condition(request: Request[Q, B], connection: Connection, partner: str) -> Answer:
    found = await _conditions(request, connection)
    return json_answer(200, routing.condition_view(next(one for one in found if one.partner == partner)))


def _version(name: str) -> int:
    match = _NAME.fullmatch(name)
    if match is None:
        raise RuleSetNotFound("a rule set is called v1, v2, …, or current", field="name")
    return int(match[1])
