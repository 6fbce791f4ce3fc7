"""How far what a model meets is from what it was trained on. Pure.

PSI, the population stability index, of two histograms is the sum over their bins of (now - then) · ln(now /
then), where both are parts of a whole; of an input it is called CSI. Half a row is added to every bin, so
that an empty one counts and does not make everything infinite.
"""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from caudal.models.serving import DriftBounds
from caudal.models.types import Card, Histogram, InputKind, Row, Value, Written
from caudal.models.vectors import number_of, ratio_of, text_of

_HALF: Final = 0.5
_95_PERCENT: Final = 1.959963984540054


class Sample(msgspec.Struct, frozen=True, gc=False):
    """A decision of the past, as far as drift is about it."""

    row: Row
    """What was served to the model."""
    score: float | None
    label: bool | None = None
    """Whether the risk came true; None: not known yet, so only matured decisions have one."""


class DriftReport(Written, frozen=True, kw_only=True):
    """What came of looking."""

    rows: int
    score: float | None = None
    """PSI; None: the card has no histogram of scores, or there were no scores."""
    inputs: Mapping[str, float] = {}
    """CSI of each input whose histogram the card has."""
    missing: Mapping[str, float] = {}
    """By input, the part of rows that did not have it."""
    labels: int = 0
    """Decisions whose end is known."""
    rate: float | None = None
    """Of the risk come true, among the rows that have a label."""
    trained_rate: float | None = None
    over: tuple[str, ...] = ()
    """What is beyond its bound, in words."""


class Watch:
    """Holds decisions against a card's training. Memory does not grow with their number."""

    def __init__(self, card: Card) -> None:
        self._scores = None if card.score_histogram is None else _Counted(card.score_histogram)
        self._inputs = {
            one.name: _Counted(card.input_histograms[one.name])
            for one in card.inputs
            if one.name in card.input_histograms
        }
        self._absent = {one.name: 0 for one in card.inputs}
        self._inputs_of = [(one.name, one.kind, one.ratio) for one in card.inputs]
        self._rows = self._labels = self._positives = 0
        self._trained = card.training.positives / card.training.rows if card.training.rows else None

    def take(self, sample: Sample) -> None:
        """Count one decision."""
        self._rows += 1
        if self._scores is not None and sample.score is not None:
            self._scores.add(sample.score)
        for name, kind, ratio in self._inputs_of:
            value: Value = sample.row.get(name)
            if value is None and ratio is not None:
                value = ratio_of(sample.row, ratio)
            taken = text_of(value) if kind is InputKind.CATEGORY else number_of(value)
            self._absent[name] += taken is None
            if name in self._inputs:
                self._inputs[name].add(taken)
        if sample.label is not None:
            self._labels += 1
            self._positives += sample.label

    def ends(self, count: int, positives: int) -> None:
        """Count decisions whose end is known: they may be older ones, that nobody else counts."""
        self._labels += count
        self._positives += positives

    def report(self, bounds: DriftBounds) -> DriftReport:
        """What came of it."""
        rows, labels, scores = self._rows, self._labels, self._scores
        report = DriftReport(
            rows=rows,
            score=None if scores is None or not scores.total else scores.index(),
            inputs={name: counted.index() for name, counted in self._inputs.items()} if rows else {},
            missing={name: count / rows for name, count in self._absent.items() if count} if rows else {},
            labels=labels,
            rate=self._positives / labels if labels else None,
            trained_rate=self._trained,
        )
        return msgspec.structs.replace(report, over=tuple(_over(report, self._positives, bounds)))


def look(card: Card, samples: Iterable[Sample], bounds: DriftBounds) -> DriftReport:
    """Hold decisions against a card's training."""
    watch = Watch(card)
    for sample in samples:
        watch.take(sample)
    return watch.report(bounds)


def stability_index(then: Sequence[float], now: Sequence[float]) -> float:
    """The PSI of two histograms with the same bins."""
    first, second = sum(then) + _HALF * len(then), sum(now) + _HALF * len(now)
    return math.fsum(
        ((b + _HALF) / second - (a + _HALF) / first) * math.log((b + _HALF) / second / ((a + _HALF) / first))
        for a, b in zip(then, now, strict=True)
    )


def interval(positives: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z = _95_PERCENT
    rate, spread = positives / count, z * z / count
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


class _Counted:
    """A histogram of now, in the bins of then."""

    def __init__(self, then: Histogram) -> None:
        self._then = then
        self._places = {category: place for place, category in enumerate(then.categories)}
        self._counts = [0] * (len(then.counts) + 1)
        self.total = 0

    def add(self, value: float | str | None) -> None:
        self.total += 1
        if value is None:
            place = len(self._then.counts)
        elif isinstance(value, str):
            place = self._places.get(value, len(self._then.counts) - 1)
        else:
            place = bisect.bisect_right(self._then.edges, value)
        self._counts[place] += 1

    def index(self) -> float:
        return stability_index([*self._then.counts, self._then.missing], self._counts)


def _over(report: DriftReport, positives: int, bounds: DriftBounds) -> Iterable[str]:
    if report.rows >= bounds.least_rows:
        if report.score is not None and report.score > bounds.score:
            yield f"score: PSI {report.score:.2f}, above {bounds.score:g}"
        for name, index in sorted(report.inputs.items(), key=lambda pair: (-pair[1], pair[0])):
            if index > bounds.input:
                yield f"input {name}: CSI {index:.2f}, above {bounds.input:g}"
    if report.labels >= bounds.least_rows and report.trained_rate:
        low, high = interval(positives, report.labels)
        factor = bounds.label
        if low > report.trained_rate * factor or high < report.trained_rate / factor:
            yield (
                f"label: {low:.2%} to {high:.2%} came true, {report.trained_rate:.2%} in training: "
                f"more than {factor:g} times apart"
            )
