"""What can be trained: for credit a scorecard, an EBM and a monotone LightGBM; for fraud LightGBM."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from scipy.stats import spearmanr

from caudal import models
from caudal.training import additive, boosting, scorecard
from caudal.training.encoding import Encoder
from caudal.training.types import Floats, Learned

SCORECARD: Final = "scorecard"
EBM: Final = "ebm"
LIGHTGBM: Final = "lightgbm"

ABOUT: Final[Mapping[str, str]] = {
    SCORECARD: "Scorecard: monotone bins, weight of evidence, whole points",
    EBM: "Explainable boosting machine: a curve for each input, and some pairs",
    LIGHTGBM: "LightGBM: many small trees, never against a trend that is clear or declared",
}
LINKS: Final[Mapping[str, models.Logit | models.Points]] = {
    SCORECARD: scorecard.link(),
    EBM: models.Logit(),
    LIGHTGBM: models.Logit(),
}
DIRECTIONS: Final = {
    SCORECARD: models.Direction.GOODNESS,
    EBM: models.Direction.RISK,
    LIGHTGBM: models.Direction.RISK,
}
KINDS: Final = {
    SCORECARD: models.Kind.SCORECARD,
    EBM: models.Kind.SCORECARD,
    LIGHTGBM: models.Kind.LIGHTGBM,
}
ADDITIVE: Final = frozenset({SCORECARD, EBM})

_TREND_BINS: Final = 10
_CLEAR_TREND: Final = 0.98
"""The part of the variance between bins that a monotone line must explain for a trend to be clear."""
_LEAST_ROWS: Final = 5_000
"""With fewer rows a trend may look clear by chance, and being held to it costs more than it helps."""
_CHANCE: Final = 1e-3

Learner = Callable[[Encoder, Floats, Any, int], Learned]
"""Of an encoding, its matrix of the training rows, their outcomes and a seed."""


def learner(name: str, setting: boosting.Setting, threads: int = 1) -> Learner:
    """The learner of a name; `setting` is for LightGBM."""
    match name:
        case "scorecard":
            return _scorecard
        case "ebm":
            return _ebm
        case _:

            def boosted(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> Learned:
                model = boosting.fit(setting, encoder, matrix, y, seed=seed, threads=threads)
                return Learned(
                    learner=LIGHTGBM,
                    artifact=model.text.encode(),
                    encoder=encoder,
                    raw=model.raw,
                    importance=model.gains,
                    parameters=msgspec.structs.asdict(setting),
                )

            return boosted


def _scorecard(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> Learned:
    card = scorecard.fit(encoder, matrix, y)

    def raw(rows: Floats) -> Floats:
        return scorecard.log_odds(card.additive.raw(rows))

    return Learned(
        learner=SCORECARD,
        artifact=models.artifact_of(card.additive.scorecard),
        encoder=encoder,
        raw=raw,
        importance=card.additive.importance,
        bins=card.bins,
        information=card.information,
        parameters={"points_to_double_the_odds": scorecard.DOUBLE_ODDS, "base_points": scorecard.BASE_POINTS},
    )


def _ebm(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> Learned:
    declared = any(one.monotone for one in encoder.inputs)
    model = additive.fit_ebm(encoder, matrix, y, seed=seed, monotone=declared)
    return Learned(
        learner=EBM,
        artifact=models.artifact_of(model.scorecard),
        encoder=encoder,
        raw=model.raw,
        importance=model.importance,
        parameters={"terms": len(model.scorecard.terms)},
    )


def trends(encoder: Encoder, matrix: Floats, y: Any) -> Encoder:
    """The encoder with the direction of those inputs whose trend is clear; declared ones stay.

    What a ratio is made of has none: as it grows, so do or fall its ratios.
    """
    if len(matrix) < _LEAST_ROWS:
        return encoder
    made_of = {name for one in encoder.inputs if one.ratio is not None for name in one.ratio}
    inputs = [
        one
        if one.monotone or one.ratio or one.name in made_of or one.kind is models.InputKind.CATEGORY
        else msgspec.structs.replace(one, monotone=_trend(matrix[:, place], y))
        for place, one in enumerate(encoder.inputs)
    ]
    return Encoder(inputs=tuple(inputs), places=encoder.places)


def _trend(values: Floats, y: Any) -> int:
    """1, -1, or 0 where the risk does not clearly rise or fall with the values."""
    there = np.isfinite(values)
    if there.sum() < 200 or len(np.unique(values[there])) < 3:
        return 0
    tested = spearmanr(values[there], y[there])
    if not tested.pvalue < _CHANCE:
        return 0
    sign = 1 if tested.statistic > 0 else -1
    edges = np.unique(np.quantile(values[there], np.linspace(0, 1, _TREND_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values[there], side="right")
    rows = np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)
    bad = np.bincount(bins, weights=y[there], minlength=len(edges) + 1)
    used = rows > 0
    rates, weights = bad[used] / rows[used] * sign, rows[used]
    mean = float(np.average(rates, weights=weights))
    between = float(np.sum(weights * (rates - mean) ** 2))
    away = float(np.sum(weights * (rates - _rising(rates, weights)) ** 2))
    return sign if between > 0 and 1 - away / between >= _CLEAR_TREND else 0


def _rising(rates: Floats, weights: Floats) -> Floats:
    """The nearest line that never falls: pool adjacent violators (Barlow et al. 1972)."""
    blocks: list[tuple[float, float, int]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        blocks.append((rate, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, of_one, first), (other, of_other, second) = blocks[-2:]
            total = of_one + of_other
            blocks[-2:] = [((one * of_one + other * of_other) / total, total, first + second)]
    return np.repeat([rate for rate, _, _ in blocks], [count for _, _, count in blocks])


def names(purpose: models.Purpose, wished: Sequence[str]) -> tuple[str, ...]:
    """What is trained for a purpose, unless something else is wished."""
    if wished:
        return tuple(wished)
    return (LIGHTGBM,) if purpose is models.Purpose.FRAUD else (SCORECARD, EBM, LIGHTGBM)
