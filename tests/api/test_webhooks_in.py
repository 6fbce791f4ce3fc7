"""Partners' webhooks over HTTP: taken as they come, answered at once, and looked after by people."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from caudal import audit
from caudal.access import Scope
from caudal.app import create_app
from caudal.jobs import operators
from caudal_base.settings import Settings
from caudal_sandbox.meridian.notifications import seal
from support import meridians
from support.webhooks import FOREIGN_SECRET, Sent, partner_settings, signed
from support.worlds import World, new_book, new_key, problem

if TYPE_CHECKING:
    from conftest import Server


@dataclass
class Site:
    """An application with one partner, whose book is the world's."""

    world: World

    async def post(self, sent: Sent, partner: str = "acme", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.world.http.post(
            f"/webhooks/in/{partner}", content=sent.body, headers={**sent.headers, **named}
        )

    async def listed(self, **query: Any) -> list[dict[str, Any]]:
        response = await self.world.get("/v1/webhooks/in", **query)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["data"]
        return rows

    async def park(self, webhook: str) -> None:
        """As an attempt that was refused leaves it."""
        async with self.world.services.database.transaction() as connection:
            await connection.execute(
                "update webhooks.inbound set state = 'parked', settled_at = now(), reason = 'refused: no',"
                " attempts = 3 where book_id = %s and id = %s::uuid",
                (self.world.book.book_id, webhook.removeprefix("whi_")),
            )

    async def count_jobs(self) -> int:
        async with self.world.services.database.connection() as connection:
            return len(await operators.list_waiting(connection, book_id=self.world.book.book_id))

    async def metrics(self) -> dict[str, float]:
        key = await new_key(self.world.services, None, frozenset({Scope.LEDGER_READ}))
        text = (await self.world.http.get("/metrics", headers={"Authorization": f"Bearer {key}"})).text
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


@pytest.fixture
async def site(server: "Server", migrated_template: str) -> AsyncIterator[Site]:
    name = server.create_database(template=migrated_template)
    acquirer = meridians.settings("https://meridian.test", book="shop")
    settings = Settings(partners={"acme": partner_settings("shop"), "meridian": acquirer})
    application = create_app(settings, dsn=server.dsn(name))
    async with application.running() as services:
        book = await new_book(services, name="shop")
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield Site(World(http, services, book, await new_key(services, frozenset({book.book_id}))))
    server.drop_database(name)


def now_signed(site: Site, *objects: str, **more: Any) -> Sent:
    return signed(*objects, at=site.world.services.clock.now().replace(microsecond=0), **more)


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/cloudevents"])
async def test_a_webhook_is_stored_and_answered_whatever_its_media_type(
    site: Site, content_type: str | None
) -> None:
    more = {} if content_type is None else {"Content_Type": content_type}

    response = await site.post(now_signed(site, "a", event_id="msg_1"), **more)

    assert (response.status_code, response.json()) == (200, {"received": True})
    (row,) = await site.listed()
    assert (row["partner"], row["event_id"]) == ("acme", "msg_1")
    assert (row["state"], row["attempts"]) == ("received", 0)
    assert await site.count_jobs() == 1


async def test_a_repeat_is_answered_alike_and_does_nothing(site: Site) -> None:
    sent = now_signed(site, "a")
    first = await site.post(sent)

    second = await site.post(sent)

    assert (second.status_code, second.content) == (200, first.content)
    assert len(await site.listed()) == await site.count_jobs() == 1


async def test_a_partner_that_wants_certain_words_gets_them(site: Site) -> None:
    item = {
        "id": "ntf_1", "eventCode": "CHARGEBACK", "success": "true", "eventDate": "2026-11-22T12:00:00Z",
        "pspReference": "CBK_1", "originalReference": "MER_1", "merchantReference": "att_1",
        "amount": {"value": "1.00", "currency": "EUR", "exponent": 2}, "intent": "", "reason": "",
    }  # fmt: skip
    sent = Sent({}, seal(msgspec.json.encode({"batchId": "bat_1", "items": [item]}), (meridians.SECRET,)))

    first, second = await site.post(sent, "meridian"), await site.post(sent, "meridian")

    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, b"[accepted]")
    assert first.headers["content-type"].startswith("text/plain")
    assert [row["event_id"] for row in await site.listed()] == ["ntf_1"]


async def test_needs_no_key_and_takes_what_our_own_rules_would_refuse(site: Site) -> None:
    response = await site.world.http.post(
        "/webhooks/in/acme?attempt=1",
        content=now_signed(site, "a", event_id="msg_1").body,
        headers={**now_signed(site, "a", event_id="msg_1").headers, "Authorization": "Basic eDp5"},
    )

    assert response.status_code == 200


async def test_what_cannot_be_verified_is_400_and_leaves_no_trace(site: Site) -> None:
    good = now_signed(site, "a")

    forged = await site.post(now_signed(site, "a", secret=FOREIGN_SECRET))
    cut = await site.post(Sent(good.headers, good.body[:-1]))
    bare = await site.post(Sent({}, b"{}"))
    stale = await site.post(signed("a"))

    assert problem(forged) == problem(cut) == (400, "webhook_refused", None)
    assert (problem(bare)[0], bare.json()["reason"]) == (400, "missing")
    assert (problem(stale)[0], stale.json()["reason"]) == (400, "too_old")
    assert (await site.listed(), await site.count_jobs()) == ([], 0)


