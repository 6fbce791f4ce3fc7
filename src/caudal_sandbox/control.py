"""The control API: how tests and simulations set the sandbox up, move its clock and read its book."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from caudal_sandbox.faults import Faults
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.partner import Partner
from caudal_sandbox.routing import Router
from caudal_sandbox.webhooks import Endpoint
from caudal_sandbox.world import World

T = TypeVar("T")

YEARS_S: Final = 50 * 366 * 86_400


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """How far the clock goes forward."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=YEARS_S)]


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """Whose settlements to make; None: everybody's."""

    partner: str | None = None


class BadBody(Exception):
    """A body that is not what the endpoint takes."""


def body_of(request: Request, type: type[T]) -> T:
    """The request's JSON body, strictly as a `type`. Raises `BadBody`."""
    try:
        return msgspec.json.decode(request.body or b"{}", type=type)
    except msgspec.DecodeError as error:
        raise BadBody(str(error)) from error


def guarded(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """`handler`, whose `BadBody` is a 400."""

    def handle(request: Request) -> Response:
        try:
            return handler(request)
        except BadBody as error:
            return json_response(400, {"error": str(error)})

    return handle


class Control:
    """Serves `/control/…`."""

    def __init__(self, world: World, partners: dict[str, Partner]) -> None:
        self._world = world
        self._partners = partners

    def add_routes(self, router: Router) -> None:
        """Route what does not belong to a single partner."""
        for method, path, handler in (
            ("GET", "health", self._health),
            ("GET", "stats", self._stats),
            ("GET", "book", self._book),
            ("GET", "clock", self._clock),
            ("POST", "clock/advance", self._advance),
            ("GET", "faults", self._faults),
            ("PUT", "faults", self._set_faults),
            ("GET", "webhooks", self._webhooks),
            ("PUT", "webhooks", self._set_webhooks),
            ("POST", "settle", self._settle),
            ("POST", "reset", self._reset),
        ):
            router.add(method, f"/control/{path}", guarded(handler))
        router.add("POST", "/control/webhooks/flush", self._flush)

    def configure(self, settings: bytes) -> None:
        """Take settings, `{"faults": {…}, "webhooks": {…}}`, as the two PUTs do. Raises `BadBody`."""
        for name, value in _object(settings).items():
            match name:
                case "faults":
                    self._merge_faults(value)
                case "webhooks":
                    self._merge_webhooks(value)
                case _:
                    raise BadBody(f"there is no setting {name}")

    def _health(self, _: Request) -> Response:
        return json_response(200, {"status": "ok", "partners": sorted(self._partners)})

    def _stats(self, _: Request) -> Response:
        calls = {name: partner.counts for name, partner in self._partners.items()}
        sender = self._world.sender
        return json_response(
            200,
            {
                "seed": self._world.draws.seed,
                "calls": calls,
                "webhooks": sender.counts,
                "waiting": sender.waiting + sum(partner.held for partner in self._partners.values()),
            },
        )

    def _book(self, request: Request) -> Response:
        partner = parse_qs(request.query).get("partner", [None])[0]
        if partner is not None and partner not in self._partners:
            return json_response(404, {"error": f"there is no partner {partner}"})
        return json_response(200, self._world.effects.book(partner))

    def _clock(self, _: Request) -> Response:
        return json_response(200, {"now": self._world.clock.now()})

    def _advance(self, request: Request) -> Response:
        return json_response(200, {"now": self._world.clock.advance(body_of(request, Advance).seconds)})

    def _faults(self, _: Request) -> Response:
        return json_response(200, {name: partner.faults for name, partner in self._partners.items()})

    def _set_faults(self, request: Request) -> Response:
        self._merge_faults(_object(request.body))
        self._world.store.flush()
        return self._faults(request)

    def _webhooks(self, _: Request) -> Response:
        return json_response(200, {name: partner.endpoint for name, partner in self._partners.items()})

    def _set_webhooks(self, request: Request) -> Response:
        self._merge_webhooks(_object(request.body))
        self._world.store.flush()
        return self._webhooks(request)

    def _merge_faults(self, given: Any) -> None:
        merged = [(self._partner(name), value) for name, value in _members(given)]
        new = [(partner, _merge(partner.faults, value)) for partner, value in merged]
        for partner, faults in new:
            partner.behave(faults=faults)

    def _merge_webhooks(self, given: Any) -> None:
        merged = [(self._partner(name), value) for name, value in _members(given)]
        new = [(partner, _merge(partner.endpoint, value)) for partner, value in merged]
        for _, endpoint in new:
            if endpoint.url is not None and not re.match(r"https?://[^/\s]", endpoint.url):
                raise BadBody(f"{endpoint.url} is no address of HTTP")
        for partner, endpoint in new:
            partner.behave(endpoint=endpoint)

    def _partner(self, name: str) -> Partner:
        partner = self._partners.get(name)
        if partner is None:
            raise BadBody(f"there is no partner {name}; there are {', '.join(sorted(self._partners))}")
        return partner

    def _settle(self, request: Request) -> Response:
        wanted = body_of(request, Settle).partner
        partners = list(self._partners.values()) if wanted is None else [self._partner(wanted)]
        made = [settlement for partner in partners for settlement in partner.settle()]
        self._world.store.flush()
        return json_response(200, {"settlements": made})

    def _reset(self, request: Request) -> Response:
        """Forget everything but how the partners are set to behave."""
        behaviours = [(partner, partner.faults, partner.endpoint) for partner in self._partners.values()]
        self._world.store.clear()
        self._world.draws.forget()
        self._world.sender.counts.clear()
        for partner, faults, endpoint in behaviours:
            partner.reload()
            partner.behave(faults=faults, endpoint=endpoint)
            partner.counts.clear()
        self._world.clock.reload()
        self._world.sender.reload()
        self._world.begin()
        self._world.store.flush()
        return self._health(request)

    async def _flush(self, _: Request) -> Response:
        for partner in self._partners.values():
            partner.hasten()
        return json_response(200, {"waiting": await self._world.sender.flush()})


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BadBody(str(error)) from error


def _members(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise BadBody("an object by partner is expected")
    return list(value.items())


S = TypeVar("S", Faults, Endpoint)


def _merge(present: S, given: Any) -> S:
    """`present` with the fields that are given."""
    if not isinstance(given, dict):
        raise BadBody("an object is expected")
    try:
        return msgspec.convert({**msgspec.structs.asdict(present), **given}, type(present))
    except msgspec.ValidationError as error:
        raise BadBody(str(error)) from error
