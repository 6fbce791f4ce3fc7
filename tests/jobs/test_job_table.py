"""Enqueuing, claiming and ending: what the table promises to one worker."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest

from caudal.jobs import ClaimLost, JobPayloadTooLarge, State, enqueue, rules, service
from caudal_base.errors import InvariantError

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class Words(msgspec.Struct):
    words: list[str]


# Enqueuing


async def test_a_job_is_there_if_and_only_if_its_transaction_was_committed(desk: Any) -> None:
    job = desk.new()
    with pytest.raises(ZeroDivisionError):
        async with desk.database.transaction() as connection:
            await enqueue(connection, [job], now=desk.clock.now())
            raise ZeroDivisionError
    assert (await desk.claim()).jobs == []
    await desk.enqueue(job)
    assert desk.ids_of(await desk.claim()) == [job.id]


async def test_a_claimed_job_is_what_was_enqueued(desk: Any) -> None:
    new = desk.new(
        kind="print", payload=Words(words=["a", "\0", "\u00e9"]), key="k", queue="slow", delay=-HOUR
    )
    await desk.enqueue(new)
    (job,) = (await desk.claim(queue="slow")).jobs
    assert (job.book_id, job.id, job.queue, job.kind, job.key) == (desk.book, new.id, "slow", "print", "k")
    assert (job.attempt, job.alone) == (1, False)
    assert (job.run_at, job.enqueued_at) == (desk.clock.now() - HOUR, desk.clock.now())
    assert msgspec.json.decode(job.payload, type=Words) == new.payload


async def test_any_number_of_jobs_is_enqueued_by_one_statement(desk: Any) -> None:
    async with desk.database.transaction() as connection:
        sent = []
        execute = connection.execute
        connection.execute = lambda *args, **kwargs: sent.append(args) or execute(*args, **kwargs)
        await enqueue(connection, [desk.new() for _ in range(1_000)], now=desk.clock.now())
        await enqueue(connection, [], now=desk.clock.now())
        del connection.execute
    assert len(sent) == 1
    assert await desk.rows() == 1_000


async def test_an_id_that_is_there_already_is_left_as_it_is(desk: Any) -> None:
    job = desk.new(kind="first")
    await desk.enqueue(job)
    await desk.enqueue(msgspec.structs.replace(job, kind="second"), desk.new(kind="other"))
    assert sorted(found.kind for found in (await desk.claim()).jobs) == ["first", "other"]


async def test_one_statement_is_of_one_book(desk: Any) -> None:
    with pytest.raises(InvariantError):
        await desk.enqueue(desk.new(), desk.new(book_id=desk.other_book))
    assert await desk.rows() == 0


async def test_a_payload_over_64_kib_is_refused_and_one_of_64_kib_is_not(desk: Any) -> None:
    frame = len('{"words":[""]}')
    fits = Words(words=["x" * (service.MAX_PAYLOAD_BYTES - frame)])
    await desk.enqueue(desk.new(payload=fits))
    with pytest.raises(JobPayloadTooLarge):
        await desk.enqueue(desk.new(), desk.new(payload=Words(words=[fits.words[0] + "x"])))
    assert await desk.rows() == 1


@pytest.mark.parametrize(
    ("field", "value", "constraint"),
    [
        ("kind", "", "job_kind_check"),
        ("kind", "x" * 101, "job_kind_check"),
        ("queue", "", "job_queue_check"),
        ("key", "", "job_key_check"),
        ("key", "x" * 201, "job_key_check"),
    ],
)
async def test_names_are_neither_empty_nor_endless(
    desk: Any, field: str, value: str, constraint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as violation:
        await desk.enqueue(desk.new(**{field: value}))
    assert violation.value.diag.constraint_name == constraint


async def test_enqueuing_in_a_pipeline_does_not_wait(desk: Any) -> None:
    async with desk.database.transaction() as connection, connection.pipeline():
        await enqueue(connection, [desk.new()], now=desk.clock.now())
        await enqueue(connection, [desk.new()], now=desk.clock.now())
    assert await desk.rows() == 2


# Claiming


async def test_jobs_are_claimed_once_and_those_longest_due_first(desk: Any) -> None:
    late, early, middle = await desk.enqueue(
        desk.new(delay=-SECOND), desk.new(delay=-3 * SECOND), desk.new(delay=-2 * SECOND)
    )
    assert await desk.claim_all(1) == [early, middle, late]
    assert (await desk.claim()).jobs == []


async def test_a_job_is_not_claimed_before_its_time(desk: Any) -> None:
    (job_id,) = await desk.enqueue(desk.new(delay=SECOND))
    assert (await desk.claim()).jobs == []
    desk.clock.advance(SECOND)
    assert desk.ids_of(await desk.claim()) == [job_id]


async def test_a_claim_is_of_one_book_and_one_queue(desk: Any) -> None:
    await desk.enqueue(desk.new(queue="slow"))
    await desk.enqueue(desk.new(book_id=desk.other_book))
    assert (await desk.claim()).jobs == []
    assert len((await desk.claim(book_id=desk.other_book)).jobs) == 1
    assert len((await desk.claim(queue="slow")).jobs) == 1


async def test_a_claim_says_whether_there_may_be_more(desk: Any) -> None:
    await desk.add(5)
    assert (await desk.claim(3)).more
    assert not (await desk.claim(3)).more


# Ending


async def test_a_job_that_is_done_is_gone(desk: Any) -> None:
    await desk.add(3)
    await desk.finish(await desk.claim())
    assert await desk.rows() == 0


async def test_a_job_ends_in_the_transaction_of_its_effects_or_not_at_all(desk: Any) -> None:
    await desk.add(1)
    claim = await desk.claim()
    with pytest.raises(ZeroDivisionError):
        async with desk.database.transaction() as connection:
            await service.finish(
                connection, book_id=desk.book, token=claim.token, endings=[(job, None) for job in claim.jobs]
            )
            raise ZeroDivisionError
    assert await desk.rows() == 1
    await desk.finish(claim)
    assert await desk.rows() == 0


async def test_jobs_can_be_ended_in_a_pipeline(desk: Any) -> None:
    await desk.add(2)
    claim = await desk.claim()
    kept, done = claim.jobs
    endings = [(kept, desk.retried(kept, HOUR)), (done, None)]
    async with desk.database.transaction() as connection, connection.pipeline():
        await service.finish(connection, book_id=desk.book, token=claim.token, endings=endings)
    assert await desk.states([kept.id, done.id]) == [State.READY, None]


async def test_a_failed_job_comes_back_when_its_pause_is_over_with_one_more_attempt(desk: Any) -> None:
    await desk.add(1)
    claim = await desk.claim()
    await desk.finish(claim, [desk.retried(claim.jobs[0], HOUR)])
    assert (await desk.claim()).jobs == []
    desk.clock.advance(HOUR)
    (job,) = (await desk.claim()).jobs
    assert job.attempt == 2


async def test_a_dead_job_is_not_claimed_again(desk: Any) -> None:
    (job_id,) = await desk.add(1)
    await desk.bury(await desk.claim())
    desk.clock.advance(timedelta(days=1_000))
    assert (await desk.claim()).jobs == []
    assert await desk.state(job_id) is State.DEAD


# Claims that expire


async def test_what_is_lost_before_its_call_has_had_no_attempt_however_often(desk: Any) -> None:
    ids = await desk.add(2)
    for losses in (0, 1, 1):
        jobs = (await desk.claim(lease=SECOND)).jobs
        assert [(job.attempt, job.losses, job.alone) for job in jobs] == [(1, losses, False)] * 2
        assert await released(desk) == []
        desk.clock.advance(SECOND)
        assert sorted(await released(desk)) == sorted(ids)


async def test_what_was_lost_before_is_counted_when_its_call_begins(desk: Any) -> None:
    await desk.add(2)
    await desk.claim(lease=SECOND)
    for attempt in (1, 2, 3):
        desk.clock.advance(SECOND)
        await released(desk)
        claim = await desk.claim(lease=SECOND)
        begun, other = sorted(claim.jobs, key=lambda job: job.seq)
        assert (begun.attempt, begun.losses, other.attempt, other.losses) == (attempt, attempt, 1, 1)
        async with desk.database.connection() as connection:
            await service.begin(connection, book_id=desk.book, token=claim.token, jobs=[begun])
    with pytest.raises(ClaimLost):
        async with desk.database.connection() as connection:
            await service.begin(connection, book_id=desk.book, token=uuid4(), jobs=[begun])


@pytest.mark.parametrize("begun", [False, True])
async def test_an_end_makes_up_for_what_was_lost(desk: Any, begun: bool) -> None:
    await desk.add(1)
    await desk.claim(lease=SECOND)
    desk.clock.advance(SECOND)
    await released(desk)
    claim = await desk.claim()
    if begun:
        async with desk.database.connection() as connection:
            await service.begin(connection, book_id=desk.book, token=claim.token, jobs=claim.jobs)
        await desk.finish(claim, [desk.retried(claim.jobs[0], SECOND)])
    else:
        await desk.finish(claim, [rules.given_back(claim.jobs[0])])
    desk.clock.advance(SECOND)
    (job,) = (await desk.claim()).jobs
    assert (job.attempt, job.losses) == ((2, 0) if begun else (1, 1))


async def test_whose_claim_expired_and_was_taken_over_cannot_finish(desk: Any) -> None:
    (job_id,) = await desk.add(1)
    slow = await desk.claim(lease=SECOND)
    desk.clock.advance(SECOND)
    await released(desk)
    other = await desk.claim()
    with pytest.raises(ClaimLost):
        await desk.finish(slow)
    with pytest.raises(ClaimLost):
        await desk.bury(slow)
    assert await desk.state(job_id) is State.RUNNING
    await desk.finish(other)
    assert await desk.rows() == 0
    with pytest.raises(ClaimLost):
        await desk.finish(slow)


async def test_whose_claim_expired_and_was_released_cannot_finish_either(desk: Any) -> None:
    await desk.add(1)
    slow = await desk.claim(lease=SECOND)
    desk.clock.advance(SECOND)
    await released(desk)
    with pytest.raises(ClaimLost):
        await desk.finish(slow)
    assert len((await desk.claim()).jobs) == 1


async def test_losing_one_job_of_a_claim_loses_the_transaction_for_all_of_them(desk: Any) -> None:
    first, second = await desk.add(2)
    claim = await desk.claim()
    await desk.finish(claim, only=[first])
    with pytest.raises(ClaimLost):
        await desk.finish(claim)
    assert await desk.state(second) is State.RUNNING


async def test_a_claim_that_expired_but_was_not_released_can_still_finish(desk: Any) -> None:
    await desk.add(1)
    claim = await desk.claim(lease=SECOND)
    desk.clock.advance(HOUR)
    await desk.finish(claim)
    assert await desk.rows() == 0


async def test_two_claims_of_one_job_never_both_finish_it(desk: Any) -> None:
    """The slow one finishes in an open transaction while its claim expires: the release passes it over."""
    await desk.add(1)
    slow = await desk.claim(lease=SECOND)
    desk.clock.advance(SECOND)
    async with desk.database.transaction() as connection:
        await service.finish(
            connection, book_id=desk.book, token=slow.token, endings=[(job, None) for job in slow.jobs]
        )
        assert await released(desk) == []
        assert (await desk.claim()).jobs == []
    assert await desk.rows() == 0


# Keys


async def test_of_a_key_only_the_first_unfinished_job_is_claimed(desk: Any) -> None:
    ids = await desk.add(3, key="a")
    assert await desk.claim_all() == [ids[0]]
    assert await desk.states(ids) == [State.RUNNING, State.PARKED, State.PARKED]


async def test_the_jobs_of_a_key_run_in_the_order_of_their_enqueuing(desk: Any) -> None:
    ids = await desk.add(5, key="a")
    order = []
    for _ in ids:
        claim = await desk.claim()
        order += desk.ids_of(claim)
        await desk.finish(claim)
    assert order == ids
    assert await desk.rows() == 0


async def test_the_order_of_a_key_is_that_of_enqueuing_whatever_ids_and_times_say(desk: Any) -> None:
    newer, older = desk.new(key="a"), desk.new(key="a", delay=-HOUR)
    first = msgspec.structs.replace(newer, id=max(newer.id, older.id))
    second = msgspec.structs.replace(older, id=min(newer.id, older.id))
    await desk.enqueue(first, second)
    assert await desk.claim_all() == [first.id]


async def test_a_key_waits_for_a_first_job_that_is_scheduled_for_later(desk: Any) -> None:
    first, second = await desk.enqueue(desk.new(key="a", delay=HOUR), desk.new(key="a"))
    assert await desk.claim_all() == []
    desk.clock.advance(HOUR)
    claim = await desk.claim()
    assert desk.ids_of(claim) == [first]
    await desk.finish(claim)
    assert await desk.claim_all() == [second]


async def test_a_retry_holds_up_its_key_and_no_other(desk: Any) -> None:
    a1, a2 = await desk.add(2, key="a")
    (b1,) = await desk.add(1, key="b")
    (free,) = await desk.add(1)
    claim = await desk.claim()
    assert sorted(desk.ids_of(claim)) == sorted([a1, b1, free])
    retry = next(job for job in claim.jobs if job.id == a1)
    await desk.finish(claim, [desk.retried(retry, HOUR)])
    (b2,) = await desk.add(1, key="b")
    assert await desk.claim_all() == [b2]
    desk.clock.advance(HOUR)
    claim = await desk.claim()
    assert desk.ids_of(claim) == [a1]
    await desk.finish(claim)
    assert await desk.claim_all() == [a2]


async def test_a_dead_first_job_holds_up_its_key_also_for_what_comes_later(desk: Any) -> None:
    first, second = await desk.add(2, key="a")
    await desk.bury(await desk.claim())
    (third,) = await desk.add(1, key="a")
    assert await desk.claim_all() == []
    assert await desk.states([first, second, third]) == [State.DEAD, State.PARKED, State.PARKED]


async def test_a_job_skipped_by_its_handlers_policy_lets_its_key_go_on(desk: Any) -> None:
    first, second = await desk.add(2, key="a")
    claim = await desk.claim()
    skipped = msgspec.structs.replace(desk.dead(claim.jobs[0]), state=State.SKIPPED)
    await desk.finish(claim, [skipped])
    assert await desk.claim_all() == [second]
    assert await desk.state(first) is State.SKIPPED


async def test_an_expired_claim_keeps_its_jobs_place_in_the_key(desk: Any) -> None:
    first, _ = await desk.add(2, key="a")
    await desk.claim(lease=SECOND)
    desk.clock.advance(SECOND)
    await released(desk)
    assert await desk.claim_all() == [first]


async def test_keys_are_of_one_queue_and_one_book(desk: Any) -> None:
    await desk.enqueue(desk.new(key="a"), desk.new(key="a", queue="slow"))
    await desk.enqueue(desk.new(key="a", book_id=desk.other_book))
    assert len((await desk.claim()).jobs) == 1
    assert len((await desk.claim(queue="slow")).jobs) == 1
    assert len((await desk.claim(book_id=desk.other_book)).jobs) == 1


async def test_a_long_queue_behind_one_key_is_passed_over_at_once_and_never_again(desk: Any) -> None:
    await desk.add(50, key="a")
    (free,) = await desk.add(1)
    found = []
    rounds = 0
    while free not in found:
        claim = await desk.claim(10)
        found += desk.ids_of(claim)
        rounds += 1
        assert claim.more or free in found
    assert rounds <= 6
    (another,) = await desk.add(1)
    assert desk.ids_of(await desk.claim(1)) == [another]


# Keeping house


async def test_what_was_set_aside_is_deleted_when_its_time_is_over_and_the_dead_are_kept(desk: Any) -> None:
    states = [State.SKIPPED, State.DEAD, State.CANCELLED]
    ids = await desk.add(3)
    claim = await desk.claim()
    settlements = [
        msgspec.structs.replace(desk.dead(job), state=state)
        for job, state in zip(sorted(claim.jobs, key=lambda job: job.seq), states, strict=True)
    ]
    await desk.finish(claim, settlements)
    async with desk.database.connection() as connection:
        assert await service.purge(connection, book_id=desk.book, before=desk.clock.now()) == 0
        desk.clock.advance(SECOND)
        assert await service.purge(connection, book_id=desk.book, before=desk.clock.now(), limit=1) == 1
        assert await service.purge(connection, book_id=desk.book, before=desk.clock.now()) == 1
    assert await desk.states(ids) == [None, State.DEAD, None]


async def released(desk: Any) -> list[Any]:
    async with desk.database.connection() as connection:
        found = await service.release_expired(connection, book_id=desk.book, now=desk.clock.now())
    return [job.id for job in found]
