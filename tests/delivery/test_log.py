"""What is kept of deliveries, for how long, and sending again by the thousand."""

import asyncio
import datetime as dt
from collections.abc import Sequence

from caudal import delivery, jobs
from caudal.api.webhooks_out_metrics import Delivered
from support.deliveries import Listener, Outbox, answer, log_of, until, until_async


async def purged(outbox: Outbox, keep: dt.timedelta, lot: int = delivery.PURGE_LOT) -> None:
    """Let a worker remove what is older than `keep`, a lot at a time."""

    async def books() -> Sequence[int]:
        return [outbox.book.book_id]

    worker = jobs.Worker(
        outbox.database,
        delivery.handlers(keep, lot=lot),
        books=books,
        clock=outbox.clock,
        ids=outbox.ids,
        periodics=delivery.PERIODICS,
        options=jobs.Options(poll_min_s=0.001, poll_max_s=0.01, upkeep_s=0.01),
    )
    running = asyncio.create_task(worker.run())

    async def done() -> bool:
        counted = worker.counts.kinds.get(delivery.PURGE)
        return counted is not None and counted.done > 0

    await until_async(done)
    worker.stop()
    await running


async def test_deliveries_go_with_their_attempts_when_they_are_old_and_pending_ones_stay(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url)
    listener.answer = lambda got: answer(500 if got.event["seq"] == 3 else 200)
    await outbox.tell(1, 2)
    await outbox.settled()
    outbox.clock.advance(dt.timedelta(days=31))
    listener.answer = lambda _: answer(500)
    await outbox.tell(3)
    await outbox.settled()

    await purged(outbox, dt.timedelta(days=30))

    assert [row["seq"] for row in await log_of(outbox, issued)] == [3, 4]
    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            "select distinct seq from delivery.attempt where book_id = %s order by seq",
            (outbox.book.book_id,),
        )
        assert await cursor.fetchall() == [(3,), (4,)]


async def test_what_has_waited_for_long_does_not_keep_what_came_after_it(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url)
    listener.answer = lambda got: answer(500 if got.event["seq"] <= 4 else 200)
    await outbox.tell(*range(1, 9))
    await outbox.settled()
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.disable(
            connection, outbox.book.book_id, issued.endpoint.id, delivery.DisableReason.REQUESTED
        )
    outbox.clock.advance(dt.timedelta(days=31))

    await purged(outbox, dt.timedelta(days=30), lot=2)

    assert [row["seq"] for row in await log_of(outbox, issued)] == [2, 3, 4]


async def test_the_log_of_an_endpoint_that_is_gone_goes_too(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda got: answer(500 if got.event["seq"] == 2 else 200)
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1, 2)
    await outbox.settled()
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.delete(connection, outbox.book.book_id, issued.endpoint.id)
    assert [row["state"] for row in await log_of(outbox, issued)] == ["pending", "delivered"]
    await purged(outbox, dt.timedelta(days=30))
    assert len(await log_of(outbox, issued)) == 2
    outbox.clock.advance(dt.timedelta(days=31))

    await purged(outbox, dt.timedelta(days=30))

    assert await log_of(outbox, issued) == []


async def test_a_secret_that_signs_no_more_is_deleted(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url)
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.rotate(
            connection, outbox.book.book_id, issued.endpoint.id, overlap=dt.timedelta(hours=1)
        )
    outbox.clock.advance(dt.timedelta(hours=2))

    await purged(outbox, dt.timedelta(days=30))

    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            "select count(*) from delivery.secret where book_id = %s", (outbox.book.book_id,)
        )
        assert await cursor.fetchone() == (1,)


async def test_everything_is_sent_again_a_lot_at_a_time(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(*range(1, 1_201))
    await outbox.settled()
    counts, after = [], 0
    while True:
        async with outbox.database.transaction() as connection:
            done = await outbox.endpoints.log.replay_range(
                connection, outbox.book.book_id, issued.endpoint.id, after=after
            )
        counts.append(done.count)
        if done.next_after is None:
            break
        after = done.next_after

    await outbox.settled()

    assert counts == [1_000, 200]
    assert len(listener.received) == 2_400
    assert {row["attempts"] for row in await log_of(outbox, issued)} == {2}


async def test_a_replay_to_an_ordered_endpoint_keeps_the_order_of_each_object(
    outbox: Outbox, listener: Listener
) -> None:
    issued = await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(*[number % 3 + 1 for number in range(30)])
    await outbox.settled()
    listener.received.clear()
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.log.replay_range(connection, outbox.book.book_id, issued.endpoint.id)

    await outbox.settled()

    by_object: dict[str, list[int]] = {}
    for one in listener.received:
        by_object.setdefault(one.event["object"], []).append(one.event["seq"])
    assert sorted(listener.seqs) == list(range(2, 32))
    assert all(seqs == sorted(seqs) for seqs in by_object.values())


async def test_what_a_worker_has_sent_and_what_waits_is_measured(outbox: Outbox, listener: Listener) -> None:
    listener.answer = lambda got: answer(500 if got.event["seq"] == 2 else 200)
    await outbox.endpoint(listener.url)
    await outbox.tell(1, 2)
    await outbox.settled()
    book_id = outbox.book.book_id
    async with outbox.delivering():
        await until(lambda: outbox.counts.oldest_s.get(book_id, 0.0) > 0)

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in Delivered(outbox.counts).collect()
        for sample in family.samples
    }

    assert samples["caudal_webhooks_out_attempts_total", "2xx"] == 1
    assert samples["caudal_webhooks_out_attempts_total", "5xx"] == 1
    assert samples["caudal_webhooks_out_pending", str(book_id)] == 1
    assert samples["caudal_webhooks_out_unread", str(book_id)] == 0
    assert samples["caudal_webhooks_out_oldest_age_seconds", str(book_id)] > 0
    assert samples["caudal_webhooks_out_duration_seconds_count",] == 2
