"""Scorecards: inputs in monotone bins, weight of evidence, a logistic regression, whole points.

Siddiqi, *Intelligent Credit Scoring* (2017), chapters 6 and 10: the weight of evidence of a bin is the
logarithm of the good's share in it over the bad's; points are `factor x log odds of good + offset`, with
`factor = points to double the odds / ln 2`. Bins are optbinning's (Navas-Palencia 2020), weights of evidence
are ours: half a row is added to each count, so that a bin without bad rows has a finite one.
"""

import itertools
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression

from caudal import models
from caudal.training.additive import Additive, finished
from caudal.training.encoding import Encoder
from caudal.training.types import Floats

BASE_POINTS: Final = 600.0
BASE_ODDS: Final = 50.0
"""Good to bad at the base points."""
DOUBLE_ODDS: Final = 20.0
"""Points in which the odds double."""
LEAST_INFORMATION: Final = 0.01
"""Information value below which an input says nothing (Siddiqi: below 0.02 is unpredictive)."""
_LEAST_MISSING: Final = 20
"""Rows without a value from which on these have a weight of their own."""
_MOST_CATEGORIES: Final = 200
"""For the optimiser; what is rarer has the weight of all others."""
_STRENGTH: Final = 0.2
_STRENGTH_LARGE: Final = 1.0


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """A bin of the scorecard, as people read it."""

    input: str
    label: str
    rows: int
    bad_rate: float
    evidence: float
    """The weight of evidence: positive is good."""
    points: int


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted scorecard with its table."""

    additive: Additive
    bins: tuple[Bin, ...]
    information: Mapping[str, float]
    """The information value of each input that was binned."""


class _Binned(msgspec.Struct, frozen=True, kw_only=True):
    place: int
    axis: models.Axis
    evidence: tuple[float, ...]
    """Of each bin, the last of what is missing."""
    rows: tuple[int, ...]
    bad: tuple[int, ...]
    information: float
    bins: Any
    """Of each row of training."""


def link() -> models.Points:
    """What the points mean."""
    return models.Points(base_points=BASE_POINTS, base_odds=BASE_ODDS, double_odds=DOUBLE_ODDS)


def log_odds(points: Floats) -> Floats:
    """Of the risk, as the link says it."""
    found: Floats = -((points - BASE_POINTS) * math.log(2) / DOUBLE_ODDS + math.log(BASE_ODDS))
    return found


def fit(encoder: Encoder, matrix: Floats, y: Any) -> Card:
    """Bin, weigh, and give points. Inputs without information, or that would turn around, are left out."""
    binned = [
        made
        for place, one in enumerate(encoder.inputs)
        if (made := _binned(place, one, matrix[:, place], y)) is not None
    ]
    informative = [made for made in binned if made.information >= LEAST_INFORMATION]
    chosen, weights, intercept = _regress(informative or binned, y)
    factor = DOUBLE_ODDS / math.log(2)
    terms, shown = [], []
    for made, weight in zip(chosen, weights, strict=True):
        points = tuple(float(round(factor * weight * one)) for one in made.evidence)
        terms.append(models.Term(axes=(made.axis,), points=points))
        shown += _shown(encoder.inputs[made.place], made, points)
    # Half of a point is lost or won in rounding, here as in each bin.
    start = round(BASE_POINTS - factor * math.log(BASE_ODDS) - factor * intercept)
    scorecard = models.Scorecard(terms=tuple(terms), intercept=float(start))
    return Card(
        additive=finished(scorecard, encoder, matrix),
        bins=tuple(shown),
        information={encoder.inputs[made.place].name: made.information for made in binned},
    )


def _regress(binned: Sequence[_Binned], y: Any) -> tuple[list[_Binned], list[float], float]:
    """Weights of the evidence: an input whose weight is not positive would score against its own bins."""
    left = list(binned)
    while True:
        evidence = np.column_stack([-np.asarray(made.evidence)[made.bins] for made in left])
        strength = _STRENGTH if len(y) < 5_000 else _STRENGTH_LARGE
        regression = LogisticRegression(C=strength, max_iter=500).fit(evidence, y)
        weights = regression.coef_[0]
        if len(left) == 1 or weights.min() > 0:
            return left, [float(max(one, 0.0)) for one in weights], float(regression.intercept_[0])
        left.pop(int(weights.argmin()))


def _binned(place: int, one: models.Input, values: Floats, y: Any) -> _Binned | None:
    """An input's bins; None where it falls into one."""
    there = np.isfinite(values)
    if there.sum() < 50:
        return None
    if one.kind is models.InputKind.NUMBER:
        cuts = _cuts(values[there], y[there], one.monotone)
        axis = models.Axis(input=one.name, cuts=cuts)
        bins, count = np.searchsorted(np.asarray(cuts), values, side="right"), len(cuts) + 1
    else:
        groups = _groups(values[there].astype(np.int64), y[there], len(one.categories))
        axis = models.Axis(input=one.name, groups=groups)
        bins = np.asarray(groups)[np.where(there, values, 0).astype(np.int64)]
        count = max(groups) + 1
    bins = np.where(there, bins, count)
    rows = np.bincount(bins, minlength=count + 1)
    bad = np.bincount(bins, weights=y, minlength=count + 1)
    good = rows - bad
    share_good, share_bad = (good + 0.5) / (good.sum() + 0.5), (bad + 0.5) / (bad.sum() + 0.5)
    evidence = np.log(share_good / share_bad)
    if rows[-1] < _LEAST_MISSING:
        evidence[-1] = 0.0
    used = rows > 0
    information = float(((share_good - share_bad) * evidence)[used].sum())
    if used.sum() < 2:
        return None
    return _Binned(
        place=place,
        axis=axis,
        evidence=tuple(float(each) for each in evidence),
        rows=tuple(int(each) for each in rows),
        bad=tuple(int(each) for each in bad),
        information=information,
        bins=bins,
    )


