"""Rules over the decisions that are kept: what they would have done, and how those of the time did."""

import datetime as dt
from typing import Any

import pytest

from caudal import models, risk, rules
from caudal.models import DriftBounds, Terms
from caudal.risk import AddEntry, AddLabel, Decider, LabelKind, ListKind, SubjectKind
from caudal.rules import Outcome, Past, RuleSubject, StatsPeriod, rate
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

    async def backtest(self, *each: dict[str, Any], **more: Any) -> rules.RuleBacktestView:
        world = self.world
        async with world.database.connection() as connection:
            rule_set = await rules.compiled(connection, world.book_id, written(*each))
            return await risk.backtest(connection, world.book_id, rule_set, **{**self.span(), **more})

    async def stats(self, period: StatsPeriod = StatsPeriod.MONTH, **more: Any) -> rules.RuleStatsView:
        world = self.world
        async with world.database.connection() as connection:
            return await risk.rule_stats(connection, world.book_id, period, **{**self.span(), **more})


@pytest.fixture
async def desk(database: Database) -> Desk:
    return Desk(await RuleWorld.make(database))


async def test_a_decision_of_the_past_has_its_values_outcome_rules_and_label(desk: Desk) -> None:
    await desk.world.published(LARGE)
    first, _ = await desk.decide(250_000)
    await desk.label(first, LabelKind.FRAUD)
    await desk.decide(1_000)
    one, two = await desk.past()
    assert (one.amount, one.currency, one.outcome, one.fired, one.rule_set) == (
        250_000, "EUR", Outcome.CHALLENGE, ("large",), 1,
    )  # fmt: skip
    assert (two.outcome, two.fired) == (Outcome.APPROVE, ())
    assert [(past.bad, past.reported) for past in (one, two)] == [(None, True), (None, False)]
    assert (one.row["features.card_count_1h"], two.row["features.card_count_1h"]) == (0, 1)
    assert one.row["lists.block"] is False
    desk.world.clock.advance(dt.timedelta(days=121))
    assert [(past.bad, past.reported) for past in await desk.past()] == [(True, False), (False, False)]


async def test_rules_are_tried_on_the_values_that_were_served(desk: Desk) -> None:
    await desk.world.published(LARGE)
    bad, _ = await desk.decide(250_000)
    await desk.decide(1_000)
    await desk.decide(2_000)
    await desk.decide(3_000, card="pm_2", country="KP")
    await desk.label(bad, LabelKind.FRAUD)
    desk.world.clock.advance(dt.timedelta(days=121))

    tried = await desk.backtest(MANY, FAR)

    many, far = tried.rules
    assert (many.hits.decisions, many.hits.bad, many.precision) == (1, 0, rate(0, 1))
    assert (far.hits.decisions, far.hits.amounts["EUR"].all) == (1, 3_000)
    assert (tried.decisions.decisions, tried.decisions.bad, tried.complete) == (4, 1, True)
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
    tried = await desk.backtest(LARGE, MANY, FAR)
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
    tried = await desk.backtest(FAR, most=3)
    assert (tried.decisions.decisions, tried.complete) == (3, False)
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
    desk.world.clock.advance(dt.timedelta(days=121))
    large, quiet = (await desk.stats()).data
    assert (large.rule, large.asked, large.fired.decisions, large.snoozed) == ("large", 4, 1, 1)
    assert large.precision == rate(0, 1)
    assert (quiet.rule, quiet.asked, quiet.fired.decisions, quiet.missing) == ("quiet", 1, 0, 1)


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_span_that_is_none_or_too_long_is_refused(desk: Desk, days: int) -> None:
    now = desk.world.clock.now()
    with pytest.raises(InvalidRequest):
        await desk.stats(made_from=now, made_before=now + days * DAY)
    long_ago = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
    assert (await desk.stats(made_from=long_ago, made_before=long_ago + DAY)).data == ()


async def test_precision_is_the_same_when_it_is_asked_and_later(desk: Desk) -> None:
    """Twenty hits, one of them reported: 5 %, and never 100 %, while the others have not had their time."""
    await desk.world.published(LARGE)
    hits = [(await desk.decide(250_000, card=f"pm_{number}"))[0] for number in range(20)]
    await desk.label(hits[3], LabelKind.FRAUD)
    first = desk.span()

    early = (await desk.stats()).data
    desk.world.clock.advance(dt.timedelta(days=130))
    later = (await desk.stats()).data

    assert [(one.fired.matured, one.fired.reported, one.precision) for one in early] == [(0, 1, None)]
    assert [(one.fired.matured, one.fired.reported, one.precision) for one in later] == [(20, 0, rate(1, 20))]
    tried = await desk.backtest(LARGE, **first)
    assert (tried.rules[0].hits.reported, tried.rules[0].precision, tried.rules[0].recall) == (1, None, None)


