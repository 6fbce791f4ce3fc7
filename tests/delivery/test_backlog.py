"""An endpoint that takes only some of what it is sent: what waits for it is bounded, counted and told of."""

import datetime as dt
import random

import pytest

from caudal import events
from caudal.delivery import Endpoint, Issued
from caudal_base.database import Database
from support.deliveries import OK, OPTIONS, Listener, Outbox, Received, answer, new_outbox, until, until_async

MOST = 20
AT_HAND = 8
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
async def narrow(delivery_database: Database) -> Outbox:
    """A book where only few deliveries may wait for an endpoint."""
    options = type(OPTIONS)(
        poll_min_s=0.002, poll_max_s=0.01, linger_s=0.005, books_s=0.01, backlog_s=0.01,
        at_hand=AT_HAND, max_pending=MOST,
    )  # fmt: skip
    return await new_outbox(delivery_database, options=options)


async def counted(outbox: Outbox, issued: Issued) -> tuple[int, int | None]:
    """How many deliveries wait, by counting them; and what the endpoint's driver says."""
    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            """
select (
           select count(*)
             from delivery.delivery
            where delivery.book_id = drive.book_id
              and delivery.endpoint_id = drive.endpoint_id
              and state = 'pending'
       ), pending
  from delivery.drive
 where book_id = %s
   and endpoint_id = %s
            """,
            (outbox.book.book_id, issued.endpoint.id),
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def read(outbox: Outbox, issued: Issued) -> Endpoint:
    async with outbox.database.connection() as connection:
        return await outbox.endpoints.get(connection, outbox.book.book_id, issued.endpoint.id)


async def told(outbox: Outbox) -> list[str]:
    """What was told of endpoints."""
    async with outbox.database.connection() as connection:
        page = await events.find(connection, outbox.book.book_id, limit=1_000)
    return [event.type for event in page.events if event.object_type == "webhook_endpoint"]


async def test_what_waits_for_an_endpoint_is_bounded_and_nothing_is_lost(
    narrow: Outbox, listener: Listener
) -> None:
    broken = {"on": True}
    listener.answer = lambda got: answer(500) if broken["on"] and got.event["seq"] % 2 else OK
    issued = await narrow.endpoint(listener.url)
    await narrow.tell(*range(1, 201))
    for _ in range(6):
        await narrow.deliver(lambda: narrow.counts.behind.get(narrow.book.book_id) == 1)
        (waiting, _) = await counted(narrow, issued)
        assert waiting <= MOST + AT_HAND
        narrow.clock.advance(6 * SECOND)
    assert (await read(narrow, issued)).behind_since is not None
    assert (await told(narrow)).count("webhook_endpoint.behind") == 1
    assert len(set(listener.seqs)) < 200

    broken["on"] = False
    narrow.clock.advance(dt.timedelta(days=1))
    await narrow.settled()

    assert sorted(set(listener.seqs)) == list(range(2, 202))
    assert (await read(narrow, issued)).behind_since is None
    assert await told(narrow) == [
        "webhook_endpoint.created",
        "webhook_endpoint.behind",
        "webhook_endpoint.caught_up",
    ]
    assert await counted(narrow, issued) == (0, 0)


async def test_one_that_is_behind_costs_the_others_nothing(narrow: Outbox, listener: Listener) -> None:
    async with Listener(answer=lambda got: answer(500) if got.event["seq"] % 2 else OK).serving() as half:
        await narrow.endpoint(half.url)
        await narrow.endpoint(listener.url)
        await narrow.tell(*range(1, 201))
        async with narrow.delivering():
            await until(lambda: len(listener.received) == 200)
            await until(lambda: narrow.counts.behind.get(narrow.book.book_id) == 1)

    assert sorted(listener.seqs) == list(range(3, 203))


@pytest.mark.parametrize("ordered", [False, True])
async def test_the_number_that_waits_is_known_without_counting(
    outbox: Outbox, listener: Listener, ordered: bool
) -> None:
    chosen = random.Random(11)
    listener.answer = lambda _: OK if chosen.random() < 0.6 else answer(503)
    issued = await outbox.endpoint(listener.url, ordered=ordered)
    for turn in range(4):
        await outbox.tell(*[number % 7 + 1 for number in range(25)])
        await outbox.settled()
        waiting, kept = await counted(outbox, issued)
        assert kept == waiting
        outbox.clock.advance(dt.timedelta(seconds=(7, 400)[turn % 2]))
    assert waiting > 0
    async with outbox.delivering():
        await until(lambda: outbox.counts.pending.get(outbox.book.book_id) == waiting)
    assert outbox.counts.oldest_s[outbox.book.book_id] > 0


async def test_after_a_replay_it_is_counted_again(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1, 2, 3)
    await outbox.settled()
    async with outbox.database.transaction() as connection:
        await outbox.endpoints.log.replay_range(connection, outbox.book.book_id, issued.endpoint.id)
    assert await counted(outbox, issued) == (3, None)

    def refuse_the_last(got: Received) -> bytes:
        return answer(500) if got.event["seq"] == 4 else OK

    listener.answer = refuse_the_last
    await outbox.settled()

    assert await counted(outbox, issued) == (1, 1)


FAIL_ONCE = """
create sequence delivery.test_commits;
create function delivery.test_fail_once() returns trigger language plpgsql as $$
begin
    if nextval('delivery.test_commits') = 1 then
        raise exception 'the first commit fails' using errcode = '40001';
    end if;
    return null;
end
$$;
create constraint trigger test_fail_once after update of through_seq on delivery.drive
    deferrable initially deferred for each row when (new.book_id = {book_id})
    execute function delivery.test_fail_once();
"""
FAIL_NO_MORE = """
drop trigger test_fail_once on delivery.drive;
drop function delivery.test_fail_once;
drop sequence delivery.test_commits
"""


async def test_what_was_read_in_a_transaction_that_did_not_commit_is_read_again(
    outbox: Outbox, listener: Listener
) -> None:
    await outbox.endpoint(listener.url)
    await outbox.tell(1, 2, 3)
    async with outbox.database.connection() as connection:
        await connection.execute(FAIL_ONCE.replace("{book_id}", str(outbox.book.book_id)).encode())
    try:
        await outbox.settled()
    finally:
        async with outbox.database.connection() as connection:
            await connection.execute(FAIL_NO_MORE)

    assert outbox.counts.troubles == 1
    assert listener.seqs == [2, 3, 4]


async def test_an_endpoint_is_behind_in_the_book_that_it_is_of_alone(
    delivery_database: Database, narrow: Outbox, listener: Listener
) -> None:
    listener.answer = lambda got: answer(500) if got.event["seq"] % 2 else OK
    issued = await narrow.endpoint(listener.url)
    other = await new_outbox(delivery_database)
    await narrow.tell(*range(1, 101))
    await narrow.deliver(lambda: narrow.counts.behind.get(narrow.book.book_id) == 1)

    async with other.database.transaction() as connection:
        news = await other.endpoints.mark_behind(
            connection, other.book.book_id, issued.endpoint.id, behind=False
        )

    assert not news
    await until_async(lambda: _is_behind(narrow, issued))


async def _is_behind(outbox: Outbox, issued: Issued) -> bool:
    return (await read(outbox, issued)).behind_since is not None
