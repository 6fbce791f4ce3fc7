"""Stripe's webhooks: who signed them, and what they say of our objects."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from caudal.connectors.drift import Drift, DriftKind, Reading
from caudal.connectors.errors import RefusalReason, WebhookRefused
from caudal.connectors.stripe import snapshots
from caudal.connectors.types import Inbound, Snapshot

READERS: Final[Mapping[str, Callable[[Drift, Mapping[str, Any]], Snapshot | None]]] = {
    "payment_intent": snapshots.payment,
    "refund": snapshots.refund,
    "dispute": snapshots.dispute,
    "payout": snapshots.payout,
}
"""How an event's object is read, by its `object`."""

CONCERNING: Final = ("payment_intent.", "refund.", "charge.refund.updated", "charge.dispute.", "payout.")
"""What events begin with whose objects are read. Others tell of charges, customers, …: of no concern."""


class _Envelope(msgspec.Struct):
    id: str
    type: str
    created: int


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_PLAIN: Final = msgspec.json.Decoder(dict[str, Any])


def inbound_of(body: bytes) -> Inbound:
    """What stands on the envelope of a body whose signature is good. Raises `WebhookRefused`."""
    try:
        event = _ENVELOPE.decode(body)
        created_at = dt.datetime.fromtimestamp(event.created, dt.UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError, OSError):
        raise WebhookRefused(RefusalReason.MALFORMED, "the body is no event of Stripe's") from None
    if not event.id or len(event.id) > 255 or not event.type or len(event.type) > 255:
        raise WebhookRefused(RefusalReason.MALFORMED, "the event's id or type is out of form")
    return Inbound(event_id=event.id, type=event.type, created_at=created_at, body=body)


def snapshots_of(inbound: Inbound, drift: Drift, *, version: str) -> list[Snapshot]:
    """What an event says; nothing where it is of no concern, or of an object without an id."""
    if not inbound.type.startswith(CONCERNING):
        return []
    event = Reading(drift, "event", _PLAIN.decode(inbound.body))
    made_for = event.optional_text("api_version")
    if made_for is not None and made_for != version:
        drift.record(DriftKind.UNKNOWN_VALUE, "event.api_version", made_for)
    data = event.optional_object("data")
    fields = data.fields("object") if data is not None else None
    if fields is None:
        drift.record(DriftKind.MISSING, "event.data.object")
        return []
    read = Reading(drift, "event.data.object", fields).mapped("object", READERS, None)
    snapshot = read(drift, fields) if read is not None else None
    return [] if snapshot is None else [snapshot]
