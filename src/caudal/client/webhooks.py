"""`caudal.webhooks_in`"""

import datetime as dt

from caudal.client.bodies import ListQuery
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer, OpenEnum, Page

_PATH = "/v1/webhooks/in"


class InboundState(OpenEnum):
    """Where a partner's webhook stands."""

    RECEIVED = "received"
    """Stored, and to be applied."""
    APPLIED = "applied"
    IGNORED = "ignored"
    """Of no concern."""
    PARKED = "parked"
    """It could not be applied. Waits for a person."""


class InboundWebhook(Answer, frozen=True, kw_only=True):
    """A webhook from a partner, without its body."""

    id: str
    partner: str
    event_id: str
    """The partner's own."""
    type: str
    state: InboundState
    occurred_at: dt.datetime
    """When it happened, as the partner says."""
    received_at: dt.datetime
    attempts: int
    """At applying it, since it was received or last replayed."""
    settled_at: dt.datetime | None = None
    reason: str | None = None
    """Why it is parked, or why the last attempt did not succeed."""


class InboundWebhooksQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/webhooks/in"""

    state: InboundState | None = None


class InboundWebhooks:
    """What partners have sent, and what became of it."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def get(self, id: str) -> InboundWebhook:
        """A webhook by its id. Raises `NotFound`."""
        return await self._sender.read(InboundWebhook, f"{_PATH}/{segment(id)}")

    def list(
        self,
        *,
        state: InboundState | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[InboundWebhook]:
        """All webhooks, or those in one state, the latest first."""
        query = InboundWebhooksQuery(state=state, cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[InboundWebhook], _PATH, query)

    async def replay(self, id: str, *, idempotency_key: str | None = None) -> InboundWebhook:
        """Apply a parked webhook again, from its first attempt.

        Raises `Conflict` for one that has had its effect, `NotFound`.
        """
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        return await self._sender.write(InboundWebhook, f"{_PATH}/{segment(id)}/replay", None, key=key)
