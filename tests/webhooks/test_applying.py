"""What came in has its effect once, in the transaction in which it counts as applied, or it is parked."""

from datetime import timedelta

import pytest

from caudal import jobs, webhooks
from caudal.jobs import State, operators
from caudal.webhooks import (
    KEEP_BODIES,
    KEEP_PARKED,
    MAX_ATTEMPTS,
    InboundForgotten,
    InboundNotFound,
    InboundSettled,
    InboundState,
    Listed,
)
from support.webhooks import NOW, Post, external, new_post, signed, until

APPLIED, IGNORED = InboundState.APPLIED, InboundState.IGNORED
PARKED, RECEIVED = InboundState.PARKED, InboundState.RECEIVED


async def test_a_webhook_is_applied_once(post: Post) -> None:
    id = await post.arrived("a", "b")

    await post.work()

    row = await post.row(id)
    assert (row.state, row.attempts, row.settled_at, row.reason) == (APPLIED, 1, NOW, None)
    assert await post.effects() == ["a", "b"]
    assert await post.jobs_of_webhooks() == []
    assert post.counts.ended == {("acme", "applied"): 1}


async def test_what_says_nothing_of_our_objects_is_ignored(post: Post) -> None:
    id = await post.arrived()

    await post.work()

    assert (await post.row(id)).state is IGNORED
    assert await post.effects() == []


async def test_webhooks_that_came_together_are_applied_together_in_the_order_of_their_events(
    post: Post,
) -> None:
    for number in (3, 1, 2):
        assert await post.receive(signed(f"at-{number}", at=NOW + timedelta(seconds=number)))

    await post.work()

    assert await post.effects() == ["at-1", "at-2", "at-3"]
    assert post.payments.batches == [3]


async def test_one_that_is_early_waits_and_counts_as_seen_only_when_it_has_succeeded(post: Post) -> None:
    id = await post.arrived("later-1")
    await post.work()
    waiting = await post.row(id)
    post.payments.known.add("later-1")
    post.clock.advance(timedelta(seconds=1))

    await post.work()

    assert (waiting.state, waiting.attempts, waiting.settled_at) == (RECEIVED, 1, None)
    assert waiting.reason == "nothing is known of later-1"
    row = await post.row(id)
    assert (row.state, row.attempts, row.reason) == (APPLIED, 2, None)
    assert await post.effects() == ["later-1"]


async def test_what_one_of_its_objects_waits_for_does_not_repeat_the_other(post: Post) -> None:
    id = await post.arrived("a", "later-1")
    await post.work()
    assert (await post.row(id)).state is RECEIVED
    post.payments.known.add("later-1")

    await post.work_through()

    assert (await post.row(id)).state is APPLIED
    assert await post.effects() == ["a", "later-1"]


async def test_one_that_waits_in_vain_is_parked_after_an_hour_and_told_of(post: Post) -> None:
    id = await post.arrived("later-1")

    seconds = await post.work_through()

    row = await post.row(id)
    assert 3_600 <= seconds <= 4_500
    assert (row.state, row.attempts) == (PARKED, MAX_ATTEMPTS) == (PARKED, 12)
    assert row.reason == "gave up after 12 attempts: nothing is known of later-1"
    assert row.settled_at == post.clock.now()
    (told,) = await post.parked_events()
    assert told == {
        "id": external(id),
        "partner": "acme",
        "event_id": row.event_id,
        "type": "payment",
        "state": "parked",
        "reason": row.reason,
        "occurred_at": "2026-03-02T09:30:15Z",
        "received_at": "2026-03-02T09:30:15Z",
    }
    assert await post.effects() == []


async def test_one_that_contradicts_what_is_known_is_parked_at_once(post: Post) -> None:
    id = await post.arrived("never-1")

    await post.work()

    row = await post.row(id)
    assert (row.state, row.attempts, row.reason) == (PARKED, 1, "refused: it has failed before")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"objects": 7}'])
async def test_a_body_that_cannot_be_read_is_parked_and_harms_no_neighbour(post: Post, body: bytes) -> None:
    assert await post.receive(signed(event_id="msg_bad", body=body))
    good = await post.arrived("a")

    await post.work()

    bad, neighbour = await post.rows()
    assert (bad.event_id, bad.state, neighbour.id, neighbour.state) == ("msg_bad", PARKED, good, APPLIED)
    assert bad.reason is not None
    assert bad.reason.startswith("not understood: ")
    assert await post.effects() == ["a"]


async def test_one_that_names_its_object_by_what_no_name_can_be_is_parked_at_once(post: Post) -> None:
    id = await post.arrived("x\0y")

    await post.work()

    row = await post.row(id)
    assert (row.state, row.attempts) == (PARKED, 1)
    assert row.reason == "not understood: a text of it holds a NUL"


async def test_one_that_breaks_the_transaction_harms_no_neighbour_and_is_parked_in_the_end(
    post: Post,
) -> None:
    broken = await post.arrived("x", "broken-1", "y")
    good = [await post.arrived(f"a{number}") for number in range(3)]

    await post.work_through()

    assert [(await post.row(id)).state for id in good] == [APPLIED] * 3
    row = await post.row(broken)
    assert (row.state, row.attempts) == (PARKED, MAX_ATTEMPTS)
    assert row.reason is not None
    assert "DivisionByZero" in row.reason
    # Nothing of the broken one was kept, though its first object was fine.
    assert sorted(await post.effects()) == ["a0", "a1", "a2"]
    assert [told["id"] for told in await post.parked_events()] == [external(broken)]
    assert await post.jobs_of_webhooks() == []


