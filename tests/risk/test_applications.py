"""Decisions on what is no payment: by the model that serves, with adverse-action codes, kept."""

import datetime as dt
from typing import Any

import pytest

from caudal import risk, rules
from caudal.ledger import Ledger
from caudal.models import Stage
from caudal.risk import (
    AddEntry,
    ApplicationInvalid,
    Fallback,
    ListKind,
    NoModelServes,
    SubjectKind,
)
from caudal.risk.allowances import Deadline
from caudal_base.database import Database
from caudal_base.decide import Verdict
from support.customer_worlds import new_customer_id
from support.ledgers import new_book
from support.lenders import Lender
from support.model_worlds import ANA
from support.rule_worlds import AUTHOR, rule, written

SAFE = {"income": 4_000, "late": 0}
RISKY = {"income": 900, "late": 12, "country": "FR"}


@pytest.fixture
async def lender(shared_database: Database) -> Lender:
    return Lender(shared_database, (await new_book(shared_database)).book_id)


async def test_the_model_decides_and_says_why_with_adverse_action_codes(lender: Lender) -> None:
    await lender.serve()

    safe, risky = await lender.decide(values=SAFE), await lender.decide(values=RISKY)

    assert (safe.decided.outcome, safe.decided.reasons) == (Verdict.APPROVE, ())
    assert risky.decided.outcome is Verdict.DECLINE
    assert [reason.code for reason in risky.decided.reasons] == ["model_score", "A2"]
    assert risky.decided.reasons[1].text == "Too many recent payments"
    for made in (safe, risky):
        async with lender.database.connection() as connection:
            assert (await risk.replay(connection, lender.book_id, made.id)).same


async def test_the_same_values_give_the_same_and_what_is_no_number_is_missing(lender: Lender) -> None:
    await lender.serve()

    first = await lender.decide(values={"income": float("nan"), "late": float("inf"), "unknown": "x"})
    again = await lender.decide(values={"unknown": "x", "late": None})

    assert first.decided == again.decided
    assert first.served.facts == {"income": None, "late": None, "unknown": "x"}


async def test_shadows_score_applications_and_decide_nothing(lender: Lender) -> None:
    await lender.serve()
    await lender.serve(Stage.SHADOW, name="card-late")

    made = await lender.decide(values=RISKY)

    assert (made.served.model, made.decided.outcome) == ("loans@1", Verdict.DECLINE)
    assert [(one.model, one.score) for one in made.shadows] == [("card-late@1", made.decided.score)]
    counts = lender.engines.counts
    assert counts.decisions == {(lender.book_id, "application", "loans@1", "champion", "decline", ""): 1}
    assert {model: sum(times.counts) for model, times in counts.scores.items()} == {
        "loans@1": 1, "card-late@1": 1,
    }  # fmt: skip


