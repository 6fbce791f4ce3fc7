"""How many requests each API key may make in a second: a token bucket for each.

What is over is refused once the caller is known, before the database is asked for more and before the body
is read, so that it costs little. Requests are counted for all processes that serve one socket together.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` says what is allowed,
`RateLimit` what is left of it and in how many seconds it is whole again.
"""

import math
import time
from collections.abc import Callable
from typing import Final

import msgspec

from caudal.access import Principal
from caudal_base.errors import TooManyRequests
from caudal_base.shared import Shared

HEADER: Final = b"ratelimit"

NO_LIMIT: Final = 0
"""As requests in a second: as many as come."""


class RateLimited(TooManyRequests):
    """The API key makes more requests than it may; nothing was done, and the request may come again."""

    code = "rate_limited"
    title = "Too many requests with this API key"

    def __init__(self, *, policy: str, limit: str, retry_after: int) -> None:
        """`policy` and `limit` are the values of the headers."""
        super().__init__("this key makes more requests than it may", retry_after=retry_after)
        self.headers: Final = (("RateLimit-Policy", policy), ("RateLimit", limit))


class _Policy(msgspec.Struct, frozen=True):
    """What so many requests in a second come to."""

    interval_s: float
    """The time in which one token comes."""
    capacity: int
    """Tokens in a full bucket."""
    span_s: float
    """The time in which an empty bucket fills."""


class RateLimits:
    """A bucket for each key, kept as the moment at which it would be full. Belongs to one event loop.

    That moment says everything (the "theoretical arrival time" of the generic cell rate algorithm, ITU-T
    I.371): a request moves it on by the time that one token takes to come. A moment that is past is a full
    bucket, so that nothing need be kept of keys that are silent (`caudal_base.shared`).
    """

    def __init__(
        self,
        per_second: int,
        burst_s: int,
        shared: Shared,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`per_second` is for keys that say nothing else, or `NO_LIMIT`; `monotonic` is in seconds.

        After a pause a key may make `burst_s` seconds' worth at once.
        """
        self.refused = 0
        """Requests that were over, since this process began."""
        self._default = per_second
        self._burst_s = burst_s
        self._shared = shared
        self._moments = shared.moments
        self._monotonic = monotonic
        self._policies: dict[int, _Policy] = {}

    def take(self, principal: Principal) -> bytes | None:
        """Count a request: what is left, as a header's value; None where there is no limit.

        Raises `RateLimited`, which counts nothing.
        """
        own = principal.requests_per_second
        per_second = self._default if own is None else own
        if per_second == NO_LIMIT:
            return None
        policy = self._policies.get(per_second) or self._policy(per_second)
        now = self._monotonic()
        place = self._shared.place(principal.key_id.int, now)
        if place is None:
            return None
        full_at = self._moments[place]
        filling_s = (full_at - now if full_at > now else 0.0) + policy.interval_s
        # A millionth of the interval forgives what sums of fractions lose.
        left = (policy.span_s - filling_s) / policy.interval_s
        if left < -1e-6:
            self.refused += 1
            raise _refusal(policy, filling_s)
        self._moments[place] = now + filling_s
        return b'"key";r=%d;t=%d' % (left + 1e-6, filling_s + 1)

    def _policy(self, per_second: int) -> _Policy:
        capacity = per_second * self._burst_s
        policy = _Policy(1 / per_second, capacity, capacity / per_second)
        self._policies[per_second] = policy
        return policy


def _refusal(policy: _Policy, filling_s: float) -> RateLimited:
    over_s = filling_s - policy.span_s
    return RateLimited(
        policy=f'"key";q={policy.capacity};w={math.ceil(policy.span_s)}',
        limit=f'"key";r=0;t={math.ceil(filling_s - policy.interval_s)}',
        retry_after=max(1, math.ceil(over_s)),
    )
