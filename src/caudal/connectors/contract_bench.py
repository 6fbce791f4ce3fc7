"""What the checks of `caudal.connectors.contract` work with: a connector, its partner, and calls."""

import datetime as dt
import enum
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from caudal.connectors.protocol import Connector
from caudal.connectors.types import (
    Answer,
    Call,
    CannotAsk,
    CaptureMode,
    Found,
    NotFound,
    Operation,
    Reported,
    Snapshot,
    Status,
    Supported,
)
from caudal_base import ids
from caudal_base.clock import SystemClock

T = TypeVar("T")

AMOUNT: Final = 10_000
"""Of the kit's payments, in minor units: enough for every partner's minimum, and for parts."""

MOST_POLLS: Final = 50
"""How often a payment that is pending is asked after."""

_IDS: Final = ids.IdSource(SystemClock(), os.urandom)


class Fault(enum.Enum):
    """What every call meets until it is cleared."""

    RATE_LIMITED = "rate_limited"
    """429, and nothing is done."""
    ERROR_BEFORE = "error_before"
    """500, and nothing is done."""
    ERROR_AFTER = "error_after"
    """500, although it is done."""
    DROP_BEFORE = "drop_before"
    """The connection breaks, and nothing is done."""
    DROP_AFTER = "drop_after"
    """It is done, and the connection breaks."""


class Instrument(enum.Enum):
    """What a payment is made with."""

    GOOD = "good"
    """Always works."""
    DECLINED = "declined"
    """Is always declined."""


class Delivery(msgspec.Struct, frozen=True):
    """A webhook as it arrives."""

    headers: Mapping[str, str]
    """With lower-case names."""
    body: bytes


class Simulator(Protocol):
    """The partner, under the kit's control: a simulator of its API that behaves unless told otherwise."""

    signs_time: bool
    """Whether its signatures hold for a while only."""
    signs_bodies: bool
    """Whether a header signs every byte of the body; else each event in it says a signature of its fields."""

    def instrument(self, supported: Supported, wanted: Instrument) -> str | None:
        """A token for a payment of this kind, or None where there is no such thing."""

    def now(self) -> dt.datetime:
        """The time that its signatures say."""

    def sign(self, body: bytes, *, at: dt.datetime) -> Delivery:
        """A webhook with any body, signed as the partner signs, at that time."""

    async def misbehave(self, fault: Fault | None) -> None:
        """Let every call that changes something meet `fault` from here on; None: behave again."""

    async def lag_search(self, lag: dt.timedelta) -> None:
        """Let a search by attempt see nothing that is younger, by the partner's clock."""

    async def advance(self, step: dt.timedelta) -> None:
        """Move the partner's clock, and let happen what is due by then."""

    async def effects(self, attempt_id: str) -> int:
        """How many effects this attempt has had by the partner's own book; a decline is none."""

    async def deliveries(self) -> Sequence[Delivery]:
        """The webhooks that were sent since the last time this was asked, all that wait included."""

    async def settle(self) -> None:
        """Pay out what is due to us, fees netted."""


class Broken(Exception):
    """The connector breaks its contract; the text says how."""


class NotApplicable(Exception):
    """The check is of something that the partner does not have; the text says what."""


def require(condition: bool, otherwise: str) -> None:
    """Raise `Broken` with `otherwise` unless `condition` holds."""
    if not condition:
        raise Broken(otherwise)


