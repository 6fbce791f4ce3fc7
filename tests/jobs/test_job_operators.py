"""What people do with jobs: one result per id, and nothing changed where the answer is an error."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from caudal.jobs import JobBusy, JobNotFound, JobStateConflict, State, operators, service
from caudal_base.errors import InvariantError

UNKNOWN = UUID(int=1)


async def act(desk: Any, action: Any, *ids: UUID) -> list[Any]:
    async with desk.database.transaction() as connection:
        return await action(connection, book_id=desk.book, ids=ids, now=desk.clock.now())


async def kill_first(desk: Any) -> UUID:
    """Claim one job and let it die."""
    claim = await desk.claim(1)
    await desk.bury(claim)
    return claim.jobs[0].id


# Replay


async def test_a_replayed_job_starts_from_the_beginning_at_once(desk: Any) -> None:
    await desk.add(1)
    job_id = await kill_first(desk)
    desk.clock.advance(timedelta(hours=1))
    assert await act(desk, operators.replay, job_id) == [State.READY]
    (job,) = (await desk.claim()).jobs
    assert (job.id, job.attempt, job.run_at) == (job_id, 1, desk.clock.now())


async def test_a_replayed_job_keeps_its_place_before_those_that_waited_for_it(desk: Any) -> None:
    first, second = await desk.add(2, key="a")
    await kill_first(desk)
    await act(desk, operators.replay, first)
    claim = await desk.claim()
    assert desk.ids_of(claim) == [first]
    await desk.finish(claim)
    assert await desk.claim_all() == [second]


@pytest.mark.parametrize("running", [True, False])
async def test_a_skipped_job_that_is_replayed_goes_behind_those_that_did_not_wait_for_it(
    desk: Any, running: bool
) -> None:
    first, second, third = await desk.add(3, key="a")
    await kill_first(desk)
    await act(desk, operators.skip, first)
    order = []
    if running:
        claim = await desk.claim()
    assert await act(desk, operators.replay, first) == [State.READY]
    if running:
        order += desk.ids_of(claim)
        await desk.finish(claim)
    while (claim := await desk.claim()).jobs or claim.more:
        order += desk.ids_of(claim)
        if claim.jobs:
            await desk.finish(claim)
    assert order == [second, third, first]


async def test_a_cancelled_job_can_be_replayed(desk: Any) -> None:
    (job_id,) = await desk.add(1)
    await act(desk, operators.cancel, job_id)
    assert await act(desk, operators.replay, job_id) == [State.READY]
    assert await desk.claim_all() == [job_id]


# Skip and cancel


async def test_skipping_a_dead_job_lets_its_key_go_on(desk: Any) -> None:
    first, second = await desk.add(2, key="a")
    await kill_first(desk)
    assert await desk.claim_all() == []
    assert await act(desk, operators.skip, first) == [State.SKIPPED]
    assert await desk.claim_all() == [second]


async def test_a_cancelled_job_never_runs(desk: Any) -> None:
    first, second = await desk.add(2)
    assert await act(desk, operators.cancel, first) == [State.CANCELLED]
    assert await desk.claim_all() == [second]


async def test_cancelling_the_first_job_of_a_key_lets_the_next_one_run(desk: Any) -> None:
    first, second = await desk.enqueue(desk.new(key="a", delay=timedelta(days=1)), desk.new(key="a"))
    assert await desk.claim_all() == []
    await act(desk, operators.cancel, first)
    assert await desk.claim_all() == [second]


async def test_cancelling_a_parked_job_leaves_the_others_in_order(desk: Any) -> None:
    first, second, third = await desk.add(3, key="a")
    claim = await desk.claim()
    assert await act(desk, operators.cancel, second) == [State.CANCELLED]
    await desk.finish(claim)
    assert await desk.claim_all() == [third]
    assert await desk.states([first, second]) == [None, State.CANCELLED]


async def test_cancelling_several_of_a_key_at_once_lets_the_next_one_run(desk: Any) -> None:
    ids = await desk.enqueue(
        *(desk.new(key="a", delay=timedelta(days=1)) for _ in range(3)), desk.new(key="a")
    )
    assert await desk.claim_all() == []
    assert await act(desk, operators.cancel, *ids[:3]) == [State.CANCELLED] * 3
    assert await desk.claim_all() == [ids[3]]


# Refusals


async def test_each_id_has_its_own_result_in_order(desk: Any) -> None:
    waiting, running, dead = await desk.enqueue(
        desk.new(delay=timedelta(days=1)), desk.new(delay=timedelta(days=-1)), desk.new()
    )
    await desk.claim(1)
    await kill_first(desk)
    results = await act(desk, operators.cancel, dead, UNKNOWN, waiting, running)
    assert isinstance(results[0], JobStateConflict)
    assert isinstance(results[1], JobNotFound)
    assert results[2] is State.CANCELLED
    assert isinstance(results[3], JobStateConflict)
    assert await desk.states([dead, waiting, running]) == [State.DEAD, State.CANCELLED, State.RUNNING]


@pytest.mark.parametrize("action", [operators.skip, operators.replay])
async def test_only_what_has_ended_is_skipped_or_replayed(desk: Any, action: Any) -> None:
    waiting, running = await desk.enqueue(desk.new(delay=timedelta(days=1)), desk.new())
    await desk.claim()
    results = await act(desk, action, waiting, running)
    assert [(type(r), r.members["state"]) for r in results] == [
        (JobStateConflict, "ready"),
        (JobStateConflict, "running"),
    ]
    assert await desk.states([waiting, running]) == [State.READY, State.RUNNING]


async def test_another_books_jobs_are_not_found(desk: Any) -> None:
    job = desk.new(book_id=desk.other_book)
    await desk.enqueue(job)
    (result,) = await act(desk, operators.cancel, job.id)
    assert isinstance(result, JobNotFound)


@pytest.mark.parametrize("limit", [1, 2])
async def test_what_somebody_works_on_at_this_moment_is_busy(desk: Any, limit: int) -> None:
    """Also where only the job before it is locked, and it has not been parked."""
    _, second = await desk.add(2, key="a")
    claim = await desk.claim(limit)
    async with desk.database.transaction() as connection:
        await service.finish(
            connection, book_id=desk.book, token=claim.token, endings=[(job, None) for job in claim.jobs]
        )
        (result,) = await act(desk, operators.cancel, second)
        assert isinstance(result, JobBusy)
        assert result.status == 409
        assert result.retry_after == 1
    assert await desk.claim_all() == [second]


async def test_an_action_is_bounded(desk: Any) -> None:
    with pytest.raises(InvariantError):
        await act(desk, operators.cancel, *[UNKNOWN] * 501)


# Looking


async def test_dead_letters_are_listed_with_their_errors_in_pages(desk: Any) -> None:
    died = []
    await desk.add(5)
    for _ in range(5):
        desk.clock.advance(timedelta(seconds=1))
        died.append(await kill_first(desk))
    async with desk.database.connection() as connection:
        first = await operators.list_ended(connection, book_id=desk.book, limit=3)
        rest = await operators.list_ended(connection, book_id=desk.book, after=first[-1], limit=3)
        none = await operators.list_ended(connection, book_id=desk.book, kind="other")
    assert [job.id for job in first + rest] == died
    assert {(job.state, job.last_error, job.attempts) for job in first} == {(State.DEAD, "broken", 1)}
    assert none == []


async def test_pages_of_dead_letters_neither_skip_nor_repeat_those_that_died_in_one_moment(desk: Any) -> None:
    ids = await desk.add(7)
    await desk.bury(await desk.claim())
    found: list[Any] = []
    async with desk.database.connection() as connection:
        while page := await operators.list_ended(
            connection, book_id=desk.book, after=found[-1] if found else None, limit=2
        ):
            found += page
    assert sorted(job.id for job in found) == sorted(ids)


async def test_jobs_that_wait_or_run_are_listed(desk: Any) -> None:
    keyless, first, second = [*await desk.add(1), *await desk.add(2, key="a")]
    await desk.claim()
    async with desk.database.connection() as connection:
        jobs = await operators.list_waiting(connection, book_id=desk.book)
        parked = await operators.list_waiting(connection, book_id=desk.book, states=[State.PARKED])
    assert [(job.id, job.state) for job in jobs] == [
        (keyless, State.RUNNING),
        (first, State.RUNNING),
        (second, State.PARKED),
    ]
    assert [job.id for job in parked] == [second]
    assert bytes(parked[0].payload) == b'{"text":""}'


async def test_the_backlog_is_counted_by_queue_and_state(desk: Any) -> None:
    await desk.add(3)
    await desk.enqueue(desk.new(queue="slow", delay=timedelta(hours=1)))
    await kill_first(desk)
    async with desk.database.connection() as connection:
        backlog = await operators.backlog(connection, book_id=desk.book)
    now = desk.clock.now()
    assert [(b.queue, b.state, b.count, b.oldest_run_at) for b in backlog] == [
        ("default", State.DEAD, 1, now),
        ("default", State.READY, 2, now),
        ("slow", State.READY, 1, now + timedelta(hours=1)),
    ]
