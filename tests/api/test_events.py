from caudal.access import Scope
from support.events import event, payment_id, told
from support.worlds import World, new_book, new_key, problem


async def test_events_are_listed_in_order_and_read_one_by_one(world: World) -> None:
    await told(
        world.services.database,
        world.book.book_id,
        [event(1, "payment.created"), event(1, "payment.succeeded", data={"amount": 1050}), event(2)],
    )

    listed = (await world.get("/v1/events")).json()
    second = listed["data"][1]
    read = await world.get(f"/v1/events/{second['id']}")

    assert [row["seq"] for row in listed["data"]] == [1, 2, 3]
    assert (listed["next_after"], listed["head"]) == (3, 3)
    assert second == {
        "id": second["id"],
        "seq": 2,
        "type": "payment.succeeded",
        "version": 1,
        "object_type": "payment",
        "object": payment_id(1),
        "created_at": "2026-03-02T09:30:15.123456Z",
        "data": {"amount": 1050},
    }
    assert read.json() == second


async def test_events_are_found_by_type_and_object_and_from_a_place_on(world: World) -> None:
    await told(
        world.services.database,
        world.book.book_id,
        [event(1, "payment.created"), event(2, "payment.created"), event(1)],
    )

    async def found(**conditions: str | int) -> list[int]:
        return [row["seq"] for row in (await world.get("/v1/events", **conditions)).json()["data"]]

    assert await found(type="payment.created") == [1, 2]
    assert await found(object=payment_id(1)) == [1, 3]
    assert await found(object=payment_id(1), type="payment.created") == [1]
    assert await found(after=1, limit=1) == [2]
    assert await found(after=3) == []


async def test_what_is_no_event_is_refused(world: World) -> None:
    unknown = await world.get("/v1/events/evt_" + "1" * 32)
    malformed = await world.get("/v1/events/pay_" + "1" * 32)
    no_object = await world.get("/v1/events", object="acct_" + "1" * 32)
    no_place = await world.get("/v1/events", after=-1)

    assert problem(unknown) == (404, "event_not_found", "id")
    assert problem(malformed) == (400, "invalid_id", "id")
    assert problem(no_object)[::2] == (400, "object")
    assert problem(no_place) == (400, "invalid_parameter", "after")


async def test_events_need_their_scope_and_stay_in_their_book(world: World) -> None:
    await told(world.services.database, world.book.book_id, [event()])
    (own,) = (await world.get("/v1/events")).json()["data"]
    services, book_id = world.services, world.book.book_id
    scopes = frozenset({Scope.LEDGER_READ})
    blind = World(world.http, services, world.book, await new_key(services, frozenset({book_id}), scopes))
    other = await new_book(services)
    stranger = World(world.http, services, other, await new_key(services, frozenset({other.book_id})))

    assert problem(await blind.get("/v1/events"))[:2] == (403, "missing_scope")
    assert (await stranger.get("/v1/events")).json()["data"] == []
    assert problem(await stranger.get(f"/v1/events/{own['id']}"))[0] == 404
