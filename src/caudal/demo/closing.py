"""After the closing: partners are well, what is under way ends, and partners pay out what they owe."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from caudal import events
from caudal.demo import partners
from caudal.demo.deployment import Deployment
from caudal.events import Event
from caudal.simulation import balances, unrest

QUEUES: Final = ["webhooks", *(f"partner:{name}" for name in partners.NAMES)]
"""Of the work that must come to an end; timers may lie in the future."""

PATIENCE_S: Final = 150.0

_LOOK_EVERY_S: Final = 0.1
_CALM_LOOKS: Final = 3
"""So often in a row there must be nothing to do: between two jobs there may be a moment without one."""

_ROUNDS: Final = 4
_TWO_DAYS_S: Final = 2 * 86_400


class NotAtRest(Exception):
    """Something did not end in time; what, is in the message."""


class Feed:
    """The events of the book, read once each."""

    def __init__(self, deployment: Deployment) -> None:
        """Nothing read yet."""
        self._world = deployment.world
        self._after = 0
        self.events: list[Event] = []

    async def read(self) -> None:
        """Read what has been told since."""
        async with self._world.database.connection() as connection:
            more = True
            while more:
                page = await events.find(
                    connection, self._world.book_id, after=self._after, limit=events.MAX_PAGE
                )
                self.events += page.events
                self._after = page.next_after
                more = len(page.events) == events.MAX_PAGE

    @property
    def to_deliver(self) -> int:
        """How many of them the day's endpoint wants."""
        return sum(1 for event in self.events if event.type.startswith("payment."))


async def rest(deployment: Deployment, feed: Feed, tell: Callable[[str], None]) -> None:
    """Wait until there is nothing left to do, and every webhook has arrived. Raises `NotAtRest`.

    `tell` is told what there is.
    """
    world = deployment.world
    deadline = time.monotonic() + PATIENCE_S
    calm = 0
    while calm < _CALM_LOOKS:
        waiting: dict[str, Any] = await deployment.control.call("POST", "webhooks/flush")
        async with world.database.connection() as connection:
            found = await unrest(connection, world.book_id, QUEUES)
        if waiting["waiting"]:
            found["webhooks of partners"] = int(waiting["waiting"])
        if not found:
            await feed.read()
            missing = feed.to_deliver - len(deployment.sink.delays)
            if missing > 0:
                found["webhooks of ours"] = missing
        calm = 0 if found else calm + 1
        told = ", ".join(f"{count} {name}" for name, count in found.items())
        if found:
            tell(told)
        if time.monotonic() > deadline:
            raise NotAtRest(told or "it was never quiet for long enough")
        await asyncio.sleep(_LOOK_EVERY_S)


async def settle(deployment: Deployment, feed: Feed, tell: Callable[[str], None]) -> None:
    """Let the partners pay out until they owe nothing; as often as late fees make it necessary."""
    for _ in range(_ROUNDS):
        await deployment.control.call("POST", "settle", {})
        await deployment.control.call("POST", "clock/advance", {"seconds": _TWO_DAYS_S})
        await rest(deployment, feed, tell)
        async with deployment.world.database.connection() as connection:
            found = await balances(connection, deployment.world.book_id)
        if not any(balance.net_debit for name, balance in found.items() if ":clearing:" in name):
            return
