"""The endpoints of webhooks from partners."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import webhooks_in
from caudal.api.declaring import action, listing, reading
from caudal.api.endpoint import Access, Endpoint, NoBody, NoQuery, Shape

WEBHOOK: Final = "whi_0199f3a6c2d47e8f9a0b1c2d3e4f5a6b"
VIEW: Final = {
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
    for name, value in VIEW.items()
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
        "is stored before the answer, once by the partner's own event id, and applied soon after. Partners "
        "that want certain words for an answer get them, as plain text.",
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
    listing(
        "/v1/webhooks/in", "list_inbound_webhooks", _TAG, "What partners have sent, the latest first",
        webhooks_in.find_webhooks, webhooks_in.WebhooksQuery, scope=Scope.PAYMENTS_READ, answer="A page.",
        row=webhooks_in.InboundWebhookView, example={"data": [VIEW], "next_cursor": None},
    ),
    reading(
        "/v1/webhooks/in/{id}", "get_inbound_webhook", _TAG, "Read what became of a partner's webhook",
        webhooks_in.read_webhook, scope=Scope.PAYMENTS_READ, answer="It.",
        view=webhooks_in.InboundWebhookView, example=VIEW, path_ids={"id": WEBHOOK},
    ),
    action(
        "/v1/webhooks/in/{id}/replay", "replay_inbound_webhook", _TAG, "Apply a parked webhook again",
        webhooks_in.replay_webhook, scope=Scope.PAYMENTS_REVIEW,
        description="From its first attempt. 409 for one that has had its effect.",
        answer="To be applied.", view=webhooks_in.InboundWebhookView, example=_AGAIN, errors=(404, 409),
        path_ids={"id": WEBHOOK},
    ),
)  # fmt: skip
