"""The words of the jobs room: what is enqueued, what is claimed, how it ends."""

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar
from uuid import UUID

import msgspec

P = TypeVar("P")

DEFAULT_QUEUE: Final = "default"
"""Where a job waits that names no other queue."""

DEPLOYMENT: Final = 0
"""The book of jobs that belong to no book but to the deployment itself."""


class State(enum.Enum):
    """Where a job stands. One that succeeded is gone; the first four are unfinished and hold up their key."""

    READY = "ready"
    """May be claimed once `run_at` has come, if no earlier job of its key is unfinished."""
    PARKED = "parked"
    """Behind an earlier job of its key, which makes it ready when it ends."""
    RUNNING = "running"
    """Claimed by a worker."""
    DEAD = "dead"
    """Gave up. Waits for a person, and its key waits with it."""
    SKIPPED = "skipped"
    """Gave up, or was dead, and holds up nothing any more."""
    CANCELLED = "cancelled"
    """Called off before it ran."""


class OnDead(enum.Enum):
    """What happens to a key when one of its jobs gives up."""

    BLOCK = "block"
    """The key waits until a person replays or skips the dead job."""
    SKIP = "skip"
    """The job is set aside as skipped, and the key goes on."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be enqueued.

    Jobs with the same `key` in one queue of one book run strictly in the order in which they were
    enqueued, one at a time; enqueue them under the lock of the object that the key stands for, since that
    lock is what gives them an order.
    """

    book_id: int
    id: UUID
    """Made by the caller; enqueuing an id that is already there changes nothing."""
    kind: str
    """Which handler it is for, such as `ledger.expire`. At most 100 bytes."""
    payload: msgspec.Struct
    """What the handler gets; at most 64 KiB as JSON. Must hold no secret and no personal data."""
    run_at: datetime
    """Not before this moment. For at once, the present moment."""
    key: str | None = None
    """What it must stay in order with; at most 200 bytes. Without one it runs in any order."""
    queue: str = DEFAULT_QUEUE
    """Jobs of one queue share its workers' slots: what is slow gets a queue of its own. At most 100 bytes."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it was claimed: its payload is not decoded yet."""

    book_id: int
    id: UUID
    seq: int
    queue: str
    kind: str
    key: str | None
    attempt: int
    """1 for the first."""
    alone: bool
    """An earlier attempt ended in an exception, so it must not share a call with others."""
    losses: int
    """Claims of it in a row that were lost, after the first only those in which its call had begun."""
    run_at: datetime
    enqueued_at: datetime
    payload: str
    """JSON."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one search for work found."""

    token: UUID
    """Proves at the end that the jobs are still this claim's."""
    jobs: Sequence[Claimed]
    """In no particular order; at most one of each key."""
    more: bool
    """There may be more to claim right now."""


class Job(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A job as its handler sees it."""

    book_id: int
    id: UUID
    kind: str
    key: str | None
    payload: P
    attempt: int
    """1 for the first."""
    run_at: datetime
    enqueued_at: datetime


class Done(msgspec.Struct, frozen=True):
    """The job has had its effect, and is deleted."""


class Retry(msgspec.Struct, frozen=True):
    """It failed in a way that may pass: try again after a pause, unless that was the last attempt."""

    error: str
    """What an operator should know; no secret, no personal data. Cut at 1,000 characters."""
    after: timedelta | None = None
    """The pause; None leaves it to the handler's policy."""


class Later(msgspec.Struct, frozen=True):
    """Nothing failed, but it is too early: look again at `run_at`; its key waits with it.

    Attempts count from the start again.
    """

    run_at: datetime


class Dead(msgspec.Struct, frozen=True):
    """It cannot succeed: set it aside without another attempt."""

    error: str
    """As for `Retry`."""


Outcome = Done | Retry | Later | Dead
"""How a handler says that a job ended."""

DONE: Final = Done()
"""The one `Done` that is ever needed."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how fast a kind of job is tried again: see `rules.retry_delay`."""

    max_attempts: int = 15
    """All attempts, the first included. By default they span some two hours."""
    base_s: float = 1.0
    """The longest pause after the first attempt; it doubles with each further one."""
    cap_s: float = 900.0
    """No pause is longer."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a job that stays in the table."""

    id: UUID
    state: State
    run_at: datetime
    attempts: int
    alone: bool
    losses: int
    error: str | None
    ended_at: datetime | None


class Periodic(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is enqueued once in every period, declared in code.

    A period begins at a multiple of `every` since 1970 (UTC), plus `offset`. The job is enqueued in the
    first moment of the period in which some worker is awake; periods in which none was are not made up
    for, and a period whose predecessor's job is still unfinished is passed over.
    """

    name: str
    """What makes it the same periodic job in all workers and versions; also its key. At most 190 bytes."""
    kind: str
    every: timedelta
    payload: msgspec.Struct
    offset: timedelta = timedelta(0)
    per_book: bool = True
    """Once in each book but book 0; else once in the deployment, in book 0."""
    queue: str = DEFAULT_QUEUE


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A job as operators see it."""

    book_id: int
    id: UUID
    queue: str
    kind: str
    key: str | None
    state: State
    attempts: int
    run_at: datetime
    enqueued_at: datetime
    claimed_until: datetime | None
    ended_at: datetime | None
    last_error: str | None
    payload: msgspec.Raw
    """JSON."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of a queue are in a state, and since when the oldest could have run."""

    queue: str
    state: State
    count: int
    oldest_run_at: datetime


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A job whose claim had expired, and which is ready again."""

    id: UUID
    kind: str
    attempts: int
