"""From typed columns to the numbers that models take: what is fitted here is what the card says of inputs.

A number stays what it is; a category is its place among those of training, the rare ones missing like the
unknown ones, so that scoring does with them what training did.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from caudal import models
from caudal.training.types import Column, ColumnKind, Floats, Places, Table

MOST_CATEGORIES: Final = 4_000
LEAST_ROWS: Final = 20
"""Of a category in a large file: what is told of fewer is chance."""


_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")


class Encoder(msgspec.Struct, frozen=True, kw_only=True):
    """How the columns become a matrix."""

    inputs: tuple[models.Input, ...]
    places: Mapping[str, Mapping[str, int]]
    """Of each category its number."""

    @property
    def categorical(self) -> list[int]:
        """Which inputs are categories."""
        return [place for place, one in enumerate(self.inputs) if one.kind is models.InputKind.CATEGORY]

    def matrix(self, table: Table, rows: Places) -> Floats:
        """A row for each of `rows`, a column for each input; NaN where missing."""
        made: Floats = np.full((len(rows), len(self.inputs)), np.nan)
        for place, one in enumerate(self.inputs):
            if one.ratio is not None:
                above, below = (table.columns[name].values[rows] for name in one.ratio)
                made[:, place] = over(above, below)
                continue
            values = table.columns[one.name].values[rows]
            if one.kind is models.InputKind.CATEGORY:
                codes = self.places[one.name]
                made[:, place] = [codes.get(value, np.nan) for value in values.tolist()]
            else:
                made[:, place] = values
        return made


def fit(
    table: Table, names: Sequence[str], rows: Places, monotone: Mapping[str, int] | None = None
) -> Encoder:
    """The encoding that the rows of training make."""
    inputs, places = [], {}
    for name in names:
        column = table.columns[name]
        values = column.values[rows]
        if column.kind is ColumnKind.CATEGORY:
            categories, typical = _categories(values, len(rows))
            places[name] = {category: place for place, category in enumerate(categories)}
            inputs.append(_category(name, categories, typical))
        else:
            inputs.append(_number(name, column, values, (monotone or {}).get(name, 0)))
    return Encoder(inputs=tuple(inputs), places=places)


def _categories(values: Any, rows: int) -> tuple[tuple[str, ...], str | None]:
    """Those that are frequent enough, the most frequent first."""
    names, counts = np.unique([one for one in values.tolist() if one is not None], return_counts=True)
    least = min(LEAST_ROWS, max(1, rows // 500))
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    kept = tuple(str(names[place]) for place in order if counts[place] >= least)
    return kept, kept[0] if kept else None


def _category(name: str, categories: tuple[str, ...], typical: str | None) -> models.Input:
    return models.Input(
        name=name,
        about=words(name),
        kind=models.InputKind.CATEGORY,
        categories=categories or ("none",),
        typical=typical,
    )


def _number(name: str, column: Column, values: Floats, monotone: int) -> models.Input:
    there = values[np.isfinite(values)]
    low, high, middle = (
        (float(there.min()), float(there.max()), float(np.median(there)))
        if len(there)
        else (
            None,
            None,
            None,
        )
    )
    return models.Input(
        name=name,
        about=words(name),
        low=low,
        high=high,
        typical=int(middle) if middle is not None and column.whole and middle == int(middle) else middle,
        monotone=monotone,
    )


def over(numerator: Floats, denominator: Floats) -> Floats:
    """The ratio; NaN where either is missing, or the denominator is nothing."""
    with np.errstate(all="ignore"):
        ratio = numerator / denominator
    return np.where(np.isfinite(ratio), ratio, np.nan)


def words(name: str) -> str:
    """A column's name as words: `LoanAmount` and `loan_amount` are the same."""
    parts = _HUMP.sub(" ", name).replace("_", " ").replace("-", " ").replace(".", " ").split()
    # What stood in capitals alone stays so: APR, FICO.
    return " ".join(part.lower() if part.istitle() else part for part in parts)[:400] or name or "unnamed"


def histogram(values: Floats, bins: int = 10) -> models.Histogram:
    """How numbers lie: about as many in each bin."""
    there = values[np.isfinite(values)]
    if len(there):
        wanted = np.unique(np.quantile(there, np.linspace(0, 1, bins + 1)[1:-1]))
        edges = wanted[wanted > there.min()]
    else:
        edges = np.array([])
    counts = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(edges) + 1)
    return models.Histogram(
        counts=tuple(int(one) for one in counts),
        edges=tuple(float(one) for one in edges),
        missing=int(len(values) - len(there)),
    )


def histograms(encoder: Encoder, matrix: Floats) -> dict[str, models.Histogram]:
    """Of all inputs, as the card keeps them for drift."""
    made = {}
    for place, one in enumerate(encoder.inputs):
        values = matrix[:, place]
        if one.kind is models.InputKind.CATEGORY:
            shown = one.categories[:50]
            there = values[np.isfinite(values)].astype(np.int64)
            counts = np.bincount(np.minimum(there, len(shown)), minlength=len(shown) + 1)
            made[one.name] = models.Histogram(
                counts=tuple(int(count) for count in counts),
                categories=shown,
                missing=int(len(values) - len(there)),
            )
        else:
            made[one.name] = histogram(values)
    return made
