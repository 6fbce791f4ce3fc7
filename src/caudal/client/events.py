"""`caudal.events`"""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

from caudal.client.bodies import Body
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer

_PATH = "/v1/events"


class Event(Answer, frozen=True, kw_only=True):
    """Something that has changed."""

    id: str
    seq: int
    """Its place among the book's events: 1, 2, 3, … without gaps."""
    type: str
    """What happened, as `payment.succeeded`."""
    version: int
    """Of the form of `data`."""
    object_type: str
    object: str
    """The id of what it happened to."""
    created_at: dt.datetime
    data: dict[str, Any]
    """The object after the change, as the API showed it then."""


class EventPage(Answer, frozen=True, kw_only=True):
    """A stretch of the book's events."""

    data: tuple[Event, ...]
    next_after: int
    """Where the next stretch starts."""
    head: int
    """The book's last seq."""


class EventsQuery(Body, frozen=True, kw_only=True):
    """GET /v1/events"""

    type: str | None = None
    object: str | None = None
    after: int = 0
    limit: int | None = None


class Events:
    """What has changed in the book, in order and each change once."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def get(self, id: str) -> Event:
        """An event by its id. Raises `NotFound`."""
        return await self._sender.read(Event, f"{_PATH}/{segment(id)}")

    async def page(
        self,
        *,
        type: str | None = None,
        object: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> EventPage:
        """One stretch behind the seq `after`: of one type, or about the object with one id."""
        query = EventsQuery(type=type, object=object, after=after, limit=limit)
        return await self._sender.read(EventPage, _PATH, query)

    async def list(
        self,
        *,
        type: str | None = None,
        object: str | None = None,
        after: int = 0,
        follow: bool = False,
        poll_s: float = 1.0,
        page_size: int | None = None,
    ) -> AsyncIterator[Event]:
        """All events behind the seq `after`, of one type, or about the object with one id.

        With `follow` it does not end: it waits for more, and asks every `poll_s` seconds. Where it raises
        `Unavailable`, go on with the seq of the last event.
        """
        while True:
            page = await self.page(type=type, object=object, after=after, limit=page_size)
            for event in page.data:
                yield event
            after = page.next_after
            if after >= page.head:
                if not follow:
                    return
                await self._sender.sleep(poll_s)
