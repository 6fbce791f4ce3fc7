"""The sandbox's time: the machine's, and as far ahead of it as it was told to go; and what is due by it."""

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Final

import msgspec

from caudal_base.check import check
from caudal_sandbox.store import Store, Table

_STATE: Final = "clock"


class Offset(msgspec.Struct):
    """How far the clock is ahead of the machine's."""

    id: str
    seconds: float


class Timer(msgspec.Struct):
    """Something that will happen: `kind` says what, `subject` to which object."""

    id: str
    at: float
    """When, in seconds since 1970 on the sandbox's clock."""
    kind: str
    subject: str


class Clock:
    """Tells the time in seconds since 1970, and does what is due. It only goes forward."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offsets: Table[Offset] = store.table("clock", Offset)
        self._timers: Table[Timer] = store.table("timer", Timer)
        self._due: list[tuple[float, str]] = []
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._offset_s = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._armed: asyncio.TimerHandle | None = None
        self._made = 0

    def now(self) -> float:
        """The time on the sandbox's clock."""
        return time.time() + self._offset_s

    def at(self) -> int:
        """The time in whole seconds, as partners write it."""
        return int(time.time() + self._offset_s)

    def on(self, kind: str, handler: Callable[[str], None]) -> None:
        """Call `handler` with a timer's subject when one of `kind` is due."""
        check(kind not in self._handlers, f"two handlers for timers of {kind}")
        self._handlers[kind] = handler

    def schedule(self, at: float, kind: str, subject: str) -> None:
        """Let `kind` happen to `subject` at that time. There is no taking it back: handlers look first."""
        check(kind in self._handlers, f"no handler for timers of {kind}")
        self._made += 1
        timer = self._timers.put(Timer(id=f"{self._made}", at=at, kind=kind, subject=subject))
        heapq.heappush(self._due, (timer.at, timer.id))
        if self._due[0][1] == timer.id:
            self._arm()

    def has(self, kind: str) -> bool:
        """Whether something of that kind is going to happen."""
        return any(timer.kind == kind for timer in self._timers)

    def advance(self, seconds: float) -> float:
        """Go forward, stopping at each timer on the way to do what is due then; the new time."""
        check(seconds >= 0, "the clock only goes forward")
        aim = self.now() + seconds
        offset = self._offset_s + seconds
        self._run_until(aim)
        self._move(offset)
        self._store.flush()
        self._arm()
        return self.now()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to do what is due as time goes by."""
        self._loop = loop
        self.reload()

    def reload(self) -> None:
        """Take what the store holds."""
        offset = self._offsets.get(_STATE)
        self._offset_s = 0.0 if offset is None else offset.seconds
        self._due = [(timer.at, timer.id) for timer in self._timers]
        heapq.heapify(self._due)
        self._made = max((int(timer.id) for timer in self._timers), default=0)
        self._arm()

    def stop(self) -> None:
        """Do nothing more by time."""
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        self._loop = None

    def _run_until(self, aim: float) -> None:
        while self._due and self._due[0][0] <= aim:
            _, id = heapq.heappop(self._due)
            timer = self._timers.get(id)
            if timer is None:
                continue
            if timer.at > self.now():
                self._move(timer.at - time.time())
            self._timers.remove(id)
            self._handlers[timer.kind](timer.subject)

    def _move(self, offset_s: float) -> None:
        if offset_s != self._offset_s:
            self._offset_s = offset_s
            self._offsets.put(Offset(id=_STATE, seconds=offset_s))

    def _arm(self) -> None:
        if self._loop is None:
            return
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        if self._due:
            # Long waits are cut, since the loop's clock and the machine's may drift apart.
            wait_s = min(max(self._due[0][0] - self.now(), 0.0), 60.0)
            self._armed = self._loop.call_later(wait_s, self._tick)

    def _tick(self) -> None:
        self._armed = None
        self._run_until(self.now())
        self._store.flush()
        self._arm()
