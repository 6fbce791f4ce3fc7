"""What an event may be about, and how its data becomes JSON. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.events.types import Envelope, Event, NewEvent
from caudal_base import ids
from caudal_base.check import check
from caudal_base.errors import InvalidRequest

PREFIXES: Final[Mapping[str, str]] = {
    "customer": ids.CUSTOMER,
    "payment": ids.PAYMENT,
    "attempt": ids.ATTEMPT,
    "capture": ids.CAPTURE,
    "refund": ids.REFUND,
    "dispute": ids.DISPUTE,
    "case": ids.CASE,
    "settlement": ids.SETTLEMENT,
    "webhook": ids.INBOUND,
    "webhook_endpoint": ids.ENDPOINT,
    "objective": ids.OBJECTIVE,
    "rule_set": ids.RULE_SET,
    "partner": ids.PARTNER,
    "product": ids.PRODUCT,
    "model": ids.MODEL,
    "model_serving": ids.MODEL_SERVING,
    "risk_rule_set": ids.RISK_RULE_SET,
    "risk_rule": ids.RISK_RULE,
}
"""By kind of object, what its ids begin with."""

_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}

_encoder: Final = msgspec.json.Encoder()


def refuse_wrong_object(event: NewEvent) -> None:
    """Check that the event's object is of the kind that its id says. Raises `InvariantError`."""
    prefix = PREFIXES.get(event.object_type)
    fits = prefix is not None and event.object_id[:-32] == f"{prefix}_"
    check(fits, f"an event about a {event.object_type} with an id of another kind")


def kind_of(object_id: str) -> str:
    """The kind of object that an external id is of. Raises `InvalidRequest`."""
    kind = _KINDS.get(object_id.partition("_")[0])
    if kind is None:
        raise InvalidRequest("no event is about objects with ids of this kind", field="object")
    return kind


def json_of(event: NewEvent) -> str:
    """The event's data as JSON."""
    data = event.data
    if isinstance(data, bytes | msgspec.Raw):
        return bytes(data).decode()
    return _encoder.encode(data).decode()


def envelope(event: Event) -> Envelope:
    """`event` as everybody outside sees it."""
    return Envelope(
        id=ids.encode(ids.EVENT, event.id),
        seq=event.seq,
        type=event.type,
        version=event.version,
        object_type=event.object_type,
        object=event.object_id,
        created_at=event.at,
        data=event.data,
    )


def body_of(event: Event) -> bytes:
    """`event` as it is sent: always the same bytes, so that it can be signed and shown again."""
    return _encoder.encode(envelope(event))
