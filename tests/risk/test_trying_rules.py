"""Rules over the decisions that are kept: what they would have done, and how those of the time did."""

import datetime as dt
from typing import Any

import pytest

from caudal import risk, rules
from caudal.risk import AddEntry, AddLabel, Decider, LabelKind, ListKind, SubjectKind
from caudal.rules import Outcome, Past, StatsPeriod, rate
from caudal_base.database import Database
from caudal_base.decide import Context, Decision, Subject
from caudal_base.errors import InvalidRequest
from caudal_base.ids import IdSource
from caudal_base.statements import execute
from support.customer_worlds import CALLER, new_customer_id
from support.rule_worlds import LARGE, RuleWorld, rule, written

DAY = dt.timedelta(days=1)
MANY = rule("many_payments", "features.card_count_1h > 1")
FAR = rule("far_away", 'payment.country == "KP"', "decline")


class Desk:
    """Payments as they are decided on, each in a batch of its own."""

    def __init__(self, world: RuleWorld) -> None:
        self.world = world
        self.ids = IdSource(world.clock)
        self.decider = Decider(world.clock, self.ids)
        self.begun = world.clock.now()

    async def decide(self, amount: int, card: str = "pm_1", country: str = "DE") -> tuple[str, Decision]:
        """A payment's id, and what became of it."""
        world = self.world
        subject = Subject(
            payment_id=f"pay_{self.ids.new().hex}", kind="pay_in", customer_id=new_customer_id(),
            amount=amount, currency="EUR", method="card", partner="stripe", instrument=card,
            context=Context(country=country), limits=(), authenticates=True,
        )  # fmt: skip
        async with world.database.transaction() as connection:
            async with connection.pipeline():
                await (await world.ledger.begin(connection, world.book_id, ())).finish()
                batch = await self.decider.begin(connection, world.book_id, [subject])
            await batch.ready(world.clock.now())
            decision = batch.decide(subject)
            batch.recorded(subject, decision)
            if statements := batch.writes():
                await execute(connection, statements)
        return subject.payment_id, decision

    async def label(self, payment: str, kind: LabelKind) -> None:
        async with self.world.database.transaction() as connection:
            await risk.add_labels(
                connection, self.world.book_id, [AddLabel(subject=payment, kind=kind)], caller=CALLER,
                ledger=self.world.ledger, at=self.world.clock.now(),
            )  # fmt: skip

    async def past(self) -> list[Past]:
        async with self.world.database.connection() as connection:
            found = risk.past_decisions(connection, self.world.book_id, **self.span())
            return [one async for one in found]

    def span(self) -> dict[str, Any]:
        now = self.world.clock.now()
        return {"made_from": self.begun - DAY, "made_before": now + DAY, "now": now}

    async def backtest(self, *each: dict[str, Any], **more: Any) -> tuple[rules.RuleBacktest, bool]:
        world = self.world
        async with world.database.connection() as connection:
            rule_set = await rules.compiled(connection, world.book_id, written(*each))
            return await risk.backtest(connection, world.book_id, rule_set, **self.span(), **more)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return Desk(await RuleWorld.make(database))


async def test_a_decision_of_the_past_has_its_values_outcome_rules_and_label(desk: Desk) -> None:
    await desk.world.published(LARGE)
    first, _ = await desk.decide(250_000)
    await desk.label(first, LabelKind.FRAUD)
    await desk.decide(1_000)
    one, two = await desk.past()
    assert (one.amount, one.currency, one.outcome, one.fired, one.rule_set, one.bad) == (
        250_000, "EUR", Outcome.CHALLENGE, ("large",), 1, True,
    )  # fmt: skip
    assert (two.outcome, two.fired, two.bad) == (Outcome.APPROVE, (), None)
    assert (one.row["features.card_count_1h"], two.row["features.card_count_1h"]) == (0, 1)
    assert one.row["lists.block"] is False
    desk.world.clock.advance(dt.timedelta(days=121))
    assert [past.bad for past in await desk.past()] == [True, False]


