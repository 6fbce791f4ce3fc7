"""Features as they are published, and events of others as they come in. Nothing here commits."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal import features, rules
from caudal.access import Caller
from caudal.features import Event, EventInvalid, FeatureSet, Version
from caudal.ledger import Ledger
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

_OURS: Final = frozenset({"payment", "dispute", "label"})
"""Sources whose events come from payments themselves: `payment`, `payment.succeeded`, …"""


async def publish_features(
    connection: Connection, book_id: int, declared: FeatureSet, *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> Version | CaudalError:  # fmt: skip
    """`features.publish`, unless the published rules need what it would drop: raises `FeatureInUse`."""
    await rules.refuse_dropped(connection, book_id, declared)
    return await features.publish(connection, book_id, declared, caller=caller, ledger=ledger, at=at)


async def record_events(
    connection: Connection, book_id: int, events: Sequence[Event], *, ledger: Ledger, at: dt.datetime
) -> list[bool | CaudalError]:
    """`features.record` of what is not ours to tell: events of payments, disputes and labels are refused."""
    refusals = [
        EventInvalid("events of payments, disputes and labels are our own", field="source")
        if event.source.partition(".")[0] in _OURS
        else None
        for event in events
    ]
    sound = [event for event, refusal in zip(events, refusals, strict=True) if refusal is None]
    kept = iter(await features.record(connection, book_id, sound, ledger=ledger, at=at) if sound else ())
    return [next(kept) if refusal is None else refusal for refusal in refusals]
