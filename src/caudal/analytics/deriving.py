"""Values of features for many rows at once, to the bit those of `features.value`.

A quotient of two integers up to 2^53 is rounded once by the processor too (IEEE 754), so numpy's bits are
Python's. Rows with greater integers go through `features.value` one by one.
"""

import datetime as dt
from typing import Any, Final

import numpy as np
import pyarrow as pa

from caudal import features
from caudal.features import Aggregate, Feature

EXACT: Final = 2**53
"""Integers up to here are floats without loss."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SUMS: Final = frozenset(
    {Aggregate.COUNT, Aggregate.SUM, Aggregate.MEAN, Aggregate.STDDEV, Aggregate.SINCE_LAST, Aggregate.RATIO}
)
_FLOATS: Final = frozenset({Aggregate.MEAN, Aggregate.STDDEV, Aggregate.SINCE_LAST, Aggregate.RATIO})


def derived(feature: Feature, parts: Any, count: int, as_of_us: Any, own: Any) -> Any:
    """The column of a feature: `parts` are a row for each `n` (from 0) that has the feature's entities.

    For sums `events`, `total`, `squares`, `last_us`, as texts where they are above 2^53 (`total_text`,
    `squares_text`); for the others `value`.
    """
    places = parts["n"].to_numpy()
    if feature.aggregate not in _SUMS:
        return _scattered(places, parts["value"].to_pylist(), count, pa.int64())
    made = _values(feature, parts, as_of_us, own, places)
    fitting = pa.float64() if feature.aggregate in _FLOATS else _integers(made)
    return _scattered(places, made, count, fitting)


def _integers(values: list[Any]) -> Any:
    """Of sums that are beyond 64 bits the nearest floats are all that a table has."""
    return pa.int64() if all(abs(value) < 2**63 for value in values) else pa.float64()


def _values(feature: Feature, parts: Any, as_of_us: Any, own: Any, places: Any) -> list[Any]:
    events = _numbers(parts["events"])
    total, squares = _numbers(parts["total"]), _numbers(parts["squares"])
    moments = as_of_us.to_numpy()[places] if len(places) else np.zeros(0, dtype=np.int64)
    amounts = _numbers(own)[places] if len(places) else np.zeros(0, dtype=np.int64)
    last = _numbers(parts["last_us"])
    is_last = ~np.asarray(parts["last_us"].is_null())
    fast, slow = _fast(feature.aggregate, events, total, squares, amounts, moments, last, is_last)
    made: list[Any] = fast
    big = slow | ~np.asarray(parts["total_text"].is_null()) | ~np.asarray(parts["squares_text"].is_null())
    has_own = ~np.asarray(own.is_null())[places] if len(places) else big
    for row in np.flatnonzero(big | ((feature.aggregate is Aggregate.RATIO) & ~has_own)):
        made[row] = _one(feature, parts, int(row), int(moments[row]), own[int(places[row])].as_py())
    return made


def _fast(
    aggregate: Aggregate,
    events: Any,
    total: Any,
    squares: Any,
    own: Any,
    moments: Any,
    last: Any,
    is_last: Any,
) -> tuple[list[Any], Any]:
    """Values, and which of them must be computed with greater integers."""
    no = np.zeros(len(events), dtype=np.bool_)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        match aggregate:
            case Aggregate.COUNT:
                return events.tolist(), no
            case Aggregate.SUM:
                return total.tolist(), no
            case Aggregate.MEAN:
                return _where(events > 0, total / events), no
            case Aggregate.RATIO:
                big = own.astype(np.float64) * events > EXACT
                return _where(total != 0, own * events / total), big
            case Aggregate.SINCE_LAST:
                return _where(is_last & (events > 0), np.maximum(moments - last, 0) / 1_000_000), no
            case _:
                size = events.astype(np.float64)
                big = (size * squares > EXACT) | (np.square(total.astype(np.float64)) > EXACT)
                over = (events * squares - total * total) / (events * (events - 1))
                return _where(events > 1, np.sqrt(over)), big


def _where(there: Any, values: Any) -> list[Any]:
    return [value if yes else None for yes, value in zip(there.tolist(), values.tolist(), strict=True)]


def _one(feature: Feature, parts: Any, row: int, as_of_us: int, own: int | None) -> Any:
    def exact(name: str) -> int:
        return int(parts[name][row].as_py() or 0)

    def either(name: str) -> int:
        text = parts[f"{name}_text"][row].as_py()
        return exact(name) if text is None else int(text)

    found = (exact("events"), either("total"), either("squares"), parts["last_us"][row].as_py())
    return features.value(feature, found, _EPOCH + dt.timedelta(microseconds=as_of_us), own)


def _numbers(column: Any) -> Any:
    return column.fill_null(0).to_numpy().astype(np.int64)


def _scattered(places: Any, values: list[Any], count: int, type_: Any) -> Any:
    """Each value in its place; rows without the feature's entities have none."""
    column: list[Any] = [None] * count
    for place, value in zip(places.tolist(), values, strict=True):
        column[place] = value
    return pa.array(column, type=type_)
