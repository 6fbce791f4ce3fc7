"""Alerts as events, and objectives as versions."""

import asyncio

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]

from caudal import audit, jobs, objectives
from caudal.objectives import (
    DEFAULTS,
    MAX_OBJECTIVES,
    Indicator,
    Objective,
    ObjectiveInvalid,
    ObjectiveNotFound,
    rule_file,
)
from caudal.worker import build
from caudal_base.clock import SystemClock
from support.objective_worlds import ObjectiveWorld, objective_id

NAME = "payments_accepted"


async def test_an_outage_is_told_once_as_a_page_and_its_end_once(world: ObjectiveWorld) -> None:
    await world.served(good=980)
    assert await world.watch() == []
    world.passes(minutes=2)
    await world.served(good=10, bad=20)
    began = world.now
    assert [one.id for one in await world.watch()] == [objective_id(world, NAME)]
    world.passes(minutes=1)
    assert await world.watch() == []

    (burning,) = await world.alerts()
    assert (burning.type, burning.object_id) == ("objective.burning", objective_id(world, NAME))
    told = msgspec.json.decode(burning.data)
    assert told["standing"] == {
        "evaluated_at": began.isoformat().replace("+00:00", "Z"),
        "total": 1_010,
        "bad": 20,
        "budget_left_basis_points": -188_019,
        "burn_rates": {"5m": 19.8, "30m": 19.8, "1h": 19.8, "6h": 19.8, "3d": 19.8},
        "severity": "page",
        "since": began.isoformat().replace("+00:00", "Z"),
    }

    world.passes(hours=7)
    await world.served(good=20_000)
    assert len(await world.watch()) == 1
    assert await world.watch() == []
    recovered = (await world.alerts())[-1]
    assert recovered.type == "objective.recovered"
    assert "severity" not in msgspec.json.decode(recovered.data)["standing"]


async def test_an_alert_ends_with_the_watching(world: ObjectiveWorld) -> None:
    await world.served(bad=20)
    await world.watch()
    await world.put(msgspec.structs.replace(DEFAULTS[0], enabled=False))

    await world.watch()

    assert [event.type for event in await world.alerts()] == ["objective.burning", "objective.recovered"]
    async with world.database.connection() as connection:
        assert (await objectives.get(connection, world.book_id, NAME)).standing is None


async def test_a_book_has_what_comes_with_the_program_and_what_it_sets_itself(world: ObjectiveWorld) -> None:
    ours = Objective(
        name="very_quick", indicator=Indicator.ACCEPT_LATENCY, within_ms=20, target_basis_points=9_500
    )
    milder = msgspec.structs.replace(DEFAULTS[0], target_basis_points=9_900)
    await world.put(ours)
    await world.put(milder)
    kept = await world.put(milder)

    async with world.database.connection() as connection:
        found = await objectives.watched(connection, world.book_id)
        history = await objectives.history(connection, world.book_id, NAME)
        with pytest.raises(ObjectiveNotFound):
            await objectives.get(connection, world.book_id, "nothing")
        kept_records = await audit.page(connection, audit.Query(book_id=world.book_id))
    by_name = {one.version.objective.name: one.version for one in found}
    assert list(by_name) == sorted([ours.name, *[one.name for one in DEFAULTS]])
    assert (by_name[ours.name].number, by_name[ours.name].objective) == (1, ours)
    assert (by_name[NAME].number, by_name[NAME].objective) == (2, milder)
    assert (by_name["ledger_reads"].number, by_name["ledger_reads"].created_at) == (0, None)
    assert kept.version == by_name[NAME]
    assert [one.number for one in history] == [2, 1]
    assert [one.action for one in kept_records.records] == ["objective.set"] * 3


async def test_another_target_keeps_the_counts(world: ObjectiveWorld) -> None:
    await world.served(good=50, bad=50)
    await world.put(msgspec.structs.replace(DEFAULTS[0], target_basis_points=5_000))

    assert await world.counts(NAME) == (100, 50)
    assert (await world.standing(NAME)).budget_left_basis_points == 0


async def test_what_cannot_be_is_refused_and_nothing_is_kept(world: ObjectiveWorld) -> None:
    with pytest.raises(ObjectiveInvalid):
        await world.put(msgspec.structs.replace(DEFAULTS[0], target_basis_points=10_000))
    for number in range(MAX_OBJECTIVES - len(DEFAULTS)):
        await world.put(msgspec.structs.replace(DEFAULTS[0], name=f"ours_{number}"))
    with pytest.raises(ObjectiveInvalid, match="at most"):
        await world.put(msgspec.structs.replace(DEFAULTS[0], name="one_more"))
    await world.put(DEFAULTS[0])

    async with world.database.connection() as connection:
        assert len(await objectives.watched(connection, world.book_id)) == MAX_OBJECTIVES


async def test_a_worker_watches_the_objectives_of_every_book(world: ObjectiveWorld) -> None:
    async def watched() -> int:
        rows = await world.execute("select count(*) from objectives.standing where book_id = %(book)s")
        return int(rows[0][0])

    worker = build(world.database, SystemClock(), options=jobs.Options(poll_max_s=0.01, upkeep_s=0.05))
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while await watched() < len(DEFAULTS):
            await asyncio.sleep(0.01)
    worker.stop()
    await running


def test_the_rule_file_has_an_alert_for_each_rule_of_each_objective_that_is_watched() -> None:
    text = rule_file(3, "main", [DEFAULTS[0], msgspec.structs.replace(DEFAULTS[1], enabled=False)])

    assert text.count("- alert: CaudalObjectiveBurning") == 2
    assert "accept_latency" not in text
    assert (
        '        expr: \'max(caudal_objective_alert{book="3",objective="payments_accepted",'
        'severity="page"}) > 0\'\n'
    ) in text
    assert yaml.safe_load(text)["groups"][0]["rules"][-1]["labels"] == {"severity": "page", "book": "main"}
