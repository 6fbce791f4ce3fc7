"""What comes in is verified, stored once as it came, and gets a job; forgeries leave no trace."""

import asyncio
import datetime as dt
import json
from dataclasses import replace

import pytest

from caudal.connectors import PartnerUnknown, RefusalReason, WebhookRefused
from caudal.ledger import BookNotFound
from caudal.webhooks import APPLY, QUEUE, InboundState
from caudal_base.database import Database
from support.corpus import corpus
from support.webhooks import (
    FOREIGN_SECRET,
    NOW,
    OLD_SECRET,
    SECRET,
    Post,
    Sent,
    new_post,
    signed,
)

SECOND = dt.timedelta(seconds=1)
TOLERANCE = dt.timedelta(minutes=5)


async def refused(post: Post, sent: Sent) -> RefusalReason:
    """Why it was refused; fails unless it left no trace but a count."""
    before, counted = len(await post.rows()), sum(post.inbox.counts.refused.values())
    with pytest.raises(WebhookRefused) as caught:
        await post.receive(sent)
    assert len(await post.rows()) == before
    assert len(await post.unfinished()) == before
    assert sum(post.inbox.counts.refused.values()) == counted + 1
    assert post.inbox.counts.refused["acme", caught.value.reason.value] >= 1
    return caught.value.reason


async def test_a_webhook_is_stored_as_it_came_with_a_job_to_apply_it(post: Post) -> None:
    sent = signed(event_id="msg_a", at=NOW - SECOND, body='{"objects": [], "name":  "Zoë\\u0000"}'.encode())

    assert await post.receive(sent) is True

    (row,) = await post.rows()
    assert (row.partner, row.event_id, row.type) == ("acme", "msg_a", "payment")
    assert (row.state, row.attempts, row.settled_at, row.reason) == (InboundState.RECEIVED, 0, None, None)
    assert (row.occurred_at, row.received_at) == (NOW - SECOND, NOW)
    assert await post.body(row.id) == sent.body
    (job,) = await post.unfinished()
    assert (job.kind, job.queue, job.run_at) == (APPLY, QUEUE, NOW)
    assert json.loads(bytes(job.payload)) == {"inbound": str(row.id)}


async def test_a_repeat_does_nothing(post: Post) -> None:
    first = signed("a", event_id="msg_a")
    assert await post.receive(first) is True

    assert await post.receive(first) is False
    assert await post.receive(signed("b", event_id="msg_a", at=NOW + SECOND)) is False

    (row,) = await post.rows()
    assert await post.body(row.id) == first.body
    assert len(await post.unfinished()) == 1
    assert (post.inbox.counts.received["acme"], post.inbox.counts.repeated["acme"]) == (1, 2)


async def test_repeats_that_come_together_at_several_processes_are_stored_once(
    webhooks_database: Database, post: Post
) -> None:
    other = Post(webhooks_database, post.book, SECRET)
    sent = [signed(event_id=f"msg_{number}") for number in range(20)]

    fresh = await asyncio.gather(
        *(
            (post if turn % 2 else other).receive(one)
            for turn in range(6)
            for one in (sent if turn % 3 else reversed(sent))
        )
    )
    await other.inbox.drain()

    assert sum(fresh) == 20
    assert sorted(row.event_id for row in await post.rows()) == sorted(f"msg_{n}" for n in range(20))
    assert len(await post.unfinished()) == 20


async def test_the_same_event_id_of_two_books_is_two_events(webhooks_database: Database, post: Post) -> None:
    other = await new_post(webhooks_database)

    assert await post.receive(signed(event_id="msg_a")) is True
    assert await other.receive(signed(event_id="msg_a")) is True
    await other.inbox.drain()

    assert len(await other.rows()) == 1


async def test_either_secret_is_good_while_one_replaces_the_other(post: Post) -> None:
    assert await post.receive(signed(secret=SECRET)) is True
    assert await post.receive(signed(secret=OLD_SECRET)) is True
    assert await refused(post, signed(secret=FOREIGN_SECRET)) is RefusalReason.NO_MATCH


