"""The `webhooks` of the OpenAPI document: what each type of event is that endpoints are sent."""

from collections.abc import Iterator, Sequence
from typing import Final

from caudal import events
from caudal.api.event_types import EventFamily
from caudal.api.events import EventView
from caudal.api.schemas import REFERENCE, Json, public_name
from caudal_base import ids
from caudal_base.ids import of_names

EVENT: Final = EventView
"""The form that all events have."""

_SEQ: Final = 1017
_AT: Final = "2026-03-02T09:30:15.123456Z"

_HEADERS: Final = {
    "webhook-id": ("The event's id, the same at every attempt.", of_names(ids.EVENT, "payment.succeeded")),
    "webhook-timestamp": ("When it was sent, in seconds since 1970.", "1772443815"),
    "webhook-signature": (
        "Of id, time and body, by Standard Webhooks; one for each secret that counts.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}


def webhooks(families: Sequence[EventFamily]) -> Json:
    """An entry for each type of event, in the order of the catalogue."""
    return {type_: {"post": post} for family in families for type_, post in _of(family)}


def parameters() -> Json:
    """The headers that every webhook has, as components."""
    return {
        name: {
            "name": name,
            "in": "header",
            "required": True,
            "description": text,
            "schema": {"type": "string"},
            "example": example,
        }
        for name, (text, example) in _HEADERS.items()
    }


def _of(family: EventFamily) -> Iterator[tuple[str, Json]]:
    for type_, meaning in family.types.items():
        yield (
            type_,
            {
                "operationId": f"told_{type_.replace('.', '_')}",
                "summary": f"Of a {family.object_type.replace('_', ' ')}: {meaning}",
                "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _schema(family, type_),
                            "example": _example(family, type_),
                        }
                    },
                },
                "responses": {"2XX": {"description": "It has arrived; every other answer is a failure."}},
            },
        )


def _schema(family: EventFamily, type_: str) -> Json:
    """An event whose `type` and `version` say what form its data has."""
    prefix = events.PREFIXES[family.object_type]
    return {
        "allOf": [
            {"$ref": REFERENCE + public_name(EVENT.__name__)},
            {
                "type": "object",
                "properties": {
                    "type": {"const": type_},
                    "version": {"const": family.version},
                    "object_type": {"const": family.object_type},
                    "object": {"type": "string", "pattern": f"^{prefix}_[0-9a-f]{{32}}$"},
                    "data": {"$ref": REFERENCE + public_name(family.data.__name__)},
                },
            },
        ]
    }


def _example(family: EventFamily, type_: str) -> Json:
    data = family.example_of(type_)
    return {
        "id": of_names(ids.EVENT, type_),
        "seq": _SEQ,
        "type": type_,
        "version": family.version,
        "object_type": family.object_type,
        "object": data["id"],
        "created_at": data.get("updated_at", _AT),
        "data": data,
    }
