"""Group commit: requests that arrive together become one batch, one transaction, one fsync.

While one batch runs, the next one gathers; nothing ever waits for company. So an idle system answers a
lone request at once, and a busy one serves hundreds of requests for the price of one commit.

What a waiter may count on:

- Its command runs after those of its lane that were submitted before it (see `Coalescer`).
- A command that fails, fails alone: `run` returns a `CaudalError` in its place; and where the *database*
  refuses a batch, the batch is run again one command at a time.
- Where the connection is lost, perhaps in COMMIT, the same batch is run again with the same command
  objects, and so with the same ids and keys, until the outcome is known or the bounds are reached. Then
  every waiter gets `Unavailable`: outcome unknown, repeat with the same key.
- A caller that stops waiting harms nobody: its command is dropped if it has not started, completed if it has.
- The queue is bounded; beyond the bound `Unavailable` says when to come back.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import psycopg

from caudal_base.check import check
from caudal_base.database import Failure, classify, translate
from caudal_base.errors import CaudalError, InvariantError, Unavailable

C = TypeVar("C")
R = TypeVar("R")

Run = Callable[[Sequence[C]], Awaitable[Sequence[R | CaudalError]]]
"""Opens, runs and commits one transaction; one outcome per command, in order. It must be repeatable: a
batch is run again with the same commands when it is in doubt whether its commit took place."""

BATCH_SIZE_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Upper bounds of the buckets of `Stats.batch_sizes`; one more bucket takes what is larger."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a coalescer. A weight is what one command costs, such as its number of transfers."""

    max_requests: int = 500
    """Commands in a batch: keeps the book's lock short (DESIGN.md section 3)."""
    max_weight: int = 2_000
    """Weight of a batch; a single heavier command runs alone."""
    max_queue: int = 2_000
    """Commands that wait."""
    max_queue_weight: int = 40_000
    """Weight that waits; a single heavier command is taken when nothing else waits."""
    max_wait_s: float | None = None
    """How long what waits may take at the last batches' pace. Less than a full batch may always wait."""
    max_reruns: int = 6
    """How often a batch that was lost or failed in passing is run again."""
    give_up_after_s: float = 10.0
    """No rerun starts later than this after the batch's first run."""
    backoff_s: float = 0.05
    """The pause before the first rerun; it doubles with each, and half of it is left to chance."""
    max_backoff_s: float = 2.0
    """The longest pause between reruns."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters since the start, and the present depth of the queue. Weights as in `Limits`."""

    batches: int
    """Batches that came to an end, well or not."""
    commands: int
    """Commands in them."""
    reruns: int
    """Runs repeated because the connection was lost or the failure was passing."""
    split_batches: int
    """Batches that the database refused and that were run again one command at a time."""
    failed_batches: int
    """Batches whose waiters got an error for all: given up, or a bug in `run`."""
    refused: int
    """Commands turned away because the queue was full or closed."""
    dropped: int
    """Commands whose callers left before they started."""
    queued: int
    """Commands waiting now."""
    queued_weight: int
    """Their weight."""
    in_flight: int
    """Commands in the batch that runs now."""
    busy_s: float
    """Seconds spent in batches, with the pauses between reruns."""
    batch_sizes: tuple[int, ...]
    """Batches by number of commands: one count per bucket of `BATCH_SIZE_BOUNDS`, not cumulated."""


class _Entry(Generic[C, R]):
    __slots__ = ("command", "future", "queued", "weight")

    def __init__(self, command: C, weight: int, future: "asyncio.Future[R]") -> None:
        self.command = command
        self.weight = weight
        self.future = future
        self.queued = True


def _weightless(_: object) -> int:
    return 1


