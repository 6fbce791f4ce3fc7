"""Sending to one endpoint: as many requests at once as it takes, each lane one after the other.

A breaker leaves an endpoint alone that fails every time, `Retry-After` keeps everything back, and nothing is
sent without a lease.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec

from caudal.delivery import signing
from caudal.delivery.lease import Lease
from caudal.delivery.rules import Reply, Verdict
from caudal.delivery.sending import Connection
from caudal.delivery.store_claims import Claimed
from caudal.delivery.tools import Signers, Tools
from caudal.delivery.types import Endpoint
from caudal.delivery.window import Item, Window
from caudal.events import Event
from caudal_base import ids, telemetry
from caudal_base.limits import Breaker, BreakerState


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is ours to drive, with what was known when it was claimed."""

    book_id: int
    token: UUID
    until: float
    """On the monotonic clock."""
    claimed: Claimed
    endpoint: Endpoint
    signers: Signers


class _Part(msgspec.Struct, frozen=True):
    """What belongs to a payment says of it."""

    payment: str


_PARTS: Final = frozenset({"capture", "refund", "dispute"})

Answered = Callable[[Item, Reply, dt.datetime, float], Verdict]
"""What follows from an attempt that began at a moment and took so many seconds."""


class Lanes:
    """The requests that are out to one endpoint, and what keeps more from going out."""

    def __init__(
        self, tools: Tools, claim: Claim, window: Window, lease: Lease, *, answered: Answered
    ) -> None:
        """Sends what `window` gives, once `pump` is called."""
        self._tools: Final = tools
        self._claim: Final = claim
        self._endpoint: Final = claim.endpoint
        self._window: Final = window
        self._lease: Final = lease
        self._answered: Final = answered
        self._breaker: Final = Breaker()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: list[Connection] = []
        self._quiet_until: dt.datetime | None = None
        self._closed = False
        self.failure: BaseException | None = None
        """A bug of ours: the drive must not go on without a lane that it counts on."""
        self.bell: Final = asyncio.Event()
        """Rung when a lane has ended."""

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._tasks)

    @property
    def breaker_open(self) -> bool:
        """Whether the endpoint failed so often that it is left alone for a while."""
        return self._breaker.state(self._tools.monotonic()) is not BreakerState.CLOSED

    @property
    def could_take_more(self) -> bool:
        """Whether more could go out now than does."""
        free = self.open < self._endpoint.concurrency
        return free and not self._closed and not self.breaker_open and not self.quiet

    @property
    def quiet(self) -> bool:
        """Whether it has asked for nothing at all for now."""
        return self._quiet_until is not None and self._quiet_until > self._tools.clock.now()

    def held_for(self, now: float) -> float | None:
        """For how many seconds nothing goes out, as far as that is known; None where nothing holds it up."""
        if self._breaker.state(now) is BreakerState.OPEN:
            return max(0.001, self._breaker.retry_after(now))
        if self._quiet_until is not None:
            return max(0.001, (self._quiet_until - self._tools.clock.now()).total_seconds())
        return None

    def pump(self) -> None:
        """Start as many lanes as there is work and room for."""
        now = self._tools.monotonic()
        state = self._breaker.state(now)
        if state is BreakerState.OPEN:
            return
        room = self._endpoint.concurrency - self.open
        if state is BreakerState.HALF_OPEN:
            room = 0 if self._tasks else 1  # one call finds out whether it is back
        for _ in range(min(room, self._window.waiting)):
            if not self._may_send(now):
                return
            lane = asyncio.get_running_loop().create_task(self._lane(self._connection()))
            self._tasks.add(lane)
            lane.add_done_callback(self._ended)

    def close(self) -> None:
        """Send nothing more; what is out comes back."""
        self._closed = True

    def cut_off(self) -> None:
        """Let nothing that is out come back either."""
        self.close()
        for lane in self._tasks:
            lane.cancel()

    async def end(self) -> None:
        """Cut off what is out, and close all connections."""
        self.cut_off()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for connection in self._connections:
            connection.close()

    def _connection(self) -> Connection:
        if self._connections:
            return self._connections.pop()
        return Connection(self._tools.network, self._endpoint.url)

    def _may_send(self, now: float) -> bool:
        """Whether a request may go out now, as far as it is not for the breaker to say."""
        held = self._closed or self.quiet or not self._lease.allows(now)
        return self._window.ready and not held

    async def _lane(self, connection: Connection) -> None:
        """Send one after the other over one connection, as long as there are any."""
        monotonic = self._tools.monotonic
        try:
            while self._may_send(monotonic()) and self._breaker.admit(monotonic()):
                item = self._window.take()
                began, at = monotonic(), self._tools.clock.now()
                self._tools.counts.under_way += 1
                try:
                    reply = await self._post(connection, item, at)
                finally:
                    self._tools.counts.under_way -= 1
                self._learn(self._answered(item, reply, at, monotonic() - began))
        finally:
            self._connections.append(connection)

    def _learn(self, verdict: Verdict) -> None:
        if verdict.delivered:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._tools.monotonic())
        if verdict.quiet_until is not None:
            self._quiet_until = max(verdict.quiet_until, self._quiet_until or verdict.quiet_until)

    async def _post(self, connection: Connection, item: Item, at: dt.datetime) -> Reply:
        """One attempt, as a span of the trace of the payment that it tells of."""
        event = item.event
        if not telemetry.is_on():
            return await connection.post(self._headers(item, at), item.body)
        told: dict[str, telemetry.Value] = {
            "caudal.event.type": event.type,
            "caudal.event.id": ids.encode(ids.EVENT, event.id),
            "caudal.endpoint": ids.encode(ids.ENDPOINT, self._endpoint.id),
            "caudal.book": self._claim.book_id,
        }
        with telemetry.span("webhook out", told, payment_id=_payment_of(event)) as span:
            headers, parent = self._headers(item, at), telemetry.traceparent()
            reply = await connection.post(
                headers if parent is None else [*headers, ("traceparent", parent)], item.body
            )
            span.say("http.response.status_code", reply.status or 0)
            return reply

    def _headers(self, item: Item, at: dt.datetime) -> list[tuple[str, str]]:
        message_id = ids.encode(ids.EVENT, item.event.id)
        signers = self._claim.signers.at(at)
        return signing.headers(signers, message_id, int(at.timestamp()), item.body)

    def _ended(self, lane: asyncio.Task[None]) -> None:
        self._tasks.discard(lane)
        if not lane.cancelled() and lane.exception() is not None:
            self.failure = lane.exception()
        self.bell.set()


def _payment_of(event: Event) -> str | None:
    """The payment that an event tells of, if it does: also one about a part of it."""
    if event.object_type == "payment":
        return event.object_id
    return msgspec.json.decode(event.data, type=_Part).payment if event.object_type in _PARTS else None
