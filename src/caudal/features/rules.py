"""Features as data: what of them is refused, which series they need, and numbers from exact sums. Pure."""

import datetime as dt
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from caudal.features.types import (
    Aggregate,
    Entity,
    Event,
    Feature,
    FeatureSet,
    Filter,
    Kind,
    Series,
    Sums,
    Value,
)

MAX_FEATURES: Final = 500
MAX_SERIES: Final = 64
MAX_CHOICES: Final = 100
MOST_DISTINCT: Final = 1_000
SHORTEST_WINDOW_S: Final = 60
LONGEST_WINDOW_S: Final = 180 * 86_400
LONGEST_DELAY_S: Final = 90 * 86_400
MAX_VALUE: Final = 2**53 - 1
MAX_TEXT: Final = 255

GRAINS_S: Final = (1, 10, 60, 600, 3_600, 6 * 3_600, 86_400)
LEAST_BUCKETS: Final = 60
"""A window of extremes has at least so many buckets, and at most 180: its ends are so exact, and no more."""

AMOUNT: Final = "amount"
CURRENCY: Final = "currency"

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8}|0)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NEEDS_VALUE: Final = {
    Aggregate.SUM, Aggregate.MEAN, Aggregate.STDDEV, Aggregate.MIN, Aggregate.MAX, Aggregate.RATIO,
    Aggregate.DISTINCT,
}  # fmt: skip
_UP_TO_NOW: Final = {Aggregate.DISTINCT, Aggregate.SINCE_LAST}
_EXTREMES: Final = {Aggregate.MIN, Aggregate.MAX}
ENTITIES: Final = frozenset(entity.value for entity in Entity)

Problem = tuple[str, str]
"""Where (`features[2].window`) and what."""


