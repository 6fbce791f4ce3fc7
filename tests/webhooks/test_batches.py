"""Events that come together in one request: each is stored, known and applied by itself."""

from typing import Any

import msgspec
import pytest

from caudal.connectors import RefusalReason, WebhookRefused
from caudal_base.database import Database
from caudal_sandbox.meridian.notifications import seal
from support.ledgers import new_book
from support.meridians import SECRET, settings
from support.webhooks import NOW, Post, Sent


@pytest.fixture
async def acquirer(webhooks_database: Database) -> Post:
    """A book whose partner sends its events in batches."""
    book = await new_book(webhooks_database)
    given = settings("https://meridian.test", book=book.name)
    return Post(webhooks_database, book, partner="meridian", settings=given)


def batch(*ids: str, secret: str = SECRET) -> Sent:
    """Notifications with these ids."""
    items: list[dict[str, Any]] = [
        {
            "id": id, "eventCode": "AUTHORISATION", "success": "true",
            "eventDate": f"{NOW:%Y-%m-%dT%H:%M:%SZ}", "pspReference": "MER_1", "originalReference": "",
            "merchantReference": "att_1",
            "amount": {"value": "10.50", "currency": "EUR", "exponent": 2}, "intent": "SALE", "reason": "",
        }
        for id in ids
    ]  # fmt: skip
    return Sent({}, seal(msgspec.json.encode({"batchId": "bat_1", "items": items}), (secret,)))


async def known(post: Post) -> set[str]:
    rows = await post.rows()
    assert len(await post.jobs_of_webhooks()) == len(rows)
    return {row.event_id for row in rows}


async def test_each_event_of_a_batch_is_stored_with_a_job_of_its_own(acquirer: Post) -> None:
    assert await acquirer.receive(batch("ntf_1", "ntf_2", "ntf_3")) is True
    assert await known(acquirer) == {"ntf_1", "ntf_2", "ntf_3"}
    for row in await acquirer.rows():
        body = await acquirer.body(row.id)
        assert body is not None
        assert msgspec.json.decode(body)["id"] == row.event_id
    assert acquirer.inbox.counts.received["meridian"] == 3
    await acquirer.inbox.drain()


async def test_an_event_is_stored_once_in_whatever_batch_it_comes(acquirer: Post) -> None:
    assert await acquirer.receive(batch("ntf_1", "ntf_2", "ntf_2")) is True
    assert await acquirer.receive(batch("ntf_2", "ntf_3")) is True
    assert await acquirer.receive(batch("ntf_3", "ntf_1")) is False
    assert await known(acquirer) == {"ntf_1", "ntf_2", "ntf_3"}
    counts = acquirer.inbox.counts
    assert (counts.received["meridian"], counts.repeated["meridian"]) == (3, 4)
    await acquirer.inbox.drain()


async def test_a_batch_with_one_forged_event_leaves_no_trace(acquirer: Post) -> None:
    good = msgspec.json.decode(batch("ntf_1").body)["items"]
    bad = msgspec.json.decode(batch("ntf_2", secret="ab" * 32).body)["items"]
    with pytest.raises(WebhookRefused) as refused:
        await acquirer.receive(Sent({}, msgspec.json.encode({"items": good + bad})))
    assert refused.value.reason is RefusalReason.NO_MATCH
    assert await known(acquirer) == set()


async def test_the_partner_says_with_what_words_it_is_to_be_answered(acquirer: Post, post: Post) -> None:
    assert acquirer.inbox.acknowledgement("meridian") == b"[accepted]"
    assert post.inbox.acknowledgement("acme") is None
