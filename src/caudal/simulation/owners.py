"""What owners of webhook endpoints ask of the API, until they have an answer."""

import datetime as dt
import itertools
from typing import Any, Final

import msgspec

from caudal.simulation.arrivals import Told
from caudal.simulation.http import Http
from caudal.simulation.targets import digest_of

_PAGE: Final = 1_000
_ENDPOINTS: Final = "/v1/webhook_endpoints"


class SecretView(msgspec.Struct, frozen=True):
    """A secret, without what is secret of it."""

    signature: str
    created_at: str
    public_key: str | None = None
    expires_at: str | None = None


class EndpointView(msgspec.Struct, frozen=True):
    """An endpoint, in some answers with its new secret."""

    id: str
    status: str
    secrets: list[SecretView]
    secret: str | None = None


class _Event(msgspec.Struct, frozen=True):
    seq: int
    id: str
    type: str
    object: str
    created_at: dt.datetime
    data: msgspec.Raw


class _Feed(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    next_after: int


class _Reason(msgspec.Struct, frozen=True):
    reason: str | None = None


class Owners:
    """Asks for the owners of all endpoints."""

    def __init__(self, http: Http) -> None:
        """`http` is a way to the API, which may be killed at any moment."""
        self._http = http
        self._keys = itertools.count(1)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    async def post(self, path: str, body: Any, type: type[Any]) -> Any:
        """Ask something of endpoints, with one key until there is an answer, which must be a 2xx."""
        headers = f"Idempotency-Key: endpoint-{next(self._keys)}\r\nContent-Type: application/json\r\n"
        data = b"" if body is None else msgspec.json.encode(body)
        reply = await self._http.insist("POST", f"{_ENDPOINTS}{path}", data, headers=headers)
        return msgspec.json.decode(reply.body, type=type)

    async def endpoints(self) -> list[EndpointView]:
        """All of them."""
        reply = await self._http.insist("GET", f"{_ENDPOINTS}?limit=1000")
        return [msgspec.convert(each, EndpointView) for each in msgspec.json.decode(reply.body)["data"]]

    async def feed(self) -> list[Told]:
        """All events, from the first one on."""
        told: list[Told] = []
        after, full = 0, True
        while full:
            reply = await self._http.insist("GET", f"/v1/events?after={after}&limit={_PAGE}")
            page = msgspec.json.decode(reply.body, type=_Feed)
            told += [_told(bytes(raw)) for raw in page.data]
            after, full = page.next_after, len(page.data) == _PAGE
        return told


def _told(raw: bytes) -> Told:
    event = msgspec.json.decode(raw, type=_Event)
    disabled = event.type == "webhook_endpoint.disabled"
    return Told(
        seq=event.seq,
        id=event.id,
        type=event.type,
        object=event.object,
        at=event.created_at.timestamp(),
        digest=digest_of(raw),
        reason=msgspec.json.decode(event.data, type=_Reason).reason if disabled else None,
    )