def _cuts(values: Floats, y: Any, monotone: int) -> tuple[float, ...]:
    """Where bins meet, so that the bad rate only rises or only falls."""
    trend = {0: "auto_asc_desc", 1: "ascending", -1: "descending"}[monotone]
    share = 0.05 if len(values) < 5_000 else 0.02
    binning = _optimiser()(
        dtype="numerical",
        monotonic_trend=trend,
        min_bin_size=share,
        max_n_prebins=20 if len(values) < 5_000 else 30,
        solver="cp",
        time_limit=5,
    )
    return tuple(float(cut) for cut in _fitted(binning, values, y).splits)


def _groups(codes: Any, y: Any, count: int) -> tuple[int, ...]:
    """Which categories share a bin. Rare ones, and those never seen here, are in the last."""
    seen = np.bincount(codes, minlength=count)
    frequent = np.flatnonzero(seen >= max(5, len(codes) // 1_000))
    frequent = frequent[np.argsort(-seen[frequent], kind="stable")][:_MOST_CATEGORIES]
    within = np.isin(codes, frequent)
    if len(frequent) < 2 or not 0 < y[within].sum() < within.sum():
        return (0,) * count
    binning = _optimiser()(dtype="categorical", min_bin_size=0.02, solver="cp", time_limit=5)
    texts = np.array([str(code) for code in codes[within]], dtype=object)
    groups = np.full(count, -1)
    splits = _fitted(binning, texts, y[within]).splits
    for number, members in enumerate(splits):
        groups[[int(member) for member in members]] = number
    groups[groups < 0] = len(splits)
    _, packed = np.unique(groups, return_inverse=True)
    return tuple(int(each) for each in packed)


def _optimiser() -> Any:
    """optbinning's, imported quietly: a library of its own tells of solvers that nobody asks for."""
    logging.disable(logging.CRITICAL)
    try:
        from optbinning import OptimalBinning
    finally:
        logging.disable(logging.NOTSET)
    return OptimalBinning


def _fitted(binning: Any, values: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return binning.fit(values, y.astype(np.int64))


def _shown(one: models.Input, made: _Binned, points: Sequence[float]) -> list[Bin]:
    """The table's rows of an input; a bin that no row of training was in is not shown."""
    labels = [*_labels(one, made.axis), "missing"]
    return [
        Bin(
            input=one.name,
            label=label,
            rows=rows,
            bad_rate=bad / rows,
            evidence=round(evidence, 4),
            points=int(given),
        )
        for label, rows, bad, evidence, given in zip(
            labels, made.rows, made.bad, made.evidence, points, strict=True
        )
        if rows
    ]


def _labels(one: models.Input, axis: models.Axis) -> list[str]:
    if one.kind is models.InputKind.CATEGORY:
        labels = []
        for group in range(max(axis.groups) + 1):
            members = [name for name, of in zip(one.categories, axis.groups, strict=True) if of == group]
            more = f" and {len(members) - 6} more" if len(members) > 6 else ""
            labels.append(", ".join(members[:6]) + more)
        return labels
    cuts = [f"{cut:,.6g}" for cut in axis.cuts]
    if not cuts:
        return ["any"]
    between = [f"{low} to below {high}" for low, high in itertools.pairwise(cuts)]
    return [f"below {cuts[0]}", *between, f"{cuts[-1]} and above"]
