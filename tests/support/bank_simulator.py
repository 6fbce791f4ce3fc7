"""The sandbox's bank as the simulator that connectors are held against."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from caudal.connectors import Supported
from caudal.connectors.contract import Delivery, Fault, Instrument
from caudal_sandbox.bank.types import Status
from support.banks import SECRET, BankWorld, Listener


class BankSimulator:
    """A `caudal.connectors.contract.Simulator`."""

    signs_time = True
    signs_bodies = True

    def __init__(self, world: BankWorld, listener: Listener, *, good: str) -> None:
        """`good` is the account whose payments succeed; `listener` takes the events."""
        self._world = world
        self._listener = listener
        self._good = good
        self.is_instant = good == "tok_bank_instant"
        self._lag_s = 0.0
        world.tell(listener.url)

    def instrument(self, supported: Supported, wanted: Instrument) -> str | None:
        """An account that behaves so."""
        return self._good if wanted is Instrument.GOOD else "tok_bank_closed"

    def now(self) -> dt.datetime:
        """Signatures say the machine's time, however far the sandbox's clock has gone."""
        return dt.datetime.now(dt.UTC)

    def sign(self, body: bytes, *, at: dt.datetime) -> Delivery:
        """Signed by the bank under the id that the body says."""
        event: Any = msgspec.json.decode(body)
        event_id = event.get("id") if isinstance(event, dict) else None
        signed_id = event_id if isinstance(event_id, str) else "evt_without_an_id"
        headers = self._world.partner.sign(signed_id, body, (SECRET,), int(at.timestamp()))
        return Delivery(dict(headers), body)

    async def misbehave(self, fault: Fault | None) -> None:
        """Every call that changes something meets `fault`."""
        faults = {} if fault is None else {fault.value: 1}
        self._world.misbehave(**faults, reads=False, search_lag_s=self._lag_s)

    async def lag_search(self, lag: dt.timedelta) -> None:
        """A search sees nothing that is younger."""
        self._lag_s = lag.total_seconds()
        await self.misbehave(None)

    async def advance(self, step: dt.timedelta) -> None:
        """Let so much time go by."""
        self._world.advance(step.total_seconds())

    async def effects(self, attempt_id: str) -> int:
        """The orders that the bank has taken under this reference and not refused, and its cancellations.

        An order that is pending has moved no money yet, and will.
        """
        refused = (Status.REJECTED, Status.FAILED)
        orders = self._world.partner._bank._orders.find("reference", attempt_id)
        book = self._world.sandbox.world.effects.book("bank")["effects"]
        cancelled = [it for it in book if it.kind.value == "cancel" and it.attempt_id == attempt_id]
        return sum(order.status not in refused for order in orders) + len(cancelled)

    async def deliveries(self) -> Sequence[Delivery]:
        """What has come since the last time."""
        await self._world.control("webhooks/flush")
        taken = [Delivery(request.headers, request.body) for request in self._listener.requests]
        self._listener.requests.clear()
        return taken

    async def settle(self) -> None:
        """Book what is open."""
        await self._world.control("settle", {"partner": "bank"})
