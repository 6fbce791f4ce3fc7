"""The endpoints of webhooks out."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import webhooks_out as out
from caudal.api import webhooks_out_views as views
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, Shape
from caudal.api.events import EventView

ENDPOINT: Final = "whe_0199f3a6c2d47e8f9a0b1c2d3e4f5a6b"
EVENT: Final = "evt_0199f3a5c2d47e8f9a0b1c2d3e4f5a6b"
_PAYMENT: Final = "pay_0199f3a4c2d47e8f9a0b1c2d3e4f5a6b"
_AT: Final = "2026-03-02T09:30:15.123456Z"
_TAG: Final = "Webhook endpoints"

_NEW: Final = {"url": "https://shop.example/hooks/caudal", "types": ["payment.*"], "ordered": True}
VIEW: Final = {
    "id": ENDPOINT,
    **_NEW,
    "concurrency": 16,
    "status": "enabled",
    "created_at": _AT,
    "secrets": [{"signature": "v1", "created_at": _AT}],
    "delivered_through": 1017,
}
_ISSUED: Final = {**VIEW, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
_DISABLED: Final = {**VIEW, "status": "disabled", "reason": "requested", "disabled_at": _AT}
_DELIVERY: Final = {
    "event": EVENT,
    "seq": 1017,
    "type": "payment.succeeded",
    "object": _PAYMENT,
    "state": "delivered",
    "attempts": 2,
    "ended_at": "2026-03-02T09:30:21.123456Z",
    "status": 200,
}
_DETAIL: Final = {
    **_DELIVERY,
    "request": '{"id":"' + EVENT + '","seq":1017,"type":"payment.succeeded","version":1,'
    '"object_type":"payment","object":"' + _PAYMENT + '","created_at":"' + _AT + '",'
    '"data":{"id":"' + _PAYMENT + '","state":"succeeded"}}',
    "tries": [
        {"number": 1, "at": _AT, "duration_ms": 7, "status": 503, "error": "it answered 503"},
        {"number": 2, "at": "2026-03-02T09:30:21.123456Z", "duration_ms": 6, "status": 200},
    ],
}
_TEST: Final = {
    "id": EVENT,
    "seq": 1018,
    "type": "webhook_endpoint.test",
    "version": 1,
    "object_type": "webhook_endpoint",
    "object": ENDPOINT,
    "created_at": _AT,
    "data": {"id": ENDPOINT, "url": _NEW["url"], "status": "enabled"},
}


_ONE: Final = "/v1/webhook_endpoints/{id}"
_IDS: Final = {"id": ENDPOINT}
_READ, _WRITE = Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE
_ENDPOINT: Final = views.WebhookEndpointView

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/webhook_endpoints",
        name="create_webhook_endpoint",
        tag=_TAG,
        summary="Send events to a URL from now on",
        description="By Standard Webhooks, at least once each. The secret is in this answer alone: a repeat "
        "with the same idempotency key does not have it, and then a new one has to be made "
        "(`rotate_secret`). An address inside a network is refused.",
        handle=out.create_endpoint,
        query=Write,
        body=views.NewWebhookEndpoint,
        scope=_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Made, with its secret.", type=_ENDPOINT, example=_ISSUED),),
            **ok("A dry run.", _ENDPOINT, VIEW),
        },
        errors=(409, 422),
        example=_NEW,
    ),
    listing(
        "/v1/webhook_endpoints", "list_webhook_endpoints", _TAG, "List webhook endpoints, the latest first",
        out.find_endpoints, views.WebhookEndpointsQuery, scope=_READ, answer="A page.", row=_ENDPOINT,
        example={"data": [VIEW], "next_cursor": None},
    ),
    reading(
        _ONE, "get_webhook_endpoint", _TAG, "Read a webhook endpoint", out.read_endpoint, scope=_READ,
        answer="The endpoint.", view=_ENDPOINT, example=VIEW, path_ids=_IDS,
    ),
    action(
        _ONE, "change_webhook_endpoint", _TAG, "Change a webhook endpoint", out.change_endpoint,
        scope=_WRITE, description="What has not been sent yet goes by the new terms.",
        body=views.ChangeWebhookEndpoint, body_example={"types": ["*"]}, answer="As it is now.",
        view=_ENDPOINT, example={**VIEW, "types": ["*"]}, errors=(404, 422), path_ids=_IDS,
    ),
    action(
        f"{_ONE}/rotate_secret", "rotate_webhook_secret", _TAG, "Give an endpoint a new secret",
        out.rotate_secret, scope=_WRITE,
        description="For a while the old one signs too: a webhook then has a signature by each. At most five "
        "sign at a time.",
        body=views.RotateWebhookSecret, body_example={"overlap_s": 86_400},
        answer="With its secret, shown in this answer alone.", view=_ENDPOINT, example=_ISSUED,
        errors=(404, 409), path_ids=_IDS,
    ),
    action(
        f"{_ONE}/test", "test_webhook_endpoint", _TAG, "Send a test event", out.test_endpoint, scope=_WRITE,
        description="Of type `webhook_endpoint.test`, to this endpoint alone, whatever it filters, also "
        "while it asks for quiet.",
        answer="The event, which is on its way.", view=EventView, example=_TEST, errors=(404, 409),
        path_ids=_IDS,
    ),
    action(
        f"{_ONE}/replay", "replay_webhook_deliveries", _TAG, "Send events again", out.replay_deliveries,
        scope=_WRITE,
        description="Named ones, or those of a stretch of time, or with `all` everything that it wants; at "
        "most a thousand at once. While the endpoint asks for quiet (`quiet_until`) they wait too.",
        body=views.ReplayWebhooks,
        body_example={"since": "2026-03-01T00:00:00Z", "failed_only": True},
        answer="How many are on their way.", view=views.WebhooksReplayedView,
        example={"replayed": 1000, "next_after": 2017}, errors=(404, 422), path_ids=_IDS,
    ),
    action(
        f"{_ONE}/enable", "enable_webhook_endpoint", _TAG, "Deliver again", out.enable_endpoint,
        scope=_WRITE, description="From where it stopped: nothing is missed.", answer="Enabled.",
        view=_ENDPOINT, example=VIEW, errors=(404,), path_ids=_IDS,
    ),
    action(
        f"{_ONE}/disable", "disable_webhook_endpoint", _TAG, "Deliver nothing for now",
        out.disable_endpoint, scope=_WRITE, answer="Disabled.", view=_ENDPOINT, example=_DISABLED,
        errors=(404,), path_ids=_IDS,
    ),
    action(
        f"{_ONE}/delete", "delete_webhook_endpoint", _TAG, "Remove an endpoint for good",
        out.delete_endpoint, scope=_WRITE, answer="Gone.", view=views.WebhookDeletedView,
        example={"id": ENDPOINT, "deleted": True}, errors=(404,), path_ids=_IDS,
    ),
    listing(
        f"{_ONE}/deliveries", "list_webhook_deliveries", _TAG,
        "What was sent to an endpoint, the latest events first", out.find_deliveries,
        views.WebhookDeliveriesQuery, scope=_READ, answer="A page.", row=views.WebhookDeliveryView,
        example={"data": [_DELIVERY], "next_cursor": None}, errors=(404,), path_ids=_IDS,
    ),
    reading(
        f"{_ONE}/deliveries/{{event}}", "get_webhook_delivery", _TAG, "Read a delivery with its attempts",
        out.read_delivery, scope=_READ, description="What was sent, and the beginning of each answer.",
        answer="It.", view=views.WebhookDeliveryDetailView, example=_DETAIL,
        path_ids={**_IDS, "event": EVENT},
    ),
)  # fmt: skip