async def test_a_model_of_applications_that_is_late_leaves_it_to_the_policy(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lender.serve()
    monkeypatch.setattr("caudal.risk.allowances.Deadline", lambda _, *of: Deadline(0, *of))

    made = await lender.decide(values=SAFE)

    assert [reason.code for reason in made.decided.reasons] == ["model_late"]
    assert made.served.fallback is Fallback.LATE
    async with lender.database.connection() as connection:
        assert (await risk.replay(connection, lender.book_id, made.id)).same


async def test_a_customer_on_the_block_list_is_declined(lender: Lender) -> None:
    await lender.serve()
    customer = new_customer_id()
    entry = AddEntry(list=ListKind.BLOCK, subject=SubjectKind.CUSTOMER, value=customer, reason="case 3")
    async with lender.database.transaction() as connection:
        await risk.add_entries(connection, lender.book_id, [entry], caller=ANA, at=lender.clock.now())

    made = await lender.decide(values=SAFE, customer=customer)

    assert [reason.code for reason in made.decided.reasons] == ["blocked_customer"]


INCOME_RULES = {
    "application": {"income": "double", "late": "int", "purpose": "string", "insured": "bool"},
    "note": "loans",
}


def on_applications(name: str, when: str, outcome: str = "review", **more: Any) -> dict[str, Any]:
    return rule(name, when, outcome, on="application", **more)


async def test_rules_on_applications_decide_with_the_model_and_the_severest_counts(lender: Lender) -> None:
    await lender.serve()
    await lender.with_rules(
        on_applications("poor", "application.income < 1500.0", "decline"),
        on_applications("wary", "model.score > 0.0001 && application.late > 0", stage="after_model"),
        rule("large", "payment.amount > 0", "decline"),
        **INCOME_RULES,
    )

    poor = await lender.decide(values={"income": 900, "late": 0})
    wary = await lender.decide(values={"income": 4_000, "late": 1})
    safe = await lender.decide(values=SAFE)

    assert (poor.decided.outcome, poor.fired) == (Verdict.DECLINE, ("poor",))
    assert poor.decided.reasons[0].text == "because of poor"
    assert (wary.decided.outcome, wary.fired) == (Verdict.REVIEW, ("wary",))
    assert (safe.decided.outcome, safe.fired, safe.served.rule_set) == (Verdict.APPROVE, (), 1)
    for made in (poor, wary, safe):
        async with lender.database.connection() as connection:
            assert (await risk.replay(connection, lender.book_id, made.id)).same


@pytest.mark.parametrize(
    ("value", "when"),
    [
        ("a lot", "application.income > 0.0"),
        (True, "application.income > 0.0"),
        (float("nan"), "application.income > 0.0"),
        (10**400, "application.income > 0.0"),
        (None, "application.income > 0.0"),
        (1.5, "application.late > 0"),
        (2**63, "application.late > 0"),
        (True, "application.late > 0"),
        (7, 'application.purpose != "x"'),
        (1, "application.insured"),
    ],
)
async def test_a_value_of_another_type_than_declared_is_missing_and_the_rule_cannot_say(
    lender: Lender, value: Any, when: str
) -> None:
    await lender.with_rules(on_applications("asked", when, "decline"), **INCOME_RULES)
    name = when.partition("application.")[2].split()[0]

    made = await lender.decide(values={name: value})

    assert (made.decided.outcome, made.fired, made.missing) == (Verdict.APPROVE, (), ("asked",))


async def test_rules_on_applications_decide_where_there_is_no_model_and_can_be_snoozed(
    lender: Lender,
) -> None:
    await lender.with_rules(on_applications("insured", "application.insured && !lists.watch"), **INCOME_RULES)
    fired = await lender.decide(values={"insured": True})
    async with lender.database.transaction() as connection:
        now = lender.clock.now()
        await rules.snooze(
            connection, lender.book_id, "insured", now + dt.timedelta(hours=1), "a campaign", caller=AUTHOR,
            ledger=Ledger(lender.clock), at=now,
        )  # fmt: skip
    asleep = await lender.decide(values={"insured": True})
    assert (fired.decided.outcome, asleep.decided.outcome) == (Verdict.REVIEW, Verdict.APPROVE)
    assert asleep.snoozed == ("insured",)


async def test_backtests_try_rules_on_what_they_are_on(lender: Lender) -> None:
    await lender.with_rules(on_applications("any", "application.late >= 0"), **INCOME_RULES)
    for late in range(6):
        lender.clock.advance(dt.timedelta(seconds=1))
        await lender.decide(values={"late": late})
    tried = written(
        on_applications("late", "application.late > 3", "decline"), rule("large", "payment.amount > 0"),
        **INCOME_RULES,
    )  # fmt: skip
    async with lender.database.connection() as connection:
        rule_set = await rules.compiled(connection, lender.book_id, tried)
        now = lender.clock.now() + dt.timedelta(seconds=1)
        found = await risk.backtest(
            connection, lender.book_id, rule_set, made_from=now - dt.timedelta(hours=1), made_before=now,
            now=now,
        )  # fmt: skip
    assert found.complete
    assert [(one.rule, one.hits.decisions, one.missing) for one in found.rules] == [
        ("late", 2, 0), ("large", 0, 0),
    ]  # fmt: skip


async def test_without_a_model_nobody_decides(lender: Lender) -> None:
    with pytest.raises(NoModelServes):
        await lender.decide(values=SAFE)


@pytest.mark.parametrize("name", ["payment.amount", "application.income", "model.score", "", "1st", "a\nb"])
async def test_names_that_are_ours_or_none_are_refused(lender: Lender, name: str) -> None:
    with pytest.raises(ApplicationInvalid):
        await lender.decide(values={name: 1})
