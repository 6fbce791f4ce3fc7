"""Fitting and measuring: every figure is of rows that the model in question did not see."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from scipy.stats import norm

from caudal import models
from caudal.training import calibration, encoding, learners, metrics, ratios, splits
from caudal.training.boosting import Setting, fraud_settings
from caudal.training.encoding import Encoder
from caudal.training.splits import Split
from caudal.training.types import (
    Candidate,
    Division,
    FairGroup,
    Figures,
    Floats,
    Interval,
    Learned,
    Places,
    Platt,
    Table,
)

_FIT_SHARE: Final = 0.85
"""Of the training's time; on the rest settings are chosen and the calibration is fitted."""
_LEAST_TO_CHOOSE: Final = 200
"""Positives on that rest from which on they can tell settings apart."""
_APPROVED: Final = 0.8
"""Fairness of a credit model is looked at where so many of the applicants are approved."""
_SPARED: Final = 0.99
"""And of a fraud model where so many of the payments pass."""
Progress = Callable[[str, int, int], None]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to train on."""

    table: Table
    names: tuple[str, ...]
    y: Any
    division: Split
    purpose: models.Purpose
    monotone: Mapping[str, int]
    groups: Mapping[str, Any]
    """Of each attribute the group of each row."""
    seeds: tuple[int, ...]
    threads: int
    shares: tuple[tuple[str, str], ...] = ()
    """Inputs over one another that are inputs too, for LightGBM."""


def candidate(work: Work, name: str, setting: Setting, progress: Progress) -> Candidate:
    """A learner, fitted and measured."""
    if work.division.division is Division.OUT_OF_TIME:
        return _out_of_time(work, name, setting, progress)
    return _cross_validated(work, name, setting, progress)


def encoded(work: Work, name: str, rows: Places) -> tuple[Encoder, Floats]:
    """The encoding that rows make for a learner, with their matrix."""
    encoder = encoding.fit(work.table, work.names, rows, work.monotone)
    matrix = encoder.matrix(work.table, rows)
    if name == learners.LIGHTGBM and work.shares:
        encoder = ratios.with_shares(encoder, matrix, work.shares)
        matrix = encoder.matrix(work.table, rows)
    if name == learners.LIGHTGBM and work.purpose is models.Purpose.CREDIT:
        encoder = ratios.with_ratios(encoder, matrix, work.y[rows], work.seeds[0])
        matrix = encoder.matrix(work.table, rows)
        encoder = learners.trends(encoder, matrix, work.y[rows])
    return encoder, matrix


def chosen_setting(work: Work, progress: Progress) -> Setting:
    """Among a few settings for fraud the one that does best on the end of the training's time.

    The first stays unless another's average precision is ahead by more than chance would make it.
    """
    first, *others = fraud_settings(len(work.division.train), int(work.y[work.division.train].sum()))
    early, late = _early_and_late(work)
    if work.division.division is not Division.OUT_OF_TIME or work.y[late].sum() < _LEAST_TO_CHOOSE:
        return first
    encoder, matrix = encoded(work, learners.LIGHTGBM, early)
    held = encoder.matrix(work.table, late)
    best, best_ap, spread = first, 0.0, 0.0
    for number, setting in enumerate((first, *others)):
        progress("Trying settings", number, 1 + len(others))
        fitted = learners.learner(learners.LIGHTGBM, setting, work.threads)(
            encoder, matrix, work.y[early], work.seeds[0]
        )
        found = metrics.curve_intervals(work.y[late], fitted.raw(held), seed=0, draws=60)["ap"]
        if number == 0 or found.value > best_ap + spread:
            best, best_ap = setting, found.value
            spread = (found.high - found.low) / 3.92
    return best


def _early_and_late(work: Work) -> tuple[Places, Places]:
    cut = int(len(work.division.train) * _FIT_SHARE)
    return work.division.train[:cut], work.division.train[cut:]


def _out_of_time(work: Work, name: str, setting: Setting, progress: Progress) -> Candidate:
    """Fitted on the training's time; the calibration on its end, by a model that did not see it."""
    train, test, y = work.division.train, work.division.test, work.y
    early, late = _early_and_late(work)
    fit = learners.learner(name, setting, work.threads)
    steps = len(work.seeds) + 1
    progress(f"Training {name}: calibration", 0, steps)
    platt = _calibration(work, name, fit, early, late)
    encoder, matrix = encoded(work, name, train)
    held = encoder.matrix(work.table, test)
    each: list[tuple[Learned, Floats, Floats, Figures]] = []
    seconds = 0.0
    for number, seed in enumerate(work.seeds):
        progress(f"Training {name}: seed {seed}", 1 + number, steps)
        began = time.monotonic()
        learned = fit(encoder, matrix, y[train], seed)
        seconds = time.monotonic() - began
        probability = calibration.apply(platt, learned.raw(held))
        before = calibration.apply(platt, learned.raw(matrix))
        found = figures(work, test, probability, train_scores=before, full=number == 0)
        each.append((learned, probability, before, found))
    learned, probability, before, first = each[0]
    measured = first if len(each) == 1 else _mean([found for *_, found in each], first)
    return Candidate(
        learner=name,
        about=learners.ABOUT[name],
        learned=learned,
        calibration=platt,
        figures=measured,
        seconds=seconds,
        seeds={
            "auc": tuple(found.auc.value for *_, found in each),
            "ap": tuple(found.ap.value for *_, found in each),
            "ks": tuple(found.ks.value for *_, found in each),
        },
        scores=probability,
        train_scores=before,
    )


