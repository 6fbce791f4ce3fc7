"""How long a claim on an endpoint holds, as the one that drives it knows it.

The deliverer extends all claims of its process together every few seconds (`store_claims.extend`), and so
does each step of a driver. Nothing is sent once the lease is about to end, and what is out then is cut off:
by then another worker may have begun.
"""

import asyncio
from collections.abc import Callable
from typing import Final

MARGIN_S: Final = 1.0
"""Nothing is sent in the last moments: it would hardly have the time."""


class Lease:
    """Ends at a moment of the monotonic clock, unless it is extended before."""

    def __init__(self, until: float, monotonic: Callable[[], float], ended: Callable[[], None]) -> None:
        """`ended` is called once, should it end. Belongs to one event loop; `close` it."""
        self.until = until
        self._monotonic = monotonic
        self._ended = ended
        self._timer = self._armed()

    def extend(self, until: float) -> None:
        """It ends no sooner than `until`. One that has ended stays so."""
        self.until = max(self.until, until)

    def allows(self, now: float) -> bool:
        """Whether something may be begun."""
        return now + MARGIN_S < self.until

    def close(self) -> None:
        """It is not needed any more."""
        self._timer.cancel()

    def _armed(self) -> asyncio.TimerHandle:
        left = max(0.0, self.until - self._monotonic())
        return asyncio.get_running_loop().call_later(left, self._look)

    def _look(self) -> None:
        if self._monotonic() < self.until:
            self._timer = self._armed()  # it was extended meanwhile
        else:
            self._ended()