@pytest.mark.parametrize(
    "changed",
    [
        lambda sent: replace(sent, body=sent.body.replace(b"a", b"b")),
        lambda sent: replace(sent, body=sent.body[:-1]),
        lambda sent: replace(sent, body=sent.body + b" "),
        lambda sent: replace(sent, body=b""),
        lambda sent: replace(sent, headers={**sent.headers, "webhook-id": "msg_other"}),
        lambda sent: replace(
            sent, headers={**sent.headers, "webhook-timestamp": str(int(NOW.timestamp()) + 1)}
        ),
        lambda sent: replace(sent, headers={**sent.headers, "webhook-signature": "v1,AAAA"}),
    ],
)
async def test_what_was_tampered_with_is_refused(post: Post, changed: object) -> None:
    sent = changed(signed("a"))  # type: ignore[operator]

    assert await refused(post, sent) is RefusalReason.NO_MATCH


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_what_is_not_signed_is_refused(post: Post, missing: str) -> None:
    sent = signed("a")
    headers = {name: value for name, value in sent.headers.items() if name != missing}

    assert await refused(post, replace(sent, headers=headers)) is RefusalReason.MISSING


async def test_the_time_of_the_signature_is_tolerated_in_both_directions(post: Post) -> None:
    assert await post.receive(signed(at=NOW - TOLERANCE)) is True
    assert await post.receive(signed(at=NOW + TOLERANCE)) is True
    assert await refused(post, signed(at=NOW - TOLERANCE - SECOND)) is RefusalReason.TOO_OLD
    assert await refused(post, signed(at=NOW + TOLERANCE + SECOND)) is RefusalReason.TOO_NEW


async def test_the_published_vector_is_taken_at_its_time_and_refused_changed(
    webhooks_database: Database,
) -> None:
    (vector,) = json.loads((corpus("webhooks") / "standard_webhooks_v1.json").read_text())["vectors"]
    post = await new_post(webhooks_database, vector["secret"])
    sent = Sent(vector["headers"], vector["payload"].encode())
    at = dt.datetime.fromtimestamp(vector["timestamp"], dt.UTC)

    assert await refused(post, sent) is RefusalReason.TOO_OLD
    post.clock.set(at)
    assert await refused(post, replace(sent, body=sent.body + b" ")) is RefusalReason.NO_MATCH
    assert await post.receive(sent) is True
    await post.inbox.drain()


@pytest.mark.parametrize("event_id", ["m" * 256, "msg\x00", "msg\n1"])
async def test_an_event_id_that_cannot_be_kept_is_refused(post: Post, event_id: str) -> None:
    assert await refused(post, signed(event_id=event_id)) is RefusalReason.MALFORMED


async def test_a_key_that_a_webhook_names_is_fetched_first(post: Post) -> None:
    def keyed(name: str) -> Sent:
        sent = signed("a")
        return replace(sent, headers={**sent.headers, "acme-key": name})

    assert await post.receive(keyed("good-1")) is True
    assert await refused(post, keyed("bad-1")) is RefusalReason.KEY_UNKNOWN


async def test_a_partner_that_is_none_is_refused(post: Post) -> None:
    sent = signed("a")

    with pytest.raises(PartnerUnknown):
        await post.inbox.receive("other", sent.headers, sent.body)

    assert await post.rows() == []
    assert post.inbox.counts.refused == {}


async def test_a_partner_whose_book_is_not_there_yet_has_to_send_again(
    webhooks_database: Database, post: Post
) -> None:
    lost = Post(webhooks_database, type(post.book)(**{**_fields(post.book), "name": "not-made-yet"}))

    with pytest.raises(BookNotFound):
        await lost.receive(signed("a"))


def _fields(book: object) -> dict[str, object]:
    return {name: getattr(book, name) for name in book.__struct_fields__}  # type: ignore[attr-defined]


async def test_many_webhooks_share_few_transactions(webhooks_database: Database, post: Post) -> None:
    await asyncio.gather(*(post.receive(signed("a")) for _ in range(100)))

    (stats,) = post.inbox.stats().values()
    assert stats.commands == 100
    assert stats.batches <= 10
