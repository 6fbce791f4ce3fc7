"""Decisions on what is no payment: by the model that serves, with adverse-action codes, kept."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from caudal import models, risk, rules
from caudal.ledger import Ledger
from caudal.models import Stage, Terms
from caudal.risk import (
    AddEntry,
    Application,
    ApplicationInvalid,
    Applications,
    Engines,
    Fallback,
    ListKind,
    NoModelServes,
    Record,
    SubjectKind,
)
from caudal.risk.decider import Deadline
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.decide import Verdict
from caudal_base.ids import IdSource
from support.customer_worlds import new_customer_id
from support.histories import START
from support.ledgers import new_book
from support.model_worlds import ANA, BEN, credit_file
from support.rule_worlds import AUTHOR, REVIEWER, rule, written

SAFE = {"income": 4_000, "late": 0}
RISKY = {"income": 900, "late": 12, "country": "FR"}


class Lender:
    """A book with a credit model."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database, self.book_id = database, book_id
        self.clock = ManualClock(START)
        self.engines = Engines()
        self.applications = Applications(Ledger(self.clock), self.clock, IdSource(self.clock), self.engines)

    async def serve(self, upto: Stage = Stage.CHAMPION, **changes: Any) -> None:
        file, names, artifact = credit_file(), ("income", "late", "country"), credit_file().artifact
        inputs = []
        for one, name in zip(file.card.inputs, names, strict=True):
            inputs.append(msgspec.structs.replace(one, name=name))
            artifact = artifact.replace(one.name.encode(), name.encode())
        card = msgspec.structs.replace(file.card, inputs=tuple(inputs), **changes)
        named = models.assemble(card, artifact)
        of = {"ledger": Ledger(self.clock), "at": self.clock.now()}
        measured = models.Measured(latency_us=5.0, latency_p99_us=9.0)
        async with self.database.transaction() as connection:
            prepared = models.Prepared(file=named, measured=measured)
            made = await models.register(connection, self.book_id, prepared, caller=ANA, **of)
            await models.set_terms(
                connection, self.book_id, Terms(review_at=0.02, decline_at=0.04), caller=BEN, **of
            )
            for stage in dict.fromkeys((Stage.SHADOW, upto)):
                result = await models.change_stage(connection, self.book_id, made.id, stage, caller=BEN, **of)
                assert isinstance(result, models.Registered), result

    async def with_rules(self, *each: dict[str, Any], **more: Any) -> None:
        of = {"ledger": Ledger(self.clock), "at": self.clock.now()}
        async with self.database.transaction() as connection:
            draft = await rules.draft(connection, self.book_id, written(*each, **more), caller=AUTHOR, **of)
            assert isinstance(draft, rules.Version), draft
            for step in (rules.review, rules.publish):
                extra = {"verdict": rules.ReviewVerdict.ACCEPT} if step is rules.review else {}
                who = REVIEWER if extra else AUTHOR
                made = await step(connection, self.book_id, draft.version, caller=who, **of, **extra)
                assert isinstance(made, rules.Version), made

    async def decide(self, **values: object) -> Record:
        async with self.database.transaction() as connection:
            return await self.applications.decide(
                connection, self.book_id, Application(**{"subject": "loan-1", **values})
            )


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
    monkeypatch.setattr("caudal.risk.decider.Deadline", lambda _, counts: Deadline(0, counts))

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
        found, complete = await risk.backtest(
            connection, lender.book_id, rule_set, made_from=now - dt.timedelta(hours=1), made_before=now,
            now=now,
        )  # fmt: skip
    assert complete
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
