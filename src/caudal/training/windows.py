"""Features of many payments at once, in memory: bit for bit what `features.query` gives, far faster.

A file of payments is simpler than a book's history: nothing comes late or twice, and frauds become known in
the order in which they happened. So the events of a key are one stretch in both orders, each window is a part
of it, and sums over it are differences of running sums. The tests hold it against the SQL.
"""

from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from caudal import features
from caudal.features import Aggregate, Feature
from caudal.training.types import Floats, Places

_EXACT: Final = float(2**53)
"""Integers below it are floats, so that dividing them rounds once."""
_SAFE: Final = float(2**62)
"""Sums below it cannot leave 64 bits, whatever is added on the way."""
_MICROSECONDS: Final = 1_000_000

Integers = Any
"""An array of int64, or of Python's integers where they might not fit."""


class Payments(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, in the order of time; and the source, other than payments, that tells of frauds."""

    moments: Places
    """Microseconds, never falling."""
    amounts: Places
    frauds: Places
    """Which of them are known to be frauds, `delay_us` after they happened."""
    delay_us: int
    label: str
    """The source of what is known of frauds."""


class _Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one kind by key: within a key in the order of time, which is that of being known too."""

    starts: Places
    """The key's number times the stride, plus the event's place in the order of time: rises."""
    known: Places
    """The same with how many payments were decided before it was known."""
    us: Places
    amounts: Places


class Stretches:
    """The windows of one entity's features, for the payments that are asked about."""

    def __init__(self, payments: Payments, keys: Any, wanted: Places) -> None:
        """`keys` are the entity's values: texts or numbers, None or NaN where there is none."""
        self._payments = payments
        self._codes: Places = pd.factorize(keys)[0].astype(np.int64)
        # In the order of keys, so that what is looked up next lies beside what was looked up last.
        self._order = np.argsort(self._codes[wanted], kind="stable")
        self._wanted = wanted[self._order]
        self._stride = len(payments.moments) + 1
        self._events: dict[tuple[bool, int | None], _Events] = {}

    def value(self, feature: Feature) -> Floats:
        """Of each wanted payment the feature; NaN where it has none."""
        below = feature.of.below.get("amount")
        events = self._of(self._payments.label in feature.of.source, below)
        first, behind = self._window(events, feature)
        computed = self._computed(feature, events, first, np.maximum(first, behind))
        computed[self._codes[self._wanted] < 0] = np.nan
        found: Floats = np.empty(len(computed))
        found[self._order] = computed
        return found

    def _computed(self, feature: Feature, events: _Events, first: Places, behind: Places) -> Floats:
        counts = behind - first
        match feature.aggregate:
            case Aggregate.COUNT:
                return counts.astype(np.float64)
            case Aggregate.MEAN:
                return _divided(_total(events.amounts, first, behind), counts)
            case Aggregate.RATIO:
                own = self._payments.amounts[self._wanted]
                return _divided(_product(own, counts), _total(events.amounts, first, behind))
            case Aggregate.STDDEV:
                totals = _total(events.amounts, first, behind)
                squares = _total(_product(events.amounts, events.amounts), first, behind)
                spread = _product(counts, squares) - _product(totals, totals)
                return np.sqrt(_divided(spread, np.where(counts < 2, 0, counts * (counts - 1))))
            case Aggregate.SINCE_LAST:
                last = events.us[np.maximum(behind - 1, 0)] if len(events.us) else 0
                gap = (self._payments.moments[self._wanted] - last) / _MICROSECONDS
                return np.where(counts > 0, np.maximum(gap, 0), np.nan)
            case Aggregate.MAX:
                return _largest(events.amounts, first, behind)
            case _:
                raise AssertionError(feature.aggregate)

    def _of(self, frauds: bool, below: int | None) -> _Events:
        """Payments, or what is known of frauds, of amounts below a bound: sorted by key once."""
        if (frauds, below) in self._events:
            return self._events[frauds, below]
        given = self._payments
        chosen = given.frauds if frauds else np.arange(len(given.moments))
        chosen = chosen[self._codes[chosen] >= 0]
        if below is not None:
            chosen = chosen[given.amounts[chosen] < below]
        chosen = chosen[np.argsort(self._codes[chosen], kind="stable")]
        codes = self._codes[chosen] * self._stride
        # A payment is known to those behind it; a fraud to payments later than the moment it was told of.
        told = given.moments[chosen] + given.delay_us
        ordinals = np.searchsorted(given.moments, told, side="right") if frauds else chosen + 1
        made = _Events(
            starts=codes + chosen, known=codes + ordinals, us=given.moments[chosen],
            amounts=given.amounts[chosen],
        )  # fmt: skip
        self._events[frauds, below] = made
        return made

    def _window(self, events: _Events, feature: Feature) -> tuple[Places, Places]:
        """Of each wanted payment where its window begins and ends among the events."""
        moments, codes = self._payments.moments, self._codes[self._wanted] * self._stride
        delay_us = features.seconds_of(feature.delay) * _MICROSECONDS
        until = moments[self._wanted] - delay_us
        after = until - features.seconds_of(feature.window) * _MICROSECONDS
        grain_us = 0
        if feature.aggregate is Aggregate.MAX:
            grain_us = features.grain_of(features.seconds_of(feature.window)) * _MICROSECONDS
            # Extremes go by whole buckets, from the one behind the window's beginning.
            after = (after // grain_us + 1) * grain_us - 1
        begins = codes + np.searchsorted(moments, after, side="right")
        first = np.searchsorted(events.starts, begins, side="left")
        behind = np.searchsorted(events.known, codes + self._wanted, side="right")
        if delay_us:
            if grain_us:
                until = (until // grain_us + 1) * grain_us - 1
            ends = codes + np.searchsorted(moments, until, side="right")
            behind = np.minimum(behind, np.searchsorted(events.starts, ends, side="left"))
        return first, behind


def _total(values: Integers, first: Places, behind: Places) -> Integers:
    """The sums of stretches."""
    if values.dtype != object and float(np.abs(values.astype(np.float64)).sum()) >= _SAFE:
        values = values.astype(object)
    running = np.concatenate([np.zeros(1, dtype=values.dtype), np.cumsum(values)])
    return running[behind] - running[first]


def _product(one: Integers, other: Integers) -> Integers:
    if one.dtype != object and other.dtype != object and len(one):
        bound = float(np.abs(one.astype(np.float64)).max()) * float(np.abs(other.astype(np.float64)).max())
        if bound < _SAFE:
            return one * other
    return one.astype(object) * other.astype(object)


def _divided(above: Integers, below: Integers) -> Floats:
    """Quotients of integers, rounded once; NaN where the divisor is nothing."""
    with np.errstate(all="ignore"):
        found: Floats = above.astype(np.float64) / below.astype(np.float64)
    found[below == 0] = np.nan
    large = (np.abs(above) >= _EXACT) | (np.abs(below) >= _EXACT)
    for place in np.flatnonzero(large & (below != 0)):
        found[place] = int(above[place]) / int(below[place])
    return found


def _largest(values: Places, first: Places, behind: Places) -> Floats:
    """The maxima of stretches: each is covered by two of a power of two's length, which overlap."""
    lengths = np.maximum(behind - first, 0)
    found: Floats = np.full(len(first), np.nan)
    table, width = values, 1
    while (of_this := (lengths >= width) & (lengths < 2 * width)).any() or (lengths >= 2 * width).any():
        begin, end = first[of_this], behind[of_this] - width
        found[of_this] = np.maximum(table[begin], table[end])
        if len(table) <= width:
            break
        table = np.maximum(table[:-width], table[width:])
        width *= 2
    return found