def _calibration(work: Work, name: str, fit: learners.Learner, early: Places, late: Places) -> Platt:
    y = work.y
    if min(y[late].sum(), y[early].sum()) < splits.LEAST_POSITIVES:
        early, late = work.division.train[::2], work.division.train[1::2]
    encoder, matrix = encoded(work, name, early)
    learned = fit(encoder, matrix, y[early], work.seeds[0])
    return calibration.fit(learned.raw(encoder.matrix(work.table, late)), y[late])


def _cross_validated(work: Work, name: str, setting: Setting, progress: Progress) -> Candidate:
    """Each fold is scored by a model of the others; the model that is kept is of all rows."""
    y, fit = work.y, learners.learner(name, setting, work.threads)
    raw = np.zeros(len(y))
    measured: dict[str, list[float]] = {}
    pairs = list(splits.folds(y, work.division, work.seeds[0]))
    for number, (train, test) in enumerate(pairs):
        progress(f"Training {name}: folds", number, len(pairs) + 1)
        encoder, matrix = encoded(work, name, train)
        learned = fit(encoder, matrix, y[train], work.seeds[0])
        scores = learned.raw(encoder.matrix(work.table, test))
        if number < splits.FOLDS:
            raw[test] = scores
        for key, value in _of_fold(y[test], scores).items():
            measured.setdefault(key, []).append(value)
    everything = np.arange(len(y))
    encoder, matrix = encoded(work, name, everything)
    progress(f"Training {name}: on all rows", len(pairs), len(pairs) + 1)
    began = time.monotonic()
    learned = fit(encoder, matrix, y, work.seeds[0])
    seconds = time.monotonic() - began
    platt = calibration.fit(raw, y)
    probability = np.zeros(len(y))
    for train, test in pairs[: splits.FOLDS]:
        probability[test] = calibration.apply(calibration.fit(raw[train], y[train]), raw[test])
    found = figures(work, everything, probability, train_scores=None, full=True)
    means = {key: metrics.mean_of_folds(values, splits.FOLDS) for key, values in measured.items()}
    return Candidate(
        learner=name,
        about=learners.ABOUT[name],
        learned=learned,
        calibration=platt,
        figures=msgspec.structs.replace(
            found,
            auc=means["auc"],
            ap=means["ap"],
            ks=means["ks"],
            recall_at_fpr={str(rate): means[f"recall_{rate}"] for rate in metrics.FALSE_POSITIVE_RATES},
        ),
        seconds=seconds,
        seeds={key: tuple(measured[key]) for key in ("auc", "ap", "ks")},
        scores=probability,
        train_scores=calibration.apply(platt, learned.raw(matrix)),
    )


def _of_fold(y: Any, scores: Floats) -> dict[str, float]:
    true, false = metrics.Curves(y, scores).counts()
    return {
        "auc": metrics.auc(y, scores),
        "ap": metrics.average_precision(true, false),
        "ks": metrics.kolmogorov_smirnov(true, false),
        **{f"recall_{rate}": metrics.recall_at(rate)(true, false) for rate in metrics.FALSE_POSITIVE_RATES},
    }


