"""Endpoints of webhooks out over HTTP: made, changed, tested, replayed; and what is refused."""

import base64
import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from caudal import audit
from caudal.access import Scope
from caudal.delivery import Endpoints, Policy
from caudal_base import ids
from caudal_base.sealing import Sealing
from caudal_base.secret import Secret
from support.deliveries import OK, Listener, Outbox, answer, verified_v1
from support.events import event, told
from support.worlds import World, new_key, problem

PATH = "/v1/webhook_endpoints"


@pytest.fixture
def outbox(world: World) -> Outbox:
    """The world's book, delivered with the application's own means."""
    outbox = Outbox(world.services.database, world.book)
    outbox.endpoints = world.services.endpoints
    return outbox


async def made(world: World, url: str = "http://127.0.0.1:9/hook", **fields: Any) -> dict[str, Any]:
    """What creating an endpoint answered."""
    response = await world.post(PATH, {"url": url, **fields})
    assert response.status_code == 201, response.text
    told_: dict[str, Any] = response.json()
    return told_


async def settled(outbox: Outbox) -> None:
    """Deliver until nothing is due: the application's clock goes on, the outbox's does not."""
    outbox.clock.set(max(outbox.clock.now(), dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=1)))
    await outbox.settled()


async def actions(world: World, id: str) -> list[str]:
    """What the audit log has of an endpoint, the first first."""
    async with world.services.database.connection() as connection:
        query = audit.Query(book_id=world.book.book_id, object_id=id)
        return [record.action for record in (await audit.page(connection, query, limit=20)).records][::-1]


async def test_an_endpoint_is_made_with_a_secret_that_no_other_answer_has(world: World) -> None:
    shown = await made(world, types=["payment.*"], ordered=True, description="the shop's")

    secret = shown.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert (shown["types"], shown["ordered"], shown["status"]) == (["payment.*"], True, "enabled")
    assert (await world.get(f"{PATH}/{shown['id']}")).json() == {
        **shown, "delivered_through": shown["delivered_through"],
    }  # fmt: skip
    assert [row["id"] for row in (await world.get(PATH)).json()["data"]] == [shown["id"]]
    assert await actions(world, shown["id"]) == ["webhook_endpoint.create"]


async def test_a_repeat_under_the_same_key_makes_no_second_one_and_does_not_have_the_secret(
    world: World,
) -> None:
    body = {"url": "http://127.0.0.1:9/hook"}
    first = await world.post(PATH, body, key="once")
    again = await world.post(PATH, body, key="once")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "secret" in first.json()
    assert again.json() == {name: value for name, value in first.json().items() if name != "secret"}
    assert len((await world.get(PATH)).json()["data"]) == 1
    async with world.services.database.connection() as connection:
        cursor = await connection.execute(
            "select count(*) from idempotency.answer a where a::text like %s",
            (f"%{first.json()['secret'][6:40]}%",),
        )
        assert await cursor.fetchone() == (0,)


async def test_a_dry_run_makes_nothing(world: World) -> None:
    tried = await world.post(f"{PATH}?dry_run=true", {"url": "http://127.0.0.1:9/"})

    assert (tried.status_code, "secret" in tried.json()) == (200, False)
    assert (await world.get(PATH)).json()["data"] == []


async def test_ed25519_shows_its_public_key_and_no_secret(world: World) -> None:
    shown = await made(world, signature="v1a")

    assert "secret" not in shown
    (secret,) = shown["secrets"]
    assert (secret["signature"], secret["public_key"][:5]) == ("v1a", "whpk_")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, (400, "invalid_request", "url")),
        ({"url": "http://10.0.0.1/"}, (422, "webhook_address_refused", "url")),
        ({"url": "https://169.254.169.254/latest"}, (422, "webhook_address_refused", "url")),
        ({"url": "https://user@shop.example/"}, (422, "webhook_url_refused", "url")),
        ({"url": "ftp://shop.example/"}, (422, "webhook_url_refused", "url")),
        ({"url": "http://127.0.0.1/", "types": ["payment"]}, (400, "invalid_event_types", "types[0]")),
        ({"url": "http://127.0.0.1/", "concurrency": 65}, (400, "invalid_request", "concurrency")),
        ({"url": "http://127.0.0.1/", "secret": "mine"}, (400, "unknown_field", "secret")),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_and_leaves_nothing(
    world: World, body: dict[str, Any], wrong: tuple[int, str, str]
) -> None:
    status, code, field = problem(await world.post(PATH, body))

    assert (status, field) == (wrong[0], wrong[2])
    assert code == wrong[1] or wrong[0] == 400
    assert (await world.get(PATH)).json()["data"] == []
    assert (await world.get("/v1/events")).json()["data"] == []


