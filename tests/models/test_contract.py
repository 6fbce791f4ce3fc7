"""`check_risk_model` passes models that keep to the contract, and says what others break."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from caudal import models
from caudal.models import ContractBroken, Contribution, ModelFile, Purpose, Row, Score, Scorer
from support.model_worlds import (
    AMOUNT,
    COUNT,
    COUNTRY,
    card,
    credit_file,
    lightgbm_file,
    points,
    scorecard_file,
)


@pytest.mark.parametrize("file", [scorecard_file(), credit_file(), lightgbm_file()])
def test_models_of_ours_keep_to_it(file: ModelFile) -> None:
    models.check_risk_model(models.load(file), latency_us=100_000)


class Bring:
    """A model that somebody brings, by default one that behaves."""

    additive = True

    def __init__(self) -> None:
        self.behaved: Scorer = models.load(scorecard_file())
        self.inputs = self.behaved.inputs

    def score(self, row: Row) -> Score:
        return self.behaved.score(row)

    def score_many(self, rows: Sequence[Row]) -> list[Score]:
        return [self.score(row) for row in rows]

    def parts(self, row: Row) -> tuple[float, list[Contribution]]:
        return self.behaved.parts(row)

    def reasons(self, row: Row, count: int = 4) -> list[Contribution]:
        return self.behaved.reasons(row, count)


class Random(Bring):
    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()

    def score(self, row: Row) -> Score:
        return Score(1 / (1 + next(self.numbers)), super().score(row).missing)


class OutOfRange(Bring):
    def score(self, row: Row) -> Score:
        found = super().score(row)
        return msgspec.structs.replace(found, value=1.5)


class Silent(Bring):
    def score(self, row: Row) -> Score:
        return msgspec.structs.replace(super().score(row), missing=())


class TakesNan(Bring):
    def score(self, row: Row) -> Score:
        amount = row.get(AMOUNT.name)
        if isinstance(amount, float) and math.isnan(amount):
            return Score(0.5)
        return super().score(row)


class Raises(Bring):
    def score(self, row: Row) -> Score:
        if not row:
            raise ZeroDivisionError
        return super().score(row)


class FallsWithAmount(Bring):
    def score(self, row: Row) -> Score:
        found, amount = super().score(row), row.get(AMOUNT.name)
        if not isinstance(amount, float):
            return found
        return msgspec.structs.replace(found, value=1 / (2 + abs(amount))) if math.isfinite(amount) else found


class DoesNotAddUp(Bring):
    def parts(self, row: Row) -> tuple[float, list[Contribution]]:
        base, parts = super().parts(row)
        return base + 0.5, parts


class Unranked(Bring):
    def reasons(self, row: Row, count: int = 4) -> list[Contribution]:
        return super().reasons(row, count)[::-1]


class UnknownIsFirst(Bring):
    def score(self, row: Row) -> Score:
        known = row.get(COUNTRY.name) in (*COUNTRY.categories, None)
        return super().score(row if known else {**row, COUNTRY.name: "DE"})


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Random(), "determinism"),
        (OutOfRange(), "range"),
        (Silent(), "missing"),
        (TakesNan(), "unfit"),
        (Raises(), "absent"),
        (FallsWithAmount(), "monotone"),
        (DoesNotAddUp(), "reasons"),
        (Unranked(), "reasons"),
        (UnknownIsFirst(), "unknown"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_broken_is_named(broken: Any, check: str) -> None:
    with pytest.raises(ContractBroken) as found:
        models.check_risk_model(broken, latency_us=100_000)
    assert check in {failure.partition(":")[0] for failure in found.value.failures}


def test_a_model_that_behaves_may_be_anybodys() -> None:
    models.check_risk_model(Bring(), latency_us=100_000)


def test_a_slow_model_is_named() -> None:
    with pytest.raises(ContractBroken, match="latency: a score takes"):
        models.check_risk_model(Bring(), latency_us=0.001)


def test_a_monotone_claim_that_does_not_hold_is_found() -> None:
    claims = (AMOUNT, msgspec.structs.replace(COUNT, monotone=-1), COUNTRY)
    file = models.assemble(card(inputs=claims), models.artifact_of(points()))
    with pytest.raises(ContractBroken, match=f"monotone: the risk does not only fall with {COUNT.name}"):
        models.check_risk_model(models.load(file), latency_us=100_000)


def test_credit_without_adverse_action_codes_is_found() -> None:
    bare = tuple(msgspec.structs.replace(one, adverse=None) for one in (AMOUNT, COUNT, COUNTRY))
    file = models.assemble(card(purpose=Purpose.CREDIT, inputs=bare), models.artifact_of(points()))
    with pytest.raises(ContractBroken, match=r"no adverse-action code for payment\.amount"):
        models.check_risk_model(models.load(file), latency_us=100_000)


class Estimator:
    """In scikit-learn's style: it scores rows, and is exported."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def to_model(self) -> ModelFile:
        return scorecard_file()

    def predict_proba(self, rows: Sequence[Row]) -> list[float]:
        scorer = models.load(scorecard_file())
        return [(score.value or 0.0) + self.shift for score in scorer.score_many(rows)]


def test_an_estimator_and_what_it_exports_say_the_same() -> None:
    models.check_risk_model(Estimator(), latency_us=100_000)
    with pytest.raises(ContractBroken, match="export: the estimator says"):
        models.check_risk_model(Estimator(shift=0.01), latency_us=100_000)
