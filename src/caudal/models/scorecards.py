"""Scorecards: points by bins, added up in plain Python. Also additive models with pairs, such as EBM.

    {"intercept": 412.0, "terms": [
        {"axes": [{"input": "age", "cuts": [25, 40]}], "points": [10, 31, 44, 20], "expected": 30.2},
        {"axes": [{"input": "job", "groups": [0, 0, 1]}, {"input": "age", "cuts": [30]}],
         "points": [1, 2, 0, 3, 4, 0, 0, 0, 0]}]}

An axis of a number has a bin below each cut and one from the last cut on; that of a category a bin for each
group. After them each axis has one more bin: for what is missing. Of two axes the second runs faster.
"""

import bisect
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from caudal.models.engines import Parts, Vector
from caudal.models.errors import ModelCorrupt, ModelInvalid
from caudal.models.types import Card, Input, InputKind, Written
from caudal_base.errors import InvalidRequest
from caudal_base.strictjson import StrictDecoder

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TERMS: Final = 5_000
MAX_POINTS: Final = 1e12
"""Either side of 0: sums of them are finite."""


class Axis(Written, frozen=True, kw_only=True):
    """How the values of an input fall into bins."""

    input: str
    cuts: tuple[float, ...] = ()
    """Of a number, growing: a value is in the bin below the first cut that is greater."""
    groups: tuple[int, ...] = ()
    """Of a category: the bin of each of the card's categories, in their order."""


class Term(Written, frozen=True, kw_only=True):
    """The points of one input, or of two together."""

    axes: tuple[Axis, ...]
    points: tuple[float, ...]
    expected: float = 0.0
    """The mean of the points in training: reasons are what differs from it."""


class Scorecard(Written, frozen=True, kw_only=True):
    """The artifact of the kind `scorecard`."""

    terms: tuple[Term, ...]
    intercept: float = 0.0


_decoder: Final = StrictDecoder(Scorecard, max_bytes=MAX_BYTES)


def artifact_of(scorecard: Scorecard) -> bytes:
    """The artifact of a scorecard."""
    return msgspec.json.encode(scorecard, order="sorted")


class ScorecardEngine:
    """Adds points up. Sums are correctly rounded, so that the order of terms does not matter."""

    additive = True
    quick = True

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Raises `ModelCorrupt` for what is no scorecard, `ModelInvalid` for one that does not fit."""
        try:
            scorecard = _decoder.decode(artifact)
        except InvalidRequest as wrong:
            where = f"artifact.{wrong.field}" if wrong.field else "artifact"
            raise ModelCorrupt(wrong.detail, field=where) from None
        if not 1 <= len(scorecard.terms) <= MAX_TERMS:
            raise ModelInvalid(f"1 to {MAX_TERMS} terms", field="artifact.terms")
        if not abs(scorecard.intercept) <= MAX_POINTS:
            raise ModelInvalid(f"it lies within {MAX_POINTS:g}", field="artifact.intercept")
        places = {one.name: place for place, one in enumerate(card.inputs)}
        self._terms = [
            _Lookup(term, card.inputs, places, f"artifact.terms[{number}]")
            for number, term in enumerate(scorecard.terms)
        ]
        self._intercept = scorecard.intercept
        self._base = math.fsum([scorecard.intercept, *(term.expected for term in self._terms)])
        self._places = tuple(term.places for term in self._terms)

    def raw(self, vector: Vector) -> float:
        """The intercept and the points of all terms."""
        return math.fsum([self._intercept, *[term.points(vector) for term in self._terms]])

    def raws(self, vectors: Sequence[Vector]) -> list[float]:
        """The same for many."""
        return [self.raw(vector) for vector in vectors]

    def parts(self, vector: Vector) -> Parts:
        """What each term's points differ from those expected."""
        parts = tuple([term.points(vector) - term.expected for term in self._terms])
        return Parts(base=self._base, parts=parts, terms=self._places)


class _Lookup:
    """A term, made ready."""

    def __init__(self, term: Term, inputs: Sequence[Input], places: dict[str, int], where: str) -> None:
        if not 1 <= len(term.axes) <= 2:
            raise ModelInvalid("a term has one input or two", field=f"{where}.axes")
        if not all(abs(number) <= MAX_POINTS for number in (*term.points, term.expected)):
            raise ModelInvalid(f"points lie within {MAX_POINTS:g}", field=f"{where}.points")
        axes = []
        for number, axis in enumerate(term.axes):
            place = places.get(axis.input)
            if place is None:
                raise ModelInvalid(f"{axis.input[:64]} is no input", field=f"{where}.axes[{number}].input")
            axes.append((place, *_binned(axis, inputs[place], f"{where}.axes[{number}]")))
        bins = math.prod(count + 1 for _, _, _, count in axes)
        if len(term.points) != bins:
            raise ModelInvalid(f"{bins} bins need as many points", field=f"{where}.points")
        self.expected = term.expected
        self.places = tuple(axis[0] for axis in axes)
        self._points = term.points
        self._axes = axes
        self._only = axes[0] if len(axes) == 1 else None

    def points(self, vector: Vector) -> float:
        """Of a vector."""
        if self._only is not None:
            return self._points[_bin(vector, self._only)]
        first, second = self._axes
        return self._points[_bin(vector, first) * (second[3] + 1) + _bin(vector, second)]


_Binned = tuple[int, tuple[float, ...], tuple[int, ...] | None, int]


def _bin(vector: Vector, axis: _Binned) -> int:
    place, cuts, groups, missing = axis
    value = vector[place]
    if value != value:  # NaN alone differs from itself
        return missing
    return bisect.bisect_right(cuts, value) if groups is None else groups[int(value)]


def _binned(axis: Axis, one: Input, where: str) -> tuple[tuple[float, ...], tuple[int, ...] | None, int]:
    """The cuts, the groups and how many bins there are, less that for what is missing."""
    if one.kind is InputKind.NUMBER:
        if axis.groups:
            raise ModelInvalid("a number has cuts", field=f"{where}.groups")
        cuts = axis.cuts
        growing = all(before < later for before, later in pairwise(cuts))
        if not growing or not all(math.isfinite(cut) for cut in cuts):
            raise ModelInvalid("cuts are finite and grow", field=f"{where}.cuts")
        return cuts, None, len(cuts) + 1
    if axis.cuts or len(axis.groups) != len(one.categories):
        raise ModelInvalid("each category has its group", field=f"{where}.groups")
    count = max(axis.groups) + 1
    if min(axis.groups) < 0 or count > len(axis.groups):
        raise ModelInvalid("groups count from 0", field=f"{where}.groups")
    return (), axis.groups, count
