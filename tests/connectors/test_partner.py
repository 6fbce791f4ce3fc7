"""The guard around a connector: what it holds back, what it makes of failures, what it counts."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from caudal.connectors import (
    Answer,
    BreakerState,
    CannotAsk,
    Direction,
    NotFound,
    NotSent,
    Partner,
    PartnerMisconfigured,
    PartnerUnknown,
    Registry,
    Unknown,
    Why,
)
from caudal.connectors.drift import Drift
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings
from support.partners import CALL, DONE, NO, Scripted

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


class Hands:
    """A clock that is moved by whoever sleeps on it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def connector() -> Scripted:
    return Scripted()


@pytest.fixture
def hands() -> Hands:
    return Hands()


def guarded(connector: Scripted, hands: Hands, **settings: Any) -> Partner:
    return Partner(
        connector,
        PartnerSettings(connector="acme", book="main", api_key=Secret("k"), **settings),
        Drift("acme", SystemClock()),
        monotonic=hands.monotonic,
        sleep=hands.sleep,
    )


async def test_a_healthy_partners_answers_pass_through_and_are_counted(
    connector: Scripted, hands: Hands
) -> None:
    partner = guarded(connector, hands)
    assert await partner.call(CALL) == DONE
    connector.answers(NO)
    assert await partner.call(CALL) == NO
    connector.answers(NotFound())
    assert await partner.query(CALL) == NotFound()
    connector.answers(CannotAsk())
    assert await partner.query(CALL) == CannotAsk()
    assert await partner.fetch("p1", Direction.PAY_IN) == CannotAsk()
    (inbound,) = partner.verify({}, b"x", now=NOW)
    assert inbound.body == b"x"
    assert partner.parse(inbound) == [DONE.snapshot]
    assert partner.acknowledgement is None

    assert partner.stats.outcomes == {
        ("submit", "reported"): 1,
        ("submit", "refused"): 1,
        ("query_submit", "not_found"): 1,
        ("query_submit", "cannot_ask"): 1,
        ("fetch", "cannot_ask"): 1,
    }
    assert partner.stats.latency_counts["submit"] == (2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert (partner.name, partner.book) == ("acme", "main")
    assert [it.partner_id async for it in partner.settlements(NOW)] == ["po_0", "po_1"]
    await partner.close()
    assert connector.calls == -1


async def test_a_call_over_the_rate_waits_for_its_turn(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands, calls_per_second=2)
    assert [await partner.call(CALL) for _ in range(4)] == [DONE] * 4
    assert hands.slept == [0.5, 0.5]


async def test_a_call_that_would_wait_too_long_is_not_sent(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands, calls_per_second=0.1)
    assert await partner.call(CALL) == DONE
    assert await partner.call(CALL) == NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=10))
    assert await partner.query(CALL) == Unknown(Why.RATE_LIMITED)
    assert connector.calls == 1


async def test_what_the_partner_says_about_coming_back_holds_for_all_calls(
    connector: Scripted, hands: Hands
) -> None:
    partner = guarded(connector, hands)
    connector.answers(NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=30)))
    await partner.call(CALL)
    connector.answers(DONE)
    hands.now += 5
    assert await partner.call(CALL) == NotSent(Why.RATE_LIMITED, dt.timedelta(seconds=25))
    assert connector.calls == 1
    hands.now += 24
    assert await partner.call(CALL) == DONE
    assert hands.slept == [1.0]


async def test_rate_limits_do_not_open_the_breaker(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands)
    connector.answers(NotSent(Why.RATE_LIMITED))
    for _ in range(20):
        await partner.call(CALL)
    assert partner.stats.breaker is BreakerState.CLOSED


@pytest.mark.parametrize(
    "answer", [Unknown(Why.SERVER_ERROR), NotSent(Why.UNREACHABLE), NotSent(Why.CREDENTIALS)]
)
async def test_ten_failures_in_a_row_keep_calls_back_until_a_try_succeeds(
    connector: Scripted, hands: Hands, answer: Answer
) -> None:
    partner = guarded(connector, hands)
    connector.answers(answer)
    assert [await partner.call(CALL) for _ in range(10)] == [answer] * 10
    assert partner.stats.breaker is BreakerState.OPEN
    assert await partner.call(CALL) == NotSent(Why.BREAKER_OPEN, dt.timedelta(seconds=2))
    assert await partner.query(CALL) == Unknown(Why.BREAKER_OPEN)
    assert connector.calls == 10

    connector.answers(DONE)
    hands.now += 2
    assert partner.stats.breaker is BreakerState.HALF_OPEN
    assert await partner.call(CALL) == DONE
    assert partner.stats.breaker is BreakerState.CLOSED


async def test_declines_show_that_a_partner_is_there(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands)
    for answer in ([Unknown(Why.TIMEOUT)] * 9 + [NO]) * 3:
        connector.answers(answer)
        await partner.call(CALL)
    assert partner.stats.breaker is BreakerState.CLOSED


async def test_an_answer_that_takes_too_long_is_unknown(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands, timeout_ms=20)
    connector.answer = asyncio.Event().wait
    assert await partner.call(CALL) == Unknown(Why.TIMEOUT)
    assert await partner.query(CALL) == Unknown(Why.TIMEOUT)
    assert partner.stats.in_flight == 0


