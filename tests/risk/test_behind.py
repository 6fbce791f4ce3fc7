"""How far features and labels are behind what became of payments: told exactly, and found by seeks."""

import datetime as dt
from typing import TYPE_CHECKING

from caudal import events, features, risk
from caudal.doctor import rules
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.risk import Behind, store_behind
from caudal_base.database import Database
from support.customer_worlds import CALLER
from support.histories import START
from support.payment_worlds import PaymentWorld
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1
MINUTE = dt.timedelta(minutes=1)

FILL = """
insert into features.feature_set (book_id, version, declared, created_at, created_by)
select 1, n, '{}', now(), 'x'
  from generate_series(1, 3000) n;

insert into events.event (book_id, seq, id, type, object_type, object_id, at, data)
select 1, n, lpad(to_hex(n), 32, '0')::uuid, 'payment.created', 'payment', lpad(to_hex(n), 32, '0')::uuid,
       now(), '{}'
  from generate_series(1, 60000) n;

insert into events.head (book_id, seq) values (1, 60000);
insert into risk.followed (book_id, seq) values (1, 10000);

analyze features.feature_set;
analyze events.event;
"""


async def behind(world: PaymentWorld) -> tuple[int, dt.datetime | None]:
    async with world.database.connection() as connection:
        found = await risk.behind(connection, world.book_id)
    return found.events, found.since


async def follow(world: PaymentWorld, limit: int) -> bool:
    async with world.database.transaction() as connection:
        return await risk.follow(
            connection, world.book_id, ledger=world.ledger, at=world.clock.now(), limit=limit
        )


async def publish(world: PaymentWorld) -> None:
    count = Feature(name="paid", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1d")
    async with world.database.transaction() as connection:
        await features.publish(
            connection, world.book_id, FeatureSet(features=(count,)), caller=CALLER, ledger=world.ledger,
            at=world.clock.now(),
        )  # fmt: skip


async def head(world: PaymentWorld) -> int:
    async with world.database.connection() as connection:
        return await (await events.queue_head(connection, world.book_id)).finish()


async def test_how_far_features_are_behind_counts_from_the_first_that_they_do_not_know(
    shared_database: Database,
) -> None:
    world = await PaymentWorld.make(shared_database)
    await world.succeeded()
    assert await behind(world) == (0, None)  # nothing decides that would wait for it
    world.clock.advance(MINUTE)
    await publish(world)
    assert await behind(world) == (await head(world), world.clock.now())

    while await follow(world, 100):
        pass
    followed = await head(world)
    assert await behind(world) == (0, None)

    world.clock.advance(60 * MINUTE)
    first = await world.create()
    world.clock.advance(MINUTE)
    await world.create()
    told, since = await behind(world)
    assert (told, since) == (await head(world) - followed, first.payment.created_at)

    assert await follow(world, 1)
    assert await behind(world) == (told - 1, world.clock.now())


def test_it_is_found_from_five_minutes_on() -> None:
    late = Behind(events=7, since=START)

    assert list(rules.features_behind(late, "main", START + 5 * MINUTE)) == []
    assert list(rules.features_behind(Behind(events=0, since=None), "main", START + 5 * MINUTE)) == []
    (told,) = rules.features_behind(late, "main", START + 6 * MINUTE)
    assert (told.code, told.subject, told.count, told.since) == ("features_behind", "main", 7, START)
    assert "7 events behind" in told.what
    assert "in the last 6 min" in told.what


async def test_it_takes_seeks_however_much_waits(server: "Server", migrated_template: str) -> None:
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as connection:
        told = await touched_by(connection, store_behind.BEHIND, {"book_id": BOOK})
        found = await risk.behind(connection, BOOK)

    assert (told.rows, found.events) == (1, 50_000)
    assert set(told.scanned) <= {"followed", "head"}
    assert told.blocks <= 30, told.plan
