"""What is counted: requests by processes, and what other rooms have done by the minute its time ran out."""

import datetime as dt
import uuid

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


async def endpoint(world: ObjectiveWorld, *types: str, status: str = "enabled", **drive: object) -> uuid.UUID:
    """An endpoint that has been given everything up to seq 3, or `through`."""
    id = uuid.uuid4()
    await world.execute(
        "insert into delivery.endpoint (book_id, id, url, types, ordered, concurrency, status, created_at)"
        " values (%(book)s, %(endpoint)s, 'https://a.example', %(types)s, true, 1, %(status)s, %(now)s)",
        endpoint=id,
        status=status,
        types=list(types),
    )
    values = {"through": 3, "failing_since": None, "behind_since": None, "quiet_until": None} | drive
    await world.execute(
        "insert into delivery.drive (book_id, endpoint_id, active, revision, through_seq, failing_since,"
        " behind_since, quiet_until)"
        " values (%(book)s, %(endpoint)s, true, 1, %(through)s, %(failing_since)s, %(behind_since)s,"
        " %(quiet_until)s)",
        endpoint=id,
        **values,
    )
    return id


async def tried(
    world: ObjectiveWorld, id: uuid.UUID, seq: int, after_s: int, *, status: int = 204, ms: int = 50
) -> None:
    """The first attempt at an event, so many seconds after now."""
    at = world.now + dt.timedelta(seconds=after_s)
    await world.execute(
        "insert into delivery.delivery (book_id, endpoint_id, seq, event_id, type, object_type, object_id,"
        " state, attempts, tried, next_at, ended_at)"
        " values (%(book)s, %(endpoint)s, %(seq)s, %(id)s, 'payment.succeeded', 'payment', %(id)s,"
        " case when %(ok)s then 'delivered' else 'pending' end, 1, 1,"
        " case when not %(ok)s then %(at)s end, case when %(ok)s then %(at)s end)",
        endpoint=id,
        seq=seq,
        at=at,
        ok=status == 204,
    )
    await world.execute(
        "insert into delivery.attempt (book_id, endpoint_id, seq, number, at, duration_ms, status, response)"
        " values (%(book)s, %(endpoint)s, %(seq)s, 1, %(at)s, %(ms)s, %(status)s, '')",
        endpoint=id,
        seq=seq,
        at=at,
        status=status,
        ms=ms,
    )


async def test_an_event_is_in_time_that_was_tried_in_time_at_every_endpoint_that_wants_it(
    world: ObjectiveWorld,
) -> None:
    await world.watch()
    wanted = await endpoint(world, "payment.*")
    await endpoint(world, "refund.created")
    await endpoint(world, "*", status="deleted")
    world.passes(seconds=1)
    await world.told(*[(number, "payment.succeeded") for number in (1, 2, 3, 4)])
    for seq, after_s in ((1, 60), (2, 61), (3, 5)):
        await tried(world, wanted, seq, after_s)
    world.passes(minutes=2)
    # The second came late, and the fourth nobody has been given yet.
    assert await world.counts("webhook_delivered") == (4, 2)


@pytest.mark.parametrize("drive", ["failing_since", "behind_since", "quiet_until"])
async def test_an_endpoint_that_fails_cannot_keep_up_or_wants_quiet_is_not_our_lateness(
    world: ObjectiveWorld, drive: str
) -> None:
    await world.watch()
    await endpoint(world, "payment.*", through=0, **{drive: world.now + dt.timedelta(minutes=1)})
    works = await endpoint(world, "payment.*")
    world.passes(seconds=1)
    await world.told((1, "payment.succeeded"), (2, "payment.succeeded"))
    for seq in (1, 2):
        await tried(world, works, seq, 5)
    world.passes(minutes=2)

    assert await world.counts("webhook_delivered") == (2, 0)


@pytest.mark.parametrize(("status", "ms"), [(500, 50), (204, 1000)])
async def test_what_waited_for_an_endpoint_that_failed_or_was_slow_is_not_our_lateness(
    world: ObjectiveWorld, status: int, ms: int
) -> None:
    await world.watch()
    bad, works = await endpoint(world, "payment.*"), await endpoint(world, "payment.*")
    world.passes(seconds=1)
    await world.told((1, "payment.succeeded"), (2, "payment.succeeded"))
    await tried(world, bad, 1, 5, status=status, ms=ms)
    await tried(world, bad, 2, 70)
    await tried(world, works, 1, 5)
    await tried(world, works, 2, 70)
    world.passes(minutes=2)

    assert await world.counts("webhook_delivered") == (2, 1)


async def test_an_attempt_that_fails_in_time_is_in_time(world: ObjectiveWorld) -> None:
    await world.watch()
    bad = await endpoint(world, "payment.*")
    world.passes(seconds=1)
    await world.told((1, "payment.succeeded"))
    await tried(world, bad, 1, 5, status=500)
    world.passes(minutes=2)

    assert await world.counts("webhook_delivered") == (1, 0)


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
