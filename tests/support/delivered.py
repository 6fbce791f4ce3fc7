"""What came to one ordered endpoint in a small run: everything in order, for a test to break in one place."""

from typing import Any
from uuid import UUID

import msgspec

from caudal.simulation.arrivals import Deliveries, Received, Told
from caudal.simulation.delivery_store import Row, Try
from caudal.simulation.receivers import Manner, Receiver
from caudal.simulation.targets import Arrival, digest_of

ENDPOINT = "whe_00000000000000000000000000000001"
UUID_OF = UUID(int=1)
PAYMENT, OTHER = "pay_1", "pay_2"

EVENTS = [
    Told(seq=1, id="evt_1", type="payment.created", object=PAYMENT, at=0.0, digest=b""),
    Told(seq=2, id="evt_2", type="webhook_endpoint.created", object=ENDPOINT, at=0.5, digest=b""),
    Told(seq=3, id="evt_3", type="payment.authorised", object=PAYMENT, at=1.0, digest=digest_of(b"3")),
    Told(seq=4, id="evt_4", type="payment.succeeded", object=PAYMENT, at=2.0, digest=digest_of(b"4")),
    Told(seq=5, id="evt_5", type="refund.created", object=OTHER, at=3.0, digest=digest_of(b"5")),
]
"""The feed: two of them are from before the endpoint."""


def receiver(**changes: Any) -> Receiver:
    """A healthy endpoint that wants payments in order."""
    made = Receiver(
        name="healthy0",
        manner=Manner.HEALTHY,
        types=("payment.*",),
        ordered=True,
        concurrency=4,
        signature="v1",
    )
    return msgspec.structs.replace(made, **changes)


def arrival(event: int, order: int, status: int = 200, **changes: Any) -> Arrival:
    """One that is answered at once."""
    at = EVENTS[event - 1].at + 0.25
    made = Arrival(
        event=f"evt_{event}", order=order, at=at, signed_at=int(at), status=status, answered=order + 1,
        answered_at=at,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def row(seq: int, state: str = "delivered", attempts: int = 1) -> Row:
    """A delivery in the log."""
    return Row(UUID_OF, seq, state, attempts, 200)


def tried(seq: int, number: int = 1, status: int = 200, kept: int = 0) -> Try:
    """An attempt in the log."""
    return Try(UUID_OF, seq, number, status, kept)


def endpoint(**changes: Any) -> Received:
    """One that has got both events that it wants."""
    made: dict[str, Any] = {
        "id": ENDPOINT,
        "receiver": receiver(),
        "status": "enabled",
        "arrivals": [arrival(3, 1), arrival(4, 3)],
        "unverified": [],
        "signed_by_ended": [],
        "given_up": frozenset(),
        "replayed_from": 0,
        "rows": [row(3), row(4)],
        "tries": [tried(3), tried(4)],
    }
    return Received(**(made | changes))


def deliveries(*endpoints: Received, **changes: Any) -> Deliveries:
    """A run with these endpoints; with one that is in order if none are named."""
    made: dict[str, Any] = {
        "events": EVENTS,
        "endpoints": list(endpoints) or [endpoint()],
        "digests": {"evt_3": digest_of(b"3"), "evt_4": digest_of(b"4")},
    }
    return Deliveries(**(made | changes))
