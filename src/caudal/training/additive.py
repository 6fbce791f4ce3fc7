"""Additive models as the registry's scorecards: EBM's terms, and what a fitted scorecard adds up.

An EBM (Nori, Jenkins, Koch, Caruana 2019) learns a curve for each input and some pairs; what it has learned
is a table of points by bins, which is all that is kept: no library is needed to score.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from caudal import models
from caudal.training.encoding import Encoder
from caudal.training.types import Floats

_PAIRS: Final = 8


class Additive(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted additive model."""

    scorecard: models.Scorecard
    encoder: Encoder
    importance: Mapping[str, float]
    """By how much each input moves the points, as shares of one."""

    def raw(self, matrix: Floats) -> Floats:
        """The sum of the points of all terms."""
        total = np.full(len(matrix), self.scorecard.intercept)
        places = {one.name: place for place, one in enumerate(self.encoder.inputs)}
        for term in self.scorecard.terms:
            flat = np.zeros(len(matrix), dtype=np.int64)
            for axis in term.axes:
                bins, count = _bins(axis, matrix[:, places[axis.input]])
                flat = flat * (count + 1) + bins
            total += np.asarray(term.points)[flat]
        return total


def _bins(axis: models.Axis, values: Floats) -> tuple[Any, int]:
    """The bin of each value, and how many there are less that for what is missing."""
    missing = np.isnan(values)
    if axis.groups:
        count = max(axis.groups) + 1
        groups = np.asarray(axis.groups)
        bins = groups[np.where(missing, 0, values).astype(np.int64)]
    else:
        count = len(axis.cuts) + 1
        bins = np.searchsorted(np.asarray(axis.cuts), values, side="right")
    return np.where(missing, count, bins), count


def fit_ebm(encoder: Encoder, matrix: Floats, y: Any, *, seed: int, monotone: bool) -> Additive:
    """Train an EBM: curves of all inputs, and with enough rows some pairs. Monotone where the inputs are."""
    from interpret.glassbox import ExplainableBoostingClassifier

    categorical = set(encoder.categorical)
    kinds = ["nominal" if place in categorical else "continuous" for place in range(matrix.shape[1])]
    machine = ExplainableBoostingClassifier(
        feature_names=[f"x{place}" for place in range(matrix.shape[1])],
        feature_types=kinds,
        interactions=_PAIRS if len(matrix) >= 5_000 else 0,
        outer_bags=4,
        max_bins=256,
        monotone_constraints=[one.monotone for one in encoder.inputs] if monotone else None,
        n_jobs=1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # It warns that its own plots do not show missing values; the report's do.
        warnings.simplefilter("ignore")
        machine.fit(_for_ebm(matrix, categorical), y)
    return _of_ebm(machine, encoder, matrix)


def _for_ebm(matrix: Floats, categorical: set[int]) -> Any:
    """Categories as texts, since numbers are thought to have an order."""
    if not categorical:
        return matrix
    made = matrix.astype(object)
    for place in categorical:
        made[:, place] = [None if one != one else str(int(one)) for one in matrix[:, place]]
    return made


def _of_ebm(machine: Any, encoder: Encoder, matrix: Floats) -> Additive:
    """An EBM's tables: its bin 0 is what is missing, its last what is unknown; ours ends with the missing."""
    terms = []
    for places, scores in zip(machine.term_features_, machine.term_scores_, strict=True):
        axes, points = [], np.asarray(scores, dtype=np.float64)
        for dimension, place in enumerate(places):
            levels = machine.bins_[place]
            axis, order = _axis(levels[min(len(places), len(levels)) - 1], encoder.inputs[place])
            axes.append(axis)
            points = np.take(points, order, axis=dimension)
        terms.append(models.Term(axes=tuple(axes), points=tuple(float(one) for one in points.ravel())))
    return finished(
        models.Scorecard(terms=tuple(terms), intercept=float(machine.intercept_[0])), encoder, matrix
    )


def _axis(bins: Any, one: models.Input) -> tuple[models.Axis, list[int]]:
    """Our axis, and which of the EBM's bins each of its bins is."""
    if one.kind is models.InputKind.NUMBER:
        cuts = tuple(float(cut) for cut in bins)
        return models.Axis(input=one.name, cuts=cuts), [*range(1, len(cuts) + 2), 0]
    known = {int(category): number for category, number in bins.items()}
    last = max(known.values(), default=0) + 1
    order = [known.get(place, last) for place in range(len(one.categories))]
    used = sorted(set(order))
    groups = tuple(used.index(number) for number in order)
    return models.Axis(input=one.name, groups=groups), [*used, 0]


def finished(scorecard: models.Scorecard, encoder: Encoder, matrix: Floats) -> Additive:
    """With the mean of each term's points in training, against which reasons are given."""
    bare = Additive(scorecard=scorecard, encoder=encoder, importance={})
    terms, moved = [], {}
    for term in scorecard.terms:
        alone = msgspec.structs.replace(bare, scorecard=models.Scorecard(terms=(term,)))
        points = alone.raw(matrix)
        terms.append(msgspec.structs.replace(term, expected=float(points.mean())))
        name = " & ".join(axis.input for axis in term.axes)
        moved[name] = float(np.abs(points - points.mean()).mean())
    total = sum(moved.values()) or 1.0
    return Additive(
        scorecard=models.Scorecard(terms=tuple(terms), intercept=scorecard.intercept),
        encoder=encoder,
        importance={name: value / total for name, value in moved.items()},
    )


def used_inputs(scorecard: models.Scorecard, inputs: Sequence[models.Input]) -> tuple[models.Input, ...]:
    """Those that some term asks for."""
    asked = {axis.input for term in scorecard.terms for axis in term.axes}
    return tuple(one for one in inputs if one.name in asked)
