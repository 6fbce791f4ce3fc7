"""What a handler is, and what it gets: a call with a batch of jobs of its kind.

A handler whose effects are all in the database is written with `in_transaction`: its effects and the end
of its jobs are one commit, so each job has its effect exactly once.

A handler that talks to the outside world gets a `Work`, makes its call outside any transaction, and ends
its jobs with `Work.finish` in the transaction that records the outcome. It may be called again for the
same job after a crash, so its effect outside must carry an idempotency key, such as the job's id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from caudal.jobs import rules, service
from caudal.jobs.types import Claimed, Job, OnDead, Outcome, RetryPolicy
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection, Database

P = TypeVar("P", bound=msgspec.Struct)


class Work(Generic[P]):
    """One call of a handler: its jobs, oldest first, and the way to end them."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        jitter: Callable[[], float],
        handler: "Handler[P]",
        token: UUID,
        claimed: Sequence[Claimed],
        jobs: Sequence[Job[P]],
    ) -> None:
        """Made by the worker."""
        self.database = database
        self.clock = clock
        self.book_id = jobs[0].book_id
        self.jobs = jobs
        self.endings: dict[UUID, service.Ending] = {}
        self._jitter = jitter
        self._handler = handler
        self._token = token
        self._claimed = {job.id: job for job in claimed}

    async def finish(self, connection: Connection, outcomes: Mapping[UUID, Outcome]) -> None:
        """End the jobs with these ids, in the transaction of their effects, as its last statement.

        A handler may end its jobs in several transactions. Raises `ClaimLost` if another worker has taken
        one of them over: let it pass, so that the transaction is rolled back.
        """
        now = self.clock.now()
        handler = self._handler
        endings: dict[UUID, service.Ending] = {}
        for job_id, outcome in outcomes.items():
            check(job_id in self._claimed, "a handler ended a job that is not its own")
            job = self._claimed[job_id]
            settlement = rules.settle(
                job, outcome, policy=handler.retry, on_dead=handler.on_dead, now=now, jitter=self._jitter()
            )
            endings[job_id] = (job, settlement)
        await service.finish(
            connection, book_id=self.book_id, token=self._token, endings=list(endings.values())
        )
        self.endings.update(endings)


Run = Callable[[Work[P]], Awaitable[None]]
"""Does the work and ends each of its jobs. What it leaves without an end, or raises, is a failed attempt."""


class Handler(Generic[P]):
    """Which function handles a kind of job, and what happens when it fails."""

    def __init__(
        self,
        kind: str,
        payload: type[P],
        run: Run[P],
        *,
        max_batch: int = 200,
        timeout_s: float = 30.0,
        retry: RetryPolicy | None = None,
        on_dead: OnDead = OnDead.BLOCK,
    ) -> None:
        """`max_batch` bounds the jobs of a call, `timeout_s` its duration; then it is cancelled.

        After a call that raised or timed out, its jobs are tried again one by one, so that one that
        breaks the call fails alone.
        """
        check(max_batch >= 1 and timeout_s > 0, f"handler {kind}: out of bounds")
        self.kind = kind
        self.run = run
        self.max_batch = max_batch
        self.timeout_s = timeout_s
        self.retry = retry or RetryPolicy()
        self.on_dead = on_dead
        self._decoder = msgspec.json.Decoder(payload)

    def decoded(self, job: Claimed) -> Job[P]:
        """`job` with its payload as the handler's type. Raises `msgspec.MsgspecError` if it is none."""
        return Job(
            book_id=job.book_id,
            id=job.id,
            kind=job.kind,
            key=job.key,
            payload=self._decoder.decode(job.payload),
            attempt=job.attempt,
            run_at=job.run_at,
            enqueued_at=job.enqueued_at,
        )


AnyHandler = Handler[Any]
"""Handlers of all kinds, where they are looked up."""


def in_transaction(
    run: Callable[[Connection, Sequence[Job[P]]], Awaitable[Sequence[Outcome]]],
) -> Run[P]:
    """A handler that has all its effects in one transaction, in which its jobs end too.

    `run` gets the connection and the jobs, all of one book, and returns one outcome per job, in order.
    What it wrote is committed whatever the outcomes are; where it raises, nothing is.
    """

    async def run_and_finish(work: Work[P]) -> None:
        async with work.database.transaction() as connection:
            outcomes = await run(connection, work.jobs)
            check(len(outcomes) == len(work.jobs), "a handler did not say how each of its jobs ended")
            ended = {job.id: outcome for job, outcome in zip(work.jobs, outcomes, strict=True)}
            await work.finish(connection, ended)

    return run_and_finish
