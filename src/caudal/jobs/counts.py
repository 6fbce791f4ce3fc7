"""What a worker counts, for whoever exports it; nothing here knows of an exporter."""

import msgspec


class KindCounts(msgspec.Struct, kw_only=True):
    """What became of the jobs of a kind, since this worker started."""

    done: int = 0
    postponed: int = 0
    """Put off without a failure: it was too early, or the call was not begun."""
    retried: int = 0
    dead: int = 0
    """Gave up: dead or skipped."""
    lost: int = 0
    """In calls that had to be rolled back because another worker had taken over one of their jobs."""
    calls: int = 0
    failed_calls: int = 0
    """Calls that raised or timed out."""
    busy_s: float = 0.0
    """Seconds spent in calls."""


class Counts(msgspec.Struct, kw_only=True):
    """What a worker has done since it started."""

    kinds: dict[str, KindCounts] = {}
    """By the kinds that have a handler; what has none is counted under the empty text."""
    searches: int = 0
    claims: int = 0
    """Searches that found something."""
    released: int = 0
    """Jobs of expired claims that this worker made ready again."""
    periodic: int = 0
    """Periodic jobs that this worker enqueued."""
    purged: int = 0
    """Skipped and cancelled jobs that this worker deleted when their time was over."""
    troubles: int = 0
    """Failures of the worker's own statements, such as a lost connection."""
    in_work: int = 0
    """Jobs claimed now."""
