"""`/v1/webhook_endpoints`: where events are sent, and what became of it."""

import datetime as dt
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from caudal import audit, events
from caudal.api.bodies import Write
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.events import event_view
from caudal.api.fields import utc
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.api.webhooks_out_views import (
    ChangeWebhookEndpoint,
    NewWebhookEndpoint,
    ReplayWebhooks,
    RotateWebhookSecret,
    WebhookDeletedView,
    WebhookDeliveriesQuery,
    WebhookDeliveryDetailView,
    WebhookEndpointsQuery,
    attempt_view,
    delivery_view,
    endpoint_view,
    replayed_view,
)
from caudal.delivery import (
    Change,
    DeliveryFilter,
    DisableReason,
    Issued,
    NewEndpoint,
    NothingChosen,
)
from caudal.idempotency import Answer
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest


async def create_endpoint(request: Request[Write, NewWebhookEndpoint]) -> Answer:
    """POST /v1/webhook_endpoints; raises what `Endpoints.create` does."""
    body, endpoints = request.body, request.services.endpoints
    await endpoints.look_up(body.url)
    new = NewEndpoint(
        id=request.new_uuid(),
        url=body.url,
        types=tuple(body.types),
        ordered=body.ordered,
        concurrency=body.concurrency,
        signature=body.signature,
        description=body.description,
    )

    async def issue(connection: Connection) -> Issued:
        return await endpoints.create(connection, request.book_id, new)

    return await _issued(request, "webhook_endpoint.create", 201, issue, dry_run=request.query.dry_run)


async def find_endpoints(request: Request[WebhookEndpointsQuery, NoBody]) -> Answer:
    """GET /v1/webhook_endpoints"""
    query = request.query
    before = None if query.cursor is None else _place(query.cursor)
    async with request.services.database.connection() as connection:
        rows = await request.services.endpoints.find(
            connection, request.book_id, before=before, limit=query.limit
        )
    next_ = ids.encode(ids.ENDPOINT, rows[-1].id) if len(rows) == query.limit else None
    return page_answer([endpoint_view(row) for row in rows], next_)


