"""The worker: what becomes of jobs whose handlers succeed, fail, hang, or are not there."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from caudal.jobs import (
    DONE,
    Dead,
    Handler,
    JobNotFound,
    Later,
    OnDead,
    Periodic,
    Retry,
    RetryPolicy,
    State,
    operators,
)
from caudal_base.errors import Conflict, InvariantError

HASTY = RetryPolicy(max_attempts=3, base_s=0.002, cap_s=0.002)


class Other(msgspec.Struct):
    number: int


# Success


async def test_every_job_has_its_effect_once(crew: Any, note: Any) -> None:
    await crew.enqueue(*(str(number) for number in range(500)))
    worker = crew.start(note())
    await crew.until_gone()
    assert sorted(await crew.effects(), key=int) == [str(number) for number in range(500)]
    assert worker.counts.kinds["note"].done == 500


async def test_jobs_are_done_that_come_while_the_worker_is_idle(crew: Any, note: Any) -> None:
    worker = crew.start(note())
    await crew.until(lambda: worker.counts.searches > 3)
    await crew.enqueue("late")
    await crew.until_gone()
    assert await crew.effects() == ["late"]


async def test_a_wake_ends_the_pause_at_once(crew: Any, note: Any) -> None:
    worker = crew.start(note(), poll_min_s=3_600.0, poll_max_s=3_600.0, upkeep_s=3_600.0)
    await crew.until(lambda: worker.counts.searches > 0)
    await crew.enqueue("now")
    worker.wake()
    await crew.until_gone()


async def test_a_handler_gets_a_batch_of_its_own_kind_in_order_and_no_larger_than_it_wants(
    crew: Any, note: Any
) -> None:
    calls = []

    async def record(connection: Any, jobs: Any) -> Any:
        calls.append([job.payload.text for job in jobs])
        return [DONE for _ in jobs]

    async def count(connection: Any, jobs: Any) -> Any:
        calls.append([job.payload.number for job in jobs])
        return [DONE for _ in jobs]

    await crew.enqueue("a", "b", "c", "d", "e")
    await crew.enqueue("", payload=Other(7), kind="other")
    crew.start(note(record, max_batch=2), Handler("other", Other, note(count).run))
    await crew.until_gone()
    assert sorted(calls, key=str) == [["a", "b"], ["c", "d"], ["e"], [7]]


async def test_a_handler_knows_its_job(crew: Any, note: Any) -> None:
    seen = []

    async def look(connection: Any, jobs: Any) -> Any:
        seen.extend(jobs)
        return [DONE for _ in jobs]

    (job_id,) = await crew.enqueue("text", key="k")
    crew.start(note(look))
    await crew.until_gone()
    (job,) = seen
    assert (job.book_id, job.id, job.kind, job.key) == (crew.desk.book, job_id, "note", "k")
    assert (job.payload.text, job.attempt) == ("text", 1)
    assert job.run_at == job.enqueued_at == crew.desk.clock.now()


async def test_a_handler_may_end_its_jobs_in_several_transactions(crew: Any, note: Any) -> None:
    async def one_by_one(work: Any) -> None:
        for job in work.jobs:
            async with work.database.transaction() as connection:
                await note.write_down(connection, [job])
                await work.finish(connection, {job.id: DONE})

    await crew.enqueue("a", "b", "c")
    worker = crew.start(note(one_by_one, free=True))
    await crew.until_gone()
    assert await crew.effects() == ["a", "b", "c"]
    assert worker.counts.kinds["note"].done == 3


# Failure


async def test_a_failed_job_is_tried_again_until_it_succeeds(crew: Any, note: Any) -> None:
    async def third_time(connection: Any, jobs: Any) -> Any:
        if jobs[0].attempt < 3:
            return [Retry("not yet") for _ in jobs]
        return await note.write_down(connection, jobs)

    await crew.enqueue("a")
    worker = crew.start(note(third_time, retry=HASTY))
    await crew.until_gone()
    assert await crew.effects() == ["a"]
    counts = worker.counts.kinds["note"]
    assert (counts.retried, counts.done, counts.dead) == (2, 1, 0)


async def test_attempts_are_bounded_and_then_it_is_a_dead_letter(
    crew: Any, note: Any, events: list[Any]
) -> None:
    async def refuse(connection: Any, jobs: Any) -> Any:
        return [Retry("never") for _ in jobs]

    (job_id,) = await crew.enqueue("a")
    worker = crew.start(note(refuse, retry=HASTY))
    job = await crew.until_state(job_id, State.DEAD)
    assert (job.attempts, job.last_error) == (3, "never")
    assert (worker.counts.kinds["note"].retried, worker.counts.kinds["note"].dead) == (2, 1)
    (event,) = (event for event in events if event["event"] == "job_dead")
    assert (event["log_level"], event["kind"], event["job"]) == ("error", "note", job_id)
    assert (event["attempts"], event["reason"]) == (3, "never")


async def test_a_hopeless_job_is_dead_at_once(crew: Any, note: Any) -> None:
    async def bury(connection: Any, jobs: Any) -> Any:
        return [Dead("no such account") for _ in jobs]

    (job_id,) = await crew.enqueue("a")
    crew.start(note(bury))
    job = await crew.until_state(job_id, State.DEAD)
    assert (job.attempts, job.last_error) == (1, "no such account")


@pytest.mark.parametrize("on_dead", OnDead)
async def test_a_dead_job_holds_up_its_key_unless_its_handler_lets_it_be_skipped(
    crew: Any, note: Any, on_dead: OnDead
) -> None:
    async def bury_first(connection: Any, jobs: Any) -> Any:
        sound = [job for job in jobs if job.payload.text != "first"]
        if sound:
            await note.write_down(connection, sound)
        return [DONE if job in sound else Dead("broken") for job in jobs]

    first, second = await crew.enqueue("first", "second", key="k")
    (other,) = await crew.enqueue("other", key="l")
    crew.start(note(bury_first, on_dead=on_dead))
    if on_dead is OnDead.SKIP:
        await crew.until_gone(second, other)
        assert sorted(await crew.effects()) == ["other", "second"]
        assert await crew.desk.state(first) is State.SKIPPED
    else:
        await crew.until_state(first, State.DEAD)
        await crew.until_gone(other)
        await crew.until_state(second, State.PARKED)
        assert await crew.effects() == ["other"]


async def test_a_job_that_is_too_early_is_looked_at_later_without_counting_an_attempt(
    crew: Any, note: Any
) -> None:
    looks = []

    async def five_looks(connection: Any, jobs: Any) -> Any:
        looks.append(jobs[0].attempt)
        if len(looks) < 5:
            return [Later(crew.clock.now() + timedelta(milliseconds=1))]
        return await note.write_down(connection, jobs)

    await crew.enqueue("a")
    worker = crew.start(note(five_looks, retry=HASTY))
    await crew.until_gone()
    assert looks == [1] * 5
    assert worker.counts.kinds["note"].postponed == 4


async def test_one_job_that_breaks_its_call_fails_alone(crew: Any, note: Any) -> None:
    calls = []

    async def fragile(connection: Any, jobs: Any) -> Any:
        calls.append([job.payload.text for job in jobs])
        await note.write_down(connection, jobs)
        if any(job.payload.text == "poison" for job in jobs):
            raise ValueError("card 4111111111111111")
        return [DONE for _ in jobs]

    _, poison, _ = await crew.enqueue("a", "poison", "b")
    crew.start(note(fragile, retry=HASTY))
    job = await crew.until_state(poison, State.DEAD)
    await crew.until(lambda: len(calls) == 5)
    assert calls[0] == ["a", "poison", "b"]
    assert sorted(calls[1:]) == [["a"], ["b"], ["poison"], ["poison"]]
    await crew.stop()
    assert sorted(await crew.effects()) == ["a", "b"]
    assert job.last_error is not None
    assert job.last_error.startswith("ValueError in fragile, test_worker.py:")


async def test_a_database_that_goes_away_is_no_fault_of_a_job_however_told(crew: Any, note: Any) -> None:
    calls = []

    async def fragile(connection: Any, jobs: Any) -> Any:
        calls.append(sorted(job.payload.text for job in jobs))
        if len(calls) == 1:
            raise ExceptionGroup("at once", [psycopg.OperationalError("the connection is closed")])
        return await note.write_down(connection, jobs)

    await crew.enqueue("a", "b", "c")
    crew.start(note(fragile, retry=RetryPolicy(max_attempts=3, base_s=0.0)))
    await crew.until_gone()
    assert calls == [["a", "b", "c"]] * 2
    assert sorted(await crew.effects()) == ["a", "b", "c"]


async def test_our_own_errors_are_kept_with_their_words(crew: Any, note: Any) -> None:
    async def conflict(connection: Any, jobs: Any) -> Any:
        raise Conflict("the account is frozen")

    (job_id,) = await crew.enqueue("a")
    crew.start(note(conflict, retry=RetryPolicy(max_attempts=1)))
    job = await crew.until_state(job_id, State.DEAD)
    assert job.last_error == "conflict: the account is frozen"


async def test_a_refusal_of_the_database_leaves_no_effect_and_is_a_failed_attempt(
    crew: Any, note: Any
) -> None:
    async def twice_the_same(connection: Any, jobs: Any) -> Any:
        await note.write_down(connection, jobs)
        await connection.execute(
            "insert into effect (place, book_id, job_id, text) overriding system value "
            "select place, book_id, job_id, text from effect limit 1"
        )
        return [DONE for _ in jobs]

    (job_id,) = await crew.enqueue("a")
    crew.start(note(twice_the_same, retry=HASTY))
    job = await crew.until_state(job_id, State.DEAD)
    assert await crew.effects() == []
    assert job.last_error is not None
    assert job.last_error.startswith("UniqueViolation 23505 (effect_pkey)")


async def test_a_handler_that_hangs_is_cancelled_and_its_job_tried_again(crew: Any, note: Any) -> None:
    async def hang_once(connection: Any, jobs: Any) -> Any:
        await note.write_down(connection, jobs)
        if jobs[0].attempt == 1:
            await asyncio.Event().wait()
        return [DONE for _ in jobs]

    await crew.enqueue("a")
    worker = crew.start(note(hang_once, retry=HASTY, timeout_s=0.05))
    await crew.until_gone()
    assert await crew.effects() == ["a"]
    assert worker.counts.kinds["note"].failed_calls == 1


@pytest.mark.parametrize("outcomes", [[], [DONE, DONE]])
async def test_a_handler_must_say_how_each_job_ended(crew: Any, note: Any, outcomes: list[Any]) -> None:
    async def confused(connection: Any, jobs: Any) -> Any:
        await note.write_down(connection, jobs)
        return outcomes

    (job_id,) = await crew.enqueue("a")
    crew.start(note(confused, retry=HASTY))
    job = await crew.until_state(job_id, State.DEAD)
    assert job.last_error == "invariant_violated: a handler did not say how each of its jobs ended"
    assert await crew.effects() == []


async def test_what_a_handler_leaves_without_an_end_has_failed_an_attempt(crew: Any, note: Any) -> None:
    async def forget_second(work: Any) -> None:
        async with work.database.transaction() as connection:
            await work.finish(connection, {work.jobs[0].id: DONE})

    first, second = await crew.enqueue("a", "b")
    crew.start(note(forget_second, free=True, retry=RetryPolicy(max_attempts=1)))
    job = await crew.until_state(second, State.DEAD)
    assert job.last_error == "the handler ended without saying how"
    assert await crew.desk.state(first) is None


async def test_a_handler_cannot_end_a_job_that_is_not_its_own(crew: Any, note: Any) -> None:
    mine, other = await crew.enqueue("mine", key="k"), await crew.enqueue("other", key="k")

    async def meddle(work: Any) -> None:
        async with work.database.transaction() as connection:
            await work.finish(connection, {other[0]: DONE})

    crew.start(note(meddle, free=True, retry=HASTY))
    await crew.until_state(mine[0], State.DEAD)
    assert await crew.desk.state(other[0]) is State.PARKED


# What is not understood


async def test_a_job_without_a_handler_ends_as_a_dead_letter_and_the_worker_goes_on(
    crew: Any, note: Any
) -> None:
    (unknown,) = await crew.enqueue("", kind="unknown")
    worker = crew.start(note(), not_understood=HASTY)
    job = await crew.until_state(unknown, State.DEAD)
    assert (job.attempts, job.last_error) == (3, "no handler for this kind of job")
    (known,) = await crew.enqueue("a")
    await crew.until_gone(known)
    assert worker.counts.kinds[""].dead == 1


async def test_a_job_that_a_newer_version_enqueued_waits_until_that_version_is_there(
    crew: Any, note: Any
) -> None:
    await crew.enqueue("a")
    old = crew.start(not_understood=RetryPolicy(max_attempts=1_000, base_s=0.002, cap_s=0.002))
    await crew.until(lambda: "" in old.counts.kinds and old.counts.kinds[""].retried >= 2)
    old.stop()
    crew.start(note())
    await crew.until_gone()
    assert await crew.effects() == ["a"]


async def test_a_payload_of_another_shape_is_a_dead_letter_and_harms_no_neighbour(
    crew: Any, note: Any
) -> None:
    a, b = await crew.enqueue("a", "b")
    (broken,) = await crew.enqueue("", payload=msgspec.defstruct("Shape", [("text", int)])(7))
    crew.start(note(), not_understood=HASTY)
    job = await crew.until_state(broken, State.DEAD)
    await crew.until_gone(a, b)
    assert job.last_error == "the payload is not of the handler's type"
    assert sorted(await crew.effects()) == ["a", "b"]


# Books, queues and periods


async def test_all_books_are_served_also_those_that_are_added_later(crew: Any, note: Any) -> None:
    books = [crew.desk.book]

    async def listed() -> list[int]:
        return list(books)

    (early,) = await crew.enqueue("early")
    crew.start(note(), books=listed)
    await crew.until_gone(early)
    books.append(crew.desk.other_book)
    job = crew.desk.new(book_id=crew.desk.other_book)
    await crew.desk.enqueue(job)

    async def done() -> bool:
        async with crew.desk.database.connection() as connection:
            (found,) = await operators.get(connection, book_id=crew.desk.other_book, ids=[job.id])
        return isinstance(found, JobNotFound)

    await crew.until(done)


async def test_a_slow_queue_does_not_hold_up_another(crew: Any, note: Any) -> None:
    gate = asyncio.Event()

    async def slow(work: Any) -> None:
        if work.jobs[0].payload.text == "slow":
            await gate.wait()
        async with work.database.transaction() as connection:
            await work.finish(connection, {job.id: DONE for job in work.jobs})

    stuck = await crew.enqueue("slow", "slow", "slow", queue="partner")
    crew.start(note(slow, free=True), queues={"default": 1, "partner": 1})
    (quick,) = await crew.enqueue("quick")
    await crew.until_gone(quick)
    assert await crew.desk.states(stuck) == [State.RUNNING] * 3
    gate.set()
    await crew.until_gone()


async def test_what_nobody_waits_for_leaves_room_for_what_somebody_does(crew: Any, note: Any) -> None:
    let_go = asyncio.Event()

    async def sweep(connection: Any, jobs: Any) -> Any:
        await let_go.wait()
        return [DONE for _ in jobs]

    await crew.enqueue(*[""] * 10, payload=Other(1), kind="sweep", queue="nobody")
    worker = crew.start(
        note(), Handler("sweep", Other, note(sweep).run, max_batch=1),
        queues={"nobody": 2, "somebody": 1}, background=frozenset({"nobody"}), max_calls=4,
    )  # fmt: skip
    await crew.until(lambda: worker.counts.in_work == 10)
    await crew.enqueue("a", "b", "c", queue="somebody")
    await crew.until(lambda: "note" in worker.counts.kinds and worker.counts.kinds["note"].done == 3)

    assert worker.counts.kinds["sweep"].calls == 1
    let_go.set()
    await crew.until_gone()
    assert await crew.effects() == ["a", "b", "c"]
    assert worker.counts.kinds["sweep"].done == 10


async def test_several_workers_run_one_job_for_each_period(crew: Any, note: Any) -> None:
    crew.clock = crew.desk.clock
    hourly = Periodic(name="hourly", kind="note", every=timedelta(hours=1), payload=Other(1))
    runs = []

    async def record(connection: Any, jobs: Any) -> Any:
        runs.extend(jobs)
        return [DONE for _ in jobs]

    handler = Handler("note", Other, note(record).run, on_dead=OnDead.SKIP)
    for _ in range(3):
        crew.start(handler, periodics=[hourly])
    for period in range(1, 5):
        await crew.until(lambda period=period: len(runs) == period)
        await crew.until_gone()
        looks = [worker.counts.searches for worker in crew.workers]
        await crew.until(
            lambda looks=looks: all(
                worker.counts.searches > look + 3 for worker, look in zip(crew.workers, looks, strict=True)
            )
        )
        assert len(runs) == period
        crew.desk.clock.advance(timedelta(hours=1))
    await crew.until(lambda: len(runs) == 5)
    assert sum(worker.counts.periodic for worker in crew.workers) == 5


# Declarations


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"timeout_s": 31.0}, "the time-out of note is too long for the lease"),
        ({"max_batch": 0}, "handler note: out of bounds"),
    ],
)
def test_a_handler_out_of_bounds_is_refused(crew: Any, note: Any, fields: Any, complaint: str) -> None:
    with pytest.raises(InvariantError, match=complaint):
        crew.add(note(**fields))


def test_a_kind_has_one_handler(crew: Any, note: Any) -> None:
    with pytest.raises(InvariantError, match="two handlers for note"):
        crew.add(note(), note())


@pytest.mark.parametrize(
    ("on_dead", "fields", "complaint"),
    [
        (OnDead.BLOCK, {}, "must be skipped when it is dead"),
        (OnDead.SKIP, {"kind": "other"}, "has no handler"),
        (OnDead.SKIP, {"queue": "other"}, "not served here"),
    ],
)
def test_a_periodic_job_that_could_not_run_is_refused(
    crew: Any, note: Any, on_dead: OnDead, fields: Any, complaint: str
) -> None:
    periodic = Periodic(**{"name": "p", "kind": "note", "every": timedelta(1), "payload": Other(1), **fields})
    with pytest.raises(InvariantError, match=complaint):
        crew.add(note(on_dead=on_dead), periodics=[periodic])


def test_a_claim_is_bounded(crew: Any, note: Any) -> None:
    with pytest.raises(InvariantError, match="a claim has 1 to 500 jobs"):
        crew.add(note(), batch=501)
