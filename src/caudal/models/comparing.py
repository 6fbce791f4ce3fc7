"""Which of two models tells bad ends from good ones better, on the same decisions: with intervals. Pure.

Both score every decision; what is resampled are the decisions, bad and good ones apart (a paired, stratified
bootstrap: Efron and Tibshirani 1993, chapters 8 and 16), so that what both find easy or hard cancels out.
"""

import random
import statistics
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import msgspec

ROUNDS: Final = 200
"""Of resampling: they give the spread of a difference to within 5 %."""
MOST: Final = 6_000
"""Decisions that are resampled; of more, as many are drawn: a second of one processor."""
LOW_RATE: Final = 0.01
"""The false-positive rate at which recall is compared: what reviewing can bear."""

_95_PERCENT: Final = 1.959963984540054

Case = tuple[float, float, bool]
"""What the champion and the challenger say of a decision, and whether it came to a bad end."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of both models on the same decisions."""

    measure: str
    """`auc`, `ap`, `recall_at_1_percent`"""
    champion: float
    challenger: float
    difference: float
    """What the challenger has more."""
    low: float
    """Of the difference's 95 % interval."""
    high: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What came of comparing a model with the champion."""

    champion: str
    """`card-fraud@1`"""
    rows: int
    """Decisions whose end is known and that both gave a score for."""
    bad: int
    unscored: int = 0
    """Such decisions that one of them gave no score for."""
    differences: tuple[Difference, ...] = ()
    """Empty: too few decisions to say anything."""

    @property
    def worse(self) -> tuple[Difference, ...]:
        """Where the challenger is worse beyond chance: its whole interval is below nothing."""
        return tuple(one for one in self.differences if one.high < 0)


def compare(
    champion: str, cases: Sequence[Case], *, least: int, unscored: int = 0, seed: int = 0
) -> Comparison:
    """Compare; nothing is said with fewer than `least` bad ends, or good ones. `seed` decides the draws."""
    bad = sum(case[2] for case in cases)
    told = Comparison(champion=champion, rows=len(cases), bad=bad, unscored=unscored)
    if min(bad, len(cases) - bad) < max(1, least):
        return told
    chosen = random.Random(seed)  # noqa: S311 - draws of a bootstrap, no secrets
    drawn = _some([case for case in cases if case[2]], MOST // 2, chosen)
    drawn += _some([case for case in cases if not case[2]], MOST - len(drawn), chosen)
    return msgspec.structs.replace(told, differences=tuple(_differences(drawn, chosen)))


def figures(scores: Sequence[float], bad: Sequence[bool]) -> dict[str, float]:
    """AUC, average precision, and recall at a false-positive rate of 1 %; ties count half, or as one step."""
    count = sum(bad)
    return _figures(_steps(scores), [float(one) for one in bad], [float(not one) for one in bad], count)


def _differences(cases: Sequence[Case], chosen: random.Random) -> list[Difference]:
    bad = sum(case[2] for case in cases)
    steps = [_steps([case[which] for case in cases]) for which in (0, 1)]
    ends = [case[2] for case in cases]
    whole = [
        _figures(each, [float(end) for end in ends], [float(not end) for end in ends], bad) for each in steps
    ]
    rounds: dict[str, list[float]] = {measure: [] for measure in whole[0]}
    places = {end: [place for place, one in enumerate(ends) if one is end] for end in (True, False)}
    for _ in range(ROUNDS):
        weights = {end: [0.0] * len(ends) for end in places}
        for end, among in places.items():
            for place in chosen.choices(among, k=len(among)):
                weights[end][place] += 1.0
        before, after = (_figures(each, weights[True], weights[False], bad) for each in steps)
        for measure, found in rounds.items():
            found.append(after[measure] - before[measure])
    made = []
    for measure, found in rounds.items():
        difference = whole[1][measure] - whole[0][measure]
        half = _95_PERCENT * statistics.stdev(found)
        made.append(
            Difference(
                measure=measure, champion=whole[0][measure], challenger=whole[1][measure],
                difference=difference, low=difference - half, high=difference + half,
            )
        )  # fmt: skip
    return made


def _steps(scores: Sequence[float]) -> list[list[int]]:
    """The places of equal scores together, the highest first."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return [list(places) for _, places in groupby(order, key=scores.__getitem__)]


def _figures(
    steps: Sequence[Sequence[int]], bad: Sequence[float], good: Sequence[float], bad_in_all: int
) -> dict[str, float]:
    found = missed = area = precision = 0.0
    good_in_all = sum(good)
    allowed, recall = LOW_RATE * good_in_all, 0.0
    for places in steps:
        if len(places) == 1:
            rightly, wrongly = bad[places[0]], good[places[0]]
        else:
            rightly, wrongly = sum([bad[place] for place in places]), sum([good[place] for place in places])
        area += wrongly * (found + rightly / 2)
        if missed + wrongly <= allowed:
            recall = found + rightly
        elif missed <= allowed:
            recall = found + rightly * (allowed - missed) / wrongly
        found += rightly
        missed += wrongly
        if rightly:
            precision += rightly * found / (found + missed)
    return {
        "auc": area / (bad_in_all * good_in_all),
        "ap": precision / bad_in_all,
        "recall_at_1_percent": recall / bad_in_all,
    }


def _some(cases: list[Case], most: int, chosen: random.Random) -> list[Case]:
    return cases if len(cases) <= most else chosen.sample(cases, most)
