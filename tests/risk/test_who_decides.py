"""Which models decide on what: a champion of payments and one of applications, none, or one that rests."""

import time
from typing import Any

import msgspec
import pytest

from caudal import models, risk
from caudal.models import Purpose, Registered, Stage, StageRefused, Terms
from caudal.risk import Fallback, NoModelServes
from caudal.risk.resting import PATIENCE
from caudal.risk.serving_models import LoadedModel
from caudal_base.database import Database
from caudal_base.decide import Verdict
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.lenders import Lender
from support.model_worlds import ANA, BEN, scorecard_file

DECLINES = Terms(review_at=0.9, fallback=models.Outcome.DECLINE, deadline_ms=1_000)
INCOME = {"income": 4_000, "late": 0}


@pytest.fixture
async def desk(shared_database: Database) -> DecisionDesk:
    return DecisionDesk(shared_database, (await new_book(shared_database)).book_id)


async def stage_of(desk: DecisionDesk, model: Registered, stage: Stage, **more: Any) -> Any:
    async with desk.database.transaction() as connection:
        return await models.change_stage(
            connection, desk.book_id, model.id, stage, caller=BEN, ledger=desk.ledger, at=desk.clock.now(),
            **more,
        )  # fmt: skip


# None


async def test_until_a_first_champion_is_promoted_none_is_missing(desk: DecisionDesk) -> None:
    await desk.with_model(scorecard_file(), DECLINES, Stage.SHADOW)

    (decision,) = await desk.decide(desk.subject())

    (record,) = await desk.records()
    assert (decision.verdict, record.served.fallback) == (Verdict.APPROVE, None)


async def test_where_the_champion_was_retired_the_fallback_decides_and_says_so(desk: DecisionDesk) -> None:
    model = await desk.with_model(scorecard_file(), DECLINES)
    await stage_of(desk, model, Stage.RETIRED, override="it is wrong")

    (decision,) = await desk.decide(desk.subject())

    assert (decision.verdict, decision.reasons) == (Verdict.DECLINE, ("model_missing",))
    (record,) = await desk.records()
    assert (record.served.fallback, record.served.model) == (Fallback.MISSING, None)
    async with desk.database.connection() as connection:
        assert (await risk.replay(connection, desk.book_id, record.id)).same
    await desk.with_model(scorecard_file(1.0))
    (again,) = await desk.decide(desk.subject())
    assert again.verdict is Verdict.APPROVE, "there is one again"


async def test_an_application_is_not_left_to_nobody_once_a_model_has_decided(
    shared_database: Database,
) -> None:
    lender = Lender(shared_database, (await new_book(shared_database)).book_id)
    with pytest.raises(NoModelServes):
        await lender.decide(values=INCOME)
    await lender.serve()
    desk = DecisionDesk(shared_database, lender.book_id)
    async with shared_database.connection() as connection:
        model = await models.get_model(connection, lender.book_id, "loans")
    await stage_of(desk, model, Stage.RETIRED, override="it is wrong")

    made = await lender.decide(values=INCOME)

    assert (made.decided.outcome, made.served.fallback) == (Verdict.REVIEW, Fallback.MISSING)


# Two