async def test_a_partner_that_the_settings_do_not_name_is_waited_for(post: Post) -> None:
    id = await post.arrived("a")
    stranger = await new_post(post.database)
    partners, post.partners = post.partners, type(post.partners)()
    await post.work()
    assert (await post.row(id)).reason == "the settings of this worker do not name the partner"
    post.partners = partners

    await post.work_through()
    await stranger.inbox.drain()

    assert (await post.row(id)).state is APPLIED


async def test_a_parked_webhook_can_be_replayed_when_its_cause_is_gone(post: Post) -> None:
    id = await post.arrived("later-1")
    await post.work_through()
    post.payments.known.add("later-1")

    (replayed,) = await post.replay(id)
    assert (replayed.state, replayed.attempts, replayed.settled_at) == (RECEIVED, 0, None)
    await post.work()

    row = await post.row(id)
    assert (row.state, row.attempts, row.reason) == (APPLIED, 1, None)
    assert await post.effects() == ["later-1"]


async def test_a_replay_from_the_first_attempt_may_be_parked_again(post: Post) -> None:
    id = await post.arrived("later-1")
    await post.work_through()
    await post.replay(id)

    await post.work_through()

    row = await post.row(id)
    assert (row.state, row.attempts) == (PARKED, MAX_ATTEMPTS)
    assert len(await post.parked_events()) == 2


async def test_what_has_had_its_effect_or_is_not_there_is_not_replayed(post: Post) -> None:
    done, nothing, parked = await post.arrived("a"), await post.arrived(), await post.arrived("never-1")
    await post.work()
    unknown = post.ids.new()

    results = await post.replay(unknown, done, parked, nothing)

    assert [type(result) for result in results] == [
        InboundNotFound,
        InboundSettled,
        webhooks.Listed,
        InboundSettled,
    ]
    assert [(await post.row(id)).state for id in (done, nothing, parked)] == [APPLIED, IGNORED, RECEIVED]
    assert len(await post.jobs_of_webhooks()) == 1


async def test_one_that_has_lost_its_job_is_replayed_and_applied_once(post: Post) -> None:
    lost, waiting = await post.arrived("a"), await post.arrived("b")
    first = (await post.unfinished())[0].id
    async with post.database.transaction() as connection:
        await operators.cancel(connection, book_id=post.book.book_id, ids=[first], now=NOW)

    await post.replay(lost, waiting)
    await post.work()

    assert sorted(await post.effects()) == ["a", "b"]
    assert await post.jobs_of_webhooks() == []


async def test_a_job_too_many_finds_nothing_to_do(post: Post) -> None:
    id = await post.arrived("a")
    await post.work()
    more = jobs.NewJob(
        book_id=post.book.book_id,
        id=post.ids.new(),
        kind=webhooks.APPLY,
        payload=webhooks.Apply(id),
        run_at=NOW,
        queue=webhooks.QUEUE,
    )
    async with post.database.transaction() as connection:
        await jobs.enqueue(connection, [more], now=NOW)

    await post.work()

    assert await post.jobs_of_webhooks() == []
    assert post.payments.batches == [1]
    assert post.counts.ended == {("acme", "applied"): 1}


async def test_a_webhook_of_another_book_is_out_of_reach(post: Post) -> None:
    other = await new_post(post.database)
    id = await other.arrived("never-1")
    await other.work()
    await other.inbox.drain()

    (result,) = await post.replay(id)

    assert isinstance(result, InboundNotFound)
    assert (await other.row(id)).state is PARKED


async def test_bodies_go_after_thirty_days_and_repeats_are_still_known(post: Post) -> None:
    sent = signed("a", event_id="msg_a")
    assert await post.receive(sent)
    parked = await post.arrived("never-1")
    await post.work()
    applied = (await post.rows())[0].id
    post.clock.advance(KEEP_BODIES + timedelta(hours=2))
    late = await post.arrived("c")

    async def gone() -> bool:
        return await post.body(applied) is None

    async with post.working():
        await until(gone)

    assert await post.body(parked) is not None
    assert await post.body(late) is not None
    again = signed("a", event_id="msg_a", at=post.clock.now())
    assert await post.receive(again) is False
    assert (await post.row(applied)).state is APPLIED


async def test_the_body_of_a_parked_webhook_goes_after_ninety_days_and_with_it_the_replay(post: Post) -> None:
    old = await post.arrived("never-1")
    await post.work()
    post.clock.advance(timedelta(hours=3))
    young = await post.arrived("never-2")
    await post.work()
    post.clock.advance(KEEP_PARKED - timedelta(hours=1))

    async def gone() -> bool:
        return await post.body(old) is None

    async with post.working():
        await until(gone)

    assert timedelta(days=90) == KEEP_PARKED
    assert await post.body(young) is not None
    forgotten, again = await post.replay(old, young)
    assert isinstance(forgotten, InboundForgotten)
    assert isinstance(again, Listed)
    assert (await post.row(old)).state is PARKED


async def test_no_job_is_left_dead_for_what_was_parked(post: Post) -> None:
    await post.arrived("broken-1")
    await post.work_through()

    async with post.database.connection() as connection:
        dead = await operators.list_ended(connection, book_id=post.book.book_id, states=[State.DEAD])

    assert dead == []
