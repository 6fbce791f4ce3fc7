"""What happens in a book reaches its endpoints: signed, once each, by the terms of the endpoint."""

import asyncio
import base64
import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from caudal import events
from caudal.delivery import Change, Signature
from caudal_base import ids
from caudal_base.database import Database
from caudal_base.sealing import Sealing
from caudal_base.secret import Secret
from support.deliveries import (
    OK,
    Listener,
    Outbox,
    Received,
    answer,
    log_of,
    new_outbox,
    until,
    verified_v1,
    verified_v1a,
)
from support.events import payment_id


async def test_an_event_is_sent_signed_as_the_api_shows_it(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1)

    await outbox.settled()

    (got,) = listener.received
    assert issued.secret is not None
    told = verified_v1(got, issued.secret.reveal())
    async with outbox.database.connection() as connection:
        (event,) = (await events.find(connection, outbox.book.book_id, type="payment.succeeded")).events
    assert got.body == events.body_of(event)
    assert (told["type"], told["version"], told["object"]) == ("payment.succeeded", 1, payment_id(1))
    assert got.headers["webhook-id"] == told["id"] == ids.encode(ids.EVENT, event.id)
    assert got.headers["webhook-timestamp"] == str(int(outbox.clock.now().timestamp()))
    assert got.headers["content-type"] == "application/json"
    (row,) = await log_of(outbox, issued)
    assert (row["state"], row["attempts"], row["status"], row["error"]) == ("delivered", 1, 200, None)


async def test_ed25519_is_verified_with_the_public_key_alone(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url, signature=Signature.V1A)
    await outbox.tell(1)

    await outbox.settled()

    assert issued.secret is None
    (secret,) = issued.endpoint.secrets
    assert secret.public_key is not None
    verified_v1a(listener.received[0], secret.public_key)


async def test_every_endpoint_gets_every_event_that_it_wants_once(outbox: Outbox) -> None:
    async with Listener().serving() as all_, Listener().serving() as some, Listener().serving() as one:
        await outbox.endpoint(all_.url, types=("*",))
        await outbox.endpoint(some.url, types=("payment.*",))
        await outbox.endpoint(one.url, types=("payment.failed", "refund.failed"))
        for number in range(1, 41):
            await outbox.tell(number, type="payment.succeeded" if number % 4 else "payment.failed")

        await outbox.settled()

        # The first three are the endpoints' own: `webhook_endpoint.created`.
        assert sorted(all_.seqs) == list(range(1, 44))
        assert sorted(some.seqs) == list(range(4, 44))
        assert sorted(one.seqs) == list(range(7, 44, 4))


async def test_an_endpoint_hears_of_nothing_that_was_before_it(outbox: Outbox, listener: Listener) -> None:
    await outbox.tell(1, 2)
    await outbox.endpoint(listener.url)
    await outbox.tell(3)

    await outbox.settled()

    assert [one.event["object"] for one in listener.received] == [payment_id(3)]


async def test_an_event_arrives_within_a_second_of_its_commit(outbox: Outbox, listener: Listener) -> None:
    await outbox.endpoint(listener.url)
    loop = asyncio.get_running_loop()
    async with outbox.delivering():
        await asyncio.sleep(0)
        began = loop.time()
        await outbox.tell(1)
        await until(lambda: bool(listener.received))
        assert loop.time() - began < 1.0


async def test_several_deliverers_share_the_endpoints_and_send_nothing_twice(
    delivery_database: Database, outbox: Outbox
) -> None:
    other = Outbox(delivery_database, outbox.book, clock=outbox.clock)
    listeners = [Listener() for _ in range(4)]
    async with (
        listeners[0].serving(),
        listeners[1].serving(),
        listeners[2].serving(),
        listeners[3].serving(),
    ):
        for one in listeners:
            await outbox.endpoint(one.url)
        async with outbox.delivering(), other.delivering():
            for number in range(1, 61):
                await outbox.tell(number, number)
            await until(lambda: all(len(one.received) >= 120 for one in listeners))
        await outbox.settled()

    for one in listeners:
        assert sorted(one.seqs) == list(range(5, 125))


async def test_a_batch_larger_than_what_is_read_ahead_arrives_whole(
    outbox: Outbox, listener: Listener
) -> None:
    await outbox.endpoint(listener.url)
    await outbox.tell(*range(1, 1_001))

    await outbox.settled()

    assert sorted(listener.seqs) == list(range(2, 1_002))


# In order