async def test_payments_and_applications_each_have_a_champion_and_terms_of_their_own(
    desk: DecisionDesk,
) -> None:
    fraud = await desk.with_model(scorecard_file(), DECLINES)
    lender = Lender(desk.database, desk.book_id)
    with pytest.raises(NoModelServes):
        await lender.decide(values=INCOME)
    await lender.serve()

    await desk.decide(desk.subject())
    made = await lender.decide(values={"income": 900, "late": 12})

    (payment,) = await desk.records(of=risk.SubjectOf.PAYMENT)
    assert (payment.served.model, made.served.model) == ("card-fraud@1", "loans@1")
    assert "A2" in [reason.code for reason in made.decided.reasons]
    async with desk.database.connection() as connection:
        served = {
            purpose: await models.get_serving(connection, desk.book_id, purpose=purpose)
            for purpose in Purpose
        }
        for record in (payment, made):
            assert (await risk.replay(connection, desk.book_id, record.id)).same
        kept = {one.label: one.stage for one in await models.list_models(connection, desk.book_id)}
    assert {purpose: one.terms.review_at for purpose, one in served.items() if one} == {
        Purpose.FRAUD: 0.9, Purpose.CREDIT: 0.02,
    }  # fmt: skip
    assert kept == {"card-fraud@1": Stage.CHAMPION, "loans@1": Stage.CHAMPION}
    assert served[Purpose.FRAUD] is not None
    assert served[Purpose.FRAUD].champion == fraud.id


async def test_each_purpose_goes_back_by_itself(desk: DecisionDesk) -> None:
    await desk.with_model(scorecard_file(), DECLINES)
    lender = Lender(desk.database, desk.book_id)
    await lender.serve()
    second = await desk.with_model(scorecard_file(1.0))

    async with desk.database.transaction() as connection:
        of = {"reason": "worse", "caller": BEN, "ledger": desk.ledger, "at": desk.clock.now()}
        nothing = await models.roll_back(connection, desk.book_id, purpose=Purpose.CREDIT, **of)
        back = await models.roll_back(connection, desk.book_id, purpose=Purpose.FRAUD, **of)

    assert isinstance(nothing, models.NothingToRollBack)
    assert isinstance(back, Registered)
    assert (back.version, second.version) == (1, 2)
    assert (await lender.decide(values=INCOME)).served.model == "loans@1"


# One that is slow


class Slow:
    """Has a model take longer than a batch may, while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deadline_ms: int) -> None:
        self.on = True
        self.asked = 0
        scored = LoadedModel.score

        def score(model: LoadedModel, row: models.Row) -> Any:
            self.asked += 1
            end = time.perf_counter_ns() + deadline_ms * 1_100_000
            while self.on and time.perf_counter_ns() < end:
                pass
            return scored(model, row)

        monkeypatch.setattr(LoadedModel, "score", score)


async def test_a_model_that_is_too_slow_again_and_again_rests_and_is_late(
    desk: DecisionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = msgspec.structs.replace(DECLINES, deadline_ms=20, fallback=models.Outcome.REVIEW)
    await desk.with_model(scorecard_file(), terms)
    slow = Slow(monkeypatch, terms.deadline_ms)

    for _ in range(PATIENCE + 2):
        (decision,) = await desk.decide(desk.subject())
        assert decision.reasons == ("model_late",)

    assert slow.asked == PATIENCE


async def test_after_its_rest_a_model_is_asked_again(
    desk: DecisionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caudal.risk.resting.REST_S", 0.0)
    terms = msgspec.structs.replace(DECLINES, deadline_ms=500)
    await desk.with_model(scorecard_file(), terms)
    slow = Slow(monkeypatch, terms.deadline_ms)
    for _ in range(PATIENCE):
        await desk.decide(desk.subject())
    slow.on = False

    (decision,) = await desk.decide(desk.subject())

    assert (decision.verdict, slow.asked) == (Verdict.APPROVE, PATIENCE + 1)


async def test_a_model_that_shadows_would_wait_for_is_no_shadow(desk: DecisionDesk) -> None:
    measured = models.Measured(latency_us=10_001.0, latency_p99_us=20_000.0)
    async with desk.database.transaction() as connection:
        model = await models.register(
            connection, desk.book_id, models.Prepared(file=scorecard_file(), measured=measured), caller=ANA,
            ledger=desk.ledger, at=desk.clock.now(),
        )  # fmt: skip

    refused = await stage_of(desk, model, Stage.SHADOW)

    assert isinstance(refused, StageRefused)
    assert "all shadows of a batch have 10,000" in refused.detail
