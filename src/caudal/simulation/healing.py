"""After the callers have left: nothing goes wrong any more, time passes, and everything ends."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from caudal.simulation import partners, store
from caudal.simulation.partners import Control
from caudal.simulation.plans import Action, Author
from caudal.simulation.requests import Sender
from caudal.simulation.world import World
from caudal_base import ids

_LOOK_EVERY_S: Final = 0.1
_CALM_LOOKS: Final = 3
"""So often in a row there must be nothing to do: between two jobs there may be a moment without one."""

_HURRY_EVERY: Final = 10
"""Looks, after which what waits for its next try need not wait any longer."""

DAYS: Final = 9
"""How far the partners' clock goes: authorisations run out, slow transfers end, balances become available."""

_DAY_S: Final = 86_400
_ROUNDS: Final = 5

_CALLS: Final = [f"partner:{name}" for name in partners.NAMES]
QUEUES: Final = ["webhooks", *_CALLS]
"""Of the work that must come to an end; timers may lie in the future."""


class NotAtRest(Exception):
    """Something did not end in time; what, is in the message."""


class Patience:
    """How long to wait for something to end: so long since anything did."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._least: int | None = None
        self._most = 0

    def lost(self, left: int, ended: int = 0) -> bool:
        """Whether for too long nothing has ended, now that `left` things are left and `ended` are not.

        What ends may leave two others behind: with much to do it can be long before less is left.
        """
        now = time.monotonic()
        if self._least is None or left < self._least or ended > self._most:
            self._deadline = now + self._seconds
        self._least = left if self._least is None else min(left, self._least)
        self._most = max(ended, self._most)
        return now > self._deadline


class Healer:
    """Brings a run to its end."""

    def __init__(
        self, world: World, control: Control, sender: Sender, author: Author, *, patience_s: float
    ) -> None:
        self._world = world
        self._control = control
        self._sender = sender
        self._author = author
        self._patience_s = patience_s
        self.cpu: dict[str, float] = {}
        """Seconds of CPU by program, when the callers had left."""

    async def heal(self) -> None:
        """Let everything end, then let the partners settle. Raises `NotAtRest`."""
        await self._control.call("PUT", "faults", partners.calm())
        await self._control.call("PUT", "webhooks", self._faultless())
        await self._world.programs["api"].ready()
        unanswered = [asked for asked in self._sender.asked if asked.answer is None]
        await asyncio.gather(*(self._sender.repeat(asked) for asked in unanswered))
        self.cpu = self._world.cpu()
        await self._world.restart_workers()
        await self.rest()
        await self._control.call("POST", "clock/advance", {"seconds": DAYS * _DAY_S})
        await self.rest()
        await self._decide((Action.APPROVE, Action.DECLINE))
        for _ in range(_ROUNDS):
            await self.rest()
            if not await self._decide((Action.DECLINE,)):
                return

    async def settle(self) -> None:
        """Let the partners pay out until they owe nothing; as often as late fees make it necessary."""
        for _ in range(_ROUNDS):
            await self._control.call("POST", "settle", {})
            await self._control.call("POST", "clock/advance", {"seconds": 2 * _DAY_S})
            await self.rest()
            if not await self._owed():
                return

    async def rest(self) -> None:
        """Wait until there is nothing left to do but what waits for its time."""
        patience = Patience(self._patience_s)
        calm, looks = 0, 0
        while calm < _CALM_LOOKS:
            looks += 1
            waiting: dict[str, Any] = await self._control.call("POST", "webhooks/flush")
            async with self._world.database.connection() as connection:
                found = await store.unrest(connection, self._world.book_id, QUEUES)
                ended = await store.ended(connection, self._world.book_id)
                if found and looks % _HURRY_EVERY == 0:
                    await store.hurry(connection, self._world.book_id, _CALLS)
            if waiting["waiting"]:
                found["webhooks to be delivered"] = int(waiting["waiting"])
            if patience.lost(sum(found.values()), ended):
                raise NotAtRest(", ".join(f"{count} {name}" for name, count in found.items()))
            calm = 0 if found else calm + 1
            await asyncio.sleep(_LOOK_EVERY_S)

    async def repeat(self) -> None:
        """Ask again what callers ask again: they must get what they got."""
        room = asyncio.Semaphore(32)

        async def one(index: int) -> None:
            async with room:
                await self._sender.repeat(self._sender.asked[index])

        asked = enumerate(self._sender.asked)
        await asyncio.gather(*(one(index) for index, each in asked if each.ask.manner.again))

    async def _decide(self, actions: Sequence[Action]) -> int:
        """A person decides what waits for one, by turns as `actions` say; how many there were.

        Some cannot be approved, and of some the partner has done more by then than could be called off.
        """
        async with self._world.database.connection() as connection:
            waiting = await store.reviews(connection, self._world.book_id)
        for index, digits in enumerate(waiting):
            payment_id = f"{ids.PAYMENT}_{digits}"
            ask = self._author.ask(actions[index % len(actions)])
            path = f"/v1/payments/{payment_id}/{ask.action.value}"
            await self._sender.send(self._sender.begin(ask, payment_id, path, b"{}"))
        return len(waiting)

    async def _owed(self) -> bool:
        async with self._world.database.connection() as connection:
            found = await store.balances(connection, self._world.book_id)
        return any(balance.net_debit for reference, balance in found.items() if ":clearing:" in reference)

    @staticmethod
    def _faultless() -> dict[str, dict[str, Any]]:
        kinds = ("duplicate", "delay", "reorder", "forge", "old_secret", "before_response")
        return {name: dict.fromkeys(kinds, 0) for name in partners.NAMES}
