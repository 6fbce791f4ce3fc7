"""Several claimers, enqueuers and operators at one key at once: its order holds, and nobody is forgotten."""

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from caudal.jobs import State, enqueue, operators, service
from caudal.jobs.types import Claim, Claimed

# One step at a time: what one transaction has not yet committed, another meets.


async def test_while_a_claim_is_being_committed_nobody_else_gets_anything_of_the_key(desk: Any) -> None:
    await desk.add(3, key="a")
    async with desk.database.transaction() as connection:
        claim = await desk.claim(1, connection=connection)
        assert len(claim.jobs) == 1
        assert (await desk.claim()).jobs == []
    assert (await desk.claim()).jobs == []
    await desk.finish(claim)


async def test_while_a_job_is_being_ended_the_next_one_is_neither_claimed_nor_parked(desk: Any) -> None:
    _, second = await desk.add(2, key="a")
    claim = await desk.claim(1)
    async with desk.database.transaction() as connection:
        await service.finish(
            connection, book_id=desk.book, token=claim.token, endings=[(job, None) for job in claim.jobs]
        )
        assert (await desk.claim()).jobs == []
        assert await desk.state(second) is State.READY
    assert await desk.claim_all() == [second]


async def test_who_ends_a_job_waits_for_the_one_who_parks_behind_it_and_then_sees_it(desk: Any) -> None:
    _, second = await desk.add(2, key="a")
    claim = await desk.claim(1)
    async with desk.database.transaction() as connection:
        assert (await desk.claim(connection=connection)).jobs == []
        ending = asyncio.ensure_future(desk.finish(claim))
        await blocked(desk)
        assert not ending.done()
    await ending
    assert await desk.state(second) is State.READY


async def test_a_cancellation_that_meets_the_end_of_the_first_job_strands_nobody(desk: Any) -> None:
    """Each of the two would see the other's job as the one that comes before the third."""
    _, second, third = await desk.add(3, key="a")
    claim = await desk.claim()
    async with desk.database.transaction() as connection:
        (result,) = await operators.cancel(connection, book_id=desk.book, ids=[second], now=desk.clock.now())
        assert result is State.CANCELLED
        ending = asyncio.ensure_future(desk.finish(claim))
        await blocked(desk)
    await ending
    assert await desk.claim_all() == [third]


async def test_jobs_enqueued_without_a_lock_may_come_out_of_order_but_never_run_at_once(desk: Any) -> None:
    first, second = desk.new(key="a"), desk.new(key="a")
    async with desk.database.transaction() as connection:
        await enqueue(connection, [first], now=desk.clock.now())
        await desk.enqueue(second)
        claim = await desk.claim()
        assert desk.ids_of(claim) == [second.id]
    assert (await desk.claim()).jobs == []
    await desk.finish(claim)
    assert await desk.claim_all() == [first.id]


async def test_the_database_itself_refuses_two_running_jobs_of_a_key(desk: Any) -> None:
    await desk.add(2, key="a")
    with pytest.raises(psycopg.errors.UniqueViolation) as violation:
        async with desk.database.transaction() as connection:
            await connection.execute(
                "update jobs.job set state = 'running', claim = id, claimed_until = run_at "
                "where book_id = %s",
                (desk.book,),
            )
    assert violation.value.diag.constraint_name == "job_running_key"


async def blocked(desk: Any) -> None:
    """Wait until some backend waits for another one's lock."""
    async with asyncio.timeout(10), desk.database.connection() as connection:
        while True:
            cursor = await connection.execute(
                "select count(*) from pg_stat_activity "
                "where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
            )
            if (await cursor.fetchone())[0]:
                return


# Everything at once


class Floor:
    """Watches the jobs of all keys: which run now, and in which order they began."""

    def __init__(self) -> None:
        self.enqueued: defaultdict[str, list[UUID]] = defaultdict(list)
        self.began: defaultdict[str, list[UUID]] = defaultdict(list)
        self.running: set[str] = set()
        self.done: set[UUID] = set()
        self.cancelled: set[UUID] = set()
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def begin(self, job: Claimed) -> None:
        assert job.key is not None
        assert job.key not in self.running, "two jobs of one key at once"
        assert job.id not in self.done, "a job that is done, again"
        self.running.add(job.key)
        if job.id not in self.began[job.key]:
            self.began[job.key].append(job.id)

    def end(self, job: Claimed) -> None:
        assert job.key is not None
        self.running.discard(job.key)


async def produce(desk: Any, floor: Floor, chance: random.Random, lots: int) -> None:
    """Enqueue jobs of a few keys, each lot under the locks of its keys until it is committed."""
    for _ in range(lots):
        keys = sorted(chance.sample("abcdef", chance.randrange(1, 4)))
        for key in keys:
            await floor.locks[key].acquire()
        jobs = [desk.new(key=key) for key in keys for _ in range(chance.randrange(1, 4))]
        chance.shuffle(jobs)
        await desk.enqueue(*jobs)
        for job in jobs:
            floor.enqueued[job.key].append(job.id)
        for key in keys:
            floor.locks[key].release()


async def consume(desk: Any, floor: Floor, chance: random.Random, producers: asyncio.Future[Any]) -> None:
    """Claim and end jobs, some of them after failures, until nothing is left."""
    while True:
        finished = producers.done()
        claim: Claim = await desk.claim(chance.choice([1, 3, 20]))
        if not claim.jobs and finished and await desk.rows() == len(floor.cancelled):
            return
        for job in claim.jobs:
            floor.begin(job)
        for _ in range(chance.randrange(3)):
            await desk.rows()
        settlements = [desk.retried(job, timedelta(0)) for job in claim.jobs if chance.random() < 0.2]
        again = {settlement.id for settlement in settlements}
        # Before the end is committed, since another claimer may have the next job before we hear of it.
        for job in claim.jobs:
            floor.end(job)
            if job.id not in again:
                floor.done.add(job.id)
        if claim.jobs:
            await desk.finish(claim, settlements)


async def meddle(desk: Any, floor: Floor, chance: random.Random, producers: asyncio.Future[Any]) -> None:
    """Cancel jobs that wait, here and there."""
    while not producers.done():
        known = [job_id for ids in floor.enqueued.values() for job_id in ids]
        picked = chance.sample(known, min(3, len(known)))
        async with desk.database.transaction() as connection:
            results = await operators.cancel(connection, book_id=desk.book, ids=picked, now=desk.clock.now())
        floor.cancelled |= {
            job_id for job_id, result in zip(picked, results, strict=True) if result is State.CANCELLED
        }
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
async def test_under_any_interleaving_keys_keep_their_order_and_every_job_is_done(
    desk: Any, seed: int
) -> None:
    chance = random.Random(seed)
    floor = Floor()
    producers = asyncio.gather(*(produce(desk, floor, chance, 25) for _ in range(2)))
    async with asyncio.timeout(60):
        await asyncio.gather(
            producers,
            *(consume(desk, floor, chance, producers) for _ in range(5)),
            meddle(desk, floor, chance, producers),
        )
    assert sum(len(ids) for ids in floor.enqueued.values()) > 100
    for key, ids in floor.enqueued.items():
        order = {job_id: place for place, job_id in enumerate(ids)}
        began = [order[job_id] for job_id in floor.began[key]]
        assert began == sorted(began)
        assert floor.done & set(ids) == set(ids) - floor.cancelled
