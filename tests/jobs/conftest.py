"""A table of jobs and a clock that stands still, with short words for what the tests do to them."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
import structlog

from caudal.jobs import (
    DONE,
    AnyHandler,
    Handler,
    Job,
    Listed,
    NewJob,
    Options,
    Outcome,
    Periodic,
    State,
    Worker,
    enqueue,
    in_transaction,
    operators,
    service,
)
from caudal.jobs.types import Claim, Claimed, Settlement
from caudal_base.clock import Clock, ManualClock, SystemClock
from caudal_base.database import Connection, Database
from caudal_base.ids import IdSource

BOOKS = itertools.count(1)
"""A book to each test: so they can share one database, as books in production do."""


EFFECTS = """
create table effect (
    place   integer not null generated always as identity primary key,
    book_id integer not null,
    job_id  uuid    not null,
    text    text    not null
)
"""
"""What handlers did. Nothing here stops one from doing it twice."""


class Note(msgspec.Struct, frozen=True):
    """A payload."""

    text: str = ""


class Desk:
    """The jobs of one book, `book`; nobody else uses it, nor `other_book`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.book = next(BOOKS)
        self.other_book = next(BOOKS)
        self.clock = ManualClock(datetime(2024, 5, 1, 12, tzinfo=UTC))
        self.ids = IdSource(self.clock, random.Random(1).randbytes)

    def new(self, *, key: str | None = None, delay: timedelta = timedelta(0), **fields: object) -> NewJob:
        values = {"book_id": self.book, "kind": "note", "payload": Note(), **fields}
        return NewJob(id=self.ids.new(), run_at=self.clock.now() + delay, key=key, **values)  # type: ignore[arg-type]

    async def enqueue(self, *jobs: NewJob) -> list[UUID]:
        async with self.database.transaction() as connection:
            await enqueue(connection, jobs, now=self.clock.now())
        return [job.id for job in jobs]

    async def add(self, count: int = 1, *, key: str | None = None) -> list[UUID]:
        return await self.enqueue(*(self.new(key=key) for _ in range(count)))

    async def claim(
        self,
        limit: int = 100,
        *,
        book_id: int | None = None,
        queue: str = "default",
        lease: timedelta = timedelta(seconds=60),
        connection: Connection | None = None,
    ) -> Claim:
        async def claim(connection: Connection) -> Claim:
            return await service.claim(
                connection,
                book_id=self.book if book_id is None else book_id,
                queue=queue,
                limit=limit,
                now=self.clock.now(),
                lease=lease,
                token=self.ids.new(),
            )

        if connection is not None:
            return await claim(connection)
        async with self.database.connection() as own:
            return await claim(own)

    @staticmethod
    def ids_of(claim: Claim) -> list[UUID]:
        """In the order of their enqueuing."""
        return [job.id for job in sorted(claim.jobs, key=lambda job: job.seq)]

    async def claim_all(self, limit: int = 100) -> list[UUID]:
        """Claim until nothing is found any more; the ids in the order in which they were claimed."""
        ids: list[UUID] = []
        while (claim := await self.claim(limit)).jobs or claim.more:
            ids += self.ids_of(claim)
        return ids

    async def finish(
        self, claim: Claim, settlements: Sequence[Settlement] = (), *, only: Sequence[UUID] | None = None
    ) -> None:
        """End the claim's jobs: those with a settlement so, the rest as done."""
        kept = {settlement.id: settlement for settlement in settlements}
        endings: list[tuple[Claimed, Settlement | None]] = [
            (job, kept.get(job.id)) for job in claim.jobs if only is None or job.id in only
        ]
        async with self.database.transaction() as connection:
            await service.finish(connection, book_id=self.book, token=claim.token, endings=endings)

    async def bury(self, claim: Claim, error: str = "broken") -> None:
        """End the claim's jobs as dead."""
        await self.finish(claim, [self.dead(job, error) for job in claim.jobs])

    def dead(self, job: Claimed, error: str = "broken") -> Settlement:
        """As `rules.settle` has it for the last attempt."""
        return Settlement(
            id=job.id,
            state=State.DEAD,
            run_at=job.run_at,
            attempts=job.attempt,
            alone=False,
            losses=0,
            error=error,
            ended_at=self.clock.now(),
        )

    def retried(self, job: Claimed, pause: timedelta) -> Settlement:
        """As `rules.settle` has it for an attempt that is not the last."""
        return Settlement(
            id=job.id,
            state=State.READY,
            run_at=self.clock.now() + pause,
            attempts=job.attempt,
            alone=False,
            losses=0,
            error="try again",
            ended_at=None,
        )

    async def state(self, job_id: UUID) -> State | None:
        """None for a job that is not there (any more)."""
        async with self.database.connection() as connection:
            (found,) = await operators.get(connection, book_id=self.book, ids=[job_id])
        return found.state if isinstance(found, Listed) else None

    async def states(self, ids: Sequence[UUID]) -> list[State | None]:
        return [await self.state(job_id) for job_id in ids]

    async def rows(self) -> int:
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                "select count(*) from jobs.job where book_id = %s", (self.book,)
            )
            row = await cursor.fetchone()
        assert row is not None
        count: int = row[0]
        return count


