"""What a card must be, and how a raw output becomes a probability. Pure."""

import bisect
import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

from caudal.models.errors import ModelInvalid
from caudal.models.types import (
    Calibration,
    Card,
    Direction,
    Histogram,
    Input,
    InputKind,
    Isotonic,
    Link,
    Logit,
    Platt,
    Points,
    Probability,
)

MAX_CATEGORIES: Final = 10_000

_LARGEST_EXPONENT: Final = 700.0
"""Beyond it `exp` overflows a double."""


def refuse_card(card: Card) -> None:
    """Raise `ModelInvalid`, naming the part, for a card that contradicts itself."""
    names = set()
    for place, one in enumerate(card.inputs):
        where = f"inputs[{place}]"
        if one.name in names:
            raise ModelInvalid(f"{one.name} is there twice", field=f"{where}.name")
        names.add(one.name)
        _refuse_input(one, where)
    _refuse_link(card.link)
    if card.calibration is not None:
        _refuse_calibration(card.calibration)
    if card.score_histogram is not None:
        _refuse_histogram(card.score_histogram, "score_histogram")
    for name, histogram in card.input_histograms.items():
        if name not in names:
            raise ModelInvalid("this is no input of the model", field=f"input_histograms.{name}")
        _refuse_histogram(histogram, f"input_histograms.{name}")
    for name, metric in card.metrics.items():
        present = [number for number in (metric.low, metric.value, metric.high) if number is not None]
        _refuse_not_finite(present, f"metrics.{name}")
        if sorted(present) != present:
            raise ModelInvalid("low, value and high are in this order", field=f"metrics.{name}")
    measured = (("calibration_error", card.calibration_error), ("stability", card.stability))
    for field, number in measured:
        if number is not None and not (math.isfinite(number) and number >= 0):
            raise ModelInvalid("a finite number from 0 on", field=field)
    if card.training.positives > card.training.rows:
        raise ModelInvalid("no more positives than rows", field="training.positives")


def _refuse_input(one: Input, where: str) -> None:
    if one.kind is InputKind.NUMBER:
        if one.categories or one.unknown is not None:
            raise ModelInvalid("a number has no categories", field=f"{where}.categories")
    else:
        if not 1 <= len(one.categories) <= MAX_CATEGORIES:
            raise ModelInvalid(f"1 to {MAX_CATEGORIES} categories", field=f"{where}.categories")
        if len(set(one.categories)) != len(one.categories):
            raise ModelInvalid("a category is there twice", field=f"{where}.categories")
        if one.unknown is not None and one.unknown not in one.categories:
            raise ModelInvalid("it must be one of the categories", field=f"{where}.unknown")
        if one.ratio is not None:
            raise ModelInvalid("a category is no ratio", field=f"{where}.ratio")
        if one.monotone or one.missing is not None:
            raise ModelInvalid("a category has no order and no number", field=f"{where}.monotone")
    numbers = [number for number in (one.low, one.high, one.missing) if number is not None]
    _refuse_not_finite(numbers, where)
    if one.low is not None and one.high is not None and one.low > one.high:
        raise ModelInvalid("low is not above high", field=f"{where}.low")


def _refuse_link(link: Link) -> None:
    if isinstance(link, Points):
        _refuse_not_finite([link.base_points, link.base_odds, link.double_odds], "link")


def _refuse_calibration(calibration: Calibration) -> None:
    if isinstance(calibration, Platt):
        _refuse_not_finite([calibration.slope, calibration.intercept], "calibration")
        if calibration.slope < 0:
            raise ModelInvalid("the slope would turn the score around", field="calibration.slope")
        return
    x, y = calibration.x, calibration.y
    _refuse_not_finite([*x, *y], "calibration")
    if not x or len(x) != len(y):
        raise ModelInvalid("x and y have the same length, at least 1", field="calibration.x")
    if any(later <= before for before, later in pairwise(x)):
        raise ModelInvalid("x grows strictly", field="calibration.x")
    if any(later < before for before, later in pairwise(y)) or y[0] < 0 or y[-1] > 1:
        raise ModelInvalid("y never falls, and lies within 0 and 1", field="calibration.y")


def _refuse_histogram(histogram: Histogram, where: str) -> None:
    bins = len(histogram.categories) if histogram.categories else len(histogram.edges)
    if histogram.categories and histogram.edges:
        raise ModelInvalid("edges or categories, not both", field=where)
    if len(histogram.counts) != bins + 1:
        raise ModelInvalid("one count more than edges or categories", field=f"{where}.counts")
    _refuse_not_finite(histogram.edges, where)
    if any(later <= before for before, later in pairwise(histogram.edges)):
        raise ModelInvalid("edges grow strictly", field=f"{where}.edges")


def _refuse_not_finite(numbers: Iterable[float], where: str) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise ModelInvalid("not a finite number", field=where)


def sigmoid(log_odds: float) -> float:
    """The probability of log odds; exact to the last bits at both ends."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-min(log_odds, _LARGEST_EXPONENT)))
    grown = math.exp(max(log_odds, -_LARGEST_EXPONENT))
    return grown / (1.0 + grown)


def calibrator(card: Card) -> Callable[[float], float]:
    """The function from a card's raw output to the calibrated probability of the risk, in [0, 1]."""
    sign = 1.0 if card.direction is Direction.RISK else -1.0
    match card.link:
        case Logit():
            scale, offset = sign, 0.0
        case Points(base_points=base, base_odds=odds, double_odds=doubling):
            scale = sign * math.log(2.0) / doubling
            offset = sign * math.log(odds) - base * scale
        case Probability():
            return _of_probability(card, sign)
    match card.calibration:
        case None:
            return lambda raw: sigmoid(raw * scale + offset)
        case Platt(slope=slope, intercept=intercept):
            return lambda raw: sigmoid((raw * scale + offset) * slope + intercept)
        case Isotonic() as isotonic:
            line = _line(isotonic)
            return lambda raw: line(sigmoid(raw * scale + offset))


def _of_probability(card: Card, sign: float) -> Callable[[float], float]:
    def risk(raw: float) -> float:
        clipped = min(max(raw, 0.0), 1.0)
        return clipped if sign > 0 else 1.0 - clipped

    match card.calibration:
        case None:
            return risk
        case Platt(slope=slope, intercept=intercept):
            return lambda raw: sigmoid(_log_odds(risk(raw)) * slope + intercept)
        case Isotonic() as isotonic:
            line = _line(isotonic)
            return lambda raw: line(risk(raw))


def _log_odds(probability: float) -> float:
    within = min(max(probability, 1e-15), 1.0 - 1e-15)
    return math.log(within) - math.log1p(-within)


def _line(isotonic: Isotonic) -> Callable[[float], float]:
    x, y = isotonic.x, isotonic.y

    def calibrated(probability: float) -> float:
        right = bisect.bisect_right(x, probability)
        if right == 0:
            return y[0]
        if right == len(x):
            return y[-1]
        left = right - 1
        part = (probability - x[left]) / (x[right] - x[left])
        # Between the two whatever rounding does, so that it never falls.
        return min(max(y[left] + (y[right] - y[left]) * part, y[left]), y[right])

    return calibrated
