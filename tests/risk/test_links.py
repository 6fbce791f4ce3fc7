"""Who else was on a card, a device or an address, however long ago; and decisions in the order of commits."""

import datetime as dt

from caudal import risk
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.risk import Record, decisions, store_links
from caudal.risk.links import LOOKED_AT
from caudal_base.database import Database
from caudal_base.decide import Context
from support.decision_desks import DecisionDesk
from support.ledgers import new_book

COUNT = FeatureSet(features=(Feature(name="n", by=(Entity.DEVICE,), aggregate=Aggregate.COUNT, window="1d"),))


async def desk_of(database: Database) -> DecisionDesk:
    desk = DecisionDesk(database, (await new_book(database)).book_id)
    await desk.publish(COUNT)
    return desk


async def on_device(desk: DecisionDesk, device: str, **changes: object) -> Record:
    await desk.decide(desk.subject(context=Context(device=device), **{"instrument": None, **changes}))
    return (await desk.records())[0]


async def link(desk: DecisionDesk, limit: int = 2) -> int:
    """To the end; how many transactions it took."""
    steps = 1
    while True:
        async with desk.database.transaction() as connection:
            if not await store_links.link(connection, desk.book_id, limit):
                return steps
        steps += 1


async def shared_with(desk: DecisionDesk, record: Record) -> list[tuple[str, tuple[str, ...]]]:
    async with desk.database.connection() as connection:
        return [(one.record.id, one.shares) for one in await risk.linked(connection, desk.book_id, record)]


async def by_index(desk: DecisionDesk, device: str) -> int:
    """How many decisions on a device are found without looking through those that are not linked."""
    async with desk.database.connection() as connection:
        found = await store_links.sharing(
            connection, desk.book_id, {"device": device}, customer=None, looked_at=0, limit=50
        )
    return len(found)


async def test_decisions_share_a_device_a_card_an_address_or_a_customer(shared_database: Database) -> None:
    desk = await desk_of(shared_database)
    first = await on_device(desk, "d1", instrument="tok_1")
    second = await on_device(desk, "d1", customer_id=first.customer)
    await on_device(desk, "d2")
    third = await on_device(desk, "d3", instrument="tok_1")
    expected = [(third.id, ("card",)), (second.id, ("device", "customer"))]

    assert await shared_with(desk, first) == expected, "not linked yet: looked through"
    assert await link(desk) == 3
    assert await shared_with(desk, first) == expected, "linked"
    assert await link(desk) == 1


async def test_what_is_linked_is_found_however_many_came_after_it(shared_database: Database) -> None:
    desk = await desk_of(shared_database)
    old = await on_device(desk, "d1")
    assert await by_index(desk, "d1") == 0
    await link(desk)

    assert await by_index(desk, "d1") == 1
    new = await on_device(desk, "d1")
    assert await shared_with(desk, new) == [(old.id, ("device",))]
    assert LOOKED_AT == 5_000


async def test_links_go_with_their_decisions(shared_database: Database) -> None:
    desk = await desk_of(shared_database)
    await on_device(desk, "d1")
    await link(desk)
    assert await desk.count("risk.link") == 1
    desk.clock.advance(decisions.KEEP_FOR + dt.timedelta(days=1))

    async with desk.database.transaction() as connection:
        assert await decisions.purge_decisions(connection, desk.book_id, at=desk.clock.now()) == 1
    assert await desk.count("risk.link") == await desk.count("risk.decision") == 0


async def numbers(desk: DecisionDesk) -> list[tuple[str, int | None]]:
    async with desk.database.connection() as connection:
        cursor = await connection.execute(
            "select subject, seq from risk.decision where book_id = %s order by id", (desk.book_id,)
        )
        return await cursor.fetchall()


async def test_decisions_are_numbered_as_they_are_committed(shared_database: Database) -> None:
    desk = await desk_of(shared_database)
    await desk.decide(desk.subject(), desk.subject())
    await desk.decide(desk.subject())

    assert [number for _, number in await numbers(desk)] == [1, 2, 3]


async def test_what_a_version_before_has_written_gets_numbers_behind(shared_database: Database) -> None:
    desk = await desk_of(shared_database)
    await desk.decide(*(desk.subject() for _ in range(3)))
    async with desk.database.transaction() as connection:
        await connection.execute(
            "update risk.decision set seq = null where book_id = %s and seq < 3", (desk.book_id,)
        )
        assert await store_links.unnumbered(connection, desk.book_id)
        assert await store_links.number(connection, desk.book_id, 1)
        assert await store_links.number(connection, desk.book_id, 1)
        assert not await store_links.number(connection, desk.book_id, 1)
        assert not await store_links.unnumbered(connection, desk.book_id)

    assert [number for _, number in await numbers(desk)] == [4, 5, 3]
