"""Periodic jobs: one for each period, however many workers there are and whatever happened in between."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from caudal.jobs import DEPLOYMENT, Periodic, service
from caudal_base.database import Database

HOURLY = timedelta(hours=1)


class Sweep(msgspec.Struct):
    what: str = "everything"


def periodic(name: str = "sweep", **fields: Any) -> Periodic:
    return Periodic(**{"name": name, "kind": "sweep", "every": HOURLY, "payload": Sweep(), **fields})


async def tick(
    desk: Any, *periodics: Periodic, now: datetime | None = None, book: int | None = None
) -> list[str]:
    async with desk.database.transaction() as connection:
        return await service.tick(
            connection,
            book_id=desk.book if book is None else book,
            periodics=periodics,
            now=desk.clock.now() if now is None else now,
            new_id=desk.ids.new,
        )


async def do_all(desk: Any) -> int:
    """Do what is due; how many jobs that was."""
    count = 0
    while (claim := await desk.claim()).jobs:
        count += len(claim.jobs)
        await desk.finish(claim)
    return count


async def test_a_period_has_one_job(desk: Any) -> None:
    assert await tick(desk, periodic()) == ["sweep"]
    assert await tick(desk, periodic()) == []
    (job,) = (await desk.claim()).jobs
    assert (job.kind, job.payload) == ("sweep", '{"what":"everything"}')


async def test_the_next_period_has_its_own(desk: Any) -> None:
    runs = 0
    for _ in range(3 * 60):  # each minute of three hours, from noon
        await tick(desk, periodic())
        runs += await do_all(desk)
        desk.clock.advance(timedelta(minutes=1))
    assert runs == 3


async def test_many_workers_at_once_enqueue_one_job(desk: Any) -> None:
    for _ in range(5):
        enqueued = await asyncio.gather(*(tick(desk, periodic()) for _ in range(8)))
        assert sorted(map(len, enqueued)) == [0] * 7 + [1]
        assert await desk.rows() == 1
        desk.clock.advance(HOURLY)
        assert await do_all(desk) == 1


async def test_a_worker_whose_clock_is_behind_begins_no_period_again(desk: Any) -> None:
    now = desk.clock.now()
    await tick(desk, periodic(), now=now + HOURLY)
    await do_all(desk)
    assert await tick(desk, periodic(), now=now) == []
    assert await tick(desk, periodic(), now=now + HOURLY) == []


async def test_periods_that_passed_while_nobody_was_awake_are_not_made_up_for(desk: Any) -> None:
    await tick(desk, periodic())
    await do_all(desk)
    desk.clock.advance(100 * HOURLY)
    assert await tick(desk, periodic()) == ["sweep"]
    assert await tick(desk, periodic()) == []
    assert await do_all(desk) == 1


async def test_a_period_is_passed_over_while_the_last_ones_job_is_unfinished(desk: Any) -> None:
    await tick(desk, periodic())
    claim = await desk.claim()
    for _ in range(5):
        desk.clock.advance(HOURLY)
        assert await tick(desk, periodic()) == []
    await desk.finish(claim)
    assert await desk.rows() == 0
    desk.clock.advance(HOURLY)
    assert await tick(desk, periodic()) == ["sweep"]


async def test_a_period_is_not_begun_if_its_transaction_is_rolled_back(desk: Any) -> None:
    try:
        async with desk.database.transaction() as connection:
            await service.tick(
                connection,
                book_id=desk.book,
                periodics=[periodic()],
                now=desk.clock.now(),
                new_id=desk.ids.new,
            )
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await tick(desk, periodic()) == ["sweep"]


async def test_periodic_jobs_of_several_names_lengths_and_books_do_not_disturb_one_another(desk: Any) -> None:
    both = [periodic("hourly"), periodic("daily", every=timedelta(days=1), offset=timedelta(hours=13))]
    assert await tick(desk, *both) == ["daily", "hourly"]
    assert await tick(desk, *both, book=desk.other_book) == ["daily", "hourly"]
    await do_all(desk)
    desk.clock.set(datetime(2024, 5, 1, 13, tzinfo=UTC))
    assert await tick(desk, *both) == ["daily", "hourly"]
    await do_all(desk)
    desk.clock.advance(HOURLY)
    assert await tick(desk, *both) == ["hourly"]


async def test_a_periodic_job_of_the_deployment_is_enqueued_in_book_0_alone(
    desk: Any, database: Database
) -> None:
    desk.database = database  # its own: every worker of the other tests serves book 0
    once = periodic("once", per_book=False)
    assert await tick(desk, once) == []
    assert await tick(desk, once, book=DEPLOYMENT) == ["once"]
    assert await tick(desk, periodic(), book=DEPLOYMENT) == []
