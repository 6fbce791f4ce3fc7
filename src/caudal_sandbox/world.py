"""What the parts of a sandbox share: one store, one clock, one chance, one book, one sender."""

import msgspec

from caudal_sandbox.clock import Clock
from caudal_sandbox.draws import Draws
from caudal_sandbox.effects import Effects
from caudal_sandbox.store import Store, Table
from caudal_sandbox.webhooks import Sender

_ID = "start"


class Start(msgspec.Struct):
    """How often a sandbox has been started with its state."""

    id: str
    count: int


class World:
    """The shared parts."""

    def __init__(self, *, seed: int) -> None:
        """`seed` decides all chance and all ids."""
        self.store = Store()
        self.draws = Draws(seed)
        self.clock = Clock(self.store)
        self.effects = Effects(self.store, self.clock)
        self.sender = Sender(self.store, self.draws)
        self._starts: Table[Start] = self.store.table("start", Start)

    def begin(self) -> None:
        """Take what the store holds, and number this start, so that its ids are others than before."""
        self.clock.reload()
        last = self._starts.get(_ID)
        count = 1 if last is None else last.count + 1
        self._starts.put(Start(_ID, count))
        self.draws.begin(count)
