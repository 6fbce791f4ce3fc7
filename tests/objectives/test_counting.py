"""What is counted: requests by processes, and what other rooms have done by the minute its time ran out."""

import datetime as dt

import psycopg
import pytest

from caudal.access import DEPLOYMENT
from caudal.objectives import Indicator, Meter, Objective
from caudal.objectives.watching import forget
from caudal_base.database import Database
from caudal_base.errors import Unavailable
from support.objective_worlds import MINUTE, ObjectiveWorld

LATE = Objective(
    name="quick", indicator=Indicator.ACCEPT_LATENCY, within_ms=5, target_basis_points=9_000, least_bad=1
)


async def rows(world: ObjectiveWorld) -> dict[tuple[str, str, int], tuple[dt.datetime, int, int]]:
    return {
        (span, indicator, within): (starts_at, total, bad)
        for span, indicator, within, starts_at, total, bad in await world.execute(
            "select span, indicator, within_ms, starts_at, total, bad from objectives.count"
            " where book_id = %(book)s"
        )
    }


async def test_what_two_processes_count_in_a_minute_adds_up_and_in_its_hour_too(
    world: ObjectiveWorld,
) -> None:
    other = Meter(world.clock)
    world.passes(seconds=17)
    for meter, statuses in ((world.meter, (201, 422, 503)), (other, (201, 500))):
        for status in statuses:
            meter.accepted(world.book_id, status, 0.150)
            meter.read(world.book_id, 200, 0.001)
        await meter.flush(world.database)

    minute = world.now.replace(second=0)
    hour = minute.replace(minute=0)
    assert await rows(world) == {
        ("minute", "payments_accepted", 0): (minute, 5, 2),
        ("minute", "accept_latency", 100): (minute, 2, 2),
        ("minute", "ledger_reads", 0): (minute, 5, 0),
        ("hour", "payments_accepted", 0): (hour, 5, 2),
        ("hour", "accept_latency", 100): (hour, 2, 2),
        ("hour", "ledger_reads", 0): (hour, 5, 0),
    }


async def test_nothing_is_written_twice(world: ObjectiveWorld) -> None:
    await world.served(good=1)
    await world.meter.flush(world.database)

    assert (await rows(world))["minute", "payments_accepted", 0][1:] == (1, 0)


async def test_each_limit_on_the_time_that_the_book_promises_has_counts_of_its_own(
    world: ObjectiveWorld,
) -> None:
    await world.put(LATE)
    await world.served(good=1)
    await world.served(good=3)

    found = await rows(world)
    assert found["minute", "accept_latency", 100][1:] == (4, 0)
    assert found["minute", "accept_latency", 5][1:] == (3, 3)


async def test_what_cannot_be_written_is_kept_for_the_next_time(world: ObjectiveWorld, dsn: str) -> None:
    gone = await Database.open(dsn)
    await gone.close()
    world.meter.accepted(world.book_id, 503, 0.010)
    with pytest.raises((psycopg.Error, Unavailable)):
        await world.meter.flush(gone)

    await world.meter.flush(world.database)

    assert (await rows(world))["minute", "payments_accepted", 0][1:] == (1, 1)


async def test_what_failed_before_its_book_was_known_counts_for_every_book_and_what_was_refused_for_none(
    world: ObjectiveWorld,
) -> None:
    await world.execute("delete from objectives.count where book_id = 0")
    world.meter.accepted(DEPLOYMENT, 401, 0.001)
    await world.served(bad=20, book_id=DEPLOYMENT)
    await world.served(good=20)

    await world.watch()

    assert (await world.standing("payments_accepted")).burn_rates["5m"] == 500.0
    await world.execute("delete from objectives.count where book_id = 0")


async def test_a_payment_is_in_time_that_leaves_its_partner_within_the_time(world: ObjectiveWorld) -> None:
    await world.watch()
    await world.told(*[(number, "payment.created") for number in (1, 2, 3, 4)], (4, "payment.scheduled"))
    world.passes(seconds=60)
    await world.told((1, "payment.succeeded"), (4, "payment.processing"))
    world.passes(seconds=1)
    await world.told((2, "payment.failed"))
    world.passes(seconds=59)
    assert await world.counts("payment_ends") == (4, 2)

    world.passes(minutes=2)
    assert await world.counts("payment_ends") == (5, 3)
    world.passes(minutes=2)
    assert await world.counts("payment_ends") == (5, 3)


