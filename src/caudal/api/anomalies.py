"""`/v1/anomalies`: what is unlike an entity's own past, the streams in which it is looked for, silences."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from caudal import anomalies
from caudal.anomalies import (
    AnomalyBurst,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyFilter,
    AnomalyLevel,
    AnomalyPeriod,
    AnomalySilenceView,
    AnomalyStream,
    AnomalyStreamStandingView,
    anomaly_view,
    explained_view,
    silence_view,
    stream_view,
)
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Cursor, Limit, Moment, utc
from caudal.api.paging import page_answer
from caudal.api.payment_reads import cursor_id
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.cases import CaseSeverity
from caudal.features import Entity, Filter
from caudal.idempotency import Answer
from caudal_base import ids
from caudal_base.database import Connection

EntityText = Annotated[
    str, Meta(description="`customer:cus_…`: a kind and an id.", min_length=3, max_length=255)
]
StreamName = Annotated[str, Meta(description="A stream's name.", min_length=1, max_length=63)]


class NewAnomalyStream(RequestBody, frozen=True, kw_only=True):
    """What is to be watched of whom, and what is found in it."""

    entity: Annotated[Entity, Meta(description="Each of these is held against its own past.")]
    of: Annotated[Filter, Meta(description="Which events of features count.")] = Filter()
    value: (
        Annotated[str, Meta(description="What is added up: `amount`; by default events are counted.")] | None
    ) = None
    same: Annotated[
        tuple[str, ...], Meta(description="Tags that keep a past of their own: `currency` for amounts.")
    ] = ()
    period: Annotated[AnomalyPeriod, Meta(description="What an observation is of, UTC.")] = AnomalyPeriod.HOUR
    seasonal: Annotated[bool, Meta(description="Whether the place in the week counts.")] = True
    level: AnomalyLevel | None = AnomalyLevel()
    burst: AnomalyBurst | None = None
    new_counterparty: AnomalyCounterparty | None = None
    warm_up: Annotated[
        int,
        Meta(
            description="Nothing is told of an entity before so many of its periods.",
            extra_json_schema={"minimum": 10, "maximum": 1_000},
        ),
    ] = 72
    cool_down: Annotated[
        str, Meta(description="For how long a detector then says nothing more of the entity: 1h to 30d.")
    ] = "24h"
    severity: CaseSeverity = CaseSeverity.MEDIUM
    about: Annotated[str, Meta(description="What the events are, in words: `payments`.")] = "events"
    enabled: bool = True


class NewAnomalySilence(RequestBody, frozen=True, kw_only=True):
    """Let anomalies of a stream, an entity or both open no cases for a while."""

    until: Moment
    reason: Annotated[str, Meta(description="No personal data.", min_length=1, max_length=255)]
    stream: StreamName | None = None
    entity: EntityText | None = None


class AnomaliesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which anomalies: those that meet every condition."""

    stream: StreamName | None = None
    entity: EntityText | None = None
    detector: AnomalyDetector | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class AnomalyStreamsView(View, frozen=True, kw_only=True):
    """All streams of a book."""

    data: tuple[AnomalyStreamStandingView, ...]


class AnomalySilencesView(View, frozen=True, kw_only=True):
    """All silences of a book that are not over."""

    data: tuple[AnomalySilenceView, ...]


async def find(request: Request[AnomaliesQuery, NoBody]) -> Answer:
    """GET /v1/anomalies"""
    query = request.query
    wanted = AnomalyFilter(stream=query.stream, entity=query.entity, detector=query.detector)
    before = cursor_id(ids.ANOMALY, query.cursor)
    async with request.services.database.connection() as connection:
        rows = await anomalies.list_anomalies(
            connection, request.book_id, wanted, before=before, limit=query.limit + 1
        )
    shown = rows[: query.limit]
    next_ = shown[-1].id if len(rows) > len(shown) else None
    return page_answer([anomaly_view(one) for one in shown], next_)


async def read(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/anomalies/{id}; raises `AnomalyNotFound`."""
    async with request.services.database.connection() as connection:
        found = await anomalies.get_anomaly(connection, request.book_id, request.ids["id"])
    return json_answer(200, explained_view(found))


async def find_streams(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/anomaly-streams"""
    async with request.services.database.connection() as connection:
        found = await anomalies.list_streams(connection, request.book_id)
    return json_answer(200, AnomalyStreamsView(data=tuple(stream_view(one) for one in found)))


async def read_stream(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/anomaly-streams/{name}; raises `AnomalyStreamNotFound`."""
    async with request.services.database.connection() as connection:
        found = await anomalies.get_stream(connection, request.book_id, request.ids["name"])
    return json_answer(200, stream_view(found))


async def declare(request: Request[Write, NewAnomalyStream]) -> Answer:
    """POST /v1/anomaly-streams/{name}; raises `AnomalyStreamInvalid`."""
    services = request.services
    fields: dict[str, Any] = {name: getattr(request.body, name) for name in request.body.__struct_fields__}
    stream = AnomalyStream(name=request.ids["name"], **fields)

    async def work(connection: Connection) -> Answer:
        kept = await anomalies.declare(
            connection, request.book_id, stream, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        return json_answer(200, stream_view(kept))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_silences(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/anomaly-silences"""
    services = request.services
    async with services.database.connection() as connection:
        found = await anomalies.list_silences(connection, request.book_id, services.clock.now())
    return json_answer(200, AnomalySilencesView(data=tuple(silence_view(one) for one in found)))


async def silence(request: Request[Write, NewAnomalySilence]) -> Answer:
    """POST /v1/anomaly-silences; raises `AnomalySilenceInvalid`."""
    services, body = request.services, request.body
    until: dt.datetime = utc(body.until, "until") or body.until

    async def work(connection: Connection) -> Answer:
        made = await anomalies.silence(
            connection, request.book_id, stream=body.stream, entity=body.entity, until=until,
            reason=body.reason, caller=caller_of(request), ledger=services.ledger, at=services.clock.now(),
        )  # fmt: skip
        return json_answer(200, silence_view(made))

    return await request.once(work, dry_run=request.query.dry_run)
