"""Objectives over HTTP: what is promised, what was counted of requests, how it stands."""

from caudal.access import Scope
from caudal.ledger import Ledger
from caudal.objectives import evaluate
from support.worlds import World, new_key, problem

ONES = "/v1/objectives"
NEW = {"indicator": "ledger_reads", "target_basis_points": 9_900}


async def evaluated(world: World) -> None:
    services = world.services
    await services.meter.flush(services.database)
    async with services.database.transaction() as connection:
        await evaluate(
            connection,
            world.book.book_id,
            {},
            ledger=Ledger(services.clock),
            new_ids=services.ids,
            now=services.clock.now(),
        )


async def test_reads_are_counted_and_an_objective_stands_as_it_was_evaluated(world: World) -> None:
    account = await world.account()
    await world.get(f"/v1/accounts/{account}")
    await world.get(f"/v1/accounts/{account}/balance")
    assert (await world.get("/v1/accounts/acct_none")).status_code == 400
    before = (await world.get(f"{ONES}/ledger_reads")).json()
    await evaluated(world)

    told = (await world.get(f"{ONES}/ledger_reads")).json()
    standing = told.pop("standing")
    assert told == before
    assert (told["version"], told["target_basis_points"], told["enabled"]) == (0, 9_990, True)
    assert (standing["total"], standing["bad"], standing["budget_left_basis_points"]) == (3, 0, 10_000)
    assert standing["burn_rates"] == {"5m": 0.0, "30m": 0.0, "1h": 0.0, "6h": 0.0, "3d": 0.0}


async def test_an_objective_is_set_listed_and_read(world: World) -> None:
    names = [one["name"] for one in (await world.get(ONES)).json()["data"]]
    kept = await world.post(f"{ONES}/ours", {**NEW, "window_days": 7})

    assert kept.status_code == 200
    told = kept.json()
    assert {name: told[name] for name in ("name", "version", "window_days", "least_bad")} == {
        "name": "ours", "version": 1, "window_days": 7, "least_bad": 10,
    }  # fmt: skip
    assert told["id"].startswith("obj_")
    assert told["set_by"].startswith("key_")
    assert (await world.get(f"{ONES}/ours")).json() == told
    assert [one["name"] for one in (await world.get(ONES)).json()["data"]] == sorted([*names, "ours"])


async def test_a_rehearsal_sets_nothing(world: World) -> None:
    answer = await world.post(f"{ONES}/ours?dry_run=true", NEW)

    assert answer.status_code == 200
    assert problem(await world.get(f"{ONES}/ours")) == (404, "objective_not_found", "name")


async def test_what_cannot_be_is_refused_with_its_field(world: World) -> None:
    for body, field in (
        ({**NEW, "target_basis_points": 10_000}, "target_basis_points"),
        ({**NEW, "within_ms": 5}, "within_ms"),
    ):
        assert problem(await world.post(f"{ONES}/ours", body)) == (422, "objective_invalid", field)
    assert problem(await world.post(f"{ONES}/Ours", NEW)) == (422, "objective_invalid", "name")


async def test_to_read_and_to_set_need_scopes_of_their_own(world: World) -> None:
    reader = World(
        world.http,
        world.services,
        world.book,
        await new_key(
            world.services, frozenset({world.book.book_id}), scopes=frozenset({Scope.OBJECTIVES_READ})
        ),
    )
    assert (await reader.get(ONES)).status_code == 200
    assert (await reader.post(f"{ONES}/ours", NEW)).status_code == 403
