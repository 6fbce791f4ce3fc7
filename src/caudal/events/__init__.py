"""Events: what has changed, told in the transaction of the change, in the book's order and without gaps.

A follower that keeps the last seq it has seen misses nothing and sees nothing twice.
"""

from caudal.events.errors import EventNotFound
from caudal.events.rules import PREFIXES, body_of, envelope
from caudal.events.service import (
    MAX_PAGE,
    Head,
    append,
    by_seq,
    find,
    get,
    matching,
    queue_head,
    seq_before,
    statements,
    tell,
)
from caudal.events.types import Envelope, Event, EventPage, NewEvent

__all__ = [
    "MAX_PAGE",
    "PREFIXES",
    "Envelope",
    "Event",
    "EventNotFound",
    "EventPage",
    "Head",
    "NewEvent",
    "append",
    "body_of",
    "by_seq",
    "envelope",
    "find",
    "get",
    "matching",
    "queue_head",
    "seq_before",
    "statements",
    "tell",
]