async def test_a_webhook_is_in_time_that_was_applied_within_the_time(world: ObjectiveWorld) -> None:
    await world.watch()
    for number, (state, after_s) in enumerate(
        [("applied", 60), ("applied", 61), ("ignored", 5), ("parked", 5), ("received", None)]
    ):
        await world.execute(
            "insert into webhooks.inbound (book_id, id, partner, event_id, type, state, occurred_at,"
            " received_at, attempts, settled_at, reason, body)"
            " values (%(book)s, %(id)s, 'stripe', %(event)s, 'x', %(state)s, %(now)s, %(now)s, 1,"
            " %(settled)s, 'why', 'x')",
            event=str(number),
            state=state,
            settled=None if after_s is None else world.now + dt.timedelta(seconds=after_s),
        )
    world.passes(minutes=1)
    assert await world.counts("webhook_in_applied") == (0, 0)
    world.passes(minutes=1)
    assert await world.counts("webhook_in_applied") == (5, 3)


async def test_an_event_is_in_time_that_every_endpoint_got_that_wants_it(world: ObjectiveWorld) -> None:
    await world.watch()
    for status, types in (("enabled", ["payment.*"]), ("enabled", ["refund.created"]), ("deleted", ["*"])):
        await world.execute(
            "insert into delivery.endpoint"
            " (book_id, id, url, types, ordered, concurrency, status, created_at)"
            " values (%(book)s, %(id)s, 'https://a.example', %(types)s, true, 1, %(status)s, %(now)s)",
            status=status,
            types=types,
        )
    world.passes(seconds=1)
    await world.told(*[(number, "payment.succeeded") for number in (1, 2, 3, 4)])
    for seq, state, after_s in ((1, "delivered", 60), (2, "delivered", 61), (3, "pending", None)):
        ended = None if after_s is None else world.now + dt.timedelta(seconds=after_s)
        await world.execute(
            "insert into delivery.delivery (book_id, endpoint_id, seq, event_id, type, object_type,"
            " object_id, state, attempts, tried, next_at, ended_at)"
            " select %(book)s, id, %(seq)s, %(id)s, 'payment.succeeded', 'payment', %(id)s, %(state)s, 1, 1,"
            " case when %(state)s = 'pending' then %(now)s end, %(ended)s"
            " from delivery.endpoint where book_id = %(book)s and types = '{payment.*}'",
            seq=seq,
            state=state,
            ended=ended,
        )
    world.passes(minutes=2)
    assert await world.counts("webhook_delivered") == (4, 3)


async def test_a_minute_is_bad_in_which_a_call_has_been_without_an_outcome_for_too_long(
    world: ObjectiveWorld,
) -> None:
    await world.watch()
    await world.execute(
        "insert into payments.attempt (book_id, id, payment_id, operation, state, partner, updated_at, data)"
        " values (%(book)s, %(id)s, %(id)s, 'submit', 'unknown', 'stripe', %(now)s, '{}')"
    )
    world.passes(minutes=15)
    assert await world.counts("attempt_known") == (1, 0)
    world.passes(minutes=1)
    assert await world.counts("attempt_known") == (2, 1)
    await world.execute(
        'update payments.attempt set data = \'{"asked_at": "2026-03-02T09:30:00Z"}\' where book_id = %(book)s'
    )
    world.passes(minutes=1)
    assert await world.counts("attempt_known") == (3, 1)


async def test_after_a_time_without_workers_all_is_made_up_for_an_hour_at_a_time(
    world: ObjectiveWorld,
) -> None:
    await world.watch()
    for number in range(1, 4):
        await world.told((number, "payment.created"))
        world.passes(minutes=45)

    assert await world.counts("payment_ends") == (2, 2)
    assert await world.counts("payment_ends") == (3, 3)
    assert await world.counts("payment_ends") == (3, 3)


async def test_minutes_are_kept_for_hours_and_hours_for_the_longest_window(world: ObjectiveWorld) -> None:
    await world.served(good=1)
    world.passes(hours=7)
    await world.served(good=1)
    spans = "select span, count(*) from objectives.count where book_id = %(book)s group by span"
    async with world.database.transaction() as connection:
        await forget(connection, world.book_id, world.now + MINUTE)
    assert dict(await world.execute(spans)) == {"minute": 2, "hour": 4}
    world.passes(days=90)
    async with world.database.transaction() as connection:
        await forget(connection, world.book_id, world.now)
    assert dict(await world.execute(spans)) == {"hour": 4}
    world.passes(days=2)
    async with world.database.transaction() as connection:
        await forget(connection, world.book_id, world.now)
    assert dict(await world.execute(spans)) == {}
