"""Ratios of two numbers as inputs: what trees cannot see, since they ask for one number at a time.

Which ratios tell something is found on the training rows alone: of each the part that a quick model of the
plain inputs has left unexplained is compared between twenty bins (a score test of each bin's mean residual).
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import lightgbm as lgb
import msgspec
import numpy as np

from caudal import models
from caudal.training.encoding import Encoder, over, words
from caudal.training.types import Floats

MOST: Final = 12
LEAST_ROWS: Final = 5_000
"""With fewer rows the best of hundreds of ratios is the best by chance."""
_BINS: Final = 20
_DIFFERENT: Final = 50
"""A number with fewer different values is a code or a count."""
_MOST_NUMBERS: Final = 24
_SCORE: Final = 12.0
"""By how much the test must exceed what chance makes of it on average: two standard deviations."""
_SAMPLE: Final = 40_000


def with_ratios(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> Encoder:
    """The encoder with those ratios that tell what the plain inputs do not."""
    if len(matrix) < LEAST_ROWS:
        return encoder
    if len(matrix) > _SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(matrix), _SAMPLE, replace=False)
        matrix, y = matrix[chosen], y[chosen]
    found = _telling(encoder, matrix, y, seed)
    inputs = [*encoder.inputs, *(_input(encoder.inputs, pair, matrix) for pair in found)]
    return Encoder(inputs=tuple(inputs), places=encoder.places)


def with_shares(encoder: Encoder, matrix: Floats, shares: Sequence[tuple[str, str]]) -> Encoder:
    """The encoder with ratios of named inputs; of those that are not among its inputs there are none."""
    places = {one.name: place for place, one in enumerate(encoder.inputs)}
    inputs = list(encoder.inputs)
    for above, below in shares:
        if above in places and below in places:
            pair = places[above], places[below]
            if np.isfinite(over(matrix[:, pair[0]], matrix[:, pair[1]])).any():
                inputs.append(_input(encoder.inputs, pair, matrix))
    return Encoder(inputs=tuple(inputs), places=encoder.places)


def _telling(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> list[tuple[int, int]]:
    many = [
        place
        for place, one in enumerate(encoder.inputs)
        if one.kind is models.InputKind.NUMBER
        and not one.monotone
        and len(np.unique(matrix[:2_000, place])) >= _DIFFERENT
    ][:_MOST_NUMBERS]
    probability = _quick(encoder, matrix, y, seed)
    residual, variance = y - probability, probability * (1 - probability)
    scored = []
    for pair in itertools.permutations(many, 2):
        ratio = over(matrix[:, pair[0]], matrix[:, pair[1]])
        there = np.isfinite(ratio)
        if there.mean() >= 0.5:
            scored.append((_score(ratio, there, residual, variance), pair))
    scored.sort(reverse=True)
    return [pair for score, pair in scored[:MOST] if score >= _SCORE]


def _score(ratio: Floats, there: Any, residual: Floats, variance: Floats) -> float:
    """The sum over bins of the squared residual over its variance, less the number of bins."""
    edges = np.unique(np.quantile(ratio[there], np.linspace(0, 1, _BINS + 1)[1:-1]))
    missing = len(edges) + 1
    bins = np.where(there, np.searchsorted(edges, np.where(there, ratio, 0), side="right"), missing)
    sums = np.bincount(bins, weights=residual, minlength=missing + 1)
    variances = np.bincount(bins, weights=variance, minlength=missing + 1)
    used = variances > 0
    return float((sums[used] ** 2 / variances[used]).sum() - used.sum())


def _quick(encoder: Encoder, matrix: Floats, y: Any, seed: int) -> Floats:
    """Probabilities of each half by a small model of the other."""
    halves = np.random.default_rng(seed).permutation(len(matrix))
    probability = np.zeros(len(matrix))
    parameters = {
        "objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "feature_fraction": 0.5,
        "verbosity": -1, "num_threads": 1, "max_bin": 63, "seed": seed, "deterministic": True,
        "force_row_wise": True,
    }  # fmt: skip
    for learn, rest in ((halves[::2], halves[1::2]), (halves[1::2], halves[::2])):
        data = lgb.Dataset(
            matrix[learn],
            label=y[learn],
            categorical_feature=encoder.categorical,
            params={"max_bin": 63, "verbosity": -1},
        )
        booster = lgb.train(parameters, data, num_boost_round=60)
        probability[rest] = np.asarray(booster.predict(matrix[rest]))
    return np.clip(probability, 1e-6, 1 - 1e-6)


def _input(inputs: Sequence[models.Input], pair: tuple[int, int], matrix: Floats) -> models.Input:
    first, second = (inputs[place].name for place in pair)
    values = over(matrix[:, pair[0]], matrix[:, pair[1]])
    there = values[np.isfinite(values)]
    return msgspec.structs.replace(
        models.Input(
            name=f"{first} / {second}"[:200],
            about=f"{words(first)} over {words(second)}"[:500],
            ratio=(first, second),
        ),
        low=float(there.min()),
        high=float(there.max()),
        typical=float(np.median(there)),
    )
