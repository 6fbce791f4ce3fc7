"""A model at work: rows in, calibrated probabilities and reasons out. Scoring never raises.

scorer = load(file)
scorer.score({"payment.amount": 1250, "features.card_count_1h": 14})     # Score(value=0.031, …)
scorer.reasons(row, 4)
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from caudal.models.engines import Engine, EngineFailed
from caudal.models.errors import ModelInvalid
from caudal.models.lightgbm_engine import LightGbmEngine
from caudal.models.onnx_engine import OnnxEngine
from caudal.models.rules import calibrator
from caudal.models.scorecards import ScorecardEngine
from caudal.models.types import (
    Card,
    Contribution,
    Direction,
    Input,
    Kind,
    ModelFile,
    Purpose,
    Row,
    Score,
)
from caudal.models.vectors import Vectors

MAX_BATCH: Final = 10_000
"""Rows that are scored in one call of a library."""

_ENGINES: Final[dict[Kind, Callable[[Card, bytes], Engine]]] = {
    Kind.LIGHTGBM: LightGbmEngine,
    Kind.ONNX: OnnxEngine,
    Kind.SCORECARD: ScorecardEngine,
}


def load(file: ModelFile) -> "Scorer":
    """Make a model ready: some milliseconds, so not while others wait.

    Raises `ModelCorrupt`, `ModelInvalid`, `LibraryMissing`.
    """
    return Scorer(file.card, _ENGINES[file.card.kind](file.card, file.artifact))


class Scorer:
    """A model, ready. Threads may use it at the same time."""

    def __init__(self, card: Card, engine: Engine) -> None:
        """An engine that was made for this card; with one of your own, models of any kind can be tried."""
        self.card = card
        self.inputs: tuple[Input, ...] = card.inputs
        self.additive = engine.additive
        """Whether `parts` add up to the raw output."""
        self.quick = engine.quick
        """Whether reasons cost no more than the score: then they may be asked for while a payment waits."""
        self._engine = engine
        self._vectors = Vectors(card.inputs)
        self._calibrated = calibrator(card)
        self._sign = 1.0 if card.direction is Direction.RISK else -1.0

    def score(self, row: Row) -> Score:
        """The probability of the risk, or why there is none."""
        vector, missing = self._vectors.vector(row)
        if missing and not self._vectors.required.isdisjoint(missing):
            return Score(None, tuple(missing), "input_required")
        try:
            raw = self._engine.raw(vector)
        except EngineFailed:
            return Score(None, tuple(missing), "model_failed")
        return self._score(raw, missing)

    def score_many(self, rows: Sequence[Row]) -> list[Score]:
        """The same for many rows: the same bits, in fewer calls."""
        found = []
        for start in range(0, len(rows), MAX_BATCH):
            made = [self._vectors.vector(row) for row in rows[start : start + MAX_BATCH]]
            try:
                raws = self._engine.raws([vector for vector, _ in made])
            except EngineFailed:
                found += [self.score(row) for row in rows[start : start + MAX_BATCH]]
                continue
            for raw, (_, missing) in zip(raws, made, strict=True):
                if missing and not self._vectors.required.isdisjoint(missing):
                    found.append(Score(None, tuple(missing), "input_required"))
                else:
                    found.append(self._score(raw, missing))
        return found

    def parts(self, row: Row) -> tuple[float, list[Contribution]]:
        """The raw output taken apart: what it would be of nobody in particular, and what each term adds.

        Signs are turned so that what is positive raises the risk: of an additive model the sum of all is the
        raw output, turned likewise. Nothing where the model gives none. Milliseconds, unless `quick`.
        """
        vector, _ = self._vectors.vector(row)
        try:
            found = self._engine.parts(vector)
        except EngineFailed:
            return 0.0, []
        sign = self._sign
        contributions = [
            self._contribution(row, places, sign * part)
            for places, part in zip(found.terms, found.parts, strict=True)
        ]
        return sign * found.base, contributions

    def reasons(self, row: Row, count: int = 4) -> list[Contribution]:
        """What raised the risk of a row, the weightiest first, each adverse-action code once."""
        _, contributions = self.parts(row)
        ranked = sorted(
            (one for one in contributions if one.points > 0), key=lambda one: (-one.points, one.name)
        )
        first: dict[str, Contribution] = {}
        for one in ranked:
            first.setdefault(one.code, one)
        return list(first.values())[:count]

    def _score(self, raw: float, missing: list[str]) -> Score:
        if not math.isfinite(raw):
            return Score(None, tuple(missing), "model_failed")
        value = self._calibrated(raw)
        if not 0.0 <= value <= 1.0:  # NaN is neither: a card whose numbers overflow on the way
            return Score(None, tuple(missing), "model_failed")
        return Score(value, tuple(missing), None, raw)

    def _contribution(self, row: Row, places: tuple[int, ...], points: float) -> Contribution:
        inputs = [self.inputs[place] for place in places]
        first = inputs[0]
        name = " & ".join(one.name for one in inputs)
        adverse = first.adverse if self.card.purpose is Purpose.CREDIT else None
        return Contribution(
            name=name,
            points=points,
            text="; ".join(f"{one.about}: {_told(row, one)}" for one in inputs),
            code=name if adverse is None else adverse.code,
            statement=None if adverse is None else adverse.text,
        )


class Scoring(msgspec.Struct, frozen=True):
    """A score with its reasons."""

    score: Score
    reasons: tuple[Contribution, ...]


def score_one(file: ModelFile, row: Row, count: int = 4) -> Scoring:
    """Load a model and have it score one row, with up to `count` reasons; none where there is no score.

    Raises as `load` does.
    """
    scorer = load(file)
    score = scorer.score(row)
    return Scoring(score, () if score.value is None else tuple(scorer.reasons(row, count)))


def try_out(file: ModelFile) -> Scorer:
    """`load`, and one score of a row of usual values, which must come out.

    Raises as `load` does, and `ModelInvalid` where there is no score.
    """
    scorer = load(file)
    found = scorer.score({one.name: usual(one) for one in scorer.inputs})
    if found.value is None:
        raise ModelInvalid("it gives no score for a row of usual values", field="artifact")
    return scorer


def usual(one: Input) -> float | int | str:
    """A value that an input may well have."""
    if one.categories:
        return one.typical if isinstance(one.typical, str) else one.categories[0]
    if isinstance(one.typical, int | float):
        return one.typical
    bounds = [bound for bound in (one.low, one.high) if bound is not None]
    return sum(bounds) / len(bounds) if bounds else 0.0


def _told(row: Row, one: Input) -> str:
    value = row.get(one.name)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not known"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
