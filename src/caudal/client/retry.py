"""When a call is sent again, and after how long."""

import random
from collections.abc import Callable
from typing import Final

import msgspec

SAY_NOTHING_OF_EARLIER: Final = frozenset({400, 401, 403, 407, 408, 413, 415, 429})
"""Refusals that the API does not keep under the idempotency key.

They say that this attempt did nothing. An earlier one whose answer was lost may have done it all the same.
"""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and how long, a call is repeated before it is given up.

    Repeated are lost connections, time-outs, 5xx and 429; never another 4xx. Raises `ValueError` for bounds
    that bound nothing.
    """

    attempts: int = 5
    """With the first one."""
    deadline_s: float = 60.0
    """For all attempts and the waits between them."""
    first_wait_s: float = 0.1
    """The longest wait before the second attempt; it doubles with each further one."""
    longest_wait_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what would never try, or never wait."""
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if self.deadline_s <= 0 or self.first_wait_s <= 0 or self.longest_wait_s < self.first_wait_s:
            raise ValueError("the deadline and the waits must be positive, the longest wait the longest")

    def wait_s(
        self,
        attempt: int,
        *,
        left_s: float,
        retry_after_s: float | None = None,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait after attempt number `attempt` failed; None if it was the last.

        Exponential back-off with full jitter: callers that failed together do not come back together. The
        API's own `Retry-After` is waited out first; where that would pass the deadline, of which `left_s`
        remain, waiting would be in vain. `draw` gives a number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        # The exponent is bounded: 2.0**2000 is no float.
        longest = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(attempt - 1, 64))
        wait = draw() * longest + (retry_after_s or 0.0)
        return wait if wait < left_s else None
