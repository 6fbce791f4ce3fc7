"""Calling handlers: a claim's jobs, cut into calls, and what becomes of them when a call fails."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from caudal.jobs import rules, service
from caudal.jobs.counts import Counts, KindCounts
from caudal.jobs.errors import ClaimLost
from caudal.jobs.handlers import AnyHandler, Work
from caudal.jobs.room import Room
from caudal.jobs.rules import PASSING
from caudal.jobs.types import Claimed, Dead, Job, OnDead, Retry, RetryPolicy, State
from caudal_base import telemetry
from caudal_base.clock import Clock
from caudal_base.database import Database, classify

_log = structlog.get_logger("caudal.jobs")

_FIRST_PAUSE_S: Final = 0.1
_LAST_PAUSE_S: Final = 2.0
"""Between attempts at recording how jobs ended."""

MARGIN_S: Final = 1.0
"""A call starts only if its time-out ends this long before its claim does."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A claim of this worker, and until when, on the loop's clock, it can count on it."""

    book_id: int
    token: UUID
    until: float


class Calls:
    """Runs handlers, a bounded number of calls at once."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, AnyHandler],
        *,
        at_once: int,
        background: Collection[str] = (),
        not_understood: RetryPolicy,
        clock: Clock,
        jitter: Callable[[], float],
        counts: Counts,
    ) -> None:
        """`background` are the queues whose jobs let others go first.

        `not_understood` is the policy for jobs without a handler, or whose payload it cannot read.
        """
        self._database = database
        self._handlers = handlers
        self._not_understood = not_understood
        self._clock = clock
        self._jitter = jitter
        self._counts = counts
        self._room = Room(at_once)
        self._background = frozenset(background)
        self._closed = False

    def close(self) -> None:
        """Begin no further call: jobs that have not been begun are given back."""
        self._closed = True

    async def process(self, held: Held, claimed: Sequence[Claimed]) -> None:
        """Bring each job of a claim to an end. Does not raise for what a handler or the database did."""
        kinds: dict[str, list[Claimed]] = {}
        for job in claimed:
            kinds.setdefault(job.kind, []).append(job)
        steps: list[Awaitable[None]] = []
        for kind, jobs in kinds.items():
            handler = self._handlers.get(kind)
            if handler is None:
                steps.append(self._refuse(held, jobs, OnDead.BLOCK, "no handler for this kind of job"))
                continue
            spent = [job for job in jobs if job.attempt > handler.retry.max_attempts]
            if spent:
                # Not even one of its attempts came to an end: it may be what kills its workers.
                steps.append(self._end(held, handler, spent, Dead("no attempt came to an end")))
            fresh = [job for job in jobs if job.attempt <= handler.retry.max_attempts]
            steps += [self._call(held, handler, lot) for lot in rules.lots(fresh, handler.max_batch)]
        await asyncio.gather(*steps)

    async def _call(self, held: Held, handler: AnyHandler, lot: Sequence[Claimed]) -> None:
        """Call `handler` with `lot` when there is room, and see to what it leaves behind."""
        try:
            async with self._room.place(background=lot[0].queue in self._background):
                enough = handler.timeout_s + MARGIN_S
                if self._closed or held.until - asyncio.get_running_loop().time() < enough:
                    await self._give_back(held, lot)
                    return
                jobs = await self._understood(held, handler, lot)
                if jobs and await self._begun(held, lot):
                    await self._run(held, handler, lot, jobs)
        except asyncio.CancelledError:
            # The worker has no patience left: one try, or else the claim has to expire.
            await self._give_back(held, lot)
            raise

    async def _begun(self, held: Held, lot: Sequence[Claimed]) -> bool:
        """Whether `lot` may be called. What may kill its workers is noted before it can."""
        doubtful = [job for job in lot if job.losses]
        if not doubtful:
            return True
        try:
            async with self._database.connection() as connection:
                await service.begin(connection, book_id=held.book_id, token=held.token, jobs=doubtful)
        except ClaimLost as error:
            await self._lost(held, lot, error)
            return False
        except Exception as error:
            self._counts.troubles += 1
            _log.warning("job_call_not_begun", kind=lot[0].kind, book_id=held.book_id, exc_info=error)
            await self._give_back(held, lot)
            return False
        return True

    async def _understood(
        self, held: Held, handler: AnyHandler, lot: Sequence[Claimed]
    ) -> list[Job[msgspec.Struct]]:
        """The jobs of `lot` with their payloads; what cannot be read is ended."""
        jobs: list[Job[msgspec.Struct]] = []
        unread: list[Claimed] = []
        for job in lot:
            try:
                jobs.append(handler.decoded(job))
            except msgspec.MsgspecError:
                unread.append(job)
        if unread:
            await self._refuse(held, unread, handler.on_dead, "the payload is not of the handler's type")
        return jobs

    async def _run(
        self, held: Held, handler: AnyHandler, lot: Sequence[Claimed], jobs: Sequence[Job[msgspec.Struct]]
    ) -> None:
        """One call of `handler`, and what follows from it."""
        work = Work(
            database=self._database,
            clock=self._clock,
            jitter=self._jitter,
            handler=handler,
            token=held.token,
            claimed=lot,
            jobs=jobs,
        )
        understood = {job.id for job in jobs}
        mine = [job for job in lot if job.id in understood]
        loop = asyncio.get_running_loop()
        counts = self._of(handler.kind)
        counts.calls += 1
        started = loop.time()
        try:
            async with asyncio.timeout(handler.timeout_s):
                with telemetry.span(
                    f"job {handler.kind}",
                    {
                        "caudal.job.queue": lot[0].queue,
                        "caudal.job.kind": handler.kind,
                        "caudal.job.attempt": max(job.attempt for job in lot),
                        "caudal.job.count": len(lot),
                        "caudal.book": held.book_id,
                    },
                ):
                    await handler.run(work)
        except Exception as caught:
            error = rules.cause(caught)
            if isinstance(error, ClaimLost):
                await self._lost(held, mine, error)
            else:
                counts.failed_calls += 1
                await self._failed(held, handler, mine, error)
        else:
            self._tally(held, list(work.endings.values()))
            left = [job for job in mine if job.id not in work.endings]
            if left:
                await self._end(held, handler, left, Retry("the handler ended without saying how"))
        finally:
            counts.busy_s += loop.time() - started

    async def _lost(self, held: Held, jobs: Sequence[Claimed], error: ClaimLost) -> None:
        """Another worker has one of `jobs`, or has had it; the others are given back."""
        kind = jobs[0].kind
        self._of(kind).lost += len(jobs)
        _log.warning("job_claim_lost", kind=kind, book_id=held.book_id, reason=error.detail)
        await self._give_back(held, jobs)

    async def _failed(
        self, held: Held, handler: AnyHandler, jobs: Sequence[Claimed], error: Exception
    ) -> None:
        """The call raised `error`: each of its jobs that is still claimed has failed an attempt."""
        _log.warning(
            "job_call_failed",
            kind=handler.kind,
            book_id=held.book_id,
            jobs=[job.id for job in jobs],
            attempt=max(job.attempt for job in jobs),
            exc_info=error,
        )
        endings = self._endings(handler.retry, handler.on_dead, jobs, Retry(rules.describe(error)))
        # A database that went away is no fault of a job, and no reason to try each alone.
        if classify(error) not in PASSING:
            endings = [(job, rules.isolated(settlement)) for job, settlement in endings]
        await self._write(held, endings)

    # Ends without an effect

    async def _refuse(self, held: Held, jobs: Sequence[Claimed], on_dead: OnDead, reason: str) -> None:
        """End an attempt at jobs that this process does not understand; another version may."""
        _log.error("job_not_understood", kind=jobs[0].kind, book_id=held.book_id, reason=reason)
        await self._write(held, self._endings(self._not_understood, on_dead, jobs, Retry(reason)))

    async def _end(
        self, held: Held, handler: AnyHandler, jobs: Sequence[Claimed], outcome: Retry | Dead
    ) -> None:
        await self._write(held, self._endings(handler.retry, handler.on_dead, jobs, outcome))

    async def _give_back(self, held: Held, jobs: Sequence[Claimed]) -> None:
        await self._write(held, [(job, rules.given_back(job)) for job in jobs])

    def _endings(
        self, policy: RetryPolicy, on_dead: OnDead, jobs: Sequence[Claimed], outcome: Retry | Dead
    ) -> list[service.Ending]:
        now = self._clock.now()
        return [
            (
                job,
                rules.settle(job, outcome, policy=policy, on_dead=on_dead, now=now, jitter=self._jitter()),
            )
            for job in jobs
        ]

    async def _write(self, held: Held, endings: Sequence[service.Ending]) -> None:
        """Record how jobs ended, as far as they are still ours: again and again while the database is away.

        What cannot be recorded before the claim expires comes back when it has.
        """
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with self._database.transaction() as connection:
                    ended = await service.surrender(
                        connection, book_id=held.book_id, token=held.token, endings=endings
                    )
            except Exception as error:
                self._counts.troubles += 1
                hopeless = self._closed or classify(error) not in PASSING
                if hopeless or loop.time() + pause > held.until:
                    _log.error("job_end_not_recorded", book_id=held.book_id, exc_info=error)
                    return
                await asyncio.sleep(pause * (0.5 + 0.5 * self._jitter()))
                pause = min(pause * 2, _LAST_PAUSE_S)
            else:
                if ended == len(endings):
                    self._tally(held, endings)
                return

    # Figures

    def _of(self, kind: str) -> KindCounts:
        return self._counts.kinds.setdefault(kind if kind in self._handlers else "", KindCounts())

    def _tally(self, held: Held, endings: Sequence[service.Ending]) -> None:
        for job, settlement in endings:
            counts = self._of(job.kind)
            if settlement is None:
                counts.done += 1
            elif settlement.state is State.READY and settlement.error is None:
                counts.postponed += 1
            elif settlement.state is State.READY:
                counts.retried += 1
            else:
                counts.dead += 1
                _log.error(
                    "job_dead",
                    kind=job.kind,
                    book_id=held.book_id,
                    job=job.id,
                    attempts=settlement.attempts,
                    state=settlement.state,
                    reason=settlement.error,
                )
