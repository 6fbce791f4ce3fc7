"""`caudal webhooks in` on a database."""

import asyncio
from uuid import UUID

from caudal import audit
from caudal_base.database import Database
from support.processes import Ran, run
from support.webhooks import external, new_post, signed


def prepared(dsn: str) -> tuple[str, UUID, UUID]:
    """The name of a book, and its webhooks: one applied and one parked."""

    async def prepare() -> tuple[str, UUID, UUID]:
        database = await Database.open(dsn)
        post = await new_post(database)
        assert await post.receive(signed("a", event_id="msg_done"))
        assert await post.receive(signed("never-1", event_id="msg_parked"))
        await post.work()
        done, parked = [row.id for row in await post.rows()]
        await post.inbox.drain()
        await database.close()
        return post.book.name, done, parked

    return asyncio.run(prepare())


def records(dsn: str) -> list[tuple[str, str]]:
    """What the audit log has of webhooks: action and object."""

    async def read() -> list[tuple[str, str]]:
        database = await Database.open(dsn)
        async with database.connection() as connection:
            page = await audit.page(connection, audit.Query(book_id=1), limit=100)
        await database.close()
        return [(record.action, record.object_id) for record in page.records]

    return asyncio.run(read())


def caudal(dsn: str, *arguments: str) -> Ran:
    return run("webhooks", "in", *arguments, environment={"CAUDAL_DATABASE_URL": dsn})


def test_parked_webhooks_are_listed_shown_and_replayed(dsn: str) -> None:
    book, done, parked = prepared(dsn)

    everything = caudal(dsn, "list", "--book", book, "--json").json
    waiting = caudal(dsn, "list", "--book", book, "--state", "parked").out
    shown = caudal(dsn, "show", external(parked), "--book", book, "--json").json
    refused = caudal(dsn, "replay", external(done), "--book", book, "--json")
    mixed = caudal(dsn, "replay", external(done), external(parked), "--book", book, "--json")
    after = caudal(dsn, "show", external(parked), "--book", book, "--json").json

    assert [row["event_id"] for row in everything["data"]] == ["msg_parked", "msg_done"]
    assert external(parked) in waiting
    assert external(done) not in waiting
    assert (shown["state"], shown["reason"]) == ("parked", "refused: it has failed before")
    assert (refused.code, refused.json["error"]["code"]) == (1, "webhook_settled")
    assert mixed.code == 1
    assert [row["state"] for row in mixed.json["data"]] == [None, "received"]
    assert (after["state"], after["attempts"]) == ("received", 0)
    assert ("webhook.replay", external(parked)) in records(dsn)


def test_a_body_is_shown_only_when_asked_for_and_under_audit(dsn: str) -> None:
    book, done, _ = prepared(dsn)

    plain = caudal(dsn, "show", external(done), "--book", book, "--json").json
    unread = records(dsn)
    with_body = caudal(dsn, "show", external(done), "--book", book, "--body", "--json").json
    people = caudal(dsn, "show", external(done), "--book", book, "--body").out

    assert "body" not in plain
    assert with_body == {**plain, "body": '{"objects": ["a"]}'}
    assert '{"objects": ["a"]}' in people
    assert unread == []
    assert records(dsn) == [("webhook.read", external(done))] * 2