@lru_cache(maxsize=1_024)
def seconds_of(duration: str) -> int:
    """`15m` as 900. Raises `ValueError`."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError("a number and s, m, h or d: 90s, 15m, 6h, 30d")
    return int(found[1]) * _UNITS[found[2]]


def is_name(text: str) -> bool:
    """Whether features can speak of a tag or a value of this name."""
    return _NAME.fullmatch(text) is not None


def grain_of(window_s: int) -> int:
    """The length of the buckets in which extremes over a window are kept, in seconds."""
    return max(grain for grain in GRAINS_S if window_s // grain >= LEAST_BUCKETS or grain == GRAINS_S[0])


def problems(declared: FeatureSet) -> list[Problem]:
    """All that is wrong with a set, in order; nothing where it can be published."""
    found: list[Problem] = []
    if not 1 <= len(declared.features) <= MAX_FEATURES:
        found.append(("features", f"1 to {MAX_FEATURES} features"))
    names: set[str] = set()
    for number, feature in enumerate(declared.features):
        at = f"features[{number}]"
        found += [(f"{at}.{where}", what) for where, what in _problems_of(feature)]
        if feature.name in names:
            found.append((f"{at}.name", f"{feature.name!r} stands twice"))
        names.add(feature.name)
    if not found and len({identity(series_of(feature)) for feature in declared.features}) > MAX_SERIES:
        found.append(
            ("features", f"at most {MAX_SERIES} series of events: share entities, filters and values")
        )
    return found


def _problems_of(feature: Feature) -> Iterator[Problem]:
    if _NAME.fullmatch(feature.name) is None:
        yield "name", "lower-case letters, digits and _, a letter first, at most 63"
    if len(feature.by) not in (1, 2) or len(set(feature.by)) != len(feature.by):
        yield "by", "one entity, or two different ones"
    yield from _problems_of_value(feature)
    yield from _problems_of_times(feature)
    yield from problems_of_filter(feature.of)
    if len(feature.same) > 2 or any(_NAME.fullmatch(tag) is None for tag in feature.same):
        yield "same", "at most two tags"


def _problems_of_value(feature: Feature) -> Iterator[Problem]:
    value = feature.value
    if (value is not None) != (feature.aggregate in _NEEDS_VALUE):
        needs = "needs a value" if value is None else "has no value"
        yield "value", f"{feature.aggregate.value} {needs}"
        return
    if value is not None and _NAME.fullmatch(value) is None:
        yield "value", "the name of a value, of an entity or of a tag"
    one_currency = len(feature.of.where.get(CURRENCY, ())) == 1 or CURRENCY in feature.same
    if value == AMOUNT and feature.aggregate is not Aggregate.DISTINCT and not one_currency:
        yield (
            "same",
            "amounts of different currencies do not add up: same [currency], or one of them in where",
        )


def _problems_of_times(feature: Feature) -> Iterator[Problem]:
    for where, text, least, most in (
        ("window", feature.window, SHORTEST_WINDOW_S, LONGEST_WINDOW_S),
        ("delay", feature.delay, 0, LONGEST_DELAY_S),
    ):
        try:
            length = seconds_of(text)
        except ValueError as why:
            yield where, str(why)
            continue
        if not least <= length <= most:
            yield where, f"{least} s to {most // 86_400} days"
        elif where == "delay" and length and feature.aggregate in _UP_TO_NOW:
            yield where, f"{feature.aggregate.value} goes up to now: no delay"


def problems_of_filter(wanted: Filter) -> Iterator[Problem]:
    """What is wrong with a filter."""
    if not 1 <= len(wanted.source) <= MAX_CHOICES or any(not source for source in wanted.source):
        yield "of.source", f"1 to {MAX_CHOICES} sources"
    for tag, choices in wanted.where.items():
        if _NAME.fullmatch(tag) is None or not 1 <= len(choices) <= MAX_CHOICES:
            yield f"of.where.{tag}", f"a tag, and 1 to {MAX_CHOICES} values"
    for name, bound in (*wanted.at_least.items(), *wanted.below.items()):
        if _NAME.fullmatch(name) is None or abs(bound) > MAX_VALUE:
            yield "of", f"bounds of values, within {MAX_VALUE}"


def series_of(feature: Feature) -> Series:
    """The series that a feature is read from; features whose series have one identity share it."""
    grain_s = 0
    value = feature.value
    if feature.aggregate in _EXTREMES:
        kind, grain_s = Kind.EXTREMES, grain_of(seconds_of(feature.window))
    elif feature.aggregate is Aggregate.DISTINCT:
        kind = Kind.MEMBERS
    else:
        kind = Kind.SUMS
    return Series(
        kind=kind, by=feature.by, same=feature.same, of=feature.of, value=value, grain_s=grain_s,
    )  # fmt: skip


def identity(series: Series) -> str:
    """What makes a series, as a text: the same for the same, whatever the order of what was written."""
    return msgspec.json.encode(series, order="sorted").decode()


def matches(wanted: Filter, event: Event) -> bool:
    """Whether an event counts."""
    if event.source not in wanted.source:
        return False
    for tag, choices in wanted.where.items():
        if event.tags.get(tag) not in choices:
            return False
    for name, bound in wanted.at_least.items():
        if event.values.get(name, bound - 1) < bound:
            return False
    return all(event.values.get(name, bound) < bound for name, bound in wanted.below.items())


def key_of(series: Series, entities: Mapping[str, str], tags: Mapping[str, str]) -> bytes | None:
    """Under which key a series keeps what has these entities and tags; None where one of them is missing."""
    return key_of_parts(tuple(entity.value for entity in series.by), series.same, entities, tags)


def key_of_parts(
    by: Sequence[str], same: Sequence[str], entities: Mapping[str, str], tags: Mapping[str, str]
) -> bytes | None:
    """The same, of the names of entities and tags: series with equal ones have equal keys."""
    parts = [entities.get(name) for name in by]
    parts += [tags.get(name) for name in same]
    if None in parts or "" in parts:
        return None
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).digest()


def measured(series: Series, event: Event) -> int | None:
    """The value that an event adds to a series; 0 where only events are counted, None where it has none."""
    return 0 if series.value is None else event.values.get(series.value)


def member(series: Series, entities: Mapping[str, str], tags: Mapping[str, str]) -> UUID | None:
    """What a series of different values sees in what has these entities and tags: a hash of the value."""
    name = series.value or ""
    value = entities.get(name) if name in ENTITIES else tags.get(name)
    if not value:
        return None
    return UUID(bytes=hashlib.blake2b(value.encode(), digest_size=16).digest())


def value_of(
    feature: Feature, sums: Sums, last: dt.datetime | None, as_of: dt.datetime, own: int | None
) -> Value:
    """The feature's value, from the exact sums of its window: the one place where floats are made of them.

    `last` is the newest event in the window, `own` the value of what is decided on. Python divides integers
    of any size with one rounding, to the nearest float, and so does its square root: the same sums give the
    same bits wherever they were added up.
    """
    count, total, _ = sums
    match feature.aggregate:
        case Aggregate.COUNT:
            return count
        case Aggregate.SUM:
            return total
        case Aggregate.MEAN:
            return total / count if count else None
        case Aggregate.STDDEV:
            return stddev(sums)
        case Aggregate.SINCE_LAST:
            return None if last is None or not count else seconds_between(last, as_of)
        case Aggregate.RATIO:
            return None if own is None or not total else own * count / total
        case _:
            raise AssertionError(feature.aggregate)


def stddev(sums: Sums) -> float | None:
    """The standard deviation of a sample, sqrt((n Σx² - (Σx)²) / (n (n - 1))); None for fewer than two."""
    count, total, squares = sums
    if count < 2:
        return None
    return math.sqrt((count * squares - total * total) / (count * (count - 1)))


def seconds_between(before: dt.datetime, after: dt.datetime) -> float:
    """In seconds, not below 0: clocks may differ."""
    return max((after - before) // dt.timedelta(microseconds=1), 0) / 1_000_000


def bucket_of(moment: dt.datetime, grain_s: int) -> int:
    """The number of the bucket of a moment, counted from 1970."""
    return (moment - _EPOCH) // dt.timedelta(seconds=grain_s)
