"""Stopping, crashes, lost claims and lost databases: no job is lost, none has its effect twice."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal.jobs import DONE, Counts, Retry, RetryPolicy, State, operators, service
from caudal.jobs.calls import Calls, Held
from caudal.migrations import MIGRATIONS
from caudal_base.database import Database
from caudal_base.embedded import EmbeddedPostgres

HASTY = RetryPolicy(max_attempts=50, base_s=0.002, cap_s=0.002)


class Gate:
    """A handler that writes down what it does and then waits to be let go."""

    def __init__(self, note: Any) -> None:
        self.note = note
        self.entered = 0
        self.open = asyncio.Event()

    async def __call__(self, connection: Any, jobs: Any) -> Any:
        await self.note.write_down(connection, jobs)
        self.entered += 1
        await self.open.wait()
        return [DONE for _ in jobs]


@pytest.fixture
def gate(note: Any) -> Gate:
    return Gate(note)


# Stopping


async def test_a_stopped_worker_finishes_what_is_in_work_and_claims_nothing_more(
    crew: Any, note: Any, gate: Gate
) -> None:
    (begun,) = await crew.enqueue("begun")
    worker = crew.start(note(gate))
    await crew.until(lambda: gate.entered == 1)
    worker.stop()
    (later,) = await crew.enqueue("later")
    gate.open.set()
    await crew.runs[0]
    assert await crew.effects() == ["begun"]
    assert await crew.desk.states([begun, later]) == [None, State.READY]


async def test_a_stop_does_not_wait_for_a_free_slot(crew: Any, note: Any, gate: Gate) -> None:
    await crew.enqueue("begun")
    worker = crew.start(note(gate), queues={"default": 1}, grace_s=0.05)
    await crew.until(lambda: gate.entered == 1)
    await crew.enqueue("waits")
    worker.stop()
    async with asyncio.timeout(5):
        await crew.runs[0]


async def test_jobs_that_were_claimed_but_not_begun_are_given_back_at_a_stop(
    crew: Any, note: Any, gate: Gate
) -> None:
    ids = await crew.enqueue("a", "b", "c")
    worker = crew.start(note(gate, max_batch=1), max_calls=1)
    await crew.until(lambda: gate.entered == 1)
    worker.stop()
    gate.open.set()
    await crew.runs[0]
    assert await crew.effects() == ["a"]
    for job_id in ids[1:]:
        job = await crew.job(job_id)
        assert (job.state, job.attempts, job.last_error) == (State.READY, 0, None)


@pytest.mark.parametrize("how", ["the grace is over", "the worker is cancelled"])
async def test_a_call_that_is_cut_off_leaves_no_effect_and_its_job_is_given_back(
    crew: Any, note: Any, gate: Gate, how: str
) -> None:
    (job_id,) = await crew.enqueue("a")
    worker = crew.start(note(gate), grace_s=0.01)
    await crew.until(lambda: gate.entered == 1)
    if how == "the grace is over":
        worker.stop()
        await crew.runs[0]
    else:
        crew.runs.pop().cancel()
    await crew.until_state(job_id, State.READY)
    assert await crew.effects() == []
    assert (await crew.job(job_id)).attempts == 0
    crew.start(note())
    await crew.until_gone()
    assert await crew.effects() == ["a"]


# Claims that expire


async def test_who_lost_its_claim_cannot_have_an_effect(crew: Any, note: Any, gate: Gate) -> None:
    """The slow worker hangs past its lease, the other takes over, then the slow one wakes up."""
    crew.clock = crew.desk.clock
    await crew.enqueue("a")
    slow = crew.start(note(gate), queues={"default": 1})
    await crew.until(lambda: gate.entered == 1)
    crew.desk.clock.advance(timedelta(seconds=61))
    crew.start(note())
    await crew.until_gone()
    gate.open.set()
    await crew.until(lambda: slow.counts.kinds["note"].lost == 1)
    await crew.stop()
    assert await crew.effects() == ["a"]


async def test_losing_one_job_of_a_call_gives_the_others_back(crew: Any, note: Any, gate: Gate) -> None:
    lost, *_ = await crew.enqueue("a", "b", "c")
    worker = crew.start(note(gate))
    await crew.until(lambda: gate.entered == 1)
    async with crew.desk.database.connection() as connection:
        await connection.execute(
            "delete from jobs.job where book_id = %s and id = %s", (crew.desk.book, lost)
        )
    gate.open.set()
    await crew.until_gone()
    assert sorted(await crew.effects()) == ["b", "c"]
    assert worker.counts.kinds["note"].lost == 3


@pytest.mark.parametrize(("left_s", "done"), [(1.9, False), (60.0, True)])
async def test_a_call_that_could_outlast_its_claim_is_not_begun(
    crew: Any, note: Any, left_s: float, done: bool
) -> None:
    """A time-out of one second and a second to spare: with less left, the jobs go to the next claim."""
    (job_id,) = await crew.enqueue("a")
    calls = Calls(
        crew.desk.database,
        {"note": note(timeout_s=1.0)},
        at_once=1,
        not_understood=HASTY,
        clock=crew.clock,
        jitter=random.random,
        counts=Counts(),
    )
    claim = await crew.desk.claim()
    until = asyncio.get_running_loop().time() + left_s
    await calls.process(Held(book_id=crew.desk.book, token=claim.token, until=until), claim.jobs)
    assert await crew.effects() == (["a"] if done else [])
    if not done:
        job = await crew.job(job_id)
        assert (job.state, job.attempts) == (State.READY, 0)


WORKER_PROCESS = """
import asyncio, sys
import msgspec
from caudal.jobs import Handler, Worker, Options, in_transaction
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.ids import IdSource

