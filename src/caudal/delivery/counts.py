"""What the drivers of one process have done since it started, for its measurements."""

import msgspec

from caudal.delivery.rules import Reply

DURATION_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)


class DeliveryCounts(msgspec.Struct, kw_only=True):
    """Counts of attempts, and how it stands now."""

    attempts: dict[str, int] = {}
    """By outcome: `2xx` to `5xx`, or `none` where there was no answer."""
    given_up: int = 0
    """Deliveries whose schedule is over."""
    disabled: dict[str, int] = {}
    """Endpoints that were disabled, by reason."""
    driven: int = 0
    """Endpoints that this process drives now."""
    under_way: int = 0
    """Requests that are out now."""
    open_breakers: int = 0
    troubles: int = 0
    """Failures of our own statements, and secrets that could not be opened."""
    unread: dict[int, int] = {}
    """By book: events that endpoints have not looked at yet, summed over endpoints."""
    behind: dict[int, int] = {}
    """By book: endpoints for which so many deliveries wait that they are given nothing new."""
    pending: dict[int, int] = {}
    """By book: deliveries that are tried or will be."""
    oldest_s: dict[int, float] = {}
    """By book: since when the oldest event waits that some endpoint has not got."""
    duration_counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(DURATION_BOUNDS_S) + 1))
    duration_sum_s: float = 0.0

    def count(self, reply: Reply, seconds: float) -> None:
        """An attempt has ended."""
        outcome = "none" if reply.status is None else f"{reply.status // 100}xx"
        self.attempts[outcome] = self.attempts.get(outcome, 0) + 1
        place = next((at for at, bound in enumerate(DURATION_BOUNDS_S) if seconds <= bound), None)
        self.duration_counts[len(DURATION_BOUNDS_S) if place is None else place] += 1
        self.duration_sum_s += seconds
