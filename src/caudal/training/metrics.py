"""Measures of a score against outcomes, with 95 % intervals. Pure.

AUC by DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988) in the fast form of Sun and Xu (IEEE Signal
Processing Letters 21, 2014). Average precision, KS and recall by the stratified percentile bootstrap: rows
are drawn anew within each outcome (Efron and Tibshirani 1993, 13.3). Over repeated folds the variance
of the mean is corrected for training sets that overlap (Nadeau and Bengio, Machine Learning 52, 2003).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from caudal.training.types import Bin, FairGroup, Floats, Interval, Lift

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)
DRAWS: Final = 400
LARGEST: Final = 100_000
"""Of more rows without the risk the bootstrap draws only their weights by Poisson's law, which is as good."""
FOUR_FIFTHS: Final = 0.8
"""29 CFR 1607.4 D."""


def auc(y: Any, score: Floats) -> float:
    """The probability that a row with the risk scores above one without; ties count half."""
    ranks = rankdata(score)
    positives = int(y.sum())
    negatives = len(y) - positives
    return float((ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def placements(y: Any, score: Floats) -> tuple[Floats, Floats]:
    """Of each row with the risk the share of the others below it; of each other of those above it."""
    above, below = score[y == 1], score[y == 0]
    m, n = len(above), len(below)
    ranks = rankdata(np.concatenate([above, below]))
    return (ranks[:m] - rankdata(above)) / n, 1 - (ranks[m:] - rankdata(below)) / m


def auc_interval(y: Any, score: Floats) -> Interval:
    """AUC with DeLong's interval, on the scale of log odds so that it stays within 0 and 1."""
    v10, v01 = placements(y, score)
    m, n = len(v10), len(v01)
    value = float(v10.mean())
    variance = (np.var(v10, ddof=1) / m if m > 1 else 0.25) + (np.var(v01, ddof=1) / n if n > 1 else 0.25)
    if not 0 < value < 1:
        return Interval(value, value, value)
    spread = float(norm.ppf(0.975)) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-(centre + sign * spread))) for sign in (-1, 1))
    return Interval(value, low, high)


class Curves:
    """True and false positives at each threshold, for weights that a bootstrap draws."""

    def __init__(self, y: Any, score: Floats) -> None:
        """Sorted once, the riskiest first; rows of one score stand or fall together."""
        order = np.argsort(-score, kind="stable")
        ordered = score[order]
        self.y = y[order].astype(np.float64)
        self._ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)

    def counts(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """How many with and without the risk are at or above each score."""
        with_risk = self.y if weights is None else self.y * weights
        without = 1 - self.y if weights is None else (1 - self.y) * weights
        return np.cumsum(with_risk)[self._ends], np.cumsum(without)[self._ends]

    def draw(self, random: np.random.Generator) -> Floats:
        """Weights of a stratified bootstrap."""
        weights = np.zeros(len(self.y))
        for outcome in (0.0, 1.0):
            places = np.flatnonzero(self.y == outcome)
            if len(places) > LARGEST:
                weights[places] = random.poisson(1.0, len(places))
            else:
                weights[places] = np.bincount(
                    random.integers(0, len(places), len(places)), minlength=len(places)
                )
        return weights


def average_precision(true: Floats, false: Floats) -> float:
    """The precision at each threshold, weighted by the recall that it adds."""
    gained = np.diff(true, prepend=0.0)
    flagged = true + false
    precision = np.divide(true, flagged, out=np.zeros_like(true), where=flagged > 0)
    return float((gained * precision).sum() / true[-1])


def kolmogorov_smirnov(true: Floats, false: Floats) -> float:
    """The greatest distance between the two outcomes' distributions of scores."""
    return float(np.max(np.abs(true / true[-1] - false / false[-1])))


def recall_at(rate: float) -> Callable[[Floats, Floats], float]:
    """The share of the risk that is caught while at most `rate` of the others are flagged."""

    def measured(true: Floats, false: Floats) -> float:
        within = np.flatnonzero(false <= rate * false[-1])
        return float(true[within[-1]] / true[-1]) if len(within) else 0.0

    return measured


def curve_intervals(y: Any, score: Floats, *, seed: int, draws: int = DRAWS) -> dict[str, Interval]:
    """`ap`, `ks` and `recall_<rate>`, from the same draws."""
    measures: dict[str, Callable[[Floats, Floats], float]] = {
        "ap": average_precision,
        "ks": kolmogorov_smirnov,
        **{f"recall_{rate}": recall_at(rate) for rate in FALSE_POSITIVE_RATES},
    }
    curves = Curves(y, score)
    true, false = curves.counts()
    values = {name: measure(true, false) for name, measure in measures.items()}
    random = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(draws):
        true, false = curves.counts(curves.draw(random))
        for name, measure in measures.items():
            drawn[name].append(measure(true, false))
    return {name: _percentiles(values[name], each) for name, each in drawn.items()}


def _percentiles(value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def mean_of_folds(values: Sequence[float], folds: int) -> Interval:
    """The mean over repeated folds, with an interval for overlapping training sets."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, mean, mean)
    overlap = 1 / len(values) + 1 / (folds - 1)
    spread = float(student.ppf(0.975, len(values) - 1)) * math.sqrt(overlap * float(np.var(values, ddof=1)))
    return Interval(mean, max(0.0, mean - spread), min(1.0, mean + spread))


def brier(y: Any, probability: Floats) -> float:
    """The mean squared distance of the probability from the outcome."""
    return float(np.mean((probability - y) ** 2))


def log_loss(y: Any, probability: Floats) -> float:
    """The mean of minus the logarithm of the probability of what happened."""
    within = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(-np.mean(y * np.log(within) + (1 - y) * np.log1p(-within)))


def reliability(y: Any, probability: Floats, bins: int = 10) -> tuple[Bin, ...]:
    """What was predicted against what came, in bins of about as many rows."""
    order = np.argsort(probability, kind="stable")
    return tuple(
        Bin(
            predicted=float(probability[part].mean()),
            observed=float(y[part].mean()),
            rows=len(part),
        )
        for part in np.array_split(order, min(bins, len(order)))
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error: the mean distance of the bins (Naeini, Cooper, Hauskrecht 2015)."""
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.predicted - each.observed) for each in bins) / rows