async def test_events_of_one_object_go_out_one_after_the_other_where_the_endpoint_asks_for_it(
    outbox: Outbox, listener: Listener
) -> None:
    under_way: dict[str, int] = {}

    async def slowly(got: Received) -> bytes:
        name = got.event["object"]
        under_way[name] = under_way.get(name, 0) + 1
        assert under_way[name] == 1
        await asyncio.sleep(0.001)
        under_way[name] -= 1
        return OK

    listener.answer = slowly
    await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(*[number % 7 + 1 for number in range(210)])

    await outbox.settled()

    by_object: dict[str, list[int]] = {}
    for one in listener.received:
        by_object.setdefault(one.event["object"], []).append(one.event["seq"])
    assert len(by_object) == 7
    assert all(seqs == sorted(seqs) and len(seqs) == 30 for seqs in by_object.values())
    assert listener.most_at_once > 1


async def test_one_that_fails_holds_up_its_object_alone_until_it_has_arrived(
    outbox: Outbox, listener: Listener
) -> None:
    broken = {"on": True}

    def refuse_the_first_of_one(got: Received) -> bytes:
        first = got.event["object"] == payment_id(1) and got.event["seq"] == 2
        return answer(500) if first and broken["on"] else OK

    listener.answer = refuse_the_first_of_one
    issued = await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(1, 2, 1, 2)
    await outbox.settled()
    await outbox.tell(1, 2)
    await outbox.settled()
    of_one = [one.event["seq"] for one in listener.received if one.event["object"] == payment_id(1)]
    of_two = [one.event["seq"] for one in listener.received if one.event["object"] == payment_id(2)]
    assert (of_one, of_two) == ([2], [3, 5, 7])
    states = {row["seq"]: row["state"] for row in await log_of(outbox, issued)}
    assert states == {
        2: "pending",
        3: "delivered",
        4: "pending",
        5: "delivered",
        6: "pending",
        7: "delivered",
    }

    broken["on"] = False
    outbox.clock.advance(dt.timedelta(seconds=6))
    await outbox.settled()

    of_one = [one.event["seq"] for one in listener.received if one.event["object"] == payment_id(1)]
    assert of_one == [2, 2, 4, 6]


async def test_order_survives_failures_at_random_and_the_death_of_deliverers(
    outbox: Outbox, listener: Listener
) -> None:
    chosen = random.Random(7)
    listener.answer = lambda _: OK if chosen.random() < 0.7 else answer(503)
    issued = await outbox.endpoint(listener.url, ordered=True)
    for turn in range(12):
        await outbox.tell(*[number % 5 + 1 for number in range(10)])
        await outbox.settled() if turn % 3 else await _cut_off(outbox, listener)
        outbox.clock.advance(dt.timedelta(minutes=61))
    # Else it might fail for days in a row, and be disabled for that.
    listener.answer = lambda _: OK
    while any(row["state"] == "pending" for row in await log_of(outbox, issued)):
        outbox.clock.advance(dt.timedelta(days=1))
        await outbox.settled()

    arrived: dict[str, list[int]] = {}
    for one in listener.received:
        seen = arrived.setdefault(one.event["object"], [])
        if one.event["seq"] not in seen:
            seen.append(one.event["seq"])
    assert sorted(seq for seqs in arrived.values() for seq in seqs) == list(range(2, 122))
    assert all(seqs == sorted(seqs) for seqs in arrived.values())


async def _cut_off(outbox: Outbox, listener: Listener) -> None:
    """A deliverer that is killed in the middle; its claims expire with the clock's next step."""
    before = len(listener.received)
    task = asyncio.create_task(outbox.deliverer().run())
    await until(lambda: len(listener.received) > before)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_endpoint_that_is_no_longer_ordered_gets_what_was_held_up(
    outbox: Outbox, listener: Listener
) -> None:
    listener.answer = lambda got: answer(500) if got.event["seq"] == 2 else OK
    issued = await outbox.endpoint(listener.url, ordered=True)
    await outbox.tell(1, 1)
    await outbox.settled()
    assert listener.seqs == [2]

    async with outbox.database.transaction() as connection:
        await outbox.endpoints.change(
            connection, outbox.book.book_id, issued.endpoint.id, Change(ordered=False)
        )
    await outbox.settled()

    assert listener.seqs == [2, 3]


# Secrets


