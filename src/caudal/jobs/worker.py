"""The worker: finds jobs that are due, has them called, and looks after the table.

Any number of workers may run, in any number of processes. Nothing rests on notifications (a NOTIFY in
every enqueuing transaction would make all commits queue for one lock): a worker looks often while it finds
work, and less and less often while it finds none.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from caudal.jobs import service
from caudal.jobs.calls import MARGIN_S, Calls, Held
from caudal.jobs.counts import Counts
from caudal.jobs.handlers import AnyHandler
from caudal.jobs.rules import PASSING
from caudal.jobs.types import DEFAULT_QUEUE, DEPLOYMENT, Claim, OnDead, Periodic, RetryPolicy
from caudal.jobs.upkeep import Upkeep
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Database, classify
from caudal_base.ids import IdSource

_log = structlog.get_logger("caudal.jobs")

MAX_BATCH: Final = 500
"""Jobs to a claim: beyond it the statement's cost grows faster than its use."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does at once, and how often it looks."""

    queues: dict[str, int] = msgspec.field(default_factory=lambda: {DEFAULT_QUEUE: 4})
    """The queues to serve, with the number of claims of each that may be in work at once."""
    background: frozenset[str] = frozenset()
    """Queues whose jobs nobody waits for: they have a quarter of the calls at most, and one for certain."""
    batch: int = 200
    """Jobs to a claim, at most 500."""
    max_calls: int = 6
    """Handler calls at once, of all queues. The pool needs about two connections more."""
    lease_s: float = 60.0
    """How long a claim holds. A dead worker's jobs come back after it; the clocks of all workers must
    agree to within a fraction of it. Every handler's time-out must be at most half of it."""
    poll_min_s: float = 0.01
    """The pause after a search that found nothing; it doubles with each further one."""
    poll_max_s: float = 0.25
    """The longest pause between searches, and so the latest that an idle worker notices a job."""
    upkeep_s: float = 1.0
    """The pause between looks at the list of books and at periodic jobs."""
    release_s: float = 5.0
    """The pause between searches for claims that have expired."""
    trouble_max_s: float = 5.0
    """The longest pause after a failure of the worker's own, such as a lost connection."""
    grace_s: float = 20.0
    """How long calls may go on after `stop`; then they are cancelled and their jobs given back."""
    keep_ended: timedelta = timedelta(days=90)
    """How long skipped and cancelled jobs are kept. Dead ones are kept until a person decides."""
    not_understood: RetryPolicy = RetryPolicy(max_attempts=6, base_s=5.0)
    """For jobs whose kind or payload this process does not know: while a new version is rolled out,
    another process may know it. After these attempts, of some two minutes, they are dead letters."""


