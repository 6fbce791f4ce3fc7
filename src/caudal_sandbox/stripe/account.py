"""The simulated Stripe account: its tables, and how it tells what happens."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from caudal_sandbox.effects import Kind
from caudal_sandbox.store import Table
from caudal_sandbox.stripe import tokens
from caudal_sandbox.stripe.errors import missing
from caudal_sandbox.stripe.types import Charge, Dispute, Event, Intent, Payout, Refund, Transaction
from caudal_sandbox.world import World

T = TypeVar("T")

API_VERSION: Final = "2026-10-28.endive"
"""What objects and events look like, and what its official SDK of version 16 asks for."""

MAX_EVENTS: Final = 20_000
"""Events that are kept for `/v1/events`; the oldest go first."""

_encoder: Final = msgspec.json.Encoder()


class Caller(Protocol):
    """Who is calling, and who is told: the partner that this account belongs to."""

    @property
    def name(self) -> str: ...

    request_id: str | None
    request_key: str | None

    def wants(self, type: str) -> bool: ...

    def emit(self, event_id: str, type: str, body: bytes) -> None: ...


class Account:
    """Everything that the account remembers, with the shortest ways to find and to tell it."""

    def __init__(self, world: World, caller: Caller) -> None:
        self.world = world
        self.caller = caller
        store = world.store
        self.intents: Table[Intent] = store.table(
            "stripe.intent", Intent, attempt=lambda row: row.attempt_id, customer=lambda row: row.customer
        )
        self.charges: Table[Charge] = store.table("stripe.charge", Charge, intent=lambda row: row.intent)
        self.refunds: Table[Refund] = store.table(
            "stripe.refund", Refund, charge=lambda row: row.charge, intent=lambda row: row.intent
        )
        self.disputes: Table[Dispute] = store.table(
            "stripe.dispute", Dispute, charge=lambda row: row.charge, intent=lambda row: row.intent
        )
        self.payouts: Table[Payout] = store.table("stripe.payout", Payout)
        self.transactions: Table[Transaction] = store.table(
            "stripe.transaction", Transaction, source=lambda row: row.source
        )
        self.events: Table[Event] = store.table("stripe.event", Event)
        self._oldest: deque[str] = deque()
        """The ids of the events: to find the first of a dict that loses its first again and again is slow."""

    def reload(self) -> None:
        """Take what the store holds."""
        self._oldest = deque(event.id for event in self.events)

    def now(self) -> int:
        """The time, in seconds since 1970."""
        return self.world.clock.at()

    def id(self, prefix: str) -> str:
        """A new id."""
        return self.world.draws.id(prefix)

    def intent(self, id: str, *, param: str = "intent") -> Intent:
        """The intent, or Stripe's 404."""
        return _found(self.intents.get(id), "payment_intent", id, param)

    def charge(self, id: str, *, param: str = "charge") -> Charge:
        """The charge, or Stripe's 404."""
        return _found(self.charges.get(id), "charge", id, param)

    def refund(self, id: str) -> Refund:
        """The refund, or Stripe's 404."""
        return _found(self.refunds.get(id), "refund", id, "id")

    def dispute(self, id: str) -> Dispute:
        """The dispute, or Stripe's 404."""
        return _found(self.disputes.get(id), "dispute", id, "id")

    def payout(self, id: str) -> Payout:
        """The payout, or Stripe's 404."""
        return _found(self.payouts.get(id), "payout", id, "payout")

    def transaction(self, id: str) -> Transaction:
        """The balance transaction, or Stripe's 404."""
        return _found(self.transactions.get(id), "balance transaction", id, "id")

    def method(self, id: str) -> tokens.Method:
        """The test payment method, or Stripe's 404."""
        return _found(tokens.METHODS.get(id), "PaymentMethod", id, "payment_method")

    def tell(
        self, type: str, render: Callable[[], dict[str, Any]], previous: dict[str, Any] | None = None
    ) -> None:
        """An event, if anybody wants its type. `render` gives the object as it is now."""
        if not self.caller.wants(type):
            return
        id, created = self.id("evt"), self.now()
        data: dict[str, Any] = {"object": render()}
        if previous is not None:
            data["previous_attributes"] = previous
        body = _encoder.encode(
            {
                "id": id,
                "object": "event",
                "api_version": API_VERSION,
                "created": created,
                "data": data,
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": self.caller.request_id, "idempotency_key": self.caller.request_key},
                "type": type,
            }
        )
        self.events.put(Event(id, type, created, msgspec.Raw(body)))
        self._oldest.append(id)
        if len(self.events) > MAX_EVENTS:
            self.events.remove(self._oldest.popleft())
        self.caller.emit(id, type, body)

    def note(
        self,
        kind: Kind,
        object_id: str,
        *,
        amount: int,
        currency: str,
        delta: int = 0,
        attempt_id: str | None = None,
        parent_id: str | None = None,
    ) -> None:
        """An entry in the book of effects."""
        self.world.effects.add(
            self.caller.name,
            kind,
            object_id,
            amount=amount,
            delta=delta,
            currency=currency,
            attempt_id=attempt_id,
            parent_id=parent_id,
        )


def _found(found: T | None, what: str, id: str, param: str) -> T:
    if found is None:
        raise missing(what, id, param=param)
    return found
