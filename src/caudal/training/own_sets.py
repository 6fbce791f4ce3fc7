"""Training sets of `caudal.analytics.lab`: their columns by the names that decisions know them by."""

from typing import Final

import msgspec

from caudal.training.types import Table, Wishes

_MARKS: Final = frozenset({"subject", "at", "known", "label", "labelled_at"})
_KEYS: Final = ("subject", "known", "customer", "labelled_at")
_PAYMENT: Final = ("amount", "currency")


def renamed(table: Table, wishes: Wishes) -> tuple[Table, Wishes]:
    """A set of the lab with `payment.…` and `features.…` for its columns; any other table as it is.

    What it is about and when its label came are no inputs; its outcome and its time are known.
    """
    if not table.columns.keys() >= _MARKS:
        return table, wishes
    names = {name: f"payment.{name}" for name in _PAYMENT}
    kept = _MARKS | {"customer"}
    columns = {}
    for name, column in table.columns.items():
        new = names.get(name, name if name in kept else f"features.{name}")
        columns[new] = msgspec.structs.replace(column, name=new)
    there = tuple(name for name in _KEYS if name in columns)
    return msgspec.structs.replace(table, columns=columns), msgspec.structs.replace(
        wishes,
        target=wishes.target or "label",
        positive=wishes.positive or "1",
        time=wishes.time or ("at" if wishes.out_of_time else None),
        leave_out=(*wishes.leave_out, *there),
    )