class Crew:
    """Workers on the jobs of a desk, by the machine's clock, quick to look and slow to give up."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.clock: Clock = SystemClock()
        self.workers: list[Worker] = []
        self.runs: list[asyncio.Task[None]] = []

    def add(
        self, *handlers: AnyHandler, periodics: Sequence[Periodic] = (), books: Any = None, **options: Any
    ) -> Worker:
        async def own() -> Sequence[int]:
            return [self.desk.book]

        quick = {
            "poll_min_s": 0.001,
            "poll_max_s": 0.01,
            "upkeep_s": 0.01,
            "release_s": 0.01,
            "trouble_max_s": 0.05,
        }
        worker = Worker(
            self.desk.database,
            handlers,
            books=books or own,
            clock=self.clock,
            ids=IdSource(self.clock),
            periodics=periodics,
            options=Options(**{**quick, **options}),
        )
        self.workers.append(worker)
        return worker

    def start(self, *handlers: AnyHandler, **rest: Any) -> Worker:
        worker = self.add(*handlers, **rest)
        self.runs.append(asyncio.ensure_future(worker.run()))
        return worker

    async def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        await asyncio.gather(*self.runs)

    async def enqueue(self, *texts: str, key: str | None = None, **fields: Any) -> list[UUID]:
        """Jobs of kind `note`, due now."""
        self.desk.clock.set(self.clock.now())
        jobs = [self.desk.new(key=key, **{"payload": Note(text), **fields}) for text in texts]
        return await self.desk.enqueue(*jobs)

    async def until(self, condition: Callable[[], Awaitable[bool] | bool]) -> None:
        """Wait for a condition, as long as it takes within reason."""
        async with asyncio.timeout(30):
            while True:
                held = condition()
                if held if isinstance(held, bool) else await held:
                    return
                await asyncio.sleep(0.002)

    async def until_gone(self, *ids: UUID) -> None:
        """Wait until these jobs, or all of the book, have succeeded."""

        async def gone() -> bool:
            if ids:
                return set(await self.desk.states(ids)) == {None}
            return await self.desk.rows() == 0

        await self.until(gone)

    async def until_state(self, job_id: UUID, state: State) -> Listed:
        """Wait until the job is in `state`; the job."""

        async def there() -> bool:
            return await self.desk.state(job_id) is state

        await self.until(there)
        return await self.job(job_id)

    async def job(self, job_id: UUID) -> Listed:
        async with self.desk.database.connection() as connection:
            (found,) = await operators.get(connection, book_id=self.desk.book, ids=[job_id])
        assert isinstance(found, Listed)
        return found

    async def effects(self) -> list[str]:
        async with self.desk.database.connection() as connection:
            cursor = await connection.execute(
                "select text from effect where book_id = %s order by place", (self.desk.book,)
            )
            return [row[0] for row in await cursor.fetchall()]


async def write_down(connection: Connection, jobs: Sequence[Job[Note]]) -> Sequence[Outcome]:
    """A handler whose effect is one row a job."""
    await connection.execute(
        "insert into effect (book_id, job_id, text) select %s, unnest(%s::uuid[]), unnest(%s::text[])",
        (jobs[0].book_id, [job.id for job in jobs], [job.payload.text for job in jobs]),
    )
    return [DONE for _ in jobs]


@pytest.fixture(autouse=True)
def events() -> Iterator[list[Any]]:
    """What is logged during the test, as structlog's event dictionaries."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
async def crew(desk: Desk) -> AsyncIterator[Crew]:
    crew = Crew(desk)
    yield crew
    await crew.stop()


@pytest.fixture
def note() -> Callable[..., AnyHandler]:
    """Makes a handler of the kind `note`, by default one that writes down what it did."""

    def make(run: Any = write_down, *, free: bool = False, **fields: Any) -> AnyHandler:
        return Handler("note", Note, run if free else in_transaction(run), **fields)

    make.write_down = write_down  # type: ignore[attr-defined]
    return make


@pytest.fixture(scope="session")
def effects_table() -> str:
    """The statement that creates the table that handlers write to."""
    return EFFECTS


@pytest.fixture(scope="session")
def shared_dsn(server: Any, migrated_template: str) -> Iterator[str]:
    """One database for all tests that keep to their own books."""
    name = server.create_database(template=migrated_template)
    with psycopg.connect(server.dsn(name)) as connection:
        connection.execute(EFFECTS)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
async def shared_database(shared_dsn: str) -> AsyncIterator[Database]:
    """An open pool on it."""
    opened = await Database.open(shared_dsn, max_size=20)
    yield opened
    await opened.close()


@pytest.fixture
def desk(shared_database: Database) -> Desk:
    return Desk(shared_database)
