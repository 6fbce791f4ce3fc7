"""An endpoint is driven by one worker at a time: as long as it lives, and by another soon after it died."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import psycopg
import pytest

from caudal.delivery import Limits, Options
from caudal_base.database import Database
from support.deliveries import (
    OK,
    OPTIONS,
    Listener,
    Outbox,
    Received,
    log_of,
    new_outbox,
    until,
    until_async,
)


async def never(_: object) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


def patient(outbox: Outbox, options: Options) -> Outbox:
    """Requests may take long, whatever the lease is."""
    outbox.limits = Limits(connect_s=2.0, total_s=15.0)
    outbox.options = options
    return outbox


async def claimed_until(outbox: Outbox) -> dt.datetime | None:
    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            "select claimed_until from delivery.drive where book_id = %s", (outbox.book.book_id,)
        )
        row = await cursor.fetchone()
    return None if row is None else row[0]


@contextlib.asynccontextmanager
async def killed(outbox: Outbox, listener: Listener) -> AsyncIterator[None]:
    """A deliverer has been killed while a request was out."""
    task = asyncio.create_task(outbox.deliverer().run())
    await until(lambda: len(listener.received) == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    yield


async def test_claims_are_extended_as_long_as_requests_are_out(
    delivery_database: Database, listener: Listener
) -> None:
    """By the process, all together: the drivers themselves have nothing to do meanwhile."""
    options = Options(poll_min_s=0.002, poll_max_s=0.01, books_s=0.01, lease_s=60.0, beat_s=0.01)
    outbox = patient(await new_outbox(delivery_database), options)
    other = Outbox(delivery_database, outbox.book, clock=outbox.clock, options=options)
    listener.answer = never
    await outbox.endpoint(listener.url)
    await outbox.tell(1)

    async def extended() -> bool:
        until = await claimed_until(outbox)
        return until is not None and until > outbox.clock.now() + dt.timedelta(seconds=50)

    running = asyncio.create_task(outbox.deliverer().run())
    await until(lambda: len(listener.received) == 1)
    async with other.delivering():
        for _ in range(5):
            outbox.clock.advance(dt.timedelta(seconds=45))
            await until_async(extended)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(listener.received) == 1


async def test_what_a_dead_worker_had_is_driven_by_another_once_its_lease_is_over(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = never
    await outbox.endpoint(listener.url)
    await outbox.tell(1)
    async with killed(outbox, listener):
        listener.answer = lambda _: OK
        outbox.clock.advance(dt.timedelta(seconds=OPTIONS.lease_s - 1))
        outbox.counts.unread.clear()
        await outbox.tell(2)
        await outbox.deliver(lambda: outbox.book.book_id in outbox.counts.unread)  # it has looked
        assert len(listener.received) == 1

        outbox.clock.advance(dt.timedelta(seconds=1))
        await outbox.settled()

    assert sorted(listener.seqs[1:]) == [2, 3]


def test_a_dead_workers_endpoints_wait_for_seconds() -> None:
    options = Options()
    assert options.lease_s <= 15.0
    assert options.beat_s <= options.lease_s / 4


async def test_what_is_out_is_cut_off_when_the_lease_ends(
    delivery_database: Database, listener: Listener
) -> None:
    """Another may have begun by then, so that an ordered endpoint would get two at once."""
    options = Options(poll_min_s=0.002, poll_max_s=0.01, books_s=0.01, lease_s=1.5, beat_s=30.0)
    outbox = patient(await new_outbox(delivery_database), options)
    listener.answer = never
    await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(1, 1)
    async with outbox.delivering():
        await until(lambda: len(listener.received) == 1)
        async with outbox.database.transaction() as connection:
            # As long as this lasts, nobody can renew.
            await connection.execute(
                "select from delivery.drive where book_id = %s for update", (outbox.book.book_id,)
            )
            await until(lambda: outbox.counts.under_way == 0)
            assert len(listener.received) == 1
        listener.answer = lambda _: OK
        outbox.clock.advance(dt.timedelta(seconds=2))
        await until(lambda: len(listener.received) == 3)

    assert listener.seqs == [2, 2, 3]


async def test_a_request_that_hangs_holds_up_none_that_come_after_it(
    outbox: Outbox, listener: Listener
) -> None:
    patient(outbox, OPTIONS)

    async def hang_on_the_first(got: Received) -> bytes:
        return await never(got) if got.event["seq"] == 2 else OK

    listener.answer = hang_on_the_first
    await outbox.endpoint(listener.url)
    await outbox.tell(1)
    task = asyncio.create_task(outbox.deliverer().run())
    await until(lambda: listener.seqs == [2])
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(2, 5):
        await outbox.tell(number)
        await until(lambda number=number: len(listener.received) == number)
    took = loop.time() - began
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert took < 7.5, "they waited for the time-out of the first"


async def test_what_an_ordered_endpoint_was_not_given_before_its_driver_stopped_comes_from_the_next(
    outbox: Outbox, listener: Listener
) -> None:
    """It waited for the one before it, which was out, and nothing else of its object follows."""
    answered = asyncio.Event()

    async def hold_the_first(got: Received) -> bytes:
        if got.event["seq"] == 2:
            await answered.wait()
        return OK

    async def written() -> bool:
        return [row["state"] for row in await log_of(outbox, issued)] == ["pending", "pending", "delivered"]

    listener.answer = hold_the_first
    issued = await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(1, 1, 2)
    async with outbox.delivering() as deliverer:
        await until_async(written)
        deliverer.stop()
        answered.set()
    assert sorted(listener.seqs) == [2, 4]

    await outbox.settled()

    assert listener.seqs[2:] == [3]
    assert {row["state"] for row in await log_of(outbox, issued)} == {"delivered"}


async def test_claims_of_which_no_drive_came_are_made_again_at_once(
    delivery_database: Database, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between claim and drive: nobody else has it, so nobody waits for its end."""
    options = Options(poll_min_s=0.002, poll_max_s=0.01, books_s=0.01, lease_s=60.0)
    outbox = patient(await new_outbox(delivery_database), options)
    await outbox.endpoint(listener.url)
    await outbox.tell(1)
    signers, failures = outbox.endpoints.signers, [psycopg.OperationalError("the connection is lost")]

    async def once_lost(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await signers(*arguments)

    monkeypatch.setattr(outbox.endpoints, "signers", once_lost)

    async with outbox.delivering():
        await until(lambda: len(listener.received) == 1)

    assert not failures
