"""What all partners have in common: the way of a call, with its faults and its key, and the way of an event.

A partner's own part is a `Partner` with its routes, its errors and its signature. Its operations are plain
functions from a request to a response that run to their end at once: they raise `Refusal` or change state,
call `emit` for each event, and return.
"""

import abc
import asyncio
import enum
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final

import msgspec

from caudal_sandbox.faults import FINE, Fault, Faults, Luck, is_quiet, luck
from caudal_sandbox.keys import Clash, KeptAnswer, Keys, replay
from caudal_sandbox.messages import DROPPED, Request, Response
from caudal_sandbox.routing import Router
from caudal_sandbox.store import Table
from caudal_sandbox.webhooks import Delivery, Endpoint
from caudal_sandbox.world import World

Operation = Callable[[Request], Response]


class Trouble(enum.Enum):
    """Errors that every partner words in its own way."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    KEY_IN_FLIGHT = "key_in_flight"
    KEY_OTHER_PARAMETERS = "key_other_parameters"
    KEY_OTHER_ENDPOINT = "key_other_endpoint"


class Refusal(Exception):
    """A call that is refused with `response`. `kept`: it was begun, so its key keeps the answer."""

    def __init__(self, response: Response, *, kept: bool) -> None:
        super().__init__(f"refused with {response.status}")
        self.response = response
        self.kept = kept


class Behaviour(msgspec.Struct):
    """How a partner is set to behave."""

    id: str
    faults: Faults
    endpoint: Endpoint


_CLASHES: Final = {
    Clash.IN_FLIGHT: Trouble.KEY_IN_FLIGHT,
    Clash.OTHER_PARAMETERS: Trouble.KEY_OTHER_PARAMETERS,
    Clash.OTHER_ENDPOINT: Trouble.KEY_OTHER_ENDPOINT,
}
_QUIET: Final = Faults()


class Partner(abc.ABC):
    """One simulated partner."""

    name: ClassVar[str]
    default_events: ClassVar[tuple[str, ...]] = ("*",)
    """Types that are sent where the endpoint does not say which."""
    default_faults: ClassVar[Faults] = _QUIET
    """Until it is told otherwise."""
    keeps_errors: ClassVar[bool] = True
    """Whether a 500 is kept under its key, as Stripe does; else what was done, if anything was."""
    signs_time: ClassVar[bool] = True
    """Whether what it signed holds for a while only."""
    acknowledgement: ClassVar[bytes] = b""
    """What the answer to an event must contain to count as taken."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counts: Counter[str] = Counter()
        self._keys = Keys(world.store, self.name)
        self._behaviours: Table[Behaviour] = world.store.table(f"{self.name}.behaviour", Behaviour)
        self._behaviour = Behaviour(self.name, self.default_faults, Endpoint())
        self._quiet = True
        self._emitted: list[Delivery] | None = None
        self._wanted: dict[str, bool] = {}

    # -- what each partner brings

    @abc.abstractmethod
    def add_routes(self, router: Router) -> None:
        """Route this partner's API, by `call`, and what it adds to the control API."""

    @abc.abstractmethod
    def authenticate(self, request: Request) -> Response | None:
        """The refusal of a caller without a good key; None lets it in."""

    @abc.abstractmethod
    def trouble(self, trouble: Trouble, request: Request) -> Response:
        """This partner's words for an error."""

    @abc.abstractmethod
    def sign(self, event_id: str, body: bytes, secrets: Sequence[str], at: int) -> list[tuple[str, str]]:
        """The headers that sign an event's `body` at the time `at`."""

    @abc.abstractmethod
    def settle(self) -> list[dict[str, Any]]:
        """Pay the merchant what is due, fees netted; the settlements that were made."""

    def seal(
        self, event_id: str, body: bytes, secrets: Sequence[str], at: int
    ) -> tuple[list[tuple[str, str]], bytes]:
        """The headers and the body that are sent: by most partners the signature stands in the headers."""
        return self.sign(event_id, body, secrets, at), body

    def tampered(self, body: bytes) -> bytes:
        """A body that was changed on its way."""
        return body.replace(b'"amount":', b'"amount":9', 1) + b" "

    def hasten(self) -> int:
        """Put on their way the events that wait to go together with others; how many they were."""
        return 0

    @property
    def held(self) -> int:
        """How many events do."""
        return 0

    def parameters(self, request: Request) -> bytes:
        """What must be the same when a key comes again."""
        return request.body

    def reload(self) -> None:
        """Take what the store holds. Partners that remember more than tables extend it."""
        fresh = Behaviour(self.name, self.default_faults, Endpoint())
        self._behaviour = self._behaviours.get(self.name) or fresh
        self._apply()
        self._keys.reload()

    # -- how it behaves

    @property
    def faults(self) -> Faults:
        """What goes wrong with calls."""
        return self._behaviour.faults

    @property
    def endpoint(self) -> Endpoint:
        """Where events go."""
        return self._behaviour.endpoint

    def behave(self, *, faults: Faults | None = None, endpoint: Endpoint | None = None) -> None:
        """From now on."""
        if faults is not None:
            self._behaviour.faults = faults
        if endpoint is not None:
            self._behaviour.endpoint = endpoint
        self._behaviours.put(self._behaviour)
        self._apply()

    def _apply(self) -> None:
        self._quiet = is_quiet(self.faults)
        self._wanted.clear()

    # -- the way of an event

    def wants(self, type: str) -> bool:
        """Whether events of `type` are sent: look before you write one."""
        wanted = self._wanted.get(type)
        if wanted is None:
            events = self.endpoint.events
            patterns = self.default_events if events is None else events
            wanted = any(fnmatchcase(type, pattern) for pattern in patterns)
            self._wanted[type] = wanted
        return wanted

    def emit(self, event_id: str, type: str, body: bytes) -> None:
        """Send an event; during a call whose events come before its answer, then."""
        if self.wants(type):
            self.dispatch(event_id, type, body)

    @property
    def is_hurried(self) -> bool:
        """Whether the events of the call that is being carried out come before its answer."""
        return self._emitted is not None

    def dispatch(self, event_id: str, type: str, body: bytes) -> None:
        """Put on its way what is wanted."""
        together = self._emitted
        delivery = self.world.sender.send(self.name, event_id, type, body, queue=together is None)
        if together is not None and delivery is not None:
            together.append(delivery)

    # -- the way of a call

    def call(self, operation: Operation) -> Callable[[Request], Response | Awaitable[Response]]:
        """A handler that carries out `operation` as this partner does, with its faults and keys."""

        def handle(request: Request) -> Response | Awaitable[Response]:
            refused = self.authenticate(request)
            if refused is not None:
                return refused
            self.counts["calls"] += 1
            if self._quiet and not self.endpoint.before_response:
                return self._carry_out(request, operation, FINE)
            return self._with_luck(request, operation)

        return handle

    async def _with_luck(self, request: Request, operation: Operation) -> Response:
        writes = request.method != "GET"
        key = request.headers.get("idempotency-key") if writes else None
        draw = self.world.draws.of_next("call", self.name, request.method, key or request.path)
        met = luck(self.faults, draw) if writes or self.faults.reads else FINE
        if met.fault is not None:
            self.counts[met.fault.value] += 1
        match met.fault:
            case Fault.RATE_LIMITED:
                limited = self.trouble(Trouble.RATE_LIMITED, request)
                return limited.with_headers(("retry-after", str(self.faults.retry_after_s)))
            case Fault.UNAVAILABLE:
                return self.trouble(Trouble.UNAVAILABLE, request)
            case Fault.DROP_BEFORE:
                return DROPPED
        early = writes and draw.happens(self.endpoint.before_response)
        if met.delay_before_s:
            self.counts["delayed"] += 1
        response = await self._carry_out_slowly(request, operation, met, key, early=early)
        if met.delay_after_s:
            self.counts["delayed"] += 1
            await asyncio.sleep(met.delay_after_s)
        return DROPPED if met.fault is Fault.DROP_AFTER else response

    async def _carry_out_slowly(
        self, request: Request, operation: Operation, met: Luck, key: str | None, *, early: bool
    ) -> Response:
        if key is not None:
            known = self._claim(request, key)
            if known is not None:
                return known
        if met.delay_before_s:
            await asyncio.sleep(met.delay_before_s)
        emitted: list[Delivery] | None = [] if early else None
        self._emitted = emitted
        try:
            response = self._execute(request, operation, met, key)
        finally:
            self._emitted = None
        if emitted:
            self.counts["before_response"] += 1
            await self.world.sender.now(emitted)
        return response

    def _carry_out(self, request: Request, operation: Operation, met: Luck) -> Response:
        key = request.headers.get("idempotency-key") if request.method != "GET" else None
        if key is not None:
            known = self._claim(request, key)
            if known is not None:
                return known
        return self._execute(request, operation, met, key)

    def _claim(self, request: Request, key: str) -> Response | None:
        """The answer for a key that is known already; None: it is this call's."""
        found = self._keys.claim(
            key,
            endpoint=f"{request.method} {request.path}",
            parameters=self.parameters(request),
            now=self.world.clock.now(),
            lifetime_s=self.faults.key_lifetime_s,
        )
        if found is None:
            return None
        if isinstance(found, KeptAnswer):
            self.counts["replayed"] += 1
            return replay(found, self.world.draws.id("req", 14))
        return self.trouble(_CLASHES[found], request)

    def _execute(self, request: Request, operation: Operation, met: Luck, key: str | None) -> Response:
        """Run the operation to its end, keep its answer under its key, and write everything down."""
        kept, done = True, None
        request_id = self.world.draws.id("req", 14)
        self.request_id, self.request_key = request_id, key
        try:
            if met.fault is Fault.ERROR_BEFORE:
                response, kept = self.trouble(Trouble.INTERNAL, request), self.keeps_errors
            else:
                response = done = operation(request)
                if met.fault is Fault.ERROR_AFTER:
                    response = self.trouble(Trouble.INTERNAL, request)
        except Refusal as refusal:
            response, kept = refusal.response, refusal.kept
        except Exception:
            if key is not None:
                self._keys.release(key)
            raise
        finally:
            self.request_id = self.request_key = None
        if key is not None:
            if kept:
                self._keys.keep(key, response if self.keeps_errors else done or response, request_id)
            else:
                self._keys.release(key)
        self.world.store.flush()
        return response.with_headers(("request-id", request_id))

    request_id: str | None = None
    """Of the call that is being carried out: events name it."""
    request_key: str | None = None
    """Its idempotency key."""