async def test_a_name_that_means_something_inside_is_refused(world: World) -> None:
    services = world.services

    async def inside(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "192.168.0.1"]

    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    sealing = Sealing(Secret(base64.b64encode(b"k" * 32).decode()), services.endpoints._sealing._directory)
    for resolve, refused in ((inside, True), (nowhere, False)):
        endpoints = Endpoints(
            services.ledger, services.clock, services.ids, sealing, Policy(development=True), resolve
        )
        if refused:
            with pytest.raises(Exception, match="not of the public internet"):
                await endpoints.look_up("https://internal.example/")
        else:
            await endpoints.look_up("https://internal.example/")


async def test_outside_development_plain_http_and_this_machine_are_refused(world: World) -> None:
    services = world.services
    endpoints = Endpoints(
        services.ledger, services.clock, services.ids, services.endpoints._sealing, Policy(development=False)
    )
    for url in ("http://shop.example/", "https://127.0.0.1/", "https://localhost/"):
        with pytest.raises(Exception, match=r"https://|public internet"):
            await endpoints.look_up(url)


async def test_scopes(world: World) -> None:
    books = frozenset({world.book.book_id})
    id = (await made(world))["id"]
    world.key = await new_key(world.services, books, frozenset({Scope.WEBHOOKS_READ}))

    assert (await world.get(f"{PATH}/{id}")).status_code == 200
    assert problem(await world.post(f"{PATH}/{id}/disable"))[0] == 403
    world.key = await new_key(world.services, books, frozenset({Scope.PAYMENTS_READ}))
    assert problem(await world.get(PATH))[0] == 403


async def test_an_endpoint_is_changed_disabled_enabled_and_deleted_and_each_is_told(world: World) -> None:
    id = (await made(world))["id"]
    path = f"{PATH}/{id}"

    changed = await world.post(path, {"types": ["refund.*"], "concurrency": 2})
    disabled = await world.post(f"{path}/disable")
    enabled = await world.post(f"{path}/enable")
    gone = await world.post(f"{path}/delete")

    assert (changed.json()["types"], changed.json()["concurrency"]) == (["refund.*"], 2)
    assert (disabled.json()["status"], disabled.json()["reason"]) == ("disabled", "requested")
    assert (enabled.json()["status"], "reason" in enabled.json()) == ("enabled", False)
    assert gone.json() == {"id": id, "deleted": True}
    assert problem(await world.get(path)) == (404, "webhook_endpoint_not_found", "id")
    events = (await world.get("/v1/events")).json()["data"]
    assert [(event["type"], event["object"]) for event in events] == [
        (f"webhook_endpoint.{what}", id) for what in ("created", "updated", "disabled", "enabled", "deleted")
    ]
    assert await actions(world, id) == [
        f"webhook_endpoint.{what}" for what in ("create", "change", "disable", "enable", "delete")
    ]


async def test_a_rotation_shows_the_new_secret_and_both_are_good_for_a_while(
    world: World, outbox: Outbox
) -> None:
    async with Listener().serving() as listener:
        first = await made(world, listener.url, types=["payment.*"])
        path = f"{PATH}/{first['id']}"
        second = (await world.post(f"{path}/rotate_secret", {"overlap_s": 3600})).json()
        await told(outbox.database, world.book.book_id, [event(1)])
        await settled(outbox)

        (got,) = listener.received
        assert first["secret"] != second["secret"]
        for issued in (first, second):
            verified_v1(got, issued["secret"])
        assert ["expires_at" in secret for secret in second["secrets"]] == [False, True]
        assert problem(await world.post(f"{path}/rotate_secret", {"overlap_s": 604_801}))[0] == 400


