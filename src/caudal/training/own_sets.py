"""Files of our own, known by their columns: training sets of the lab, and simulated payments."""

from typing import Final

import msgspec

from caudal.features import Entity
from caudal.training.histories import Entities
from caudal.training.types import Table, Wishes

_MARKS: Final = frozenset({"subject", "at", "customer", "label", "labelled_at"})
_OF_PAYMENTS: Final = "known"
"""Sets of payments have it; of applications, none."""
_KEYS: Final = ("subject", _OF_PAYMENTS, "customer", "labelled_at")
_PAYMENT: Final = ("amount", "currency")

_SIMULATED: Final = frozenset(
    {
        "transaction",
        "at",
        "customer",
        "terminal",
        "card",
        "device",
        "country",
        "amount",
        "fraud",
        "labelled_at",
    }
)
_UNKNOWN_THEN: Final = ("transaction", "currency", "channel", "labelled_at", "scenario")
"""Of simulated payments: what decisions are not told, or nobody knows yet."""


def entities_of(table: Table) -> Entities | None:
    """Of payments that `caudal simulate fraud` has drawn, whose histories tell; None for any other table."""
    if not table.columns.keys() >= _SIMULATED:
        return None
    return Entities(
        columns=("customer", "terminal", "card"), amount="amount", minor_units=True,
        kinds=(Entity.CUSTOMER, Entity.MERCHANT, Entity.CARD),
    )  # fmt: skip


def of_simulation(table: Table, wishes: Wishes) -> tuple[Table, Wishes]:
    """Simulated payments, with what decisions know by its name there, and without what they do not."""
    country = msgspec.structs.replace(table.columns["country"], name="payment.country")
    columns = {
        ("payment.country" if name == "country" else name): country if name == "country" else column
        for name, column in table.columns.items()
        if name != "device"
    }
    left_out = tuple(name for name in _UNKNOWN_THEN if name in columns)
    return msgspec.structs.replace(table, columns=columns), msgspec.structs.replace(
        wishes,
        target=wishes.target or "fraud",
        time=wishes.time or ("at" if wishes.out_of_time else None),
        leave_out=(*wishes.leave_out, *left_out),
    )


def renamed(table: Table, wishes: Wishes) -> tuple[Table, Wishes]:
    """A set of the lab with the names that decisions have for its columns; any other table as it is.

    Those are `payment.…` and `features.…`; applications' values have their own. What a row is about and when
    its label came are no inputs; its outcome and its time are known.
    """
    if not table.columns.keys() >= _MARKS:
        return table, wishes
    names = {name: f"payment.{name}" for name in _PAYMENT}
    kept = _MARKS | {_OF_PAYMENTS} if _OF_PAYMENTS in table.columns else table.columns.keys()
    columns = {}
    for name, column in table.columns.items():
        new = name if name in kept else names.get(name, f"features.{name}")
        columns[new] = msgspec.structs.replace(column, name=new)
    there = tuple(name for name in _KEYS if name in columns)
    return msgspec.structs.replace(table, columns=columns), msgspec.structs.replace(
        wishes,
        target=wishes.target or "label",
        positive=wishes.positive or "1",
        time=wishes.time or ("at" if wishes.out_of_time else None),
        leave_out=(*wishes.leave_out, *there),
    )