def lifts(y: Any, score: Floats) -> tuple[Lift, ...]:
    """Ten parts of the rows, the riskiest first."""
    order = np.argsort(-score, kind="stable")
    base, total, caught = float(y.mean()), float(y.sum()), 0.0
    made = []
    for number, part in enumerate(np.array_split(order, 10), start=1):
        positives = float(y[part].sum())
        caught += positives
        rate = positives / len(part) if len(part) else 0.0
        made.append(
            Lift(
                tenth=number,
                rows=len(part),
                positives=int(positives),
                rate=rate,
                lift=rate / base,
                caught=caught / total,
            )
        )
    return tuple(made)


def stability(expected: Floats, actual: Floats, bins: int = 10) -> float:
    """The population stability index: how far a distribution has moved, in bins of `expected`'s tenths."""
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = []
    for values in (expected, actual):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        # An empty bin would make the index infinite; half a row in it is the usual remedy.
        shares.append((counts + 0.5) / (len(values) + 0.5 * len(counts)))
    before, after = shares
    return float(np.sum((after - before) * np.log(after / before)))


def fairness(
    attribute: str, values: Any, y: Any, probability: Floats, cutoff: float
) -> tuple[FairGroup, ...]:
    """Groups' approvals at a cut-off, each against the group that is approved most often."""
    least = max(30, len(y) // 200)
    found: Mapping[str, Any] = {
        str(group): np.flatnonzero(values == group)
        for group in dict.fromkeys(values.tolist())
        if group is not None
    }
    large = {group: places for group, places in found.items() if len(places) >= least}
    approved = {group: float((probability[places] < cutoff).mean()) for group, places in large.items()}
    best = max(approved.values(), default=0.0)
    return tuple(
        FairGroup(
            attribute=attribute,
            group=group,
            rows=len(places),
            bad_rate=float(y[places].mean()),
            approved=approved[group],
            ratio=approved[group] / best if best > 0 else 1.0,
            auc=auc(y[places], probability[places]) if 0 < y[places].sum() < len(places) else None,
        )
        for group, places in sorted(large.items())
    )


def thinned(x: Floats, y: Floats, most: int = 160) -> tuple[tuple[float, float], ...]:
    """A curve with few enough points to draw: some evenly by their number, as many evenly along `x`.

    `x` never falls. Where it grows within few rows (the risky ones), these are all that matters.
    """
    evenly = np.linspace(0, len(x) - 1, most // 2)
    along = np.searchsorted(x, np.linspace(x[0], x[-1], most - most // 2))
    places = np.unique(np.concatenate([evenly, along]).astype(np.int64))
    return tuple((round(float(x[place]), 5), round(float(y[place]), 5)) for place in places)