async def test_an_unknown_partner_is_404(site: Site) -> None:
    assert problem(await site.post(now_signed(site, "a"), partner="other")) == (
        404, "partner_unknown", "partner",
    )  # fmt: skip


async def test_a_body_over_a_megabyte_is_413(site: Site) -> None:
    fits = now_signed(site, body=b'{"objects": []}' + b" " * (1_048_576 - 15))
    over = now_signed(site, body=b'{"objects": []}' + b" " * (1_048_576 - 14))

    assert (await site.post(fits)).status_code == 200
    assert problem(await site.post(over))[:2] == (413, "payload_too_large")


async def test_lists_page_from_the_latest_and_filter_by_state(site: Site) -> None:
    for number in range(3):
        await site.post(now_signed(site, "a", event_id=f"msg_{number}"))
    parked = (await site.listed())[1]["id"]
    await site.park(parked)

    first = (await site.world.get("/v1/webhooks/in", limit=2)).json()
    second = (await site.world.get("/v1/webhooks/in", limit=2, cursor=first["next_cursor"])).json()

    assert [row["event_id"] for row in first["data"] + second["data"]] == ["msg_2", "msg_1", "msg_0"]
    assert second["next_cursor"] is None
    (row,) = await site.listed(state="parked")
    assert (row["id"], row["reason"], row["attempts"]) == (parked, "refused: no", 3)
    assert (await site.world.get(f"/v1/webhooks/in/{parked}")).json() == row
    assert problem(await site.world.get("/v1/webhooks/in", state="lost"))[::2] == (400, "state")
    assert problem(await site.world.get("/v1/webhooks/in", cursor="7"))[::2] == (400, "cursor")


async def test_a_parked_webhook_is_replayed_with_an_audit_record(site: Site) -> None:
    await site.post(now_signed(site, "a"))
    webhook = (await site.listed())[0]["id"]
    await site.park(webhook)

    tried = await site.world.post(f"/v1/webhooks/in/{webhook}/replay?dry_run=true")
    assert (await site.listed())[0]["state"] == "parked"
    done = await site.world.post(f"/v1/webhooks/in/{webhook}/replay")

    assert (tried.status_code, tried.json()["state"]) == (200, "received")
    assert (done.status_code, done.json()["state"]) == (200, "received")
    assert (await site.listed())[0]["state"] == "received"
    assert await site.count_jobs() == 2
    async with site.world.services.database.connection() as connection:
        query = audit.Query(book_id=site.world.book.book_id, object_id=webhook)
        records = (await audit.page(connection, query, limit=10)).records
    assert [record.action for record in records] == ["webhook.replay"]


async def test_what_cannot_be_replayed_is_refused(site: Site) -> None:
    await site.post(now_signed(site, "a"))
    webhook = (await site.listed())[0]["id"]
    async with site.world.services.database.transaction() as connection:
        await connection.execute(
            "update webhooks.inbound set state = 'applied', settled_at = now() where book_id = %s",
            (site.world.book.book_id,),
        )

    settled = await site.world.post(f"/v1/webhooks/in/{webhook}/replay")
    unknown = await site.world.post(f"/v1/webhooks/in/whi_{'1' * 32}/replay")

    assert problem(settled) == (409, "webhook_settled", "id")
    assert problem(unknown) == (404, "webhook_not_found", "id")
    assert problem(await site.world.get(f"/v1/webhooks/in/whi_{'1' * 32}"))[:2] == (404, "webhook_not_found")


async def test_looking_and_replaying_need_their_scopes(site: Site) -> None:
    await site.post(now_signed(site, "a"))
    webhook = (await site.listed())[0]["id"]
    services, book = site.world.services, site.world.book
    key = await new_key(services, frozenset({book.book_id}), frozenset({Scope.PAYMENTS_READ}))
    reader = World(site.world.http, services, book, key)

    assert (await reader.get("/v1/webhooks/in")).status_code == 200
    assert problem(await reader.post(f"/v1/webhooks/in/{webhook}/replay"))[:2] == (403, "missing_scope")


async def test_what_came_in_is_measured(site: Site) -> None:
    sent = now_signed(site, "a")
    for one in (sent, sent, now_signed(site, "b"), now_signed(site, "a", secret=FOREIGN_SECRET)):
        await site.post(one)
    await site.park((await site.listed())[0]["id"])

    found = await site.metrics()

    assert found['caudal_webhooks_in_received_total{partner="acme"}'] == 2
    assert found['caudal_webhooks_in_repeated_total{partner="acme"}'] == 1
    assert found['caudal_webhooks_in_refused_total{partner="acme",reason="no_match"}'] == 1
    assert found['caudal_webhooks_in_unsettled{partner="acme",state="received"}'] == 1
    assert found['caudal_webhooks_in_unsettled{partner="acme",state="parked"}'] == 1
    assert 0 <= found['caudal_webhooks_in_oldest_age_seconds{partner="acme",state="parked"}'] < 60
    assert found['caudal_partner_breaker_open{partner="acme"}'] == 0
    route = 'method="POST",route="/webhooks/in/{partner}"'
    assert found[f'caudal_http_requests_total{{{route},status="200"}}'] == 3
    assert found[f'caudal_http_requests_total{{{route},status="400"}}'] == 1
