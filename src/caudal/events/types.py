"""The words of the events room."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has changed, to be told in the transaction of the change."""

    type: str
    """What happened, as `payment.succeeded`: at most 100 bytes."""
    object_type: str
    """What it happened to: a key of `rules.PREFIXES`, such as `payment`."""
    object_id: str
    """External, such as `pay_…`."""
    at: dt.datetime
    """When the book recorded the change: read after its lock."""
    data: bytes | msgspec.Raw | msgspec.Struct | dict[str, Any]
    """The object after the change, as the API shows it; bytes are JSON already. Must hold no secret."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What was told. Never changes."""

    seq: int
    """Its place among the book's events: 1, 2, 3, … without gaps."""
    id: UUID
    type: str
    version: int
    """Of the form that this type's data has."""
    object_type: str
    object_id: str
    """External."""
    at: dt.datetime
    data: msgspec.Raw
    """JSON."""


class EventPage(msgspec.Struct, frozen=True):
    """A stretch of the book's events."""

    events: list[Event]
    """In order."""
    next_after: int
    """All that were asked for up to this seq have been given: where the next stretch starts."""
    head: int
    """The book's last seq."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event as everybody outside sees it: in the API's answers and in webhooks, byte for byte the same."""

    id: str
    seq: int
    type: str
    version: int
    object_type: str
    object: str
    created_at: dt.datetime
    data: msgspec.Raw