async def test_five_secrets_sign_at_most_and_none_ends_before_its_time(world: World) -> None:
    path = f"{PATH}/{(await made(world))['id']}"
    for count in (2, 3, 4, 5):
        rotated = await world.post(f"{path}/rotate_secret", {"overlap_s": 3600})
        assert len(rotated.json()["secrets"]) == count
    before = (await world.get(path)).json()

    refused = problem(await world.post(f"{path}/rotate_secret", {"overlap_s": 3600}))

    assert refused == (409, "too_many_webhook_secrets", "overlap_s")
    assert (await world.get(path)).json()["secrets"] == before["secrets"]
    leaked = (await world.post(f"{path}/rotate_secret", {"overlap_s": 0})).json()
    assert len(leaked["secrets"]) == 1


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("payments.succeded", "`payment.succeeded`"), ("payments.*", "`payment.*`"), ("payment.paid.*", None)],
)
async def test_a_type_that_no_event_has_is_refused_with_the_nearest(
    world: World, wanted: str, nearest: str | None
) -> None:
    body = {"url": "http://127.0.0.1:9/hook", "types": ["refund.*", wanted]}
    path = f"{PATH}/{(await made(world, types=['payment.*', 'customer.created', '*']))['id']}"

    refusals = [await world.post(PATH, body), await world.post(path, {"types": body["types"]})]

    for refused in refusals:
        assert problem(refused) == (400, "invalid_event_types", "types[1]")
        assert nearest is None or nearest in refused.json()["detail"]


async def test_a_test_event_goes_to_this_endpoint_alone_and_its_delivery_can_be_read(
    world: World, outbox: Outbox
) -> None:
    async with Listener().serving() as listener, Listener().serving() as other:
        id = (await made(world, listener.url, types=["refund.*"]))["id"]
        await made(world, other.url, types=["*"])

        sent = (await world.post(f"{PATH}/{id}/test")).json()
        await settled(outbox)

        assert [one.event for one in listener.received] == [sent]
        assert [one.event["type"] for one in other.received] == ["webhook_endpoint.created"]
        (row,) = (await world.get(f"{PATH}/{id}/deliveries")).json()["data"]
        detail = (await world.get(f"{PATH}/{id}/deliveries/{sent['id']}")).json()
    assert (row["event"], row["state"], row["attempts"], row["status"]) == (sent["id"], "delivered", 1, 200)
    assert detail["request"].encode() == listener.received[0].body
    (tried,) = detail["tries"]
    assert (tried["number"], tried["status"], tried["response"]) == (1, 200, "ok")
    await world.post(f"{PATH}/{id}/disable")
    assert problem(await world.post(f"{PATH}/{id}/test")) == (409, "webhook_endpoint_state", "id")


async def test_events_are_sent_again_by_name_by_time_and_all(world: World, outbox: Outbox) -> None:
    book_id = world.book.book_id
    async with Listener().serving() as listener:
        id = (await made(world, listener.url, types=["payment.*"]))["id"]
        await told(outbox.database, book_id, [event(1), event(2), event(3, "refund.failed")])
        await settled(outbox)
        assert sorted(listener.seqs) == [2, 3]
        named = (await world.get("/v1/events", type="refund.failed")).json()["data"][0]["id"]

        by_name = await world.post(f"{PATH}/{id}/replay", {"events": [named]})
        await settled(outbox)
        everything = await world.post(f"{PATH}/{id}/replay", {"all": True})
        await settled(outbox)
        before = "2026-03-02T09:30:15.123456Z"  # when the events were told
        none = await world.post(f"{PATH}/{id}/replay", {"until": before})
        nothing_failed = await world.post(f"{PATH}/{id}/replay", {"failed_only": True})

        assert [done.json() for done in (by_name, everything, none, nothing_failed)] == [
            {"replayed": 1}, {"replayed": 2}, {"replayed": 0}, {"replayed": 0},
        ]  # fmt: skip
        assert sorted(listener.seqs) == [2, 2, 3, 3, 4]
        detail = (await world.get(f"{PATH}/{id}/deliveries", state="delivered")).json()["data"]
        assert [(row["seq"], row["attempts"]) for row in detail] == [(4, 1), (3, 2), (2, 2)]
    both = {"events": [named], "failed_only": True}
    assert problem(await world.post(f"{PATH}/{id}/replay", both))[::2] == (400, "events")
    either = {"all": True, "failed_only": True}
    assert problem(await world.post(f"{PATH}/{id}/replay", either))[::2] == (400, "all")
    missing = ids.encode(ids.EVENT, UUID(int=7))
    assert problem(await world.post(f"{PATH}/{id}/replay", {"events": [missing]}))[0] == 404