async def read_endpoint(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/webhook_endpoints/{id}; raises `EndpointNotFound`."""
    async with request.services.database.connection() as connection:
        found = await request.services.endpoints.get(connection, request.book_id, _id(request))
    return json_answer(200, endpoint_view(found))


async def change_endpoint(request: Request[Write, ChangeWebhookEndpoint]) -> Answer:
    """POST /v1/webhook_endpoints/{id}; raises what `Endpoints.change` does."""
    body, endpoints = request.body, request.services.endpoints
    if body.url is not None:
        await endpoints.look_up(body.url)
    change = Change(
        url=body.url,
        types=None if body.types is None else tuple(body.types),
        ordered=body.ordered,
        concurrency=body.concurrency,
        description=body.description,
    )

    async def work(connection: Connection) -> Answer:
        changed = await endpoints.change(connection, request.book_id, _id(request), change)
        await _record(request, connection, "webhook_endpoint.change", changed.status.value)
        return json_answer(200, endpoint_view(changed))

    return await request.once(work, dry_run=request.query.dry_run)


async def enable_endpoint(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/enable; raises `EndpointNotFound`."""

    async def work(connection: Connection) -> Answer:
        enabled = await request.services.endpoints.enable(connection, request.book_id, _id(request))
        await _record(request, connection, "webhook_endpoint.enable", enabled.status.value)
        return json_answer(200, endpoint_view(enabled))

    return await request.once(work, dry_run=request.query.dry_run)


async def disable_endpoint(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/disable; raises `EndpointNotFound`."""
    endpoints = request.services.endpoints

    async def work(connection: Connection) -> Answer:
        disabled = await endpoints.disable(
            connection, request.book_id, _id(request), DisableReason.REQUESTED
        ) or await endpoints.get(connection, request.book_id, _id(request))
        await _record(request, connection, "webhook_endpoint.disable", disabled.status.value)
        return json_answer(200, endpoint_view(disabled))

    return await request.once(work, dry_run=request.query.dry_run)


async def delete_endpoint(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/delete; raises `EndpointNotFound`."""

    async def work(connection: Connection) -> Answer:
        await request.services.endpoints.delete(connection, request.book_id, _id(request))
        await _record(request, connection, "webhook_endpoint.delete", "deleted")
        return json_answer(200, WebhookDeletedView(id=request.ids["id"], deleted=True))

    return await request.once(work, dry_run=request.query.dry_run)


async def rotate_secret(request: Request[Write, RotateWebhookSecret]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/rotate_secret; raises `EndpointNotFound`, `TooManySecrets`."""
    body = request.body

    async def issue(connection: Connection) -> Issued:
        return await request.services.endpoints.rotate(
            connection,
            request.book_id,
            _id(request),
            signature=body.signature,
            overlap=dt.timedelta(seconds=body.overlap_s),
        )

    action = "webhook_endpoint.rotate_secret"
    return await _issued(request, action, 200, issue, dry_run=request.query.dry_run)


async def test_endpoint(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/test; raises `EndpointNotFound`, `EndpointStateConflict`."""

    async def work(connection: Connection) -> Answer:
        event = await request.services.endpoints.test(connection, request.book_id, _id(request))
        await _record(request, connection, "webhook_endpoint.test", "sent")
        return json_answer(200, event_view(event))

    return await request.once(work, dry_run=request.query.dry_run)


async def replay_deliveries(request: Request[Write, ReplayWebhooks]) -> Answer:
    """POST /v1/webhook_endpoints/{id}/replay; raises `EndpointNotFound`, `EventNotFound`, `NothingChosen`."""
    body, log = request.body, request.services.endpoints.log
    chosen = body.since is not None or body.until is not None or body.failed_only
    if body.events is not None and (chosen or body.all or body.after):
        raise InvalidRequest("name events, or say which; not both", field="events")
    if body.all and chosen:
        raise InvalidRequest("all, or only some; not both", field="all")
    if body.events is None and not (chosen or body.all):
        raise NothingChosen("name events, a stretch of time or `failed_only`; or say `all`", field="all")

    async def work(connection: Connection) -> Answer:
        if body.events is not None:
            wanted = [
                ids.decode(ids.EVENT, id, field=f"events[{place}]") for place, id in enumerate(body.events)
            ]
            done = await log.replay_events(connection, request.book_id, _id(request), wanted)
        else:
            done = await log.replay_range(
                connection,
                request.book_id,
                _id(request),
                since=utc(body.since, "since"),
                until=utc(body.until, "until"),
                failed_only=body.failed_only,
                after=body.after,
            )
        await _record(request, connection, "webhook_endpoint.replay", f"{done.count} events")
        return json_answer(200, replayed_view(done))

    return await request.once(work, dry_run=request.query.dry_run)


async def find_deliveries(request: Request[WebhookDeliveriesQuery, NoBody]) -> Answer:
    """GET /v1/webhook_endpoints/{id}/deliveries; raises `EndpointNotFound`."""
    query = request.query
    if query.cursor is not None and not (query.cursor.isascii() and query.cursor.isdigit()):
        raise bad_cursor()
    before = None if query.cursor is None else int(query.cursor)
    wanted = DeliveryFilter(state=query.state, type=query.type, before=before)
    async with request.services.database.connection() as connection:
        rows = await request.services.endpoints.log.find(
            connection, request.book_id, _id(request), wanted, limit=query.limit
        )
    next_ = str(rows[-1].seq) if len(rows) == query.limit else None
    return page_answer([delivery_view(row) for row in rows], next_)


async def read_delivery(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/webhook_endpoints/{id}/deliveries/{event}; raises `DeliveryNotFound` and others."""
    event_id = ids.decode(ids.EVENT, request.ids["event"], field="event")
    async with request.services.database.connection() as connection:
        found, event, attempts = await request.services.endpoints.log.read(
            connection, request.book_id, _id(request), event_id
        )
    shown = delivery_view(found)
    detail = WebhookDeliveryDetailView(
        **msgspec.structs.asdict(shown),
        request=events.body_of(event).decode(),
        tries=tuple(attempt_view(attempt) for attempt in attempts),
    )
    return json_answer(200, detail)


async def _issued(
    request: Request[Q, B],
    action: str,
    status: int,
    issue: Callable[[Connection], Awaitable[Issued]],
    *,
    dry_run: bool,
) -> Answer:
    """The answer of what makes a secret. It is stored under an idempotency key without it."""
    made: list[Issued] = []

    async def work(connection: Connection) -> Answer:
        issued = await issue(connection)
        made[:] = [issued]
        await _record(request, connection, action, issued.endpoint.status.value, id=issued.endpoint.id)
        return json_answer(status, endpoint_view(issued.endpoint))

    answer = await request.once(work, dry_run=dry_run)
    secret = made[0].secret if made else None
    if request.replayed or dry_run or secret is None:
        return answer
    shown = json_answer(status, endpoint_view(made[0].endpoint, secret.reveal()))
    return Answer(answer.status, answer.headers, shown.body)


async def _record(
    request: Request[Q, B], connection: Connection, action: str, result: str, *, id: UUID | None = None
) -> None:
    named = request.ids["id"] if id is None else ids.encode(ids.ENDPOINT, id)
    record = request.record(action, named, result, at=request.services.clock.now())
    await audit.append(connection, [record])


def _id(request: Request[Q, B]) -> UUID:
    return ids.decode(ids.ENDPOINT, request.ids["id"])


def _place(cursor: str) -> UUID:
    try:
        return ids.decode(ids.ENDPOINT, cursor)
    except InvalidRequest:
        raise bad_cursor() from None
