"""Events that come from outside, sets that are published, and the history of new series."""

import datetime as dt

import pytest

from caudal import features
from caudal.features import (
    Aggregate,
    Asked,
    Entity,
    Event,
    EventInvalid,
    Feature,
    FeatureSet,
    FeaturesInvalid,
    Lookup,
    Value,
    Version,
)
from caudal.ledger import Ledger
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from support.customer_worlds import CALLER
from support.histories import START
from support.ledgers import new_book

CARD = (Entity.CARD,)
SAME = ("currency",)

COUNT = Feature(name="card_count_1d", by=CARD, aggregate=Aggregate.COUNT, window="1d")
SUM = Feature(name="card_sum_7d", by=CARD, aggregate=Aggregate.SUM, value="amount", window="7d", same=SAME)
SHOPS = Feature(name="card_shops_7d", by=CARD, aggregate=Aggregate.DISTINCT, value="merchant", window="7d")
MOST = Feature(name="card_max_7d", by=CARD, aggregate=Aggregate.MAX, value="amount", window="7d", same=SAME)
ALL = FeatureSet(features=(COUNT, SUM, SHOPS, MOST))

ASKED = Asked({"card": "k1"}, {"currency": "EUR"}, {"amount": 500})


class World:
    """A book on a clock that stands still until it is moved."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database, self.book_id = database, book_id
        self.clock = ManualClock(START)
        self.ledger = Ledger(self.clock)

    async def publish(self, *declared: Feature) -> Version | CaudalError:
        async with self.database.transaction() as connection:
            return await features.publish(
                connection, self.book_id, FeatureSet(features=declared), caller=CALLER, ledger=self.ledger,
                at=self.clock.now(),
            )  # fmt: skip

    async def record(self, *events: Event) -> list[bool | CaudalError]:
        async with self.database.transaction() as connection:
            return await features.record(
                connection, self.book_id, events, ledger=self.ledger, at=self.clock.now()
            )

    async def fill(self, limit: int = 2) -> int:
        """How many transactions the history takes."""
        for count in range(1, 100):
            async with self.database.transaction() as connection:
                more = await features.fill(connection, self.book_id, ledger=self.ledger, limit=limit)
            if not more:
                return count
        raise AssertionError("filling ends")

    async def serve(self, asked: Asked = ASKED) -> dict[str, Value]:
        async with self.database.transaction() as connection:
            plan = await features.load_plan(connection, self.book_id)
            lookup = Lookup(plan, self.book_id, self.clock.now(), [asked])
            await lookup.queue(connection)
            await lookup.arrive()
            return dict(zip(plan.names, lookup.vector(asked), strict=True))


@pytest.fixture
async def world(database: Database) -> World:
    return World(database, (await new_book(database)).book_id)


def event(
    number: int, *, amount: int = 100, merchant: str = "m1", late: dt.timedelta = dt.timedelta(0)
) -> Event:
    return Event(
        id=str(number), source="payment", event_at=START - late, known_at=START,
        entities={"card": "k1", "merchant": merchant}, tags={"currency": "EUR"}, values={"amount": amount},
    )  # fmt: skip


async def test_what_is_recorded_is_served(world: World) -> None:
    await world.publish(*ALL.features)

    assert await world.record(event(1), event(2, amount=250, merchant="m2")) == [True, True]

    assert await world.serve() == {
        "card_count_1d": 2, "card_sum_7d": 350, "card_shops_7d": 2, "card_max_7d": 250,
    }  # fmt: skip


async def test_an_event_counts_once_in_a_batch_and_after_it(world: World) -> None:
    await world.publish(COUNT)

    assert await world.record(event(1), event(1)) == [True, False]
    assert await world.record(event(1), event(2)) == [False, True]

    assert (await world.serve())["card_count_1d"] == 2


async def test_what_is_wrong_with_an_event_fails_it_alone(world: World) -> None:
    await world.publish(COUNT)
    known_at = START + dt.timedelta(seconds=1)
    ahead = Event(id="9", source="login", event_at=START, known_at=known_at, entities={"card": "k1"})

    sound, refused = await world.record(event(1), ahead)

    assert sound is True
    assert isinstance(refused, EventInvalid)
    assert refused.field == "known_at"
    assert (await world.serve())["card_count_1d"] == 1


async def test_what_is_decided_on_without_the_entity_has_no_value(world: World) -> None:
    await world.publish(*ALL.features)
    await world.record(event(1))

    assert set((await world.serve(Asked({}, {}, {}))).values()) == {None}


async def test_a_new_feature_is_missing_until_its_history_is_counted(world: World) -> None:
    await world.publish(COUNT)
    await world.record(*[event(n, late=dt.timedelta(hours=n % 3)) for n in range(5)])
    await world.publish(*ALL.features)

    before = await world.serve()
    await world.record(event(5))
    transactions = await world.fill(limit=2)
    await world.record(event(6))

    assert before == {"card_count_1d": 5, "card_sum_7d": None, "card_shops_7d": None, "card_max_7d": None}
    assert transactions == 4
    assert await world.serve() == {
        "card_count_1d": 7, "card_sum_7d": 700, "card_shops_7d": 1, "card_max_7d": 100,
    }  # fmt: skip


async def test_filling_is_what_keeping_up_would_have_made(world: World, database: Database) -> None:
    other = World(database, (await new_book(database)).book_id)
    await world.publish(COUNT, SUM)
    for batch in range(6):
        # Ever later events: more than one series of them has place for.
        events = [
            event(10 * batch + n, amount=n + 1, late=dt.timedelta(hours=(7 * batch + 3 * n) % 11))
            for n in range(4)
        ]
        await world.record(*events)
        await other.record(*events)
    await other.publish(COUNT, SUM)
    await other.fill(limit=5)

    async def sums(of: World) -> list[tuple[object, ...]]:
        async with database.connection() as connection:
            cursor = await connection.execute(
                "select series, run, event_at, ordinal, count, total, squares from features.cumulative"
                " where book_id = %s order by series, run, event_at, ordinal",
                (of.book_id,),
            )
            return await cursor.fetchall()

    assert await sums(other) == await sums(world)
    assert {row[1] for row in await sums(world)} == {0, 1, 2, 3}


async def test_declarations_that_cannot_be_are_refused_by_place(world: World) -> None:
    amounts = Feature(name="card_sum", by=CARD, aggregate=Aggregate.SUM, value="amount", window="1d")

    refused = await world.publish(COUNT, amounts)

    assert isinstance(refused, FeaturesInvalid)
    assert refused.field == "features[1].same"
    async with world.database.connection() as connection:
        with pytest.raises(features.FeatureSetNotFound):
            await features.get_version(connection, world.book_id)
