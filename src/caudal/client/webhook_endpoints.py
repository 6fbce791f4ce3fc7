"""`caudal.webhook_endpoints`: where events are sent, and what became of it."""

import datetime as dt
from collections.abc import Sequence

from caudal.client.bodies import Body, ListQuery
from caudal.client.events import Event
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer, OpenEnum, Page

_PATH = "/v1/webhook_endpoints"


class WebhookSignature(OpenEnum):
    """How webhooks are signed, by the identifiers of Standard Webhooks."""

    V1 = "v1"
    """HMAC-SHA256."""
    V1A = "v1a"
    """ed25519."""


class WebhookEndpointStatus(OpenEnum):
    """Whether an endpoint gets anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"
    """Only in the event that says so."""


class WebhookDisableReason(OpenEnum):
    """Why an endpoint is disabled."""

    REQUESTED = "requested"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Every attempt failed for too long."""


class WebhookDeliveryState(OpenEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up."""


class WebhookSecret(Answer, frozen=True, kw_only=True):
    """A secret that signs now, without what is secret of it."""

    signature: WebhookSignature
    created_at: dt.datetime
    public_key: str | None = None
    """`whpk_…`, of ed25519."""
    expires_at: dt.datetime | None = None


class WebhookEndpoint(Answer, frozen=True, kw_only=True):
    """Where events are sent."""

    id: str
    url: str
    types: tuple[str, ...]
    ordered: bool
    concurrency: int
    status: WebhookEndpointStatus
    created_at: dt.datetime
    secrets: tuple[WebhookSecret, ...]
    """The newest first."""
    delivered_through: int
    """It has been given all events up to this seq."""
    description: str | None = None
    reason: WebhookDisableReason | None = None
    disabled_at: dt.datetime | None = None
    failing_since: dt.datetime | None = None
    behind_since: dt.datetime | None = None
    """When so many deliveries waited for another attempt that it was given nothing new."""
    quiet_until: dt.datetime | None = None
    """It asked by `Retry-After` to be sent nothing before then; only a test event goes out meanwhile."""
    secret: str | None = None
    """`whsec_…`: only in the first answer that made it."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"WebhookEndpoint(id={self.id!r}, url={self.url!r}, status={self.status.value!r})"


class WebhookDeleted(Answer, frozen=True, kw_only=True):
    """It is gone."""

    id: str
    deleted: bool


class WebhookDelivery(Answer, frozen=True, kw_only=True):
    """An event and an endpoint: one of each pair."""

    event: str
    seq: int
    type: str
    object: str
    state: WebhookDeliveryState
    attempts: int
    next_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    status: int | None = None
    error: str | None = None
    """Why the last attempt did not succeed."""


class WebhookAttempt(Answer, frozen=True, kw_only=True):
    """One try."""

    number: int
    at: dt.datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str = ""
    """The beginning of the answer's body."""


class WebhookDeliveryDetail(WebhookDelivery, frozen=True, kw_only=True):
    """A delivery with what was sent and what came back."""

    request: str
    """The body of every attempt."""
    tries: tuple[WebhookAttempt, ...]


class WebhooksReplayed(Answer, frozen=True, kw_only=True):
    """What is sent again."""

    replayed: int
    next_after: int | None = None


class NewWebhookEndpoint(Body, frozen=True, kw_only=True):
    """POST /v1/webhook_endpoints"""

    url: str
    types: Sequence[str] | None = None
    ordered: bool = False
    concurrency: int | None = None
    signature: WebhookSignature | None = None
    description: str | None = None


class ChangeWebhookEndpoint(Body, frozen=True, kw_only=True):
    """POST /v1/webhook_endpoints/{id}"""

    url: str | None = None
    types: Sequence[str] | None = None
    ordered: bool | None = None
    concurrency: int | None = None
    description: str | None = None


class RotateWebhookSecret(Body, frozen=True, kw_only=True):
    """POST /v1/webhook_endpoints/{id}/rotate_secret"""

    overlap_s: int | None = None
    signature: WebhookSignature | None = None


class ReplayWebhooks(Body, frozen=True, kw_only=True):
    """POST /v1/webhook_endpoints/{id}/replay"""

    events: Sequence[str] | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    failed_only: bool = False
    all: bool = False
    after: int = 0


class WebhookDeliveriesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/webhook_endpoints/{id}/deliveries"""

    state: WebhookDeliveryState | None = None
    type: str | None = None


class WebhookEndpoints:
    """Where events are sent."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        url: str,
        *,
        types: Sequence[str] | None = None,
        ordered: bool = False,
        concurrency: int | None = None,
        signature: WebhookSignature | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> WebhookEndpoint:
        """Send events to `url` from now on. Keep the answer's `secret`: no other answer has it.

        Where the first answer was lost and the repeat has none, `rotate_secret`. Raises `Unprocessable` for
        a URL or an address that webhooks are not sent to.
        """
        body = NewWebhookEndpoint(
            url=url,
            types=types,
            ordered=ordered,
            concurrency=concurrency,
            signature=signature,
            description=description,
        )
        return await self._sender.write(WebhookEndpoint, _PATH, body, key=_key(idempotency_key))

    async def get(self, id: str) -> WebhookEndpoint:
        """An endpoint by its id. Raises `NotFound`."""
        return await self._sender.read(WebhookEndpoint, f"{_PATH}/{segment(id)}")

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[WebhookEndpoint]:
        """All endpoints, the latest first."""
        query = ListQuery(cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[WebhookEndpoint], _PATH, query)

    async def change(
        self,
        id: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        ordered: bool | None = None,
        concurrency: int | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> WebhookEndpoint:
        """Change what is named; the rest stays as it is. Raises `NotFound`, `Unprocessable`."""
        body = ChangeWebhookEndpoint(
            url=url, types=types, ordered=ordered, concurrency=concurrency, description=description
        )
        path = f"{_PATH}/{segment(id)}"
        return await self._sender.write(WebhookEndpoint, path, body, key=_key(idempotency_key))

    async def rotate_secret(
        self,
        id: str,
        *,
        overlap_s: int | None = None,
        signature: WebhookSignature | None = None,
        idempotency_key: str | None = None,
    ) -> WebhookEndpoint:
        """Give it a new secret; the old ones sign too for `overlap_s` seconds, by default a day.

        Raises `Conflict` where five sign already and `overlap_s` is not 0.
        """
        body = RotateWebhookSecret(overlap_s=overlap_s, signature=signature)
        return await self._sender.write(
            WebhookEndpoint, _act(id, "rotate_secret"), body, key=_key(idempotency_key)
        )

    async def enable(self, id: str, *, idempotency_key: str | None = None) -> WebhookEndpoint:
        """Deliver again, from where it stopped. Raises `NotFound`."""
        return await self._sender.write(WebhookEndpoint, _act(id, "enable"), None, key=_key(idempotency_key))

    async def disable(self, id: str, *, idempotency_key: str | None = None) -> WebhookEndpoint:
        """Deliver nothing for now. Raises `NotFound`."""
        return await self._sender.write(WebhookEndpoint, _act(id, "disable"), None, key=_key(idempotency_key))

    async def delete(self, id: str, *, idempotency_key: str | None = None) -> WebhookDeleted:
        """Remove it for good. Raises `NotFound`."""
        return await self._sender.write(WebhookDeleted, _act(id, "delete"), None, key=_key(idempotency_key))

    async def test(self, id: str, *, idempotency_key: str | None = None) -> Event:
        """Send it a test event. Raises `NotFound`, `Conflict` for one that is disabled."""
        return await self._sender.write(Event, _act(id, "test"), None, key=_key(idempotency_key))

    async def replay(
        self,
        id: str,
        *,
        events: Sequence[str] | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        failed_only: bool = False,
        all: bool = False,
        after: int = 0,
        idempotency_key: str | None = None,
    ) -> WebhooksReplayed:
        """Send these events again, or those of a stretch of time, or with `all` everything: at most 1,000.

        Raises `NotFound`, `Unprocessable` where nothing says what.
        Where the answer has `next_after`, there are more: call again with it as `after`.
        """
        body = ReplayWebhooks(
            events=events, since=since, until=until, failed_only=failed_only, all=all, after=after
        )
        return await self._sender.write(WebhooksReplayed, _act(id, "replay"), body, key=_key(idempotency_key))

    def deliveries(
        self,
        id: str,
        *,
        state: WebhookDeliveryState | None = None,
        type: str | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[WebhookDelivery]:
        """What was sent to an endpoint, the latest events first."""
        query = WebhookDeliveriesQuery(state=state, type=type, cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[WebhookDelivery], _act(id, "deliveries"), query)

    async def delivery(self, id: str, event: str) -> WebhookDeliveryDetail:
        """The delivery of an event with all attempts. Raises `NotFound`."""
        return await self._sender.read(WebhookDeliveryDetail, f"{_act(id, 'deliveries')}/{segment(event)}")


def _act(id: str, what: str) -> str:
    return f"{_PATH}/{segment(id)}/{what}"


def _key(given: str | None) -> str:
    return new_idempotency_key() if given is None else given
