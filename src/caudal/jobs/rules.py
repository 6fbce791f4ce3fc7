"""The pure rules of background work: when to try again, how a job ends, when a period begins."""

import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import psycopg

from caudal.jobs.errors import ClaimLost
from caudal.jobs.types import (
    DEPLOYMENT,
    Claimed,
    Dead,
    Done,
    Later,
    OnDead,
    Outcome,
    Periodic,
    Retry,
    RetryPolicy,
    Settlement,
    State,
)
from caudal_base.check import check
from caudal_base.database import Failure, classify
from caudal_base.errors import CaudalError

MAX_ERROR_LENGTH: Final = 1_000
"""Characters of an error that are kept, as `job_last_error_check` has it."""

PASSING: Final = frozenset({Failure.LOST, Failure.TRANSIENT})
"""Failures of the database that say nothing of the job."""

_MOST_HALVINGS: Final = 16
"""No call has more than 2^16 jobs."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def retry_delay(policy: RetryPolicy, attempt: int, jitter: float) -> timedelta:
    """The pause after the failed attempt number `attempt` (1 for the first); `jitter` is in [0, 1).

    Exponential with "equal jitter": half of the pause is fixed and half is left to chance, so that jobs
    that failed together do not come back together, and none comes back at once.
    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    check(attempt >= 1, "attempts count from 1")
    # Past 2^60 the cap has long been reached; a larger exponent would overflow a float.
    longest = min(policy.cap_s, policy.base_s * 2.0 ** min(attempt - 1, 60))
    return timedelta(seconds=longest * (0.5 + 0.5 * jitter))


def settle(
    job: Claimed, outcome: Outcome, *, policy: RetryPolicy, on_dead: OnDead, now: datetime, jitter: float
) -> Settlement | None:
    """What becomes of `job` after `outcome`: None for one that is done and so is deleted."""
    match outcome:
        case Done():
            return None
        case Later(run_at=run_at):
            return _ready(job, run_at=run_at, attempts=0)
        case Retry(error=error, after=after) if job.attempt < policy.max_attempts:
            pause = retry_delay(policy, job.attempt, jitter) if after is None else after
            return _ready(job, run_at=now + pause, attempts=job.attempt, error=error)
        case Retry(error=error) | Dead(error=error):
            return Settlement(
                id=job.id,
                state=State.SKIPPED if on_dead is OnDead.SKIP else State.DEAD,
                run_at=job.run_at,
                attempts=job.attempt,
                alone=job.alone,
                losses=job.losses,
                error=_kept(error),
                ended_at=now,
            )


def isolated(settlement: Settlement | None) -> Settlement | None:
    """The same, but the job will not share a call with others again: it may be what broke the call."""
    if settlement is None:
        return None
    return msgspec.structs.replace(settlement, alone=True)


def given_back(job: Claimed) -> Settlement:
    """`job` was claimed and never begun: as if it had not been claimed."""
    return _ready(job, run_at=job.run_at, attempts=job.attempt - 1, alone=job.alone, losses=job.losses)


def lets_past(state: State) -> bool:
    """Whether a job in this state no longer holds up its key."""
    return state in {State.SKIPPED, State.CANCELLED}


def lots(jobs: Sequence[Claimed], size: int) -> list[list[Claimed]]:
    """`jobs` of one kind cut into calls of at most `size`, oldest first, those to run alone by themselves.

    With each claim that was lost a call has a quarter of the jobs: whatever of them kills its workers is soon
    alone, and a worker that died for another reason costs its jobs no more than a few calls.
    """
    lines: dict[int, list[Claimed]] = {}
    for job in sorted(jobs, key=lambda job: job.seq):
        most = 1 if job.alone else max(1, size >> min(2 * job.losses, _MOST_HALVINGS))
        lines.setdefault(most, []).append(job)
    return [
        line[start : start + most]
        for most, line in sorted(lines.items(), reverse=True)
        for start in range(0, len(line), most)
    ]


def period_start(every: timedelta, offset: timedelta, now: datetime) -> datetime:
    """When the period that `now` is in began: a multiple of `every` since 1970 (UTC), plus `offset`."""
    check(every > timedelta(0), "a period has a length")
    return _EPOCH + offset + (now - _EPOCH - offset) // every * every


def belongs(periodic: Periodic, book_id: int) -> bool:
    """Whether `periodic` is enqueued in this book: in every book, or in the deployment's own alone."""
    return periodic.per_book == (book_id != DEPLOYMENT)


def cause(error: Exception) -> Exception:
    """Of errors that were raised together the one that says most of the jobs; of one error itself.

    A claim or a database that was lost says nothing of them.
    """
    if not isinstance(error, ExceptionGroup):
        return error
    causes = [cause(member) for member in error.exceptions]

    def says(each: Exception) -> int:
        return 0 if isinstance(each, ClaimLost) else 1 if classify(each) in PASSING else 2

    return max(causes, key=says)


def describe(error: BaseException) -> str:
    """What may be kept and logged of `error`: its type and place, never its message.

    Messages of the database and of libraries quote the data they stumbled over. Our own errors are
    written for people and hold no secret.
    """
    if isinstance(error, CaudalError):
        return _kept(f"{error.code}: {error.detail}")
    text = type(error).__qualname__
    if isinstance(error, psycopg.Error):
        text += f" {error.sqlstate}" if error.sqlstate else ""
        constraint = error.diag.constraint_name
        text += f" ({constraint})" if constraint else ""
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        last = frames[-1]
        text += f" in {last.name}, {last.filename.rpartition('/')[2]}:{last.lineno}"
    return _kept(text)


def _ready(
    job: Claimed,
    *,
    run_at: datetime,
    attempts: int,
    alone: bool = False,
    losses: int = 0,
    error: str | None = None,
) -> Settlement:
    return Settlement(
        id=job.id,
        state=State.READY,
        run_at=run_at,
        attempts=attempts,
        alone=alone,
        losses=losses,
        error=None if error is None else _kept(error),
        ended_at=None,
    )


def _kept(error: str) -> str:
    """`error` as PostgreSQL can hold it: cut, without NUL and lone surrogates."""
    return error[:MAX_ERROR_LENGTH].encode(errors="replace").decode().replace("\0", "\ufffd")
