"""Columns that know the outcome: named before anything is trained on them.

A column is suspected where it alone predicts better than all the others together; where it nearly is the
outcome; where all others are far worse without it; and where its dates lie behind the time of the decision.
Alone is measured with its missing values, since what is only filled in afterwards (the date of a charge-off)
tells by being there at all.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from caudal.training import encoding, metrics
from caudal.training.types import Column, ColumnKind, Floats, Places, Suspect, Table

SAME: Final = 0.995
"""An AUC from which on a column is the outcome by another name."""
SUSPECT: Final = 0.75
"""No column that alone predicts less is a leak that this could tell from a good input."""
MARGIN: Final = 0.02
"""By how much a column alone must beat all others together."""
CLEAR: Final = 0.85
"""From here on, and so far ahead, it is left out unless it is asked for."""
CLEAR_MARGIN: Final = 0.04
COMPANY: Final = 0.07
"""By how much the AUC of all falls without a column that is suspected for what it tells beside others."""
COMPANY_CLEAR: Final = 0.1
MOST_ROWS: Final = 40_000
MOST_POSITIVES: Final = 5_000
_MOST_SUSPECTS: Final = 10
_MOST_LEANED_ON: Final = 24
"""Of those that tell most alone."""
_AFTER: Final = 0.9
"""The share of a column's dates behind the time of decision from which on it is not known in time."""


def check(
    table: Table,
    names: Sequence[str],
    y: Any,
    rows: Places,
    *,
    time: Column | None,
    keep: Sequence[str],
    seed: int,
    in_company: bool = True,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Suspect]:
    """Those of the columns that know the outcome, or are known too late. `rows` are those of training.

    Without `in_company` a column is not suspected of what it tells together with others.
    """
    late = [] if time is None else _late(table, names, time, rows, keep)
    sample = _sample(y, rows, seed)
    half = np.random.default_rng(seed).permutation(len(sample))
    learn, measure = sample[half[::2]], sample[half[1::2]]
    matrix, measured, categorical = _matrices(table, names, learn, measure)

    def alone(places: Sequence[int], rounds: int) -> float:
        chosen = list(places)
        of_them = [number for number, place in enumerate(chosen) if place in categorical]
        return _auc(matrix[:, chosen], y[learn], measured[:, chosen], y[measure], of_them, rounds)

    scores = {}
    for place, name in enumerate(names):
        scores[name] = alone([place], 30)
        told(place + 1, len(names))
    ranked = sorted(range(len(names)), key=lambda place: -scores[names[place]])
    suspects = {each.name: each for each in late}
    for name, rest in _ahead([names[place] for place in ranked], scores, ranked, alone):
        suspects[name] = _suspect(name, scores[name], rest, keep, suspects.get(name))
    for name in names:
        if scores[name] >= SAME and name not in suspects:
            suspects[name] = _suspect(name, scores[name], None, keep, None)
    if in_company:
        honest = [place for place in ranked if names[place] not in suspects]
        for place, full, rest in _leaned_on(honest, alone):
            suspects[names[place]] = _in_company(names[place], scores[names[place]], full, rest, keep)
    return sorted(suspects.values(), key=lambda each: -(each.auc or 0))


def _leaned_on(
    places: Sequence[int], alone: Callable[[Sequence[int], int], float]
) -> list[tuple[int, float, float]]:
    """Columns without which all the others tell far less: what was paid back says little, but beside the
    amount of the loan nearly everything.
    """
    left, found = list(places), []
    while len(left) > 1 and (full := alone(left, 80)) >= CLEAR:
        # A quick look at each first: few are worth a second one.
        quick = {place: alone([one for one in left if one != place], 25) for place in left[:_MOST_LEANED_ON]}
        worst = min(quick, key=lambda place: quick[place])
        left.remove(worst)
        if (rest := alone(left, 80)) > full - COMPANY:
            break
        # What it leaned on is innocent: the others are judged without it.
        found.append((worst, full, rest))
    return found


def _in_company(name: str, auc: float, full: float, rest: float, keep: Sequence[str]) -> Suspect:
    return Suspect(
        name=name,
        why=f"without it the AUC of all columns falls from {full:.3f} to {rest:.3f}",
        auc=auc,
        left_out=full - rest >= COMPANY_CLEAR and name not in keep,
    )


