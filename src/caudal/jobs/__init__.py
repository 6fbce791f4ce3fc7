"""Background work: enqueued in the transaction of the data, done at least once, finished exactly once.

Other rooms call `enqueue` with `NewJob`s and declare `Handler`s and `Periodic`s; the process that works
runs a `Worker`; `operators` holds what people do with jobs.

What is promised:

- A job exists if and only if the transaction that enqueued it was committed.
- A handler whose effects are in the database (`in_transaction`) has each effect exactly once: the end of
  the job is in the same commit, and a worker that has lost its claim cannot commit. One with effects
  outside may be called again after a crash.
- Jobs of one book, queue and key run one at a time in the order in which they were enqueued. A retry
  holds up only its key; a job that gave up holds up its key until a person replays or skips it, unless its
  handler declares that it is skipped.
- A claim expires, so a dead worker's jobs come back; attempts are bounded; what gives up is kept.
- One job for each period of a `Periodic`, however many workers there are; periods that passed while none
  was awake are not made up for.
"""

from caudal.jobs import operators
from caudal.jobs.counts import Counts, KindCounts
from caudal.jobs.errors import ClaimLost, JobBusy, JobNotFound, JobPayloadTooLarge, JobStateConflict
from caudal.jobs.handlers import AnyHandler, Handler, Run, Work, in_transaction
from caudal.jobs.rules import describe
from caudal.jobs.service import enqueue, enqueue_parameters
from caudal.jobs.store import ENQUEUE
from caudal.jobs.types import (
    DEFAULT_QUEUE,
    DEPLOYMENT,
    DONE,
    Backlog,
    Dead,
    Done,
    Job,
    Later,
    Listed,
    NewJob,
    OnDead,
    Outcome,
    Periodic,
    Retry,
    RetryPolicy,
    State,
)
from caudal.jobs.worker import Options, Worker

__all__ = [
    "DEFAULT_QUEUE",
    "DEPLOYMENT",
    "DONE",
    "ENQUEUE",
    "AnyHandler",
    "Backlog",
    "ClaimLost",
    "Counts",
    "Dead",
    "Done",
    "Handler",
    "Job",
    "JobBusy",
    "JobNotFound",
    "JobPayloadTooLarge",
    "JobStateConflict",
    "KindCounts",
    "Later",
    "Listed",
    "NewJob",
    "OnDead",
    "Options",
    "Outcome",
    "Periodic",
    "Retry",
    "RetryPolicy",
    "Run",
    "State",
    "Work",
    "Worker",
    "describe",
    "enqueue",
    "enqueue_parameters",
    "in_transaction",
    "operators",
]
