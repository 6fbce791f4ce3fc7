"""The events room's typed errors."""

from caudal_base.errors import NotFound


class EventNotFound(NotFound):
    """The book has no event with this id."""

    code = "event_not_found"
    title = "There is no such event"
