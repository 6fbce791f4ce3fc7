"""A feature set made ready: its series with their numbers, and what each feature reads of them. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from caudal.features import rules
from caudal.features.types import Aggregate, Feature, FeatureSet, Series


class Kept(NamedTuple):
    """A series as it is kept."""

    number: int
    """Its number in the book."""
    series: Series
    filled: bool
    """Whether its history has been counted."""


class Keyed:
    """Under which keys some series keep what has certain entities and tags: hashed once for all alike."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        """Of these series."""
        groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
        for each in kept:
            by = tuple(entity.value for entity in each.series.by)
            groups.setdefault((by, each.series.same), []).append(each.number)
        self._groups = [(by, same, tuple(numbers)) for (by, same), numbers in groups.items()]

    def of(self, entities: Mapping[str, str], tags: Mapping[str, str]) -> dict[int, bytes]:
        """The key by the number of the series; series of which an entity or a tag is missing are left out."""
        found: dict[int, bytes] = {}
        for by, same, numbers in self._groups:
            key = rules.key_of_parts(by, same, entities, tags)
            if key is not None:
                for number in numbers:
                    found[number] = key
        return found


class Planned(NamedTuple):
    """A feature, and where it is read."""

    feature: Feature
    kept: Kept
    window: dt.timedelta
    delay: dt.timedelta


class Read(NamedTuple):
    """How a feature is read of its series: its window's ends by their place in `SeriesReads.before`."""

    place: int
    """In the feature set."""
    feature: Feature
    after: int
    until: int | None
    """None: all that is known."""


class SeriesReads(NamedTuple):
    """All that features read of one series."""

    kept: Kept
    before: tuple[dt.timedelta, ...]
    """The ends of all windows, each once: so long before the moment of the decision."""
    features: tuple[Read, ...]


class Asked(NamedTuple):
    """What is decided on: whose features are wanted."""

    entities: Mapping[str, str]
    """Values by `Entity`."""
    tags: Mapping[str, str]
    values: Mapping[str, int]


class Plan:
    """All that serving a version of a feature set takes. Never changes."""

    def __init__(self, version: int, declared: FeatureSet, kept: Sequence[Kept]) -> None:
        """`kept` are the book's series, at least those of `declared`; all that are filled are kept up."""
        self.version = version
        self.declared = declared
        self.kept = tuple(kept)
        by_identity = {rules.identity(each.series): each for each in kept}
        self.features = tuple(
            Planned(
                feature,
                by_identity[rules.identity(rules.series_of(feature))],
                dt.timedelta(seconds=rules.seconds_of(feature.window)),
                dt.timedelta(seconds=rules.seconds_of(feature.delay)),
            )
            for feature in declared.features
        )
        self.names = tuple(feature.name for feature in declared.features)
        self.filled = tuple(each for each in self.kept if each.filled)
        self.keyed = Keyed(self.filled)
        """Of all that are kept up."""
        self.reads = _reads(self.features)


def _reads(features: Sequence[Planned]) -> tuple[SeriesReads, ...]:
    """Of the series that are kept up: what is read of each."""
    found: dict[int, tuple[Kept, dict[dt.timedelta, int], list[Read]]] = {}
    for place, (feature, kept, window, delay) in enumerate(features):
        if not kept.filled:
            continue
        _, before, reads = found.setdefault(kept.number, (kept, {}, []))
        after = before.setdefault(window + delay, len(before))
        until = before.setdefault(delay, len(before)) if delay else None
        reads.append(Read(place, feature, after, until))
    return tuple(SeriesReads(kept, tuple(before), tuple(reads)) for kept, before, reads in found.values())


def own_value(feature: Feature, asked: Asked) -> int | None:
    """The value of what is decided on, for features that compare with it."""
    if feature.aggregate is not Aggregate.RATIO or feature.value is None:
        return None
    return asked.values.get(feature.value)