class Note(msgspec.Struct):
    text: str

async def write_down_and_hang(connection, jobs):
    await connection.execute(
        "insert into effect (book_id, job_id, text) select %s, unnest(%s::uuid[]), 'from the dead'",
        (jobs[0].book_id, [job.id for job in jobs]))
    print("in the middle", flush=True)
    await asyncio.Event().wait()

async def main(dsn, book):
    database = await Database.open(dsn)
    async def books():
        return [book]
    clock = SystemClock()
    handler = Handler("note", Note, in_transaction(write_down_and_hang))
    await Worker(database, [handler], books=books, clock=clock, ids=IdSource(clock)).run()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_the_jobs_of_a_worker_that_was_killed_come_back_and_have_their_effect_once(
    crew: Any, note: Any, shared_dsn: str
) -> None:
    ids = await crew.enqueue("a", "b", "c")
    victim = subprocess.Popen(
        [sys.executable, "-c", WORKER_PROCESS, shared_dsn, str(crew.desk.book)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert victim.stdout is not None
        line = await asyncio.to_thread(victim.stdout.readline)
        assert line == "in the middle\n"
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait(20)
        victim.stdout.close()
    assert await crew.desk.states(ids) == [State.RUNNING] * 3
    crew.clock = crew.desk.clock
    crew.start(note())
    await crew.until(lambda: crew.workers[0].counts.searches > 3)
    assert await crew.desk.states(ids) == [State.RUNNING] * 3
    crew.desk.clock.advance(timedelta(hours=1))  # well past the lease, whenever it began
    await crew.until_gone()
    assert sorted(await crew.effects()) == ["a", "b", "c"]
    assert crew.workers[0].counts.released == 3


async def killed_with(crew: Any, begun: Sequence[UUID], *, more: int = 0) -> None:
    """A worker that dies with all jobs in its hands, when it has called `begun`."""
    claim = await crew.desk.claim()
    assert len(claim.jobs) == len(begun) + more
    mine = [job for job in claim.jobs if job.id in begun and job.losses]
    async with crew.desk.database.connection() as connection:
        await service.begin(connection, book_id=crew.desk.book, token=claim.token, jobs=mine)
        crew.desk.clock.advance(timedelta(seconds=61))
        await service.release_expired(connection, book_id=crew.desk.book, now=crew.desk.clock.now())


async def test_a_job_that_kills_every_worker_is_a_dead_letter_in_the_end(crew: Any, note: Any) -> None:
    (job_id,) = await crew.enqueue("poison")
    for _ in range(4):  # the first is not counted: nobody knows that it was called
        await killed_with(crew, [job_id])
    crew.clock = crew.desk.clock
    crew.start(note(retry=RetryPolicy(max_attempts=3)))
    job = await crew.until_state(job_id, State.DEAD)
    assert job.last_error == "no attempt came to an end"
    assert await crew.effects() == []


async def test_what_waited_beside_it_is_carried_out_however_many_workers_died(crew: Any, note: Any) -> None:
    poison, *others = await crew.enqueue("poison", "a", "b", "c")
    for _ in range(10):
        await killed_with(crew, [poison], more=len(others))
    crew.clock = crew.desk.clock
    crew.start(note(retry=RetryPolicy(max_attempts=3)))
    await crew.until_state(poison, State.DEAD)
    await crew.until(lambda: crew.workers[0].counts.kinds["note"].done == len(others))
    assert sorted(await crew.effects()) == ["a", "b", "c"]


async def test_an_attempt_counts_before_it_can_kill_the_worker_where_one_was_lost_before(
    crew: Any, note: Any, gate: Gate
) -> None:
    (job_id,) = await crew.enqueue("slow")
    await killed_with(crew, [job_id])
    crew.clock = crew.desk.clock
    crew.start(note(gate))
    await crew.until(lambda: gate.entered == 1)
    async with crew.desk.database.connection() as connection:
        (found,) = await operators.get(connection, book_id=crew.desk.book, ids=[job_id])
    assert found.attempts == 1
    gate.open.set()
    await crew.until_gone()
    assert await crew.effects() == ["slow"]


# The database


async def test_a_worker_survives_that_all_its_connections_are_cut(crew: Any, note: Any, gate: Gate) -> None:
    await crew.enqueue("a", "b")
    worker = crew.start(note(gate, retry=HASTY))
    await crew.until(lambda: gate.entered == 1)
    async with crew.desk.database.connection() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() "
            "and backend_type = 'client backend'"
        )
    gate.open.set()
    await crew.until_gone()
    assert sorted(await crew.effects()) == ["a", "b"]
    assert worker.counts.kinds["note"].failed_calls >= 1


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that a test may stop and start."""
    server = EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off", "shared_buffers": "16MB"})
    server.start()  # blocks the loop: it must be the main thread's child
    yield server
    await asyncio.to_thread(server.stop)


async def test_a_worker_waits_for_a_database_that_is_away_and_goes_on_when_it_is_back(
    crew: Any, note: Any, gate: Gate, own_server: EmbeddedPostgres, effects_table: str, events: list[Any]
) -> None:
    """Also with what it had in work, and long before that claim expires."""
    with psycopg.connect(own_server.dsn()) as connection:
        for name in ("0002_jobs.sql", "0031_lost_claims.sql"):
            connection.execute((MIGRATIONS / name).read_text())
        connection.execute(effects_table)
    crew.desk.database = await Database.open(own_server.dsn())
    await crew.enqueue("in work")
    worker = crew.start(note(gate, retry=HASTY))
    await crew.until(lambda: gate.entered == 1)
    await asyncio.to_thread(own_server.stop)
    gate.open.set()
    await crew.until(lambda: worker.counts.troubles >= 3)
    own_server.start()
    await crew.enqueue("a", "b")
    await crew.until_gone()
    assert sorted(await crew.effects()) == ["a", "b", "in work"]
    assert worker.counts.released == 0
    await crew.until(lambda: any(event["event"] == "job_worker_recovered" for event in events))
    await crew.stop()
    await crew.desk.database.close()


async def test_a_book_that_is_broken_does_not_keep_the_others_waiting(crew: Any, note: Any, dsn: str) -> None:
    """The database refuses every claim in one book."""
    crew.desk.database = await Database.open(dsn)
    async with crew.desk.database.connection() as connection:
        await connection.execute(
            "create table effect (place integer generated always as identity, book_id integer, "
            "job_id uuid, text text)"
        )
        await connection.execute(
            f"alter table jobs.job add check (book_id <> {crew.desk.book} or state <> 'running')"
        )

    async def books() -> list[int]:
        return [crew.desk.book, crew.desk.other_book]

    (stuck,) = await crew.enqueue("stuck")
    await crew.enqueue("fine", book_id=crew.desk.other_book)
    worker = crew.start(note(), books=books)
    await crew.until(lambda: "note" in worker.counts.kinds and worker.counts.kinds["note"].done == 1)
    await crew.until(lambda: worker.counts.troubles >= 2)
    assert await crew.desk.state(stuck) is State.READY
    await crew.stop()
    await crew.desk.database.close()


# Order


@pytest.mark.parametrize("seed", range(2))
async def test_keys_keep_their_order_under_four_workers_and_random_failures(
    crew: Any, note: Any, seed: int
) -> None:
    chance = random.Random(seed)
    running: set[str] = set()
    effects: defaultdict[str, list[str]] = defaultdict(list)

    async def fickle(connection: Any, jobs: Any) -> Any:
        keys = {job.key for job in jobs if job.key}
        assert not keys & running
        running.update(keys)
        try:
            await note.write_down(connection, jobs)
            fate = chance.random()
            if fate < 0.05:
                raise ValueError("the whole call")
            if fate < 0.08:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
            if fate < 0.10:
                await asyncio.Event().wait()
            failed = [chance.random() < 0.1 for _ in jobs]
            await connection.execute(
                "delete from effect where book_id = %s and job_id = any(%s)",
                (jobs[0].book_id, [job.id for job, fails in zip(jobs, failed, strict=True) if fails]),
            )
            return [Retry("by chance") if fails else DONE for fails in failed]
        finally:
            running.difference_update(keys)

    for number in range(20):
        for key in "abcdefgh":
            await crew.enqueue(f"{key}{number}", key=key)
        await crew.enqueue(f"free{number}")
    for _ in range(4):
        crew.start(note(fickle, retry=HASTY, timeout_s=0.1), batch=chance.choice([3, 20]), max_calls=3)
    await crew.until_gone()
    for text in await crew.effects():
        effects[text.rstrip("0123456789")].append(text)
    for key in "abcdefgh":
        assert effects[key] == [f"{key}{number}" for number in range(20)]
    assert sorted(effects["free"]) == sorted(f"free{number}" for number in range(20))