async def test_while_secrets_overlap_the_old_one_and_the_new_one_are_good_and_then_the_new_one_alone(
    outbox: Outbox, listener: Listener
) -> None:
    old = await outbox.endpoint(listener.url)
    async with outbox.database.transaction() as connection:
        new = await outbox.endpoints.rotate(
            connection, outbox.book.book_id, old.endpoint.id, overlap=dt.timedelta(hours=1)
        )
    assert old.secret is not None
    assert new.secret is not None
    await outbox.tell(1)
    await outbox.settled()
    for issued in (old, new):
        assert issued.secret is not None
        verified_v1(listener.received[-1], issued.secret.reveal())

    outbox.clock.advance(dt.timedelta(hours=1))
    await outbox.tell(2)
    await outbox.settled()

    last = listener.received[-1]
    assert len(last.headers["webhook-signature"].split()) == 1
    stale = {**last.headers, "webhook-timestamp": last.headers["webhook-timestamp"]}
    with pytest.raises(Exception, match="signature"):
        _verify_at(stale, last.body, old.secret.reveal())
    _verify_at(stale, last.body, new.secret.reveal())


def _verify_at(headers: dict[str, Any], body: bytes, secret: str) -> None:
    """Whether a signature is by this secret, whatever the time."""
    at = dt.datetime.fromtimestamp(int(headers["webhook-timestamp"]), dt.UTC)
    wanted = Webhook(secret).sign(headers["webhook-id"], at, body.decode())
    if wanted not in headers["webhook-signature"].split():
        raise WebhookVerificationError("no signature by this secret")


async def test_a_listener_that_still_has_the_old_secret_refuses_and_gets_it_all_once_it_has_the_new_one(
    outbox: Outbox, listener: Listener
) -> None:
    old = await outbox.endpoint(listener.url)
    async with outbox.database.transaction() as connection:
        new = await outbox.endpoints.rotate(
            connection, outbox.book.book_id, old.endpoint.id, overlap=dt.timedelta()
        )
    assert old.secret is not None
    assert new.secret is not None
    known = {"secret": old.secret.reveal()}

    def verify(got: Received) -> bytes:
        try:
            verified_v1(got, known["secret"])
        except WebhookVerificationError:
            return answer(401)
        return OK

    listener.answer = verify
    async with Listener().serving() as other:
        await outbox.endpoint(other.url)
        await outbox.tell(1)
        await outbox.settled()
        assert [(row["state"], row["error"]) for row in await log_of(outbox, new)] == [
            ("pending", "it answered 401")
        ]
        assert len(other.received) == 1

    known["secret"] = new.secret.reveal()
    outbox.clock.advance(dt.timedelta(seconds=6))
    await outbox.settled()

    assert [(row["state"], row["attempts"]) for row in await log_of(outbox, new)] == [("delivered", 2)]


async def test_secrets_of_both_kinds_sign_while_one_replaces_the_other(
    outbox: Outbox, listener: Listener
) -> None:
    old = await outbox.endpoint(listener.url)
    async with outbox.database.transaction() as connection:
        new = await outbox.endpoints.rotate(
            connection, outbox.book.book_id, old.endpoint.id, overlap=dt.timedelta(days=1),
            signature=Signature.V1A,
        )  # fmt: skip
    await outbox.tell(1)

    await outbox.settled()

    (got,) = listener.received
    assert old.secret is not None
    verified_v1(got, old.secret.reveal())
    public_key = new.endpoint.secrets[0].public_key
    assert public_key is not None
    verified_v1a(got, public_key)


async def test_what_is_kept_of_a_secret_does_not_hold_it(outbox: Outbox, listener: Listener) -> None:
    issued = await outbox.endpoint(listener.url)

    async with outbox.database.connection() as connection:
        cursor = await connection.execute(
            "select sealed from delivery.secret where book_id = %s", (outbox.book.book_id,)
        )
        ((sealed,),) = await cursor.fetchall()

    assert issued.secret is not None
    assert base64.b64decode(issued.secret.reveal().removeprefix("whsec_")) not in sealed


async def test_without_the_key_nothing_is_sent_and_nothing_is_lost(
    delivery_database: Database, outbox: Outbox, listener: Listener
) -> None:
    await outbox.endpoint(listener.url)
    await outbox.tell(1)
    other = Outbox(delivery_database, outbox.book, clock=outbox.clock)
    wrong = base64.b64encode(b"x" * 32).decode()
    other.endpoints._sealing = Sealing(Secret(wrong), Path("/nowhere"))
    async with other.delivering():
        await until(lambda: other.counts.troubles > 0)
    assert listener.received == []

    outbox.clock.advance(dt.timedelta(seconds=outbox.options.lease_s + 1))
    await outbox.settled()

    assert listener.seqs == [2]


async def test_books_are_apart(delivery_database: Database, outbox: Outbox, listener: Listener) -> None:
    other = await new_outbox(delivery_database)
    await outbox.endpoint(listener.url)
    await other.tell(1)

    await outbox.settled()

    assert listener.received == []
