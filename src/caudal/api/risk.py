"""`/v1/risk`: features are published, events of other sources come in, labels are said and read."""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal import features
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Limit, Moment, Time
from caudal.api.paging import page_answer
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.features import Feature, FeatureSet
from caudal.idempotency import Answer
from caudal.risk import AddLabel, Label, LabelKind, add_labels, find_labels, publish_features, record_events
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest

MAX_EVENTS = 1_000

LabelSubject = Annotated[
    str, Meta(description="A payment's id, or your own name of an application.", min_length=1, max_length=255)
]
Name = Annotated[str, Meta(min_length=1, max_length=63)]
Text = Annotated[str, Meta(min_length=1, max_length=255)]
Note = Annotated[str, Meta(min_length=1, max_length=200, description="Why; no personal data.")]


class RiskFeatureSetView(View, frozen=True, kw_only=True):
    """Features as they were published."""

    version: int
    features: tuple[Feature, ...]
    created_at: Time
    created_by: str


class NewRiskEvent(RequestBody, frozen=True, kw_only=True):
    """Something that happened elsewhere: a login, a change of address, payments of before."""

    id: Text
    """Of your own: the same one again has no effect."""
    source: Text
    """`login`; not `payment`, `dispute` or `label`, which are ours."""
    event_at: Moment
    entities: Annotated[dict[Name, Text], Meta(max_length=16)]
    """`customer`, `account`, `card`, `device`, `ip`, `merchant`."""
    tags: Annotated[dict[Name, Text] | None, Meta(description="What to filter by.")] = None
    values: Annotated[dict[Name, int] | None, Meta(description="What to add up.")] = None


class NewRiskEvents(RequestBody, frozen=True, kw_only=True):
    """Events in the order in which they became known."""

    events: Annotated[tuple[NewRiskEvent, ...], Meta(min_length=1, max_length=MAX_EVENTS)]


class RiskEventResult(View, frozen=True, kw_only=True):
    """What became of an event."""

    id: str
    result: str
    """`recorded`, `known` (it was there already), or the code of a refusal."""
    detail: str | None = None


class RiskEventsView(View, frozen=True, kw_only=True):
    """One result for each event, in order."""

    data: tuple[RiskEventResult, ...]


class NewRiskLabel(RequestBody, frozen=True, kw_only=True):
    """What has become known."""

    subject: LabelSubject
    kind: LabelKind
    note: Note | None = None


class RiskLabelView(View, frozen=True, kw_only=True):
    """What became known of a payment or an application. The newest of a subject counts."""

    subject: str
    kind: LabelKind
    bad: bool
    """It is what nobody wanted."""
    event_at: Time
    """When that happened which it is about."""
    known_at: Time
    source: str
    """A dispute's id, or who said so."""
    note: str | None = None


class RiskLabelsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which labels."""

    subject: LabelSubject | None = None
    kind: LabelKind | None = None
    limit: Limit = 100


async def publish(request: Request[Write, FeatureSet]) -> Answer:
    """POST /v1/risk/feature-sets; raises `FeaturesInvalid`, `FeatureInUse`."""
    services = request.services

    async def work(connection: Connection) -> Answer:
        result = await publish_features(
            connection, request.book_id, request.body, caller=caller_of(request), ledger=services.ledger,
            at=services.clock.now(),
        )  # fmt: skip
        if isinstance(result, CaudalError):
            raise result
        return json_answer(201, feature_set_view(result))

    return await request.once(work, dry_run=request.query.dry_run)


async def read_current(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/risk/feature-sets/{version}; raises `FeatureSetNotFound`."""
    named = request.ids["version"]
    if named != "current" and not (named.isascii() and named.isdigit() and len(named) < 10):
        raise InvalidRequest("a number, or `current`", field="version")
    async with request.services.database.connection() as connection:
        found = await features.get_version(
            connection, request.book_id, None if named == "current" else int(named)
        )
    return json_answer(200, feature_set_view(found))


async def take_events(request: Request[Write, NewRiskEvents]) -> Answer:
    """POST /v1/risk/events"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        at = services.clock.now()
        given = [
            features.Event(
                id=one.id, source=one.source, event_at=one.event_at, known_at=at, entities=one.entities,
                tags=one.tags or {}, values=one.values or {},
            )
            for one in request.body.events
        ]  # fmt: skip
        results = await record_events(connection, request.book_id, given, ledger=services.ledger, at=at)
        data = [_result(event.id, result) for event, result in zip(given, results, strict=True)]
        return json_answer(200, RiskEventsView(data=tuple(data)))

    return await request.once(work, dry_run=request.query.dry_run)


async def say(request: Request[Write, NewRiskLabel]) -> Answer:
    """POST /v1/risk/labels; raises `LabelInvalid`, `PersonalDataRefused`."""
    services, body = request.services, request.body

    async def work(connection: Connection) -> Answer:
        (result,) = await add_labels(
            connection, request.book_id, [AddLabel(subject=body.subject, kind=body.kind, note=body.note)],
            caller=caller_of(request), ledger=services.ledger, at=services.clock.now(),
        )  # fmt: skip
        if isinstance(result, CaudalError):
            raise result
        return json_answer(201, label_view(result))

    return await request.once(work, dry_run=request.query.dry_run)


async def read_labels(request: Request[RiskLabelsQuery, NoBody]) -> Answer:
    """GET /v1/risk/labels"""
    query = request.query
    async with request.services.database.connection() as connection:
        rows = await find_labels(
            connection, request.book_id, subject=query.subject, kind=query.kind, limit=query.limit
        )
    return page_answer([label_view(row) for row in rows], None)


def feature_set_view(found: features.Version) -> RiskFeatureSetView:
    """A feature set for a caller."""
    return RiskFeatureSetView(
        version=found.version, features=found.declared.features, created_at=found.created_at,
        created_by=found.created_by,
    )  # fmt: skip


def label_view(label: Label) -> RiskLabelView:
    """A label for a caller."""
    return RiskLabelView(
        subject=label.subject, kind=label.kind, bad=label.bad, event_at=label.event_at,
        known_at=label.known_at, source=label.source, note=label.note,
    )  # fmt: skip


def _result(id: str, result: bool | CaudalError) -> RiskEventResult:
    if isinstance(result, CaudalError):
        return RiskEventResult(id=id, result=result.code, detail=result.detail)
    return RiskEventResult(id=id, result="recorded" if result else "known")
