"""The forms of webhooks out: what callers send, and what they get."""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal import events
from caudal.api.bodies import RequestBody
from caudal.api.fields import Cursor, Limit, Moment, Seq, Time
from caudal.api.views import View
from caudal.delivery import (
    REPLAY_LOT,
    Attempt,
    Delivery,
    DeliveryState,
    DisableReason,
    Endpoint,
    EndpointStatus,
    Replayed,
    Signature,
)
from caudal_base import ids

Url = Annotated[
    str,
    Meta(
        description="https:// and a public host; in development also http:// and this machine.",
        min_length=8,
        max_length=2_048,
        extra_json_schema={"examples": ["https://shop.example/hooks/caudal"]},
    ),
]
Types = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=100)]],
    Meta(
        description="Types of events that it wants: `payment.succeeded`, `payment.*`, or `*`.",
        min_length=1,
        max_length=50,
    ),
]
Concurrency = Annotated[int, Meta(description="Webhooks under way at once, at most.", ge=1, le=64)]
Description = Annotated[str, Meta(description="For people.", min_length=1, max_length=200)]
Ordered = Annotated[
    bool,
    Meta(
        description="Whether the events of one object come in their order, each once the one before has "
        "arrived or was given up."
    ),
]
EventIdText = Annotated[str, Meta(pattern="^evt_[0-9a-f]{32}$", min_length=36, max_length=36)]


class NewWebhookEndpoint(RequestBody, frozen=True, kw_only=True):
    """Send events there from now on."""

    url: Url
    types: Types = msgspec.field(default_factory=lambda: ["*"])
    ordered: Ordered = False
    concurrency: Concurrency = 16
    signature: Annotated[Signature, Meta(description="HMAC (`v1`) or ed25519 (`v1a`).")] = Signature.V1
    description: Description | None = None


class ChangeWebhookEndpoint(RequestBody, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    url: Url | None = None
    types: Types | None = None
    ordered: Ordered | None = None
    concurrency: Concurrency | None = None
    description: Description | None = None


class RotateWebhookSecret(RequestBody, frozen=True, kw_only=True):
    """Give it a new secret."""

    overlap_s: Annotated[
        int,
        Meta(description="For so many seconds the old secrets sign too.", ge=0, le=604_800),
    ] = 86_400
    signature: Annotated[Signature | None, Meta(description="By default as before.")] = None


class ReplayWebhooks(RequestBody, frozen=True, kw_only=True):
    """Which events to send again: these, or those of a stretch of time, or all."""

    events: (
        Annotated[
            list[EventIdText],
            Meta(description="Whatever it filters.", min_length=1, max_length=REPLAY_LOT),
        ]
        | None
    ) = None
    since: Moment | None = None
    until: Moment | None = None
    failed_only: Annotated[bool, Meta(description="Only what was given up.")] = False
    all: Annotated[bool, Meta(description="Everything: said where nothing narrower is.")] = False
    after: Annotated[Seq, Meta(description="`next_after` of the answer before.")] = 0


class WebhookDeliveriesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries, and which page of them."""

    state: DeliveryState | None = None
    type: Annotated[str, Meta(description="Of the event.", min_length=1, max_length=100)] | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class WebhookEndpointsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of the endpoints."""

    cursor: Cursor | None = None
    limit: Limit = 100


class WebhookSecretView(View, frozen=True, kw_only=True):
    """A secret that signs now, without what is secret of it."""

    signature: Signature
    created_at: Time
    public_key: str | None = None
    """`whpk_…`, of ed25519."""
    expires_at: Time | None = None
    """From then on it signs no more; the newest has no end."""


class WebhookEndpointView(View, frozen=True, kw_only=True):
    """Where events are sent."""

    id: str
    url: str
    types: tuple[str, ...]
    ordered: bool
    concurrency: int
    status: EndpointStatus
    created_at: Time
    secrets: tuple[WebhookSecretView, ...]
    """The newest first."""
    delivered_through: int
    """It has been given all events up to this seq; some may still be waiting for another attempt."""
    description: str | None = None
    reason: DisableReason | None = None
    """Why it is disabled."""
    disabled_at: Time | None = None
    failing_since: Time | None = None
    """When the first attempt failed since which none has succeeded; none where nothing waits any more."""
    behind_since: Time | None = None
    """When so many deliveries waited for another attempt that it was given nothing new."""
    quiet_until: Time | None = None
    """It asked by `Retry-After` to be sent nothing before then; only a test event goes out meanwhile."""
    secret: str | None = None
    """`whsec_…`: shown once, in the answer that made it, and not in a repeat of that."""


class WebhookDeletedView(View, frozen=True, kw_only=True):
    """It is gone."""

    id: str
    deleted: bool


class WebhookDeliveryView(View, frozen=True, kw_only=True):
    """An event and an endpoint: one of each pair."""

    event: str
    seq: int
    type: str
    object: str
    state: DeliveryState
    attempts: int
    next_at: Time | None = None
    """Of a pending one, when it is tried again; none while it waits for an earlier one of its object."""
    ended_at: Time | None = None
    status: int | None = None
    """Of the last answer."""
    error: str | None = None
    """Why the last attempt did not succeed."""


class WebhookAttemptView(View, frozen=True, kw_only=True):
    """One try."""

    number: int
    at: Time
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str = ""
    """The beginning of the answer's body."""


class WebhookDeliveryDetailView(WebhookDeliveryView, frozen=True, kw_only=True):
    """A delivery with what was sent and what came back."""

    request: str
    """The body of every attempt."""
    tries: tuple[WebhookAttemptView, ...]


class WebhooksReplayedView(View, frozen=True, kw_only=True):
    """What is sent again."""

    replayed: int
    next_after: int | None = None
    """There is more: repeat the request with this as `after`."""


def endpoint_view(row: Endpoint, secret: str | None = None) -> WebhookEndpointView:
    """`row` for a caller; with its new secret, where it has just been made."""
    return WebhookEndpointView(
        id=ids.encode(ids.ENDPOINT, row.id),
        url=row.url,
        types=row.types,
        ordered=row.ordered,
        concurrency=row.concurrency,
        status=row.status,
        created_at=row.created_at,
        secrets=tuple(
            WebhookSecretView(
                signature=one.signature,
                created_at=one.created_at,
                public_key=one.public_key,
                expires_at=one.expires_at,
            )
            for one in row.secrets
        ),
        delivered_through=row.delivered_through,
        description=row.description,
        reason=row.reason,
        disabled_at=row.disabled_at,
        failing_since=row.failing_since,
        behind_since=row.behind_since,
        quiet_until=row.quiet_until,
        secret=secret,
    )


def delivery_view(row: Delivery) -> WebhookDeliveryView:
    """`row` for a caller."""
    return WebhookDeliveryView(
        event=ids.encode(ids.EVENT, row.event_id),
        seq=row.seq,
        type=row.type,
        object=ids.encode(events.PREFIXES[row.object_type], row.object_id),
        state=row.state,
        attempts=row.attempts,
        next_at=row.next_at,
        ended_at=row.ended_at,
        status=row.status,
        error=row.error,
    )


def attempt_view(row: Attempt) -> WebhookAttemptView:
    """`row` for a caller."""
    return WebhookAttemptView(
        number=row.number,
        at=row.at,
        duration_ms=row.duration_ms,
        status=row.status,
        error=row.error,
        response=row.response.decode("utf-8", "replace"),
    )


def replayed_view(done: Replayed) -> WebhooksReplayedView:
    """`done` for a caller."""
    return WebhooksReplayedView(replayed=done.count, next_after=done.next_after)
