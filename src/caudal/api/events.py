"""`/v1/events`: what has changed, in the book's order."""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal import events
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.fields import Limit, Seq, Time
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal_base import ids

EventType = Annotated[
    str,
    Meta(
        description="What happened, as `payment.succeeded`.",
        min_length=1,
        max_length=100,
        extra_json_schema={"pattern": "^[a-z_]+([.][a-z_]+)+$"},
    ),
]
EventObject = Annotated[
    str,
    Meta(
        description="The id of what it happened to, as `pay_…`.",
        min_length=35,
        max_length=36,
        pattern="^[a-z]{2,3}_[0-9a-f]{32}$",
    ),
]


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events: those that meet every condition, from where on."""

    type: EventType | None = None
    object: EventObject | None = None
    after: Seq = 0
    limit: Limit = 100


class EventView(View, frozen=True, kw_only=True):
    """Something that has changed. It never changes itself, and is told in the transaction of the change."""

    id: str
    seq: int
    """Its place among the book's events: 1, 2, 3, … without gaps."""
    type: str
    version: int
    """Of the form of `data`: it changes when a reader would have to."""
    object_type: str
    object: str
    created_at: Time
    data: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    """The object after the change, as the API showed it then."""


class EventsView(View, frozen=True, kw_only=True):
    """A stretch of the book's events. Ask again with `next_after`: what was seen never changes."""

    data: tuple[EventView, ...]
    next_after: int
    head: int
    """The book's last seq: how far there is to go."""


async def find_events(request: Request[EventsQuery, NoBody]) -> Answer:
    """GET /v1/events"""
    query = request.query
    async with request.services.database.connection() as connection:
        page = await events.find(
            connection,
            request.book_id,
            type=query.type,
            object=query.object,
            after=query.after,
            limit=query.limit,
        )
    view = EventsView(
        data=tuple(event_view(event) for event in page.events), next_after=page.next_after, head=page.head
    )
    return json_answer(200, view)


async def read_event(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/events/{id}; raises `EventNotFound`."""
    event_id = ids.decode(ids.EVENT, request.ids["id"])
    async with request.services.database.connection() as connection:
        event = await events.get(connection, request.book_id, event_id)
    return json_answer(200, event_view(event))


def event_view(event: events.Event) -> EventView:
    """`event` for a caller."""
    told = events.envelope(event)
    return EventView(**{name: getattr(told, name) for name in told.__struct_fields__})
