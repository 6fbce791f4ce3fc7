"""Who may take a database connection, so that a customer's payment always finds one.

Payments, transfers and partners' webhooks go through queues of their own (`caudal_base.coalesce`), which
need one connection for each book at work. All else takes a place first: reads, and writes of objects, an
ordinary one; statements, exports and reports a long one. There are fewer places than connections, so what is
left over is always for the queues: however many exports run, they never take the last connection.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from caudal_base.errors import Unavailable

PATIENCE_S: Final = 5.0
"""How long a request waits for a place: as long as the pool lets one wait for a connection."""

ORDINARY_WAITING: Final = 512
LONG_WAITING: Final = 16
"""Requests that may wait for a place; the next one is turned away."""

_LONGEST_S: Final = 60
"""The most that `Retry-After` says."""


class PlaceStats(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one kind of place, of this process since it began."""

    at_once: int
    in_use: int
    waiting: int
    refused: int
    """Requests that were turned away: the line was full, or it did not move in time."""


class Places:
    """Room for so many requests at once; who comes then waits in line. Belongs to one event loop."""

    def __init__(
        self,
        at_once: int,
        *,
        waiting: int,
        what: str,
        patience_s: float = PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` says to those who are turned away what there are too many of."""
        self._at_once = at_once
        self._most_waiting = waiting
        self._what = what
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._in_use = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._refused = 0
        self._left_at = monotonic()
        self._between_s = 0.0

    def try_enter(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self._in_use >= self._at_once or self._line:
            return False
        self._in_use += 1
        return True

    async def enter(self) -> None:
        """Take a place, in turn. Raises `Unavailable` where the line is full or does not move."""
        if self.try_enter():
            return
        if len(self._line) >= self._most_waiting:
            raise self._refusal()
        mine = asyncio.get_running_loop().create_future()
        if not self._line:
            self._left_at = self._monotonic()
        self._line.append(mine)
        try:
            async with asyncio.timeout(self._patience_s):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                self.leave()  # it was given to us in the very moment
            elif mine in self._line:
                self._line.remove(mine)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def leave(self) -> None:
        """Give a place back: to the first in line."""
        if self._line:  # how long nobody left while nobody waited says nothing of the pace
            now = self._monotonic()
            self._between_s += 0.1 * (now - self._left_at - self._between_s)
            self._left_at = now
        while self._line:
            first = self._line.popleft()
            if not first.done():
                first.set_result(None)
                return
        self._in_use -= 1

    def stats(self) -> PlaceStats:
        """The figures as they are now."""
        return PlaceStats(
            at_once=self._at_once, in_use=self._in_use, waiting=len(self._line), refused=self._refused
        )

    def _refusal(self) -> Unavailable:
        """When to come again: once those in line have had their turn, at the pace of late."""
        self._refused += 1
        seconds = int((len(self._line) + 1) * self._between_s) + 1
        return Unavailable(f"too many {self._what} at once", retry_after=min(seconds, _LONGEST_S))


class Room(msgspec.Struct, frozen=True):
    """The places of one process."""

    ordinary: Places
    long: Places

    @classmethod
    def of(cls, pool_size: int, long_reads: int | None = None) -> "Room":
        """The places over `pool_size` connections: a fifth of them, one at least, is left to the queues.

        `long_reads` at once are by default a quarter of the connections. Where there are but two, one is the
        queues' and everything else takes turns with the other.
        """
        kept = max(1, pool_size // 5)
        long = long_reads or max(1, pool_size // 4)
        longs = Places(long, waiting=LONG_WAITING, what="statements, exports and reports")
        if pool_size - kept - long < 1:
            return cls(longs, longs)
        what = "requests that read or change single objects"
        return cls(Places(pool_size - kept - long, waiting=ORDINARY_WAITING, what=what), longs)
