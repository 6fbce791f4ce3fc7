"""Events: what has changed, told in the transaction of the change, in the book's order and without gaps.

A follower that keeps the last seq it has seen misses nothing and sees nothing twice.
"""

from caudal.events.errors import EventNotFound
from caudal.events.rules import PREFIXES
from caudal.events.service import MAX_PAGE, Head, append, find, get, queue_head, statements
from caudal.events.types import Event, EventPage, NewEvent

__all__ = [
    "MAX_PAGE",
    "PREFIXES",
    "Event",
    "EventNotFound",
    "EventPage",
    "Head",
    "NewEvent",
    "append",
    "find",
    "get",
    "queue_head",
    "statements",
]
