"""What a decision has in common with others: who else used the same card, device or address.

A job links decisions with what they were on, seconds after they were made, so that payments do not wait for
an index of all devices. What it has not come to is looked through.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.risk import store_labels, store_links
from caudal.risk.decision_types import Record
from caudal.risk.store_decisions import decode_record
from caudal.risk.types import LabelKind
from caudal_base.database import Connection

LOOKED_AT: Final = 5_000
"""Of the decisions that are not linked yet, so many of the newest are looked through."""

MOST: Final = 50

_SHARED: Final[Mapping[str, str]] = {
    "card": "payment.card", "device": "payment.device", "ip": "payment.ip",
}  # fmt: skip


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """Another decision, and what it has in common."""

    record: Record
    shares: tuple[str, ...]
    """`card`, `device`, `ip`, `customer`."""
    labels: tuple[LabelKind, ...] = ()
    """What became known of it, the newest first."""


async def linked(connection: Connection, book_id: int, record: Record) -> list[Linked]:
    """Up to `MOST` other decisions with the same card, device, address or customer, the newest first."""
    facts = record.served.facts
    wanted = {name: facts.get(fact) for name, fact in _SHARED.items()}
    rows = await store_links.sharing(
        connection, book_id, {name: value for name, value in wanted.items() if isinstance(value, str)},
        customer=record.customer, looked_at=LOOKED_AT, limit=MOST + 1,
    )  # fmt: skip
    found = []
    for row in map(decode_record, rows):
        if row.id != record.id:
            shares = [
                name for name, value in wanted.items()
                if value is not None and row.served.facts.get(_SHARED[name]) == value
            ]  # fmt: skip
            if record.customer is not None and row.customer == record.customer:
                shares.append("customer")
            found.append(Linked(record=row, shares=tuple(shares)))
    labels = await store_labels.of_subjects(connection, book_id, [one.record.subject for one in found[:MOST]])
    return [
        msgspec.structs.replace(one, labels=tuple(labels.get(one.record.subject, ()))) for one in found[:MOST]
    ]
