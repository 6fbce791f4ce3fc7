"""Streams follow a book's events: each once, in any batches, with cases; what is refused; silences."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from caudal import anomalies
from caudal.anomalies import (
    AnomalyBurst,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyLevel,
    AnomalyNotFound,
    AnomalyPeriod,
    AnomalySilenceInvalid,
    AnomalyStream,
    AnomalyStreamInvalid,
)
from caudal.cases import CaseKind, CaseSubject
from caudal.doctor import rules
from caudal.features import Entity, Filter
from caudal_base.database import Database
from support.anomaly_worlds import CALLER, HOUR, MINUTE, MONDAY, AnomalyWorld, event, noisy, steady, stream

END = MONDAY + 96 * HOUR
FLAT = stream(seasonal=False)
BURST = [event(f"x{n}", END + n * MINUTE) for n in range(30)]
DAYS = stream(
    name="spend", value="amount", same=("currency",), period=AnomalyPeriod.DAY, warm_up=10,
    new_counterparty=AnomalyCounterparty(),
)  # fmt: skip


@pytest.fixture
async def world(shared_database: Database) -> AnomalyWorld:
    return await AnomalyWorld.make(shared_database)


async def test_what_is_found_is_kept_explained_and_grouped_into_a_case_of_the_entity(
    world: AnomalyWorld,
) -> None:
    version = await world.declare(FLAT)
    await world.record([*steady(96), *BURST])
    await world.follow(version)

    (found,) = await world.found()
    (case,) = await world.opened()
    assert found.found.words == (
        "13 payments in the hour, usually 1 to 3: 4.2 robust standard deviations above the median"
    )
    assert (found.entity, found.stream, found.version, found.silenced) == (
        "customer:ana",
        "payments",
        1,
        False,
    )
    assert found.case == case.id
    assert (case.kind, case.key, case.title) == (
        CaseKind.ANOMALY, "customer:ana", "Unusual: customer:ana",
    )  # fmt: skip
    assert case.subjects == (
        CaseSubject("customer", "ana"), CaseSubject("merchant", "shop"), CaseSubject("payment", "px12"),
    )  # fmt: skip
    assert (case.occurrences, case.opened_by) == (1, "operator")
    async with world.database.connection() as connection:
        assert await anomalies.get_anomaly(connection, world.book_id, found.id) == found


async def test_two_streams_of_one_entity_open_one_case(world: AnomalyWorld) -> None:
    first = await world.declare(FLAT)
    second = await world.declare(stream(name="again", seasonal=False))
    await world.record([*steady(96), *BURST])
    await world.follow(first)
    await world.follow(second)

    (case,) = await world.opened()
    assert case.occurrences == 2
    assert {one.case for one in await world.found()} == {case.id}


@pytest.mark.parametrize("limit", [1, 40, 1_000])
async def test_the_same_events_in_any_batches_give_the_same_anomalies(
    shared_database: Database, limit: int
) -> None:
    events = noisy(3, days=10, customers=2)
    events = events[:200] if limit == 1 else events
    declared = stream(warm_up=24, burst=AnomalyBurst(), level=AnomalyLevel(score=3.0))
    found = []
    for size in (500, limit):
        world = await AnomalyWorld.make(shared_database)
        versions = [await world.declare(declared), await world.declare(DAYS)]
        await world.record(events)
        for version in versions:
            await world.follow(version, limit=size)
        found.append([(one.stream, one.entity, one.ordinal, one.found) for one in await world.found()])
    assert found[0] == found[1]
    assert limit == 1 or {AnomalyDetector.LEVEL, AnomalyDetector.NEW_COUNTERPARTY} <= {
        each.detector for *_, each in found[0]
    }


async def test_each_event_counts_once_also_where_a_transaction_was_given_up(world: AnomalyWorld) -> None:
    version = await world.declare(FLAT)
    await world.record([*steady(96), *BURST])
    with pytest.raises(RuntimeError):
        async with world.database.transaction() as connection:
            await anomalies.follow(
                connection, world.book_id, version, cases=world.cases, new_ids=world.new_ids, caller=CALLER
            )
            raise RuntimeError
    assert await world.found() == []
    await world.follow(version)
    await world.follow(version)
    assert len(await world.found()) == 1
    async with world.database.connection() as connection:
        (kept,) = await anomalies.list_streams(connection, world.book_id)
    assert kept.through == len([*steady(96), *BURST])


async def test_what_was_known_before_a_stream_was_declared_teaches_and_is_not_told_of(
    world: AnomalyWorld,
) -> None:
    await world.record([*steady(96), *BURST])
    version = await world.declare(FLAT)
    await world.follow(version)
    assert await world.found() == []
    later = END + 48 * HOUR
    await world.record([event(f"y{n}", later + n * MINUTE) for n in range(30)])
    await world.follow(version)
    assert [one.found.observed for one in await world.found()] != []


async def test_declaring_the_same_again_changes_nothing_and_otherwise_begins_anew(
    world: AnomalyWorld,
) -> None:
    first = await world.declare(FLAT)
    assert await world.declare(FLAT) == first
    second = await world.declare(stream(seasonal=False, warm_up=10))
    assert (first.version, second.version, second.number > first.number) == (1, 2, True)
    async with world.database.connection() as connection:
        assert await anomalies.list_streams(connection, world.book_id) == [second]


async def test_events_without_the_entity_the_value_or_what_the_filter_asks_for_are_left_out(
    world: AnomalyWorld,
) -> None:
    declared = msgspec.structs.replace(DAYS, of=Filter(source=("payment",), where={"kind": ("pay_in",)}))
    version = await world.declare(declared)
    kind = {"currency": "EUR", "kind": "pay_in"}
    await world.record(
        [
            event(1, MONDAY),
            event(2, MONDAY, tags=kind, entities={"merchant": "shop"}),
            event(3, MONDAY, tags={"kind": "pay_in"}),
            event(4, MONDAY, tags=kind, values={}),
            event(5, MONDAY, tags=kind),
        ]
    )
    await world.follow(version)
    async with world.database.connection() as connection:
        cursor = await connection.execute(
            "select entity from anomalies.history where book_id = %(book)s", {"book": world.book_id}
        )
        assert await cursor.fetchall() == [("ana|EUR",)]


async def test_while_silenced_an_anomaly_is_kept_and_opens_no_case(world: AnomalyWorld) -> None:
    version = await world.declare(FLAT)
    async with world.database.transaction() as connection:
        await anomalies.silence(
            connection, world.book_id, stream=None, entity="customer:ana", until=END + HOUR, reason="a sale",
            caller=CALLER, ledger=world.ledger, at=world.clock.now(),
        )  # fmt: skip
    bob = [event(f"b{n}", END + n * MINUTE, customer="bob") for n in range(30)]
    everything = sorted(
        [*steady(96), *steady(96, customer="bob"), *BURST, *bob], key=lambda one: (one.known_at, one.id)
    )
    await world.record(everything)
    await world.follow(version)
    assert [(one.entity, one.silenced, one.case is None) for one in await world.found()] == [
        ("customer:bob", False, False), ("customer:ana", True, True),
    ]  # fmt: skip
    assert [case.key for case in await world.opened()] == ["customer:bob"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Payments"}, "name"),
        ({"of": Filter(source=())}, "of.source"),
        ({"warm_up": 9}, "warm_up"),
        ({"cool_down": "59m"}, "cool_down"),
        ({"cool_down": "soon"}, "cool_down"),
        ({"level": None}, "level"),
        ({"level": AnomalyLevel(score=2.9)}, "level.score"),
        ({"level": AnomalyLevel(score=float("nan"))}, "level.score"),
        ({"burst": AnomalyBurst(window="2h")}, "burst.window"),
        ({"burst": AnomalyBurst(odds=999)}, "burst.odds"),
        ({"value": "amount"}, "same"),
        ({"value": "points", "burst": AnomalyBurst()}, "burst"),
        ({"new_counterparty": AnomalyCounterparty()}, "new_counterparty"),
        (
            {"value": "points", "new_counterparty": AnomalyCounterparty(counterparty=Entity.CUSTOMER)},
            "new_counterparty.counterparty",
        ),
    ],
)
async def test_a_stream_that_cannot_be_is_refused(
    world: AnomalyWorld, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(AnomalyStreamInvalid) as refused:
        await world.declare(stream(**changes))
    assert refused.value.field == field
    async with world.database.connection() as connection:
        assert await anomalies.list_streams(connection, world.book_id) == []


async def test_how_far_a_stream_is_behind_is_told_but_not_of_what_only_teaches(world: AnomalyWorld) -> None:
    async def behind() -> list[tuple[str, int, dt.datetime | None]]:
        async with world.database.connection() as connection:
            return [
                (one.stream, one.events, one.since)
                for one in await anomalies.behind(connection, world.book_id)
            ]

    await world.record(steady(3))
    version = await world.declare(stream())
    await world.declare(stream(name="off", enabled=False))
    assert await behind() == [("payments", 0, None)]

    first = MONDAY + 10 * HOUR
    await world.record([event(f"late-{n}", first + n * MINUTE) for n in range(4)])
    assert await behind() == [("payments", 4, first)]
    found = await behind()
    late = [anomalies.Behind(stream=name, events=events, since=since) for name, events, since in found]
    assert list(rules.anomalies_behind(late, "main", first + 10 * MINUTE)) == []
    (told,) = rules.anomalies_behind(late, "main", first + 11 * MINUTE)
    assert (told.code, told.subject, told.count) == ("anomalies_behind", "main/payments", 4)

    await world.follow(version)
    assert await behind() == [("payments", 0, None)]


async def test_a_book_has_so_many_streams_and_an_anomaly_that_is_not_there_is_not_found(
    world: AnomalyWorld,
) -> None:
    for number in range(anomalies.MAX_STREAMS):
        await world.declare(stream(name=f"s{number}"))
    with pytest.raises(AnomalyStreamInvalid):
        await world.declare(stream(name="one_more"))
    async with world.database.connection() as connection:
        with pytest.raises(AnomalyNotFound):
            await anomalies.get_anomaly(connection, world.book_id, f"ano_{'7' * 32}")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"entity": None}, "stream"),
        ({"entity": "ana"}, "entity"),
        ({"until": MONDAY}, "until"),
        ({"until": MONDAY + dt.timedelta(days=367)}, "until"),
        ({"reason": ""}, "reason"),
    ],
)
async def test_a_silence_that_cannot_be_is_refused(
    world: AnomalyWorld, changes: dict[str, Any], field: str
) -> None:
    wanted = {"stream": None, "entity": "customer:ana", "until": MONDAY + HOUR, "reason": "a sale"} | changes
    async with world.database.transaction() as connection:
        with pytest.raises(AnomalySilenceInvalid) as refused:
            await anomalies.silence(
                connection, world.book_id, **wanted, caller=CALLER, ledger=world.ledger, at=world.clock.now()
            )
    assert refused.value.field == field


def test_what_is_not_known_of_a_stream_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "x", "entity": "customer", "colour": "red"}, AnomalyStream)
