"""The words of the webhooks room."""

import datetime as dt
import enum
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from caudal.connectors import Inbound, Snapshot
from caudal.payments import Applied
from caudal_base.database import Connection


class InboundState(enum.Enum):
    """Where a partner's webhook stands."""

    RECEIVED = "received"
    """Stored, and to be applied."""
    APPLIED = "applied"
    """It has had its effect, or there was none left to have."""
    IGNORED = "ignored"
    """Of no concern to us."""
    PARKED = "parked"
    """It could not be applied. Waits for a person."""


class NewInbound(msgspec.Struct, frozen=True, kw_only=True):
    """A verified webhook, to be stored."""

    id: UUID
    partner: str
    inbound: Inbound
    received_at: dt.datetime


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is to be applied."""

    id: UUID
    partner: str
    received_at: dt.datetime
    inbound: Inbound


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as people see it: without its body, in which a partner may speak of persons."""

    id: UUID
    partner: str
    event_id: str
    """The partner's own: a repeat has the same."""
    type: str
    state: InboundState
    occurred_at: dt.datetime
    """When it happened, as the partner says."""
    received_at: dt.datetime
    attempts: int
    """At applying it, since it was received or last replayed."""
    settled_at: dt.datetime | None
    """When it left RECEIVED."""
    reason: str | None
    """Why it is parked, or why the last attempt did not succeed."""


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """How many webhooks of a partner are in a state that is not their last, and since when the oldest."""

    partner: str
    state: InboundState
    count: int
    oldest_received_at: dt.datetime


class Applies(Protocol):
    """Whoever moves payments on by what partners say of them: `caudal.payments.Payments`."""

    async def apply_snapshots(
        self, connection: Connection, book_id: int, partner: str, snapshots: Sequence[Snapshot]
    ) -> list[Applied]:
        """Apply what `partner` says, in the caller's transaction; one result each, in order."""
