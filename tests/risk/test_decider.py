"""Decisions with features, as payments ask for them: what is served, recorded and made again."""

import datetime as dt

import pytest

from caudal import risk
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.risk import AddEntry, ListKind, SubjectKind
from caudal_base.database import Database
from caudal_base.decide import Context, Decision, Subject, Verdict
from support.customer_worlds import CALLER
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.rule_worlds import rule

BY_CARD = FeatureSet(
    features=(
        Feature(name="card_count_1h", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1h"),
        Feature(
            name="card_sum_1d", by=(Entity.CARD,), aggregate=Aggregate.SUM, value="amount",
            same=("currency",), window="1d",
        ),
        Feature(
            name="devices_1d", by=(Entity.CARD,), aggregate=Aggregate.DISTINCT, value="device", window="1d"
        ),
    )
)  # fmt: skip


@pytest.fixture
async def desk(shared_database: Database) -> DecisionDesk:
    return DecisionDesk(shared_database, (await new_book(shared_database)).book_id)


async def test_where_nothing_is_published_an_approval_leaves_nothing(desk: DecisionDesk) -> None:
    (decision,) = await desk.decide(desk.subject())

    assert decision == Decision(verdict=Verdict.APPROVE)
    assert await desk.count("risk.decision") == await desk.count("features.event") == 0


async def test_each_payment_of_a_batch_is_served_those_before_it(desk: DecisionDesk) -> None:
    await desk.publish(BY_CARD)
    await desk.decide(desk.subject(100), desk.subject(200))
    desk.clock.advance(dt.timedelta(minutes=10))

    decisions = await desk.decide(
        desk.subject(400), desk.subject(800, context=Context(device="device-2")), desk.subject(1_600)
    )

    rows = await desk.records()
    assert [row.served.features for row in reversed(rows)] == [
        (0, 0, 0), (1, 100, 1), (2, 300, 1), (3, 700, 1), (4, 1_500, 2),
    ]  # fmt: skip
    assert [row.id for row in rows[:3]] == [decision.id for decision in reversed(decisions)]
    assert [row.ordinal for row in reversed(rows)] == [0, 1, 2, 3, 4]
    assert {row.served.feature_set for row in rows} == {1}


async def test_every_decision_is_made_again_to_the_same_bytes(desk: DecisionDesk) -> None:
    await desk.publish(BY_CARD)
    await desk.decide(*[desk.subject(amount) for amount in (100, 200, 300)])
    await desk.publish(FeatureSet(features=BY_CARD.features[:1]))
    await desk.decide(desk.subject(50))

    for row in await desk.records():
        async with desk.database.connection() as connection:
            made = await risk.replay(connection, desk.book_id, row.id)
        assert made.same
        assert made.again == row.decided


async def test_a_set_that_is_published_meanwhile_serves_from_the_next_batch_on(desk: DecisionDesk) -> None:
    await desk.decide(desk.subject())
    await desk.publish(BY_CARD)
    (decision,) = await desk.decide(desk.subject())
    assert decision.id is not None
    await desk.publish(FeatureSet(features=BY_CARD.features[:1]))
    await desk.decide(desk.subject())

    assert [row.served.features for row in await desk.records()] == [(1,), (0, 0, 0)]


async def test_a_clock_that_others_are_ahead_of_makes_no_payment_late(desk: DecisionDesk) -> None:
    await desk.publish(BY_CARD)
    for minutes in (60, 50, 40, 30, 20, 10):
        desk.clock.advance(dt.timedelta(minutes=minutes))
        await desk.decide(desk.subject(100))
        desk.clock.advance(-dt.timedelta(minutes=minutes))
    await desk.decide(desk.subject(100))
    desk.clock.advance(dt.timedelta(minutes=61))
    await desk.decide(desk.subject(100))

    assert (await desk.records())[0].served.features == (7, 700, 1)


async def on_list(desk: DecisionDesk, list: ListKind, device: str) -> None:
    command = AddEntry(list=list, subject=SubjectKind.DEVICE, value=device, reason="case 17")
    async with desk.database.transaction() as connection:
        await risk.add_entries(connection, desk.book_id, [command], caller=CALLER, at=desk.clock.now())


MANY = rule("many", "features.card_count_1h >= 2", "review")
LARGE = rule("large", "payment.amount >= 100000", "challenge")
HUGE = rule("huge", "payment.amount >= 10000000", "decline")
TRUSTED = rule("trusted", "payment.amount < 500", "approve")


async def outcomes(desk: DecisionDesk, *subjects: Subject) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.verdict.value, one.reasons) for one in await desk.decide(*subjects)]


async def test_the_severest_of_what_rules_want_is_done_and_every_reason_is_told(desk: DecisionDesk) -> None:
    await desk.publish(BY_CARD)
    await desk.with_rules(TRUSTED, MANY, LARGE, HUGE)

    made = await outcomes(
        desk, desk.subject(100), desk.subject(1_000), desk.subject(1_000), desk.subject(400),
        desk.subject(20_000_000),
    )  # fmt: skip

    assert made == [
        ("approve", ()), ("approve", ()), ("review", ("rule_many",)), ("approve", ()),
        ("decline", ("rule_huge", "rule_many", "rule_large")),
    ]  # fmt: skip


async def test_what_should_be_challenged_is_reviewed_where_the_partner_cannot(desk: DecisionDesk) -> None:
    await desk.with_rules(LARGE)

    made = await outcomes(desk, desk.subject(100_000, authenticates=True), desk.subject(100_000))

    assert made == [
        ("challenge", ("rule_large",)), ("review", ("challenge_not_possible", "rule_large")),
    ]  # fmt: skip


async def test_the_allow_list_ends_what_rules_want_short_of_declining(desk: DecisionDesk) -> None:
    await desk.with_rules(LARGE, HUGE)
    await on_list(desk, ListKind.ALLOW, "device-1")
    await on_list(desk, ListKind.BLOCK, "device-2")

    made = await outcomes(
        desk, desk.subject(100_000), desk.subject(10_000_000),
        desk.subject(100_000, context=Context(device="device-2")),
    )  # fmt: skip

    assert made == [
        ("approve", ()), ("decline", ("rule_huge",)), ("decline", ("blocked_device", "rule_large")),
    ]  # fmt: skip


async def test_a_rule_whose_values_are_missing_or_divide_by_zero_has_no_say_and_is_told_of(
    desk: DecisionDesk,
) -> None:
    await desk.publish(BY_CARD)
    await desk.with_rules(
        rule("by_zero", "payment.amount / features.card_count_1h > 5"),
        rule("of_nobody", "features.card_sum_1d > 0"),
    )  # fmt: skip

    assert await outcomes(desk, desk.subject(instrument=None, context=None), desk.subject()) == [
        ("approve", ()), ("approve", ()),
    ]  # fmt: skip
    newest, first = await desk.records()
    assert (first.missing, newest.missing) == (("by_zero", "of_nobody"), ("by_zero",))


async def test_replay_goes_by_the_rules_of_then(desk: DecisionDesk) -> None:
    await desk.publish(BY_CARD)
    await desk.with_rules(MANY, LARGE)
    await desk.decide(*[desk.subject(200_000) for _ in range(4)])
    await desk.with_rules(HUGE)
    await desk.decide(desk.subject(200_000))

    rows = await desk.records()
    assert [row.served.rule_set for row in rows] == [2, 1, 1, 1, 1]
    for row in rows:
        async with desk.database.connection() as connection:
            assert (await risk.replay(connection, desk.book_id, row.id)).same
