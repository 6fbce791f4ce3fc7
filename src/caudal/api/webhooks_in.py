"""`/webhooks/in/{partner}` for partners, and `/v1/webhooks/in` for those who look after what came."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal import audit, webhooks
from caudal.api.bodies import Write
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Cursor, Limit, Time
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.webhooks import InboundState, Listed
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest


class WebhooksQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which webhooks, and which page of them."""

    state: Annotated[InboundState | None, Meta(description="`parked` are those that wait for a person.")] = (
        None
    )
    cursor: Cursor | None = None
    limit: Limit = 100


class ReceiptView(View, frozen=True, kw_only=True):
    """A partner's webhook has been stored; a repeat is told the same."""

    received: bool


class InboundWebhookView(View, frozen=True, kw_only=True):
    """A webhook from a partner, without its body, which may speak of persons."""

    id: str
    partner: str
    event_id: str
    """The partner's own: a repeat has the same."""
    type: str
    state: InboundState
    occurred_at: Time
    """When it happened, as the partner says."""
    received_at: Time
    attempts: int
    """At applying it, since it was received or last replayed."""
    settled_at: Time | None = None
    reason: str | None = None
    """Why it is parked, or why the last attempt did not succeed."""


async def receive_webhook(request: Request[NoQuery, NoBody]) -> Answer:
    """POST /webhooks/in/{partner}; raises `PartnerUnknown`, `WebhookRefused`."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
    inbox, partner = request.services.inbox, request.ids["partner"]
    await inbox.receive(partner, headers, request.raw)
    words = inbox.acknowledgement(partner)
    if words is not None:
        return Answer(200, (("Content-Type", "text/plain; charset=utf-8"),), words)
    return json_answer(200, ReceiptView(received=True))


async def find_webhooks(request: Request[WebhooksQuery, NoBody]) -> Answer:
    """GET /v1/webhooks/in"""
    query = request.query
    before = None if query.cursor is None else _place(query.cursor)
    async with request.services.database.connection() as connection:
        rows = await webhooks.find(
            connection, request.book_id, state=query.state, before=before, limit=query.limit
        )
    next_ = ids.encode(ids.INBOUND, rows[-1].id) if len(rows) == query.limit else None
    return page_answer([inbound_view(row) for row in rows], next_)


async def read_webhook(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/webhooks/in/{id}; raises `InboundNotFound`."""
    wanted = ids.decode(ids.INBOUND, request.ids["id"])
    async with request.services.database.connection() as connection:
        found = await webhooks.get(connection, request.book_id, wanted)
    return json_answer(200, inbound_view(found))


async def replay_webhook(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/webhooks/in/{id}/replay; raises `InboundNotFound`, `InboundSettled`, `InboundForgotten`."""
    wanted = ids.decode(ids.INBOUND, request.ids["id"])
    services = request.services

    async def work(connection: Connection) -> Answer:
        now = services.clock.now()
        (result,) = await webhooks.replay(
            connection, request.book_id, [wanted], now=now, new_ids=services.ids
        )
        if isinstance(result, CaudalError):
            raise result
        record = request.record("webhook.replay", request.ids["id"], result.state.value, at=now)
        await audit.append(connection, [record])
        return json_answer(200, inbound_view(result))

    return await request.once(work, dry_run=request.query.dry_run)


def inbound_view(row: Listed) -> InboundWebhookView:
    """`row` for a caller."""
    return InboundWebhookView(
        id=ids.encode(ids.INBOUND, row.id),
        partner=row.partner,
        event_id=row.event_id,
        type=row.type,
        state=row.state,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        attempts=row.attempts,
        settled_at=row.settled_at,
        reason=row.reason,
    )


def _place(cursor: str) -> UUID:
    try:
        return ids.decode(ids.INBOUND, cursor)
    except InvalidRequest:
        raise bad_cursor() from None
