"""Where time comes from: injected, so that tests and simulations decide what time it is."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from caudal_base.check import check


class Clock(Protocol):
    """Tells the time as an aware `datetime` in UTC, to the microsecond."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        ...


class SystemClock:
    """The machine's clock. It may go back when the machine's time is corrected."""

    def now(self) -> datetime:
        """The machine's time, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until told to move; for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        """`start` must be aware; it is kept in UTC."""
        self._now = _in_utc(start)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time that was last set."""
        return self._now

    def advance(self, step: timedelta) -> datetime:
        """Move by `step` (a negative one goes back, as a corrected system clock does); the new time."""
        with self._lock:
            self._now += step
            return self._now

    def set(self, moment: datetime) -> None:
        """Jump to `moment`, which must be aware."""
        moment = _in_utc(moment)
        with self._lock:
            self._now = moment


def _in_utc(moment: datetime) -> datetime:
    check(moment.tzinfo is not None, "a time without a zone is no moment")
    return moment.astimezone(UTC)
