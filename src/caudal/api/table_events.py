"""The endpoints of events."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import events
from caudal.api.declaring import ok, reading
from caudal.api.endpoint import Endpoint, NoBody

EVENT: Final = "evt_0199f3a5c2d47e8f9a0b1c2d3e4f5a6b"
_PAYMENT: Final = "pay_0199f3a5b1c27d3e8f405162738495a6"
_EVENT_VIEW: Final = {
    "id": EVENT,
    "seq": 1017,
    "type": "payment.succeeded",
    "version": 1,
    "object_type": "payment",
    "object": _PAYMENT,
    "created_at": "2026-03-02T09:30:15.123456Z",
    "data": {"id": _PAYMENT, "state": "succeeded", "amount": 1050, "currency": "EUR"},
}
_TAG: Final = "Events"

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/events",
        name="list_events",
        tag=_TAG,
        summary="What has changed, in order",
        description="By `seq`, without gaps. Keep `next_after`, and ask with it as `after` for what has "
        "happened since: nothing is missed and nothing comes twice.",
        handle=events.find_events,
        query=events.EventsQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers=ok(
            "A stretch of the book's events.",
            events.EventsView,
            {"data": [_EVENT_VIEW], "next_after": 1017, "head": 1017},
        ),
    ),
    reading(
        "/v1/events/{id}", "get_event", _TAG, "Read an event", events.read_event, scope=Scope.PAYMENTS_READ,
        answer="The event.", view=events.EventView, example=_EVENT_VIEW, path_ids={"id": EVENT},
    ),
)  # fmt: skip