async def test_rules_are_tried_on_the_values_that_were_served(desk: Desk) -> None:
    await desk.world.published(LARGE)
    bad, _ = await desk.decide(250_000)
    await desk.decide(1_000)
    await desk.decide(2_000)
    await desk.decide(3_000, card="pm_2", country="KP")
    await desk.label(bad, LabelKind.FRAUD)
    desk.world.clock.advance(dt.timedelta(days=121))

    tried, complete = await desk.backtest(MANY, FAR)

    many, far = tried.rules
    assert (many.hits.decisions, many.hits.bad, many.precision) == (1, 0, rate(0, 1))
    assert (far.hits.decisions, far.hits.amounts["EUR"].all) == (1, 3_000)
    assert (tried.decisions.decisions, tried.decisions.bad, complete) == (4, 1, True)
    assert [(one.was.value, one.would_be.value, one.counted.decisions) for one in tried.changes] == [
        ("approve", "approve", 1),
        ("approve", "review", 1),
        ("approve", "decline", 1),
        ("challenge", "approve", 1),
    ]


async def test_the_rules_that_decided_would_have_decided_the_same(desk: Desk) -> None:
    await desk.world.published(LARGE, MANY, FAR)
    async with desk.world.database.transaction() as connection:
        entries = [
            AddEntry(list=listed, subject=SubjectKind.INSTRUMENT, value=card, reason="x")
            for listed, card in (
                (ListKind.BLOCK, "pm_b"), (ListKind.WATCH, "pm_w"), (ListKind.ALLOW, "pm_a"),
            )
        ]  # fmt: skip
        await risk.add_entries(
            connection, desk.world.book_id, entries, caller=CALLER, at=desk.world.clock.now()
        )
    for card in ("pm_1", "pm_b", "pm_w", "pm_a"):
        for amount in (250_000, 1_000, 2_000):
            for country in ("DE", "KP"):
                await desk.decide(amount, card, country)
    tried, _ = await desk.backtest(LARGE, MANY, FAR)
    assert tried.changed == 0
    assert tried.decisions.decisions == 24
    assert {one.was for one in tried.changes} == {*Outcome}
    assert [(one.rule, one.other) for one in tried.overlaps_then if one.rule == one.other] == [
        ("many_payments", "many_payments"), ("far_away", "far_away"), ("large", "large"),
    ]  # fmt: skip


async def test_the_number_of_decisions_may_be_bounded_and_pages_have_no_seams(desk: Desk) -> None:
    await desk.world.published(LARGE)
    for number in range(1, 6):
        await desk.decide(number)
    tried, complete = await desk.backtest(FAR, most=3)
    assert (tried.decisions.decisions, complete) == (3, False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("caudal.risk.trying_rules.AT_ONCE", 2)
        assert [past.amount for past in await desk.past()] == [1, 2, 3, 4, 5]
    reported: list[int] = []
    await desk.backtest(FAR, report=reported.append)
    assert reported == []


async def test_published_rules_have_figures_of_each_period(desk: Desk) -> None:
    await desk.world.published(LARGE)
    payment, _ = await desk.decide(250_000)
    await desk.label(payment, LabelKind.LEGITIMATE)
    await desk.decide(1_000)
    await desk.world.snooze("large", DAY)
    await desk.decide(250_000)
    await desk.world.published(LARGE, rule("quiet", "features.card_max_7d > 10"))
    await desk.decide(1_000, card="pm_new")
    async with desk.world.database.connection() as connection:
        large, quiet = await risk.rule_stats(connection, desk.world.book_id, StatsPeriod.MONTH, **desk.span())
    assert (large.rule, large.asked, large.fired.decisions, large.snoozed) == ("large", 4, 1, 1)
    assert large.precision == rate(0, 1)
    assert (quiet.rule, quiet.asked, quiet.fired.decisions, quiet.missing) == ("quiet", 1, 0, 1)


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_span_that_is_none_or_too_long_is_refused(desk: Desk, days: int) -> None:
    now = desk.world.clock.now()
    async with desk.world.database.connection() as connection:
        with pytest.raises(InvalidRequest):
            await risk.rule_stats(
                connection, desk.world.book_id, StatsPeriod.DAY, made_from=now, made_before=now + days * DAY,
                now=now,
            )  # fmt: skip
        long_ago = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
        found = await risk.rule_stats(
            connection, desk.world.book_id, StatsPeriod.DAY, made_from=long_ago, made_before=long_ago + DAY,
            now=now,
        )  # fmt: skip
    assert found == []
