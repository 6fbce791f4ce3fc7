"""Anomalies over HTTP."""

import datetime as dt

from caudal import anomalies
from caudal.access import OPERATOR, Caller, Scope
from caudal.cases import Cases
from caudal.features import Event, record
from support.worlds import World, new_key, problem

STREAMS, SILENCES, FOUND = "/v1/anomaly-streams", "/v1/anomaly-silences", "/v1/anomalies"
NEW = {"entity": "customer", "seasonal": False, "warm_up": 10, "about": "payments", "level": {"score": 3}}
HOUR = dt.timedelta(hours=1)


async def happened(world: World) -> None:
    """A payment an hour for a day, then many at once; and the stream follows."""
    services = world.services
    now = services.clock.now()
    begun = (now - 30 * HOUR).replace(minute=0, second=0, microsecond=0)
    moments = [begun + n * HOUR for n in range(24)] + [
        begun + 24 * HOUR + n * dt.timedelta(seconds=30) for n in range(14)
    ]
    events = [
        Event(id=f"p{n}", source="payment", event_at=at, known_at=at, entities={"customer": "cus_1"})
        for n, at in enumerate(moments)
    ]
    async with services.database.transaction() as connection:
        await record(connection, world.book.book_id, events, ledger=services.ledger, at=now)
        (stream,) = await anomalies.list_streams(connection, world.book.book_id)
        cases = Cases(services.ledger, services.clock, services.ids)
        caller = Caller(principal=OPERATOR, request_id="req_test")
        await anomalies.follow(
            connection, world.book.book_id, stream, cases=cases, new_ids=services.ids, caller=caller
        )


async def test_a_stream_is_declared_and_what_it_finds_listed_explained_and_a_case(world: World) -> None:
    declared = (await world.post(f"{STREAMS}/payments_per_hour", NEW)).json()
    await happened(world)

    assert (declared["version"], declared["declared"]["level"]) == (1, {"score": 3.0})
    (found,) = (await world.get(FOUND, entity="customer:cus_1")).json()["data"]
    assert found["words"].startswith("7 payments in the hour, usually 1 to 1: 3.1 robust standard deviations")
    told = (await world.get(f"{FOUND}/{found['id']}")).json()
    assert told["past"] == [1.0] * 24
    assert {name: told[name] for name in found} == found
    case = (await world.get(f"/v1/cases/{found['case']}")).json()
    assert (case["kind"], case["newest_occurrences"][0]["reference"]) == ("anomaly", found["id"])
    assert (await world.get(f"{STREAMS}/payments_per_hour")).json()["through"] == 38
    assert len((await world.get(STREAMS)).json()["data"]) == 1


async def test_a_silence_is_made_and_listed(world: World) -> None:
    until = (world.services.clock.now() + HOUR).isoformat()
    made = await world.post(SILENCES, {"entity": "customer:cus_1", "until": until, "reason": "a sale"})
    assert made.status_code == 200
    assert (await world.get(SILENCES)).json()["data"] == [made.json()]
    refused = await world.post(SILENCES, {"until": until, "reason": "a sale"})
    assert problem(refused) == (422, "anomaly_silence_invalid", "stream")


async def test_bad_requests_and_keys_without_the_scope_are_refused(world: World) -> None:
    assert problem(await world.post(f"{STREAMS}/x", {**NEW, "warm_up": 1})) == (
        422, "anomaly_stream_invalid", "warm_up",
    )  # fmt: skip
    assert problem(await world.post(f"{STREAMS}/x", {**NEW, "level": {"height": 3}}))[0] == 400
    assert problem(await world.get(f"{STREAMS}/x")) == (404, "anomaly_stream_not_found", "name")
    assert problem(await world.get(f"{FOUND}/ano_{'7' * 32}")) == (404, "anomaly_not_found", None)
    assert problem(await world.get(FOUND, cursor="x")) == (400, "invalid_parameter", "cursor")
    world.key = await new_key(world.services, frozenset({world.book.book_id}), frozenset({Scope.RISK_READ}))
    assert problem(await world.post(f"{STREAMS}/x", NEW)) == (403, "missing_scope", None)
    assert (await world.get(FOUND)).status_code == 200
