"""How fast and how long somebody else is called: a token bucket and a breaker. Pure; time is an argument.

Times are seconds of any clock that does not go back (`time.monotonic`).
"""

import enum
from typing import Final


class TokenBucket:
    """At most `rate` calls a second in the long run, and `burst` at once.

    A call takes its token when it queues, so callers are served in the order they came in.
    """

    def __init__(self, rate: float | None, *, burst: float | None = None, now: float) -> None:
        """No `rate` is no bound, but for pauses. `burst` is by default what one second allows, 1 at least."""
        self._rate = rate
        self._burst = burst if burst is not None else max(1.0, rate or 1.0)
        self._tokens = self._burst
        self._at = now
        self._paused_until = float("-inf")

    def delay(self, now: float) -> float:
        """How many seconds a call that comes now would wait."""
        pause = self.paused_for(now)
        if self._rate is None:
            return pause
        self._refill(now)
        return max(pause, (1.0 - self._tokens) / self._rate, 0.0)

    def take(self, now: float) -> float:
        """Take the next token, which may be lent; how many seconds to wait before using it."""
        delay = self.delay(now)
        if self._rate is not None:
            self._tokens -= 1.0
        return delay

    def pause(self, until: float) -> None:
        """Let no call through before `until`: who is called has said when to come back."""
        self._paused_until = max(self._paused_until, until)

    def paused_for(self, now: float) -> float:
        """How many seconds of a pause are left: also for calls that have their token."""
        return max(0.0, self._paused_until - now)

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._tokens = min(self._burst, self._tokens + elapsed * (self._rate or 0.0))


class BreakerState(enum.Enum):
    """Whether somebody is called at all."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not: it failed too often in a row."""
    HALF_OPEN = "half_open"
    """One call at a time tries whether it is back."""


FAILURES_TO_OPEN: Final = 10
"""In a row. With a fault in every tenth call, chance alone opens a breaker once in 10^10 calls."""

SHORTEST_OPEN_S: Final = 2.0
LONGEST_OPEN_S: Final = 60.0


class Breaker:
    """Opens after so many failures in a row, and then tries again: after 2 s, 4 s, …, 60 s."""

    def __init__(self, failures_to_open: int = FAILURES_TO_OPEN) -> None:
        """Closed."""
        self._failures_to_open = failures_to_open
        self._failures = 0
        self._open_for = SHORTEST_OPEN_S
        self._open_until: float | None = None
        self._probing = False

    def state(self, now: float) -> BreakerState:
        """Where it stands."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    def admit(self, now: float) -> bool:
        """Whether a call may go out. One that does must end in `succeeded`, `failed` or `abandoned`."""
        match self.state(now):
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return False
            case BreakerState.HALF_OPEN:
                if self._probing:
                    return False
                self._probing = True
                return True

    def retry_after(self, now: float) -> float:
        """In how many seconds a refused call may be worth trying again."""
        return max(SHORTEST_OPEN_S / 2, (self._open_until or now) - now)

    def succeeded(self) -> None:
        """There was an answer."""
        self._failures = 0
        self._open_for = SHORTEST_OPEN_S
        self._open_until = None
        self._probing = False

    def failed(self, now: float) -> None:
        """There was no answer, or no sensible one."""
        self._failures += 1
        if self._open_until is not None and now >= self._open_until:
            self._open_for = min(self._open_for * 2, LONGEST_OPEN_S)
            self._open_until = now + self._open_for
        elif self._open_until is None and self._failures >= self._failures_to_open:
            self._open_until = now + self._open_for
        self._probing = False

    def abandoned(self) -> None:
        """The caller gave up on the call; nothing was learnt."""
        self._probing = False