async def test_a_connector_that_raises_leaves_the_outcome_unknown(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands)
    connector.answers(RuntimeError("a bug"))
    assert await partner.call(CALL) == Unknown(Why.CONNECTOR_FAILED)
    connector.answers(DONE)
    assert await partner.call(CALL) == DONE


async def test_no_more_calls_than_allowed_are_under_way(connector: Scripted, hands: Hands) -> None:
    partner = guarded(connector, hands, at_once=2)
    gate, most = asyncio.Event(), 0

    async def answer() -> Answer:
        nonlocal most
        most = max(most, partner.stats.in_flight)
        await gate.wait()
        return DONE

    connector.answer = answer
    calls = [asyncio.ensure_future(partner.call(CALL)) for _ in range(6)]
    while connector.calls < 2:
        await asyncio.sleep(0)
    assert partner.stats.waiting == 4
    gate.set()
    assert await asyncio.gather(*calls) == [DONE] * 6
    assert most == 2


async def test_a_caller_that_leaves_gives_back_its_place_and_its_try(
    connector: Scripted, hands: Hands
) -> None:
    partner = guarded(connector, hands, at_once=1)
    connector.answers(Unknown(Why.SERVER_ERROR))
    for _ in range(10):
        await partner.call(CALL)
    hands.now += 2
    connector.answer = asyncio.Event().wait
    leaver = asyncio.ensure_future(partner.call(CALL))
    while connector.calls < 11:
        await asyncio.sleep(0)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    connector.answers(DONE)
    assert await partner.call(CALL) == DONE


async def test_settings_override_what_the_connector_knows_of_its_partner(
    connector: Scripted, hands: Hands
) -> None:
    partner = guarded(connector, hands, key_lifetime_s=5, search_horizon_s=0.5, poll_after_s=2)
    assert partner.capabilities.key_lifetime == dt.timedelta(seconds=5)
    assert partner.capabilities.search_horizon == dt.timedelta(seconds=0.5)
    assert partner.capabilities.poll_after == dt.timedelta(seconds=2)
    assert partner.capabilities.authorisation_lifetime == dt.timedelta(days=7)


class Keyed(Scripted):
    known = frozenset({"k1"})

    async def learn_key(self, key_id: str) -> bool:
        self.calls += 1
        return key_id in self.known


async def test_keys_of_webhooks_are_learnt_at_the_pace_of_all_calls(hands: Hands) -> None:
    connector = Keyed()
    partner = guarded(connector, hands, calls_per_second=0.1)
    assert await partner.learn_key("k1")
    assert not await partner.learn_key("k1")
    assert connector.calls == 1
    hands.now += 10
    assert not await partner.learn_key("k2")
    assert not await guarded(Scripted(), hands).learn_key("k1")


def settings_of(**change: Any) -> PartnerSettings:
    given = {
        "connector": "support.partners:make",
        "book": "main",
        "api_key": Secret("k"),
        "url": "https://a.test",
    }
    return PartnerSettings(**{**given, **change})


async def test_a_registry_knows_its_partners_by_name_and_by_book() -> None:
    registry = Registry.from_settings(
        {"one": settings_of(), "two": settings_of(book="eu"), "three": settings_of()}, SystemClock()
    )
    assert registry.names == ("one", "two", "three")
    assert registry.get("two").book == "eu"
    assert [partner.name for partner in registry.of_book("main")] == ["one", "three"]
    assert registry.of_book("us") == ()
    with pytest.raises(PartnerUnknown):
        registry.get("four")
    await registry.close()


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({"url": None}, "partner acme: url is needed"),
        ({"connector": "nowhere.at_all"}, "partner acme: connector nowhere.at_all cannot be imported"),
        (
            {"connector": "support.partners:nothing"},
            "partner acme: connector support.partners:nothing",
        ),
    ],
)
def test_settings_that_a_connector_cannot_use_name_the_partner(settings: dict[str, Any], detail: str) -> None:
    with pytest.raises(PartnerMisconfigured) as caught:
        Registry.from_settings({"acme": settings_of(**settings)}, SystemClock())
    assert caught.value.detail.startswith(detail)


async def test_partners_with_one_key_share_its_rate() -> None:
    slow = {"calls_per_second": 0.01}
    registry = Registry.from_settings(
        {
            "one": settings_of(**slow),
            "same": settings_of(book="eu"),
            "other": settings_of(api_key=Secret("another")),
        },
        SystemClock(),
    )
    assert await registry.get("one").call(CALL) == DONE
    assert isinstance(await registry.get("same").call(CALL), NotSent)
    assert await registry.get("other").call(CALL) == DONE


async def test_several_processes_share_a_rate_by_each_keeping_to_its_part() -> None:
    settings = {"acme": settings_of(calls_per_second=4)}
    alone = Registry.from_settings(settings, SystemClock()).get("acme")
    one_of_many = Registry.from_settings(settings, SystemClock(), processes=400).get("acme")

    assert [await alone.call(CALL) for _ in range(2)] == [DONE, DONE]
    assert await one_of_many.call(CALL) == DONE
    assert isinstance(await one_of_many.call(CALL), NotSent)
