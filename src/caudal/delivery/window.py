"""What a driver has at hand: deliveries that wait for their turn, and those that are under way. Pure.

Of an ordered endpoint only the first of each object is given out, and the next one once that has arrived. One
that is to be tried again later takes those behind it with it: they wait in the database.
"""

import bisect
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from caudal.events import Event


class Item(msgspec.Struct, kw_only=True):
    """A delivery at hand."""

    event: Event
    body: bytes
    attempts: int = 0
    tried: int = 0
    stored: bool = False
    """Whether the database knows it."""
    loaded: bool = False
    """Whether it waited in the database, where others of its object may wait behind it."""


class Window:
    """The deliveries of one endpoint that are at hand."""

    def __init__(self, *, ordered: bool) -> None:
        """Empty."""
        self._ordered: Final = ordered
        self._queue: deque[Item] = deque()
        self._lines: dict[str, list[Item]] = {}
        self._free: deque[str] = deque()
        """Objects with a line and nothing under way."""
        self._out: dict[int, Item] = {}
        self._waiting = 0

    def add(self, items: Iterable[Item]) -> None:
        """Put `items` behind what is there; of one object always in the order of their seqs."""
        for item in items:
            self._waiting += 1
            if not self._ordered:
                self._queue.append(item)
                continue
            name = item.event.object_id
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = []
                if all(out.event.object_id != name for out in self._out.values()):
                    self._free.append(name)
            bisect.insort(line, item, key=lambda one: one.event.seq)

    @property
    def waiting(self) -> int:
        """How many wait for their turn, or for the one before them."""
        return self._waiting

    @property
    def out(self) -> int:
        """How many are under way."""
        return len(self._out)

    @property
    def ready(self) -> bool:
        """Whether `take` would give one."""
        return bool(self._free if self._ordered else self._queue)

    def take(self) -> Item:
        """The next one to be sent; there must be one (`ready`)."""
        if self._ordered:
            name = self._free.popleft()
            line = self._lines[name]
            item = line.pop(0)
            if not line:
                del self._lines[name]
        else:
            item = self._queue.popleft()
        self._waiting -= 1
        self._out[item.event.seq] = item
        return item

    def back(self, item: Item, *, over: bool) -> Sequence[Item]:
        """`item` has been tried. Those that are not at hand any more, since it is not `over`."""
        del self._out[item.event.seq]
        name = item.event.object_id
        if not self._ordered or name not in self._lines:
            return ()
        if over:
            self._free.append(name)
            return ()
        behind = self._lines.pop(name)
        self._waiting -= len(behind)
        return behind

    def seqs(self) -> list[int]:
        """The places of all that is at hand."""
        lines = [item.event.seq for line in self._lines.values() for item in line]
        return [item.event.seq for item in self._queue] + lines + list(self._out)

    def unstored(self) -> list[Item]:
        """Those at hand that the database does not know yet."""
        return [item for item in self._items() if not item.stored]

    def first_of(self, item: Item) -> bool:
        """Whether no other of its object at hand goes before it."""
        if not self._ordered or item.event.seq in self._out:
            return True
        line = self._lines.get(item.event.object_id)
        under_way = any(out.event.object_id == item.event.object_id for out in self._out.values())
        return line is not None and line[0] is item and not under_way

    def _items(self) -> list[Item]:
        lines = [item for line in self._lines.values() for item in line]
        return [*self._queue, *lines, *self._out.values()]