def figures(
    work: Work, rows: Places, probability: Floats, *, train_scores: Floats | None, full: bool
) -> Figures:
    """Everything that is measured of calibrated scores; without `full` only what seeds are averaged of."""
    y = work.y[rows]
    draws = metrics.DRAWS if len(y) <= metrics.LARGEST else metrics.DRAWS // 2
    intervals = metrics.curve_intervals(y, probability, seed=0, draws=draws)
    bins = metrics.reliability(y, probability)
    curves = metrics.Curves(y, probability)
    true, false = curves.counts()
    moved = (
        metrics.stability(train_scores, probability)
        if train_scores is not None
        else metrics.stability(probability[::2], probability[1::2])
    )
    return Figures(
        auc=metrics.auc_interval(y, probability),
        ks=intervals["ks"],
        ap=intervals["ap"],
        recall_at_fpr={str(rate): intervals[f"recall_{rate}"] for rate in metrics.FALSE_POSITIVE_RATES},
        brier=metrics.brier(y, probability),
        log_loss=metrics.log_loss(y, probability),
        calibration_error=metrics.calibration_error(bins),
        stability=moved,
        reliability=bins,
        lifts=metrics.lifts(y, probability),
        groups=_groups(work, rows, probability) if full else (),
        roc=metrics.thinned(np.append(0, false / false[-1]), np.append(0, true / true[-1])),
        precision_recall=metrics.thinned(true / true[-1], true / (true + false)),
        histogram=_histogram(y, probability),
    )


def _histogram(y: Any, probability: Floats) -> tuple[tuple[float, int, int], ...]:
    edges = np.linspace(0, max(float(np.quantile(probability, 0.999)), 1e-6), 31)
    places = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, 29)
    bad = np.bincount(places, weights=y, minlength=30)
    rows = np.bincount(places, minlength=30)
    return tuple(
        (float(edge), int(count - risky), int(risky))
        for edge, count, risky in zip(edges[:-1], rows, bad, strict=True)
    )


def _groups(work: Work, rows: Places, probability: Floats) -> tuple[FairGroup, ...]:
    share = _SPARED if work.purpose is models.Purpose.FRAUD else _APPROVED
    cutoff = float(np.quantile(probability, share))
    return tuple(
        group
        for attribute, values in work.groups.items()
        for group in metrics.fairness(attribute, values[rows], work.y[rows], probability, cutoff)
    )


def _mean(each: Sequence[Figures], first: Figures) -> Figures:
    """The figures' means over seeds; the rest is of the first seed, whose model is kept."""

    def mean(intervals: Sequence[Interval]) -> Interval:
        return Interval(
            *(float(np.mean(part)) for part in zip(*map(msgspec.structs.astuple, intervals), strict=True))
        )

    return msgspec.structs.replace(
        first,
        auc=mean([one.auc for one in each]),
        ks=mean([one.ks for one in each]),
        ap=mean([one.ap for one in each]),
        recall_at_fpr={rate: mean([one.recall_at_fpr[rate] for one in each]) for rate in first.recall_at_fpr},
    )


def difference(y: Any, one: Candidate, other: Candidate, division: Split) -> Interval:
    """By how much `one`'s AUC is above `other`'s, on the same rows.

    Over folds with the same correction as their means; of one test by DeLong's covariances.
    """
    if division.division is Division.CROSS_VALIDATION:
        pairs = zip(one.seeds["auc"], other.seeds["auc"], strict=True)
        gaps = [mine - theirs for mine, theirs in pairs]
        mean = float(np.mean(gaps))
        spread = 0.0
        if len(gaps) > 1:
            overlap = 1 / len(gaps) + 1 / (splits.FOLDS - 1)
            spread = 1.96 * float(np.sqrt(overlap * np.var(gaps, ddof=1)))
        return Interval(mean, mean - spread, mean + spread)
    outcome = y[division.test]
    (above, below), (above_other, below_other) = (
        metrics.placements(outcome, each.scores) for each in (one, other)
    )
    gap = float(above.mean() - above_other.mean())
    variance = np.var(above - above_other, ddof=1) / len(above) + np.var(below - below_other, ddof=1) / len(
        below
    )
    spread = float(norm.ppf(0.975)) * float(np.sqrt(variance))
    return Interval(gap, gap - spread, gap + spread)
