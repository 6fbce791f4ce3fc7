"""A connector with what guards it: rate, concurrency, time-out, breaker, and figures of it all."""

import asyncio
import datetime as dt
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import structlog

from caudal.connectors.drift import Drift, DriftKey
from caudal.connectors.protocol import Acknowledges, Connector, LearnsKeys
from caudal.connectors.skew import Skew
from caudal.connectors.types import (
    Answer,
    Call,
    CannotAsk,
    Capabilities,
    Direction,
    Found,
    Inbound,
    NotFound,
    NotSent,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Unknown,
    Why,
)
from caudal_base import telemetry
from caudal_base.clock import Clock, SystemClock
from caudal_base.limits import Breaker, BreakerState, TokenBucket
from caudal_base.settings import PartnerSettings

A = TypeVar("A", Answer, Found)

PATIENCE_S: Final = 2.0
"""How long a call waits for its turn before it is given back to its caller as not sent."""

LATENCY_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency counts; one more stands for all above."""

_OUTCOMES: Final[Mapping[type, str]] = {
    Reported: "reported",
    Refused: "refused",
    NotSent: "not_sent",
    Unknown: "unknown",
    NotFound: "not_found",
    CannotAsk: "cannot_ask",
}

_PARTNER_IS_THERE: Final = frozenset({Why.IN_FLIGHT, Why.KEY_REUSED, Why.SEVERAL_FOUND, Why.RATE_LIMITED})
"""Reasons of NotSent and Unknown that do not speak against the partner's health."""


