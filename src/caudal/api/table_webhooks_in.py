"""The endpoints of webhooks from partners."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import webhooks_in
from caudal.api.bodies import Write
from caudal.api.endpoint import Access, Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.views import PageView

WEBHOOK: Final = "whi_0199f3a6c2d47e8f9a0b1c2d3e4f5a6b"
_VIEW: Final = {
    "id": WEBHOOK,
    "partner": "stripe",
    "event_id": "evt_1Pxyz2eZvKYlo2C0",
    "type": "payment_intent.succeeded",
    "state": "parked",
    "occurred_at": "2026-03-02T09:30:15Z",
    "received_at": "2026-03-02T09:30:15.623456Z",
    "attempts": 12,
    "settled_at": "2026-03-02T10:31:39.123456Z",
    "reason": "gave up after 12 attempts: what it speaks of is not known yet",
}
_AGAIN: Final = {
    name: {"state": "received", "attempts": 0}.get(name, value)
    for name, value in _VIEW.items()
    if name != "settled_at"
}
_TAG: Final = "Webhooks"

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/webhooks/in/{partner}",
        name="receive_webhook",
        tag=_TAG,
        summary="Where partners send their webhooks",
        description="By the partner's name in the settings. The signature is checked over the bytes as they "
        "come, of whatever media type. What cannot be verified is 400 and leaves no trace. What is verified "
        "is stored before the answer, once by the partner's own event id, and applied soon after.",
        handle=webhooks_in.receive_webhook,
        query=NoQuery,
        body=NoBody,
        access=Access.PUBLIC,
        raw=True,
        answers={
            200: (
                Shape(
                    description="Stored, or there already.",
                    type=webhooks_in.ReceiptView,
                    example={"received": True},
                ),
            )
        },
        errors=(404,),
        path_ids={"partner": "stripe"},
    ),
    Endpoint(
        method="GET",
        path="/v1/webhooks/in",
        name="list_inbound_webhooks",
        tag=_TAG,
        summary="What partners have sent, the latest first",
        handle=webhooks_in.find_webhooks,
        query=webhooks_in.WebhooksQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={
            200: (
                Shape(
                    description="A page.",
                    type=PageView[webhooks_in.InboundWebhookView],
                    example={"data": [_VIEW], "next_cursor": None},
                ),
            )
        },
    ),
    Endpoint(
        method="GET",
        path="/v1/webhooks/in/{id}",
        name="get_inbound_webhook",
        tag=_TAG,
        summary="Read what became of a partner's webhook",
        handle=webhooks_in.read_webhook,
        query=NoQuery,
        body=NoBody,
        scope=Scope.PAYMENTS_READ,
        answers={
            200: (Shape(description="It.", type=webhooks_in.InboundWebhookView, example=_VIEW),),
        },
        errors=(404,),
        path_ids={"id": WEBHOOK},
    ),
    Endpoint(
        method="POST",
        path="/v1/webhooks/in/{id}/replay",
        name="replay_inbound_webhook",
        tag=_TAG,
        summary="Apply a parked webhook again",
        description="From its first attempt. 409 for one that has had its effect.",
        handle=webhooks_in.replay_webhook,
        query=Write,
        body=NoBody,
        scope=Scope.PAYMENTS_REVIEW,
        key=KeyUse.ACCEPTED,
        answers={
            200: (Shape(description="To be applied.", type=webhooks_in.InboundWebhookView, example=_AGAIN),),
        },
        errors=(404, 409),
        path_ids={"id": WEBHOOK},
    ),
)
