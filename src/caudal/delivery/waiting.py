"""How many deliveries wait for an endpoint, from what its driver writes: nobody has to count. Pure."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

import msgspec

from caudal.delivery.window import Item

RECOUNT: Final = dt.timedelta(minutes=1)
"""How old the lowest seq of what waits may get, as far as it may have arrived meanwhile."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The pending rows of an endpoint, those at hand included."""

    count: int | None
    """None where they have to be counted."""
    oldest: int | None
    """No one of them is of an earlier event."""

    def after(self, ended: Iterable[tuple[Item, bool]], new: Iterable[Item]) -> "Waiting":
        """What waits once deliveries that `ended` (each with whether it is over) and `new` ones are written.

        None may be in both. An item that the database knows is pending there: a new one too, where it was
        written while what it waits for failed.
        """
        if self.count is None:
            return self
        last = {item.event.seq: (item, over) for item, over in ended}
        added = [item.event.seq for item, over in last.values() if not over and not item.stored]
        added += [item.event.seq for item in new if not item.stored]
        count = self.count + len(added) - sum(over and item.stored for item, over in last.values())
        if count <= 0:
            return Waiting(count=0, oldest=None)
        oldest = min([*added, *([] if self.oldest is None else [self.oldest])])
        return Waiting(count=count, oldest=oldest)