def _ahead(
    names: Sequence[str],
    scores: dict[str, float],
    ranked: Sequence[int],
    alone: Callable[[Sequence[int], int], float],
) -> list[tuple[str, float]]:
    """The longest row of best columns each of which beats, alone, all that come after the row.

    Several leaks hide one another: each is beaten by the others, and only together they are ahead.
    """
    found: list[tuple[str, float]] = []
    for count in range(1, min(_MOST_SUSPECTS, len(ranked) - 1) + 1):
        if scores[names[count - 1]] < SUSPECT:
            break
        rest = alone(ranked[count:], 80)
        if scores[names[count - 1]] > rest + MARGIN:
            found = [(name, rest) for name in names[:count]]
    return found


def _suspect(
    name: str, auc: float, rest: float | None, keep: Sequence[str], before: Suspect | None
) -> Suspect:
    clear = auc >= SAME or rest is None or (auc >= CLEAR and auc > rest + CLEAR_MARGIN)
    why = f"alone it has an AUC of {auc:.3f}"
    if auc >= SAME:
        why += ": it is the outcome by another name"
    elif rest is not None:
        why += f", all columns that are not suspected together {rest:.3f}"
    if before is not None:
        why += f"; and {before.why}"
    left_out = (clear or (before is not None and before.left_out)) and name not in keep
    return Suspect(name=name, why=why, auc=auc, left_out=left_out)


def _late(
    table: Table, names: Sequence[str], time: Column, rows: Places, keep: Sequence[str]
) -> list[Suspect]:
    """Dates that lie behind the time of decision."""
    found = []
    for name in names:
        column = table.columns[name]
        if column.kind is not ColumnKind.DATE or time.kind is not ColumnKind.DATE:
            continue
        gap = column.values[rows] - time.values[rows]
        there = gap[np.isfinite(gap)]
        if len(there) and float((there > 0).mean()) >= _AFTER:
            days = f"its dates lie a median of {float(np.median(there)):,.0f} days behind {time.name}"
            found.append(
                Suspect(name=name, why=f"{days}: not yet known then", auc=None, left_out=name not in keep)
            )
    return found


def _sample(y: Any, rows: Places, seed: int) -> Places:
    """Rows enough to see a leak, with as many of the risk as there are, up to a bound."""
    random = np.random.default_rng(seed)
    positives, negatives = rows[y[rows] == 1], rows[y[rows] == 0]
    if len(positives) > MOST_POSITIVES:
        positives = random.choice(positives, MOST_POSITIVES, replace=False)
    if len(negatives) > MOST_ROWS:
        negatives = random.choice(negatives, MOST_ROWS, replace=False)
    return np.sort(np.concatenate([positives, negatives]))


def _matrices(
    table: Table, names: Sequence[str], learn: Places, measure: Places
) -> tuple[Floats, Floats, set[int]]:
    """Dates as their days: what they tell by being there, and by when."""
    numbers = {
        name: Column(name=name, kind=ColumnKind.NUMBER, values=column.values)
        if column.kind is ColumnKind.DATE
        else column
        for name, column in table.columns.items()
        if name in names
    }
    plain = Table(columns=numbers, rows=table.rows, numbers=table.numbers, hash=table.hash)
    encoder = encoding.fit(plain, names, learn)
    return encoder.matrix(plain, learn), encoder.matrix(plain, measure), set(encoder.categorical)


def _auc(
    learn: Floats, y_learn: Any, measure: Floats, y_measure: Any, categorical: list[int], rounds: int
) -> float:
    data = lgb.Dataset(
        learn, label=y_learn, categorical_feature=categorical, params={"verbosity": -1, "max_bin": 127}
    )
    booster = lgb.train(
        {
            "objective": "binary",
            "verbosity": -1,
            "num_leaves": 15,
            "learning_rate": 0.1,
            "min_data_in_leaf": max(5, min(50, len(learn) // 200)),
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
        },
        data,
        num_boost_round=rounds,
    )
    return metrics.auc(y_measure, np.asarray(booster.predict(measure), dtype=np.float64))