class Worker:
    """Runs the jobs of some books until `stop`. Belongs to one event loop, and runs once."""

    def __init__(
        self,
        database: Database,
        handlers: Iterable[AnyHandler],
        *,
        books: Callable[[], Awaitable[Sequence[int]]],
        clock: Clock,
        ids: IdSource,
        periodics: Sequence[Periodic] = (),
        options: Options | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`books` lists the books to serve (book 0, the deployment, always is); it is asked every second.

        `jitter` gives numbers in [0, 1). Raises `InvariantError` for declarations that contradict one
        another: two handlers of a kind, a time-out too long for the lease, a periodic job without a
        handler or in a queue that is not served, or one that its own dead letter would stop for good.
        """
        self.counts = Counts()
        self._options = options or Options()
        check(1 <= self._options.batch <= MAX_BATCH, "a claim has 1 to 500 jobs")
        self._database = database
        self._list_books = books
        self._clock = clock
        self._ids = ids
        self._jitter = jitter
        by_kind = _by_kind(handlers, self._options)
        _check_periodics(periodics, by_kind, self._options)
        self._calls = Calls(
            database,
            by_kind,
            at_once=self._options.max_calls,
            background=self._options.background,
            not_understood=self._options.not_understood,
            clock=clock,
            jitter=jitter,
            counts=self.counts,
        )
        self._upkeep = Upkeep(
            database,
            periodics,
            clock=clock,
            ids=ids,
            release_every_s=self._options.release_s,
            keep_ended=self._options.keep_ended,
            counts=self.counts,
        )
        self._books: list[int] = []
        self._bells: list[asyncio.Event] = []
        self._slots: list[asyncio.Semaphore] = []
        self._stopping = False
        self._in_work: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until `stop` is called, then finish what is in work. Survives the database going away.

        When cancelled, it cancels its handlers, gives their jobs back, and ends.
        """
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(self._repeat("upkeep", self._look_after, asyncio.Event()))
                for queue, count in self._options.queues.items():
                    slots = asyncio.Semaphore(count)
                    self._slots.append(slots)
                    loops.create_task(self._serve(queue, slots))
            if self._in_work:
                await asyncio.wait(self._in_work, timeout=self._options.grace_s)
        finally:
            self._calls.close()
            for task in self._in_work:
                task.cancel()
            if self._in_work:
                await asyncio.wait(self._in_work)

    def stop(self) -> None:
        """Claim nothing more, and let `run` return when the calls are done, or after the grace."""
        self._stopping = True
        self._calls.close()
        for slots in self._slots:
            # Nobody need wait for a free slot any more, only to find that there is nothing to do.
            slots.release()
        self.wake()

    def wake(self) -> None:
        """Look for work now: something was just enqueued in this process. A hint that is never needed."""
        for bell in self._bells:
            bell.set()

    # The loops

    async def _repeat(self, name: str, step: Callable[[], Awaitable[float]], bell: asyncio.Event) -> None:
        """Take `step` until `stop`, whatever fails; pause as it asks for, or until `bell` rings."""
        self._bells.append(bell)
        failures = 0
        while not self._stopping:
            try:
                pause = await step()
                if failures:
                    _log.info("job_worker_recovered", loop=name, failures=failures)
                failures = 0
            except Exception as error:
                failures += 1
                pause = min(self._options.trouble_max_s, 0.05 * 2.0 ** min(failures, 20))
                pause *= 0.5 + 0.5 * self._jitter()
                self._trouble(name, error, failures=failures)
            if pause > 0 and not self._stopping:
                try:
                    async with asyncio.timeout(pause):
                        await bell.wait()
                except TimeoutError:
                    continue
            bell.clear()

    async def _look_after(self) -> float:
        """Everything that is not the jobs themselves."""
        known = len(self._books)
        self._books = sorted({DEPLOYMENT, *await self._list_books()})
        if len(self._books) > known:
            self.wake()
        await self._in_each_book("upkeep", self._upkeep.look_after)
        return self._options.upkeep_s

    async def _serve(self, queue: str, slots: asyncio.Semaphore) -> None:
        """Claim and start jobs of `queue`, as many claims at a time as there are `slots`."""
        bell = asyncio.Event()
        idle = self._options.poll_min_s

        async def search() -> float:
            nonlocal idle
            if await self._search(queue, slots, bell):
                idle = self._options.poll_min_s
                return 0.0
            pause, idle = idle, min(idle * 2, self._options.poll_max_s)
            return pause

        await self._repeat(f"queue {queue}", search, bell)

    async def _search(self, queue: str, slots: asyncio.Semaphore, bell: asyncio.Event) -> bool:
        """One round over all books; whether it found work."""
        found = False

        async def claim_and_start(book_id: int) -> None:
            nonlocal found
            await slots.acquire()
            try:
                if self._stopping:
                    slots.release()
                    return
                held, claim = await self._claim(book_id, queue)
            except BaseException:
                slots.release()
                raise
            found = found or bool(claim.jobs) or claim.more
            if claim.jobs:
                self._start(held, claim, slots, bell)
            else:
                slots.release()

        await self._in_each_book(f"queue {queue}", claim_and_start)
        return found

    async def _in_each_book(self, name: str, step: Callable[[int], Awaitable[None]]) -> None:
        """Take `step` in each book; one that is broken must not keep the others from their turn."""
        for book_id in self._books:
            try:
                await step(book_id)
            except Exception as error:
                if classify(error) in PASSING:
                    raise
                self._trouble(name, error, book_id=book_id)

    def _trouble(self, name: str, error: BaseException, **fields: int) -> None:
        self.counts.troubles += 1
        _log.warning("job_worker_trouble", loop=name, exc_info=error, **fields)

    async def _claim(self, book_id: int, queue: str) -> tuple[Held, Claim]:
        token = self._ids.new()
        # Taken before the statement: the lease ends no earlier than this says.
        until = asyncio.get_running_loop().time() + self._options.lease_s
        async with self._database.connection() as connection:
            claim = await service.claim(
                connection,
                book_id=book_id,
                queue=queue,
                limit=self._options.batch,
                now=self._clock.now(),
                lease=timedelta(seconds=self._options.lease_s),
                token=token,
            )
        self.counts.searches += 1
        self.counts.claims += bool(claim.jobs)
        return Held(book_id=book_id, token=token, until=until), claim

    def _start(self, held: Held, claim: Claim, slots: asyncio.Semaphore, bell: asyncio.Event) -> None:
        size = len(claim.jobs)
        keyed = any(job.key is not None for job in claim.jobs)
        self.counts.in_work += size
        task = asyncio.get_running_loop().create_task(self._calls.process(held, claim.jobs))
        self._in_work.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._in_work.discard(task)
            self.counts.in_work -= size
            slots.release()
            if keyed:
                # The next jobs of these keys may be ready now.
                bell.set()
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._trouble("calls", error)

        task.add_done_callback(end)


def _by_kind(handlers: Iterable[AnyHandler], options: Options) -> dict[str, AnyHandler]:
    by_kind: dict[str, AnyHandler] = {}
    for handler in handlers:
        check(handler.kind not in by_kind, f"two handlers for {handler.kind}")
        fits = max(2 * handler.timeout_s, handler.timeout_s + MARGIN_S) <= options.lease_s
        check(fits, f"the time-out of {handler.kind} is too long for the lease")
        by_kind[handler.kind] = handler
    return by_kind


def _check_periodics(
    periodics: Sequence[Periodic], handlers: dict[str, AnyHandler], options: Options
) -> None:
    names = [periodic.name for periodic in periodics]
    check(len(set(names)) == len(names), "two periodic jobs with one name")
    for periodic in periodics:
        handler = handlers.get(periodic.kind)
        check(handler is not None, f"periodic job {periodic.name} has no handler")
        check(periodic.queue in options.queues, f"periodic job {periodic.name} is in a queue not served here")
        # A dead one would hold up its key, and so every later period.
        skips = handler is not None and handler.on_dead is OnDead.SKIP
        check(skips, f"periodic job {periodic.name} must be skipped when it is dead")