async def test_young_decisions_are_judged_by_the_last_ones_that_are_old_enough(desk: Desk) -> None:
    await desk.world.published(LARGE)
    bad, _ = await desk.decide(250_000)
    await desk.label(bad, LabelKind.FRAUD)
    await desk.decide(250_000, card="pm_2")
    await desk.decide(1_000)
    desk.world.clock.advance(130 * DAY)
    await desk.decide(300_000, card="pm_3")
    await desk.label((await desk.decide(300_000, card="pm_4"))[0], LabelKind.FRAUD)
    now = desk.world.clock.now() + dt.timedelta(seconds=1)
    month = {"made_from": now - 30 * DAY, "made_before": now, "now": now}

    told, tried = await desk.stats(**month), await desk.backtest(LARGE, **month)
    soon = await desk.stats(**month, label_after_days=1)

    (asked,), (judged,) = told.data, told.matured
    assert (asked.fired.decisions, asked.fired.reported, asked.fire_rate, asked.precision) == (
        2, 1, rate(2, 2), None,
    )  # fmt: skip
    assert (judged.on, judged.label_after_days) == (RuleSubject.PAYMENT, 120)
    assert (judged.made_from, judged.made_before) == (now - 150 * DAY, now - 120 * DAY)
    assert [(one.rule, one.asked, one.fired.decisions, one.precision) for one in judged.data] == [
        ("large", 3, 2, rate(1, 2))
    ]
    (matured,) = tried.matured
    assert (tried.rules[0].hits.decisions, tried.rules[0].precision) == (2, None)
    assert (matured.made_from, matured.made_before) == (judged.made_from, judged.made_before)
    assert (matured.decisions.decisions, matured.rules[0].precision, matured.complete) == (
        3,
        rate(1, 2),
        True,
    )
    assert (soon.matured[0].label_after_days, soon.matured[0].made_before) == (1, now - DAY)
    assert soon.matured[0].data == ()
    old = await desk.stats(made_from=now - 150 * DAY, made_before=now - 120 * DAY, now=now)
    assert (old.data, old.matured) == (judged.data, ())


async def test_a_book_may_declare_in_its_terms_when_ends_are_known(desk: Desk) -> None:
    await desk.world.published(LARGE)
    bad, _ = await desk.decide(250_000)
    await desk.label(bad, LabelKind.FRAUD)
    async with desk.world.database.transaction() as connection:
        await models.set_terms(
            connection, desk.world.book_id, Terms(drift=DriftBounds(label_after_days=10)), caller=CALLER,
            ledger=desk.world.ledger, at=desk.world.clock.now(),
        )  # fmt: skip
    desk.world.clock.advance(11 * DAY)
    now = desk.world.clock.now()
    (large,) = (await desk.stats(now=now)).data
    (judged,) = (await desk.stats(made_from=now - 12 * DAY, made_before=now)).matured

    assert large.precision == rate(1, 1)
    assert (judged.label_after_days, judged.made_before) == (10, now - 10 * DAY)


async def test_of_declines_only_those_are_judged_that_somebody_spoke_of(desk: Desk) -> None:
    """Nobody disputes what was never paid: a rule that declines every fraud would always be found wrong."""
    await desk.world.published(FAR)
    declined = [(await desk.decide(1_000, card=f"pm_{n}", country="KP"))[0] for n in range(5)]
    await desk.label(declined[0], LabelKind.FRAUD)
    await desk.label(declined[1], LabelKind.LEGITIMATE)
    await desk.decide(1_000)
    desk.world.clock.advance(121 * DAY)

    (far,) = (await desk.stats()).data
    tried = await desk.backtest(FAR)

    assert (far.fired.decisions, far.fired.matured, far.fired.unknown) == (5, 2, 3)
    assert far.precision == rate(1, 2)
    assert (tried.decisions.matured, tried.decisions.bad, tried.decisions.unknown) == (3, 1, 3)