class Coalescer(Generic[C, R]):
    """Merges concurrent `submit`s into batches for one `run` at a time. Belongs to one event loop.

    Commands wait in two lanes, and each lane keeps its order: one for the heavy, of more than a tenth of
    a batch's weight, one for the rest. The lanes take turns at being served first, so that however many
    lots large uploads have queued, a single payment waits for one of them at most.
    """

    def __init__(
        self,
        run: Run[C, R],
        *,
        weight: Callable[[C], int] = _weightless,
        limits: Limits | None = None,
        classify: Callable[[BaseException], Failure] = classify,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`weight` gives a command's weight (at least 1); `jitter` a number in [0, 1)."""
        self._run = run
        self._weight = weight
        self._limits = limits or Limits()
        self._classify = classify
        self._jitter = jitter
        self._heavy_from = self._limits.max_weight // 10 + 1
        self._light: deque[_Entry[C, R]] = deque()
        self._heavy: deque[_Entry[C, R]] = deque()
        self._heavy_first = False
        self._queued = 0
        self._queued_weight = 0
        self._in_flight: list[_Entry[C, R]] = []
        self._wake: asyncio.Future[None] | None = None
        self._runner: asyncio.Task[None] | None = None
        self._closed = False
        self._weight_per_s = 0.0
        self._batches = self._commands = self._reruns = self._split = self._failed = 0
        self._refused = self._dropped = 0
        self._busy_s = 0.0
        self._batch_sizes = [0] * (len(BATCH_SIZE_BOUNDS) + 1)

    def start(self) -> None:
        """Begin to run batches, with what was submitted before."""
        check(self._runner is None, "a coalescer is started once")
        self._runner = asyncio.get_running_loop().create_task(self._work(), name="coalescer")

    async def drain(self) -> None:
        """Refuse new commands, finish those that wait, and stop. Bounded by the limits on reruns."""
        self._closed = True
        if self._runner is None:
            self.start()
        self._notify()
        if self._runner is not None:
            # wait() instead of await: cancelling the one who drains must not cancel the batches.
            await asyncio.wait({self._runner})

    async def submit(self, command: C) -> R:
        """Run `command` in some batch and return its outcome.

        Raises the `CaudalError` that is the command's outcome; `Unavailable` (503, `retry_after` in
        seconds) when the queue is full, the coalescer is draining, or the database could not confirm the
        batch; and whatever `run` raised when it failed in a way that a repeat does not mend.
        """
        weight = self._weight(command)
        self.admit(weight)
        entry: _Entry[C, R] = _Entry(command, weight, asyncio.get_running_loop().create_future())
        self._queued += 1
        self._queued_weight += weight
        (self._heavy if weight >= self._heavy_from else self._light).append(entry)
        if self._wake is not None:
            self._notify()
        try:
            return await entry.future
        except asyncio.CancelledError:
            self._leave(entry)
            raise

    def stats(self) -> Stats:
        """The counters as they stand now."""
        return Stats(
            batches=self._batches,
            commands=self._commands,
            reruns=self._reruns,
            split_batches=self._split,
            failed_batches=self._failed,
            refused=self._refused,
            dropped=self._dropped,
            queued=self._queued,
            queued_weight=self._queued_weight,
            in_flight=len(self._in_flight),
            busy_s=self._busy_s,
            batch_sizes=tuple(self._batch_sizes),
        )

    # The queue

    def admit(self, weight: int = 1) -> None:
        """Raise `Unavailable` unless there is room for `weight` more, as `submit` does."""
        if self._closed:
            self._refused += 1
            raise Unavailable("this process is shutting down; repeat with the same key")
        if self._queued == 0:
            return
        limits = self._limits
        long = None if self._queued < limits.max_requests else limits.max_wait_s
        slow = long is not None and self._queued_weight > long * self._weight_per_s
        full = self._queued >= limits.max_queue or self._queued_weight + weight > limits.max_queue_weight
        if full or slow:
            self._refused += 1
            raise Unavailable("too much is waiting already", retry_after=self._seconds_of_work())

    def _seconds_of_work(self) -> int:
        """How long what is queued will take at the pace of the last batches: 1 to 60 seconds."""
        if self._weight_per_s <= 0.0:
            return 1
        ahead = self._queued_weight + sum(entry.weight for entry in self._in_flight)
        return min(60, max(1, -int(-ahead // self._weight_per_s)))

    def _leave(self, entry: _Entry[C, R]) -> None:
        """The caller of `entry` is gone."""
        if entry.queued:
            entry.queued = False
            self._queued -= 1
            self._queued_weight -= entry.weight
            self._dropped += 1

    def _take(self) -> list[_Entry[C, R]]:
        """The next batch, empty if nothing waits."""
        first, second = (self._heavy, self._light) if self._heavy_first else (self._light, self._heavy)
        if first and second:
            self._heavy_first = not self._heavy_first
        batch: list[_Entry[C, R]] = []
        weight = self._fill(batch, 0, first)
        self._fill(batch, weight, second)
        return batch

    def _fill(self, batch: list[_Entry[C, R]], weight: int, lane: deque[_Entry[C, R]]) -> int:
        """Move what fits from the head of `lane` into `batch`, which weighs `weight`; the new weight."""
        limits = self._limits
        while lane and len(batch) < limits.max_requests:
            entry = lane[0]
            if entry.queued:
                if batch and weight + entry.weight > limits.max_weight:
                    break
                entry.queued = False
                weight += entry.weight
                batch.append(entry)
                self._queued -= 1
                self._queued_weight -= entry.weight
            lane.popleft()
        return weight

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # The runner

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = self._in_flight = self._take()
                if batch:
                    started = loop.time()
                    await self._run_batch(batch)
                    self._count(batch, loop.time() - started)
                elif self._closed:
                    return
                else:
                    self._wake = loop.create_future()
                    await self._wake
                    self._wake = None
        finally:
            self._abandon()

    async def _run_batch(self, batch: list[_Entry[C, R]]) -> None:
        """Run `batch` to an answer for each of its waiters."""
        try:
            failure = await self._run_bounded(batch)
            if failure is not None and self._classify(failure) is Failure.REFUSED and len(batch) > 1:
                self._split += 1
                failure = await self._run_one_by_one(batch)
            if failure is not None:
                self._failed += 1
                _fail(batch, self._answer(failure))
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the runner: `run` let a cancellation of its own escape, which is a bug.
            self._failed += 1
            error = InvariantError("the batch was cancelled from within")
            error.__cause__ = cancelled
            _fail(batch, error)

    async def _run_one_by_one(self, batch: list[_Entry[C, R]]) -> Exception | None:
        """Run each command of `batch` as a batch of its own; an error that ends it for all who remain."""
        for entry in batch:
            failure = await self._run_bounded([entry])
            if failure is None:
                continue
            if self._classify(failure) in _PASSING:
                return failure
            _fail([entry], self._answer(failure))
        return None

    async def _run_bounded(self, batch: list[_Entry[C, R]]) -> Exception | None:
        """Run `batch`, again while its failure is passing, and hand out its outcomes; or the last failure."""
        commands = [entry.command for entry in batch]
        limits = self._limits
        give_up_at = asyncio.get_running_loop().time() + limits.give_up_after_s
        reruns = 0
        while True:
            try:
                outcomes = await self._run(commands)
                if len(outcomes) != len(batch):
                    raise InvariantError(f"{len(batch)} commands had {len(outcomes)} outcomes")
            except Exception as error:
                if self._classify(error) not in _PASSING or reruns >= limits.max_reruns:
                    return error
                pause = min(limits.max_backoff_s, limits.backoff_s * 2.0**reruns)
                pause *= 0.5 + 0.5 * self._jitter()
                if asyncio.get_running_loop().time() + pause > give_up_at:
                    return error
                reruns += 1
                self._reruns += 1
                await asyncio.sleep(pause)
            else:
                _answer_each(batch, outcomes)
                return None

    def _answer(self, error: Exception) -> Exception:
        """What a waiter gets for `error` out of `run`."""
        if isinstance(error, CaudalError):
            return error
        if self._classify(error) in _PASSING:
            answer: CaudalError = Unavailable(
                "the database could not confirm this; repeat it with the same key",
                retry_after=self._seconds_of_work(),
            )
        elif isinstance(error, psycopg.Error):
            answer = translate(error)
        else:
            return error
        answer.__cause__ = error
        return answer

    def _count(self, batch: list[_Entry[C, R]], seconds: float) -> None:
        size = len(batch)
        self._batches += 1
        self._commands += size
        self._busy_s += seconds
        self._batch_sizes[min((size - 1).bit_length(), len(BATCH_SIZE_BOUNDS))] += 1
        pace = sum(entry.weight for entry in batch) / max(seconds, 1e-6)
        # A moving average over some ten batches: a lone slow commit is no forecast.
        self._weight_per_s += (pace - self._weight_per_s) * (0.1 if self._weight_per_s else 1.0)

    def _abandon(self) -> None:
        """The runner is gone: nobody may be left waiting, and nobody may come."""
        self._closed = True
        waiting = [entry for entry in (*self._light, *self._heavy) if entry.queued]
        for entry in waiting:
            entry.queued = False
        _fail(
            [*self._in_flight, *waiting],
            Unavailable("this process is shutting down; repeat with the same key"),
        )
        self._in_flight = []
        self._light.clear()
        self._heavy.clear()
        self._queued = self._queued_weight = 0


_PASSING = frozenset({Failure.LOST, Failure.TRANSIENT})


def _answer_each(batch: list[_Entry[C, R]], outcomes: Sequence[R | CaudalError]) -> None:
    for entry, outcome in zip(batch, outcomes, strict=True):
        if entry.future.done():
            continue
        if isinstance(outcome, CaudalError):
            entry.future.set_exception(outcome)
        else:
            entry.future.set_result(outcome)


def _fail(batch: list[_Entry[C, R]], error: Exception) -> None:
    """Answer those of `batch` who still wait with `error`."""
    for entry in batch:
        if not entry.future.done():
            entry.future.set_exception(error)