class Bench:
    """One connector and its simulator."""

    def __init__(self, connector: Connector, simulator: Simulator) -> None:
        """The simulator is the partner that the connector speaks to."""
        self.connector = connector
        self.simulator = simulator

    @property
    def rows(self) -> Sequence[Supported]:
        """The rows of the capability matrix. Raises `Broken` where there are none."""
        rows = self.connector.capabilities.supported
        require(bool(rows), "no kind of payment is supported")
        return rows

    def rows_where(self, wanted: Callable[[Supported], bool], what: str) -> Sequence[Supported]:
        """The rows that have something. Raises `NotApplicable` where none has."""
        rows = [row for row in self.rows if wanted(row)]
        if not rows:
            raise NotApplicable(f"no kind of payment has {what}")
        return rows

    def submit(self, row: Supported, wanted: Instrument = Instrument.GOOD, **change: Any) -> Call:
        """A new attempt of a payment of this kind."""
        instrument = self.simulator.instrument(row, wanted)
        if instrument is None:
            raise NotApplicable(f"the simulator has no {wanted.value} instrument")
        currencies = row.currencies
        given: dict[str, Any] = {
            "attempt_id": new_attempt(),
            "payment_id": ids.encode(ids.PAYMENT, _IDS.new()),
            "operation": Operation.SUBMIT,
            "direction": row.direction,
            "method": row.method,
            "amount": max(AMOUNT, row.minimum_amount),
            "currency": "EUR" if currencies is None or "EUR" in currencies else min(currencies),
            "instrument": instrument,
            "return_url": "https://shop.example/back",
        }
        return Call(**{**given, **change})

    def step(self, operation: Operation, first: Call, paid: Snapshot, **change: Any) -> Call:
        """A new attempt of a later step of a payment."""
        return msgspec.structs.replace(
            first,
            **{
                "attempt_id": new_attempt(),
                "operation": operation,
                "partner_id": paid.partner_id,
                "related": paid.related,
                "captured_before": paid.captured or 0,
                **change,
            },
        )

    async def call(self, call: Call) -> Answer:
        """The connector's answer. Raises `Broken` where it raises."""
        return await self._answer(f"call of {call.operation.value}", self.connector.call(call))

    async def query(self, call: Call) -> Found:
        """What the connector finds. Raises `Broken` where it raises."""
        return await self._answer(f"query of {call.operation.value}", self.connector.query(call))

    async def fetch(self, row: Supported, partner_id: str) -> Found:
        """What the connector fetches. Raises `Broken` where it raises."""
        return await self._answer("fetch", self.connector.fetch(partner_id, row.direction))

    async def seen(self, call: Call, partner_id: str) -> Found:
        """The payment that `call` began: fetched by its id, or else queried by its attempt."""
        found = await self._answer("fetch", self.connector.fetch(partner_id, call.direction))
        if isinstance(found, CannotAsk):
            found = await self.query(msgspec.structs.replace(call, partner_id=partner_id))
        return found

    async def reported(self, call: Call) -> Snapshot:
        """The snapshot that a call is answered with. Raises `Broken` for any other answer."""
        return snapshot_of(await self.call(call), f"{call.operation.value}")

    async def faulty(self, fault: Fault, call: Call) -> Answer:
        """The answer to a call that meets `fault`."""
        await self.simulator.misbehave(fault)
        try:
            return await self.call(call)
        finally:
            await self.simulator.misbehave(None)

    async def paid(self, row: Supported, **change: Any) -> tuple[Call, Snapshot]:
        """A payment that has come to SUCCEEDED."""
        call = self.submit(row, **change)
        return call, await self.brought_to(Status.SUCCEEDED, call, await self.reported(call))

    async def authorised(self, row: Supported) -> tuple[Call, Snapshot]:
        """A payment that is authorised, and not captured."""
        call = self.submit(row, capture_mode=CaptureMode.MANUAL)
        snapshot = await self.brought_to(Status.AUTHORISED, call, await self.reported(call))
        require(snapshot.captured in (0, None), f"authorised, and {snapshot.captured} captured")
        return call, snapshot

    async def brought_to(self, status: Status, call: Call, snapshot: Snapshot) -> Snapshot:
        """The payment of `call` once it is in `status`, asking and moving the clock while it is pending."""
        for _ in range(MOST_POLLS):
            if snapshot.status is not Status.PENDING:
                break
            await self.simulator.advance(self.connector.capabilities.poll_after)
            snapshot = snapshot_of(await self.seen(call, snapshot.partner_id), "fetch")
        require(snapshot.status is status, f"the payment is {snapshot.status.value}, expected {status.value}")
        return snapshot

    async def ended(self, step: Call, said: Answer | Found) -> Answer | Found:
        """What becomes of a step that may be carried out later, asking and moving the clock meanwhile."""
        for _ in range(MOST_POLLS):
            if not isinstance(said, Reported) or said.snapshot.status is not Status.PENDING:
                break
            await self.simulator.advance(self.connector.capabilities.poll_after)
            said = await self.query(step)
        return said

    async def finished(self, step: Call, snapshot: Snapshot) -> Snapshot:
        """The object that a step has made or changed, once it is no longer pending."""
        return snapshot_of(await self.ended(step, Reported(snapshot)), f"query of {step.operation.value}")

    async def done(self, step: Call) -> Snapshot:
        """Carry out a step to its end. Raises `Broken` where it does not take place."""
        return await self.finished(step, await self.reported(step))

    async def effects(self, call: Call, expected: int) -> None:
        """Raise `Broken` unless the attempt has had so many effects."""
        had = await self.simulator.effects(call.attempt_id)
        require(had == expected, f"{call.operation.value} had {had} effects, expected {expected}")

    async def found_after_horizon(self, call: Call) -> Found:
        """What a query finds once a search must see everything."""
        found = await self.query(call)
        if isinstance(found, NotFound) and self.connector.capabilities.search_horizon is not None:
            await self.simulator.advance(self.connector.capabilities.search_horizon)
            found = await self.query(call)
        return found

    async def _answer(self, what: str, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except Exception as error:
            raise Broken(f"the {what} raised {type(error).__name__}: {error}") from error


def new_attempt() -> str:
    """An attempt's id that was never used."""
    return ids.encode(ids.ATTEMPT, _IDS.new())


def snapshot_of(answer: Answer | Found, what: str) -> Snapshot:
    """What an answer reports. Raises `Broken` where it is no report."""
    require(isinstance(answer, Reported), f"the {what} was answered with {answer}")
    assert isinstance(answer, Reported)  # for the type checker: required above
    return answer.snapshot