@pytest.mark.parametrize("body", [{}, {"after": 7}, {"failed_only": False}])
async def test_a_replay_that_does_not_say_of_what_sends_nothing(world: World, body: dict[str, Any]) -> None:
    id = (await made(world))["id"]

    refused = problem(await world.post(f"{PATH}/{id}/replay", body))

    assert refused == (422, "replay_not_chosen", "all")
    assert (await world.get(f"{PATH}/{id}/deliveries")).json()["data"] == []


async def test_deliveries_are_listed_by_the_type_of_their_events(world: World, outbox: Outbox) -> None:
    async with Listener().serving() as listener:
        id = (await made(world, listener.url, types=["payment.*", "refund.*"]))["id"]
        await told(outbox.database, world.book.book_id, [event(1), event(2, "refund.failed"), event(3)])
        await settled(outbox)

    async def listed(**wanted: Any) -> list[str]:
        rows = (await world.get(f"{PATH}/{id}/deliveries", **wanted)).json()["data"]
        return [row["type"] for row in rows]

    assert await listed(type="refund.failed") == ["refund.failed"]
    assert await listed(type="refund.failed", state="failed") == []
    assert len(await listed()) == 3


async def test_what_was_given_up_is_sent_again_from_the_first_attempt(world: World, outbox: Outbox) -> None:
    async with Listener(answer=lambda _: answer(500)).serving() as listener:
        id = (await made(world, listener.url, types=["payment.*"]))["id"]
        await told(outbox.database, world.book.book_id, [event(1)])
        await settled(outbox)
        while not (rows := (await world.get(f"{PATH}/{id}/deliveries", state="failed")).json()["data"]):
            outbox.clock.advance(dt.timedelta(hours=25))
            await world.post(f"{PATH}/{id}/enable")
            await outbox.settled()
        (row,) = rows
        assert (row["attempts"], row["error"]) == (10, "it answered 500")
        listener.answer = lambda _: OK
        await world.post(f"{PATH}/{id}/enable")
        again = await world.post(f"{PATH}/{id}/replay", {"failed_only": True})
        await settled(outbox)

        assert again.json() == {"replayed": 1}
        (row,) = (await world.get(f"{PATH}/{id}/deliveries")).json()["data"]
        assert (row["state"], row["attempts"]) == ("delivered", 11)


async def test_lists_page_from_the_latest(world: World, outbox: Outbox) -> None:
    made_ids = [(await made(world, f"http://127.0.0.1:9/{number}"))["id"] for number in range(3)]

    first = (await world.get(PATH, limit=2)).json()
    second = (await world.get(PATH, limit=2, cursor=first["next_cursor"])).json()

    assert [row["id"] for row in first["data"] + second["data"]] == made_ids[::-1]
    assert problem(await world.get(PATH, cursor="7"))[::2] == (400, "cursor")
    assert problem(await world.get(f"{PATH}/{made_ids[0]}/deliveries", cursor="x"))[::2] == (400, "cursor")


async def test_a_book_has_a_hundred_endpoints_at_most(world: World) -> None:
    async with world.services.database.transaction() as connection:
        await connection.execute(
            "insert into delivery.endpoint"
            " (book_id, id, url, types, ordered, concurrency, status, created_at)"
            " select %s, gen_random_uuid(), 'http://127.0.0.1/', '{*}', false, 1, 'enabled', now()"
            "   from generate_series(1, 100)",
            (world.book.book_id,),
        )

    assert problem(await world.post(PATH, {"url": "http://127.0.0.1:9/"}))[:2] == (
        409, "too_many_webhook_endpoints",
    )  # fmt: skip
