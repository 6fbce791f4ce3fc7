"""The callers: who is turned away comes again with the same key, and what is sent twice is told apart."""

import random
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest

from caudal.demo.callers import Callers
from caudal.demo.traffic import Again, Order
from caudal.simulation import Http
from support.http_stub import Reply, Stub, http_stub

MADE = Reply(201, {"id": "pay_1"})
REPLAYED = Reply(201, {"id": "pay_1"}, {"Idempotent-Replayed": "true"})
REUSED = Reply(422, {"code": "idempotency_key_reused"})


def order(again: Again = Again.NO) -> Order:
    return Order(due=0.0, payment_id="pay_1", key="key_1", body={"amount": 100}, again=again)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with http_stub() as made:
        yield made


async def call(stub: Stub, orders: Sequence[Order], *replies: Reply) -> Callers:
    """The callers, when all have been answered."""
    stub.replies_with(*replies)
    http = Http(urlsplit(stub.url).port or 0, {})
    callers = Callers(http, random.Random(1))
    await callers.run(orders)
    await callers.finish()
    http.close()
    return callers


async def test_a_latency_counts_from_when_the_request_was_due(stub: Stub) -> None:
    callers = await call(stub, [order()], MADE)

    (sample,) = callers.samples
    assert (sample.payment_id, sample.status, sample.shed) == ("pay_1", 201, 0)
    assert 0 < sample.seconds < callers.second
    assert callers.latencies() == [sample.seconds]
    assert (callers.offered, callers.accepted) == (1, 1)


async def test_who_is_turned_away_comes_again_with_the_same_key_and_is_counted(stub: Stub) -> None:
    away = Reply(503, {"code": "overloaded"}, {"Retry-After": "0"})
    callers = await call(stub, [order()], away, Reply(429, {}, {"Retry-After": "0"}), MADE)

    assert [asked.headers["idempotency-key"] for asked in stub.asked] == ["key_1"] * 3
    assert (callers.shed_answers, callers.shed_requests, callers.shed_without_retry_after) == (2, 1, 0)
    assert [(sample.status, sample.shed) for sample in callers.samples] == [(201, 2)]


async def test_who_gets_no_answer_asks_again(stub: Stub) -> None:
    callers = await call(stub, [order()], Reply(drop=True), MADE)

    assert (callers.unanswered, callers.accepted, len(stub.asked)) == (1, 1, 2)


@pytest.mark.parametrize("again", [Again.TOGETHER, Again.LATER])
async def test_a_repeat_that_gets_the_first_answer_is_a_replay(stub: Stub, again: Again) -> None:
    callers = await call(stub, [order(again)], MADE, REPLAYED)

    assert (callers.repeated, callers.replayed, callers.accepted) == (1, 1, 1)
    assert [len(asked.answers) for asked in callers.asked] == [2]


@pytest.mark.parametrize(("again", "key"), [(Again.OTHER_BODY, "key_1"), (Again.OTHER_KEY, "key_1-again")])
async def test_what_is_asked_for_under_another_s_key_or_id_is_counted_by_its_refusal(
    stub: Stub, again: Again, key: str
) -> None:
    callers = await call(stub, [order(again)], MADE, REUSED)

    assert stub.asked[1].headers["idempotency-key"] == key
    assert callers.refused_again == {"idempotency_key_reused": 1}
    assert callers.wrongly_accepted == []


async def test_what_had_to_be_refused_and_was_not_is_kept_in_mind(stub: Stub) -> None:
    callers = await call(stub, [order(Again.OTHER_BODY)], MADE, MADE)

    assert callers.wrongly_accepted == ["pay_1 once more, other_body"]
