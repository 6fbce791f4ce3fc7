"""Decisions with models: who decides, by what score, with what reasons, and who does where none answers."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from caudal import models, risk
from caudal.features import Aggregate, Entity, Feature, FeatureSet
from caudal.models import Stage, Terms
from caudal.models.types import Score
from caudal.risk import Because, Fallback
from caudal.risk.serving_models import LoadedModel
from caudal_base.database import Database
from caudal_base.decide import Verdict
from support.decision_desks import DecisionDesk
from support.ledgers import new_book
from support.model_worlds import lightgbm_file, scorecard_file
from support.rule_worlds import rule

COUNTED = FeatureSet(
    features=(Feature(name="card_count_1h", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1h"),)
)
TERMS = Terms(
    challenge_at=0.03, review_at=0.2, decline_at=0.9, fallback=models.Outcome.REVIEW, deadline_ms=1_000
)
"""On whatever machine there is time enough."""

SLOWER = msgspec.structs.replace(TERMS, deadline_ms=100)
HURRIED = msgspec.structs.replace(TERMS, deadline_ms=2)


@pytest.fixture
async def desk(shared_database: Database) -> DecisionDesk:
    return DecisionDesk(shared_database, (await new_book(shared_database)).book_id)


async def serve(
    desk: DecisionDesk,
    file: models.ModelFile,
    stage: Stage = Stage.CHAMPION,
    terms: Terms = TERMS,
    **more: Any,
) -> models.Registered:
    """Register a model and let it serve."""
    return await desk.with_model(file, terms, stage, **more)


async def replayed(desk: DecisionDesk) -> list[bool]:
    found = []
    for row in await desk.records():
        async with desk.database.connection() as connection:
            found.append((await risk.replay(connection, desk.book_id, row.id)).same)
    return found


async def test_the_score_decides_and_a_scorecard_says_at_once_what_raised_it(desk: DecisionDesk) -> None:
    await desk.publish(COUNTED)
    await serve(desk, scorecard_file())

    low, high = await desk.decide(desk.subject(500), desk.subject(50_000, authenticates=True))

    assert (low.verdict, low.reasons) == (Verdict.APPROVE, ())
    assert high.verdict is Verdict.CHALLENGE
    assert high.reasons == ("model_score", "model_amount")
    newest, first = await desk.records()
    assert (newest.served.model, newest.served.role) == ("card-fraud@1", "champion")
    assert 0 < (first.decided.score or 0) < 0.03 <= (newest.decided.score or 0) < 0.2
    assert newest.decided.reasons[1].text == "amount: 50000"
    assert await replayed(desk) == [True, True]


async def test_what_trees_found_is_told_when_it_is_explained(desk: DecisionDesk) -> None:
    await serve(desk, lightgbm_file(), terms=Terms(review_at=0.0))
    (decision,) = await desk.decide(desk.subject(90_000))
    assert decision.reasons == ("model_score",)

    async with desk.database.connection() as connection:
        told = await risk.explain(connection, desk.book_id, decision.id or "")

    assert [reason.because for reason in told.reasons] == [Because.MODEL] * len(told.reasons)
    assert len(told.reasons) > 1
    assert await replayed(desk) == [True]


async def test_replay_goes_by_the_model_of_then(desk: DecisionDesk) -> None:
    await serve(desk, scorecard_file())
    await desk.decide(desk.subject(50_000), desk.subject(100))
    await serve(desk, scorecard_file(4.0), terms=Terms(decline_at=0.1))
    (after,) = await desk.decide(desk.subject(50_000))

    assert after.verdict is Verdict.DECLINE
    assert [row.served.model for row in await desk.records()] == ["card-fraud@2", *["card-fraud@1"] * 2]
    assert await replayed(desk) == [True] * 3


async def test_a_challenger_has_its_share_of_customers_and_a_shadow_decides_nothing(
    desk: DecisionDesk,
) -> None:
    await serve(desk, scorecard_file())
    await serve(desk, scorecard_file(0.5), Stage.CHALLENGER, share=50)
    await serve(desk, scorecard_file(1.0), Stage.SHADOW)
    await desk.decide(*[desk.subject() for _ in range(40)])

    rows = await desk.records()
    assert {row.served.role for row in rows} == {"champion", "challenger"}
    assert {tuple(shadow.model for shadow in row.shadows) for row in rows} == {("card-fraud@3",)}
    assert all(shadow.score is not None for row in rows for shadow in row.shadows)
    assert all(await replayed(desk))


class _Says:
    """A scorer that answers what it is told to, or is slow."""

    quick = True

    def __init__(self, score: Score, work: Callable[[], object] = lambda: None) -> None:
        self._score = score
        self._work = work

    def score(self, row: models.Row) -> Score:
        self._work()
        return self._score

    def reasons(self, row: models.Row, count: int = 4) -> list[models.Contribution]:
        return []


def spin(deadline_ms: int = HURRIED.deadline_ms) -> None:
    """Take longer than there is time."""
    end = time.perf_counter_ns() + deadline_ms * 1_100_000
    while time.perf_counter_ns() < end:
        pass


def broken() -> None:
    raise RuntimeError("a defect")


@pytest.mark.parametrize(
    ("score", "work", "fallback"),
    [
        (Score(None, ("payment.amount",), "input_required"), lambda: None, Fallback.NO_SCORE),
        (Score(float("nan")), lambda: None, Fallback.NO_SCORE),
        (Score(float("inf")), lambda: None, Fallback.NO_SCORE),
        (Score(0.01), spin, Fallback.LATE),
        (Score(0.01), broken, Fallback.FAILED),
    ],
)
async def test_where_no_model_answers_the_policy_decides_and_says_so(
    desk: DecisionDesk, monkeypatch: pytest.MonkeyPatch, score: Score, work: Callable[[], object],
    fallback: Fallback,
) -> None:  # fmt: skip
    await serve(desk, scorecard_file(), terms=HURRIED if work is spin else TERMS)
    says = _Says(score, work)
    monkeypatch.setattr(LoadedModel, "score", lambda self, row: risk_score(says, row))

    (decision,) = await desk.decide(desk.subject())

    assert (decision.verdict, decision.reasons) == (Verdict.REVIEW, (fallback.value,))
    (row,) = await desk.records()
    assert (row.served.fallback, row.decided.score) == (fallback, None)
    monkeypatch.undo()
    assert await replayed(desk) == [True]


def risk_score(says: _Says, row: models.Row) -> Any:
    from caudal.risk.decision_types import Scored

    found = says.score(row)
    return Scored(value=found.value, why=found.why, missing=found.missing)


@pytest.mark.parametrize(
    ("fallback", "verdict"),
    [(models.Outcome.APPROVE, Verdict.APPROVE), (models.Outcome.DECLINE, Verdict.DECLINE)],
)
async def test_a_model_that_cannot_be_read_is_stood_in_for(
    desk: DecisionDesk, fallback: models.Outcome, verdict: Verdict
) -> None:
    await serve(desk, scorecard_file(), terms=Terms(review_at=0.1, fallback=fallback))
    await desk.damage_models()
    await desk.with_rules(rule("large", "payment.amount > 100000", "review"))

    small, large = await desk.decide(desk.subject(100), desk.subject(200_000))

    assert small.verdict is verdict
    assert small.reasons == ("model_unreadable",)
    assert "rule_large" in large.reasons
    assert large.verdict is (Verdict.REVIEW if verdict is Verdict.APPROVE else verdict)
    assert all(row.served.fallback is Fallback.UNREADABLE for row in await desk.records())


async def test_the_policy_approves_what_is_small_where_it_decides(desk: DecisionDesk) -> None:
    terms = Terms(fallback=models.Outcome.DECLINE, approve_below={"EUR": 1_000})
    await serve(desk, scorecard_file(), terms=terms)
    await desk.damage_models()

    made = await desk.decide(desk.subject(999), desk.subject(1_000), desk.subject(999, currency="USD"))

    assert [one.verdict for one in made] == [Verdict.APPROVE, Verdict.DECLINE, Verdict.DECLINE]
    assert {one.reasons for one in made} == {("model_unreadable",)}
    assert await replayed(desk) == [True] * 3


async def test_a_shadow_that_is_slow_takes_no_time_from_what_decides(
    desk: DecisionDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve(desk, scorecard_file(), terms=SLOWER)
    await serve(desk, scorecard_file(1.0), Stage.SHADOW, terms=SLOWER)
    scored = LoadedModel.score

    def score(self: LoadedModel, row: models.Row) -> Any:
        if self.ref == "card-fraud@2":
            spin(SLOWER.deadline_ms)
        return scored(self, row)

    monkeypatch.setattr(LoadedModel, "score", score)
    await desk.decide(*[desk.subject() for _ in range(3)])

    rows = await desk.records()
    assert [row.served.fallback for row in rows] == [None] * 3
    assert [row.shadows[0].score for row in rows] == [None] * 3