class PartnerStats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one partner in this process, since it began."""

    outcomes: Mapping[tuple[str, str], int]
    """By operation (`submit`, `query_submit`, `fetch`) and outcome (`reported`, `unknown`, …)."""
    latency_counts: Mapping[str, Sequence[int]]
    """By operation: calls that went out and took no longer than each of `LATENCY_BOUNDS_S`, then the rest."""
    latency_sum_s: Mapping[str, float]
    breaker: BreakerState
    in_flight: int
    waiting: int
    """Calls that wait for their turn."""
    drift: Mapping[DriftKey, int]
    clock_ahead_s: float | None
    """How far its clock is ahead of ours, by its last answers; None: it has not said."""
    clock_measured_at: dt.datetime | None


class Partner:
    """A partner as the rest of Caudal calls it. It is a `Connector`, and never raises where one may not.

    A call that the guard holds back was not sent; a query that it holds back is unknown. What a connector
    raises in breach of its contract counts as unknown, since the call may have gone out.
    """

    def __init__(
        self,
        connector: Connector,
        settings: PartnerSettings,
        drift: Drift,
        *,
        bucket: TokenBucket | None = None,
        breaker: Breaker | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`bucket` may be shared by partners that use one key; `clock` is held against the partner's."""
        self._connector = connector
        self._settings = settings
        self._drift = drift
        self._capabilities = _with_overrides(connector.capabilities, settings)
        self._monotonic = monotonic
        self._sleep = sleep
        rate = settings.calls_per_second or self._capabilities.calls_per_second
        self._bucket = bucket or TokenBucket(rate, now=monotonic())
        self._breaker = breaker or Breaker()
        self._slots = asyncio.Semaphore(settings.at_once)
        self._timeout_s = settings.timeout_ms / 1000
        self._log = structlog.get_logger()
        self._outcomes: dict[tuple[str, str], int] = {}
        self._latency_counts: dict[str, list[int]] = {}
        self._latency_sum_s: dict[str, float] = {}
        self._in_flight = 0
        self._waiting = 0
        self._skew = Skew(clock or SystemClock())

    @property
    def name(self) -> str:
        """As settings, payments, accounts and webhook addresses name it."""
        return self._connector.name

    @property
    def book(self) -> str:
        """The name of the book that it serves."""
        return self._settings.book

    @property
    def capabilities(self) -> Capabilities:
        """The connector's, with what the settings override."""
        return self._capabilities

    @property
    def stats(self) -> PartnerStats:
        """What has been counted so far."""
        return PartnerStats(
            outcomes=dict(self._outcomes),
            latency_counts={name: tuple(counts) for name, counts in self._latency_counts.items()},
            latency_sum_s=dict(self._latency_sum_s),
            breaker=self._breaker.state(self._monotonic()),
            in_flight=self._in_flight,
            waiting=self._waiting,
            drift=self._drift.counts,
            clock_ahead_s=self._skew.ahead_s,
            clock_measured_at=self._skew.measured_at,
        )

    async def call(self, call: Call) -> Answer:
        """Carry out `call`, if the partner may be called now; else it is `NotSent`."""

        def refuse(why: Why, seconds: float) -> Answer:
            return NotSent(why, dt.timedelta(seconds=seconds))

        return await self._traced(call.operation.value, call, lambda: self._connector.call(call), refuse)

    async def query(self, call: Call) -> Found:
        """Learn what became of `call`; `Unknown` where the partner may not be called now."""
        return await self._traced(
            f"query_{call.operation.value}", call, lambda: self._connector.query(call), _unknown
        )

    async def fetch(self, partner_id: str, direction: Direction) -> Found:
        """The payment that the partner knows by this id, as it stands now."""
        return await self._guarded("fetch", lambda: self._connector.fetch(partner_id, direction), _unknown)

    @property
    def acknowledgement(self) -> bytes | None:
        """How its webhooks are to be answered; None where any 200 will do."""
        return self._connector.acknowledgement if isinstance(self._connector, Acknowledges) else None

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: dt.datetime) -> Sequence[Inbound]:
        """A webhook's events. Raises `WebhookRefused`; on `KeyNeeded`, `learn_key` and repeat."""
        return self._connector.verify(headers, body, now=now)

    async def learn_key(self, key_id: str) -> bool:
        """Fetch the public key that a webhook names; False where the partner has none of that id, or is away.

        At the pace of all other calls, so that forged webhooks cannot make us ask faster.
        """
        if not isinstance(self._connector, LearnsKeys):
            return False
        learns = self._connector

        async def learn() -> Found:
            return CannotAsk() if await learns.learn_key(key_id) else NotFound()

        return isinstance(await self._guarded("learn_key", learn, _unknown), CannotAsk)

    def parse(self, inbound: Inbound) -> Sequence[Snapshot]:
        """What a verified webhook says of our objects."""
        return self._connector.parse(inbound)

    async def settlements(self, since: dt.datetime) -> AsyncIterator[Settlement]:
        """The settlements that were made since then, oldest first. Raises `PartnerUnavailable`."""
        async for settlement in self._connector.settlements(since):
            await self._sleep(self._bucket.take(self._monotonic()))
            yield settlement

    async def close(self) -> None:
        """Close connections."""
        await self._connector.close()

    async def _traced(
        self, operation: str, call: Call, ask: Callable[[], Awaitable[A]], refuse: Callable[[Why, float], A]
    ) -> A:
        if not telemetry.is_on():
            return await self._guarded(operation, ask, refuse)
        told = {"caudal.partner": self.name, "caudal.operation": operation, "caudal.attempt": call.attempt_id}
        with telemetry.span(f"partner {operation}", told, payment_id=call.payment_id) as span:
            answer = await self._guarded(operation, ask, refuse)
            span.say("caudal.outcome", _OUTCOMES[type(answer)])
            if isinstance(answer, NotSent | Unknown):
                span.say("caudal.reason", str(answer.reason))
            return answer

    async def _guarded(
        self, operation: str, ask: Callable[[], Awaitable[A]], refuse: Callable[[Why, float], A]
    ) -> A:
        self._waiting += 1
        try:
            held_back = await self._turn()
        finally:
            self._waiting -= 1
        if held_back is not None:
            answer = refuse(*held_back)
        else:
            answer = await self._asked(operation, ask)
        key = (operation, _OUTCOMES[type(answer)])
        self._outcomes[key] = self._outcomes.get(key, 0) + 1
        return answer

    async def _turn(self) -> tuple[Why, float] | None:
        """Wait for a slot and a token and hold them; or why not, and in how many seconds to come back."""
        try:
            async with asyncio.timeout(max(PATIENCE_S, self._timeout_s)):
                await self._slots.acquire()
        except TimeoutError:
            return Why.BUSY, PATIENCE_S
        ready = False
        try:
            now = self._monotonic()
            delay = self._bucket.delay(now)
            if delay > PATIENCE_S:
                return Why.RATE_LIMITED, delay
            if self._breaker.state(now) is BreakerState.OPEN:
                return Why.BREAKER_OPEN, self._breaker.retry_after(now)
            delay = self._bucket.take(now)
            while delay > 0:
                await self._sleep(delay)
                now = self._monotonic()
                delay = self._bucket.paused_for(now)
                if delay > PATIENCE_S:
                    return Why.RATE_LIMITED, delay
            if not self._breaker.admit(now):
                return Why.BREAKER_OPEN, self._breaker.retry_after(now)
            ready = True
            return None
        finally:
            if not ready:
                self._slots.release()

    async def _asked(self, operation: str, ask: Callable[[], Awaitable[A]]) -> A:
        """The connector's answer, within the time-out. Gives back the slot, and tells the breaker."""
        began = self._monotonic()
        self._in_flight += 1
        answer: A | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                with self._skew.listening():
                    answer = await ask()
        except TimeoutError:
            answer = Unknown(Why.TIMEOUT)
        except Exception:
            # The call may have gone out before the connector failed: all that is safe to say is: unknown.
            self._log.exception("connector_failed", partner=self.name, operation=operation)
            answer = Unknown(Why.CONNECTOR_FAILED)
        finally:
            self._in_flight -= 1
            self._slots.release()
            if answer is None:
                self._breaker.abandoned()
        now = self._monotonic()
        self._measure(operation, now - began)
        if isinstance(answer, NotSent) and answer.retry_after is not None:
            self._bucket.pause(now + answer.retry_after.total_seconds())
        if isinstance(answer, NotSent | Unknown) and answer.reason not in _PARTNER_IS_THERE:
            self._breaker_failed(now)
        else:
            self._breaker_succeeded(now)
        return answer

    def _breaker_failed(self, now: float) -> None:
        before = self._breaker.state(now)
        self._breaker.failed(now)
        if before is BreakerState.CLOSED and self._breaker.state(now) is BreakerState.OPEN:
            self._log.error("partner_breaker_opened", partner=self.name)

    def _breaker_succeeded(self, now: float) -> None:
        before = self._breaker.state(now)
        self._breaker.succeeded()
        if before is not BreakerState.CLOSED:
            self._log.warning("partner_breaker_closed", partner=self.name)

    def _measure(self, operation: str, seconds: float) -> None:
        counts = self._latency_counts.setdefault(operation, [0] * (len(LATENCY_BOUNDS_S) + 1))
        counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self._latency_sum_s[operation] = self._latency_sum_s.get(operation, 0.0) + seconds


def _unknown(why: Why, seconds: float) -> Found:
    return Unknown(why)


def _with_overrides(capabilities: Capabilities, settings: PartnerSettings) -> Capabilities:
    overrides = {
        "key_lifetime": settings.key_lifetime_s,
        "search_horizon": settings.search_horizon_s,
        "poll_after": settings.poll_after_s,
        "authorisation_lifetime": settings.authorisation_lifetime_s,
    }
    given = {name: dt.timedelta(seconds=value) for name, value in overrides.items() if value is not None}
    return msgspec.structs.replace(capabilities, **given)
