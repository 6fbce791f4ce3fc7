"""What features can be declared, and numbers from exact sums."""

import datetime as dt
import math

import pytest
from msgspec.structs import replace

from caudal.features import Aggregate, Entity, Feature, FeatureSet, Filter, rules
from caudal.features.types import Sums

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
GOOD = Feature(name="card_count_1h", by=(Entity.CARD,), aggregate=Aggregate.COUNT, window="1h")
MEAN = Feature(
    name="card_mean_1h",
    by=(Entity.CARD,),
    aggregate=Aggregate.MEAN,
    value="amount",
    window="1h",
    same=("currency",),
)


@pytest.mark.parametrize(
    ("feature", "where"),
    [
        (replace(GOOD, name="Card"), "name"),
        (replace(GOOD, by=()), "by"),
        (replace(GOOD, by=(Entity.CARD, Entity.CARD)), "by"),
        (replace(GOOD, value="amount"), "value"),
        (replace(MEAN, value=None), "value"),
        (replace(MEAN, same=()), "same"),
        (replace(MEAN, same=("a", "b", "currency")), "same"),
        (replace(GOOD, window="1 hour"), "window"),
        (replace(GOOD, window="59s"), "window"),
        (replace(GOOD, window="181d"), "window"),
        (replace(GOOD, delay="91d"), "delay"),
        (replace(GOOD, aggregate=Aggregate.SINCE_LAST, delay="1d"), "delay"),
        (replace(GOOD, of=Filter(source=())), "of.source"),
        (replace(GOOD, of=Filter(where={"kind": ()})), "of.where.kind"),
        (replace(GOOD, of=Filter(below={"amount": 2**53})), "of"),
    ],
)
def test_what_cannot_be_is_named(feature: Feature, where: str) -> None:
    assert [place for place, _ in rules.problems(FeatureSet(features=(feature,)))] == [f"features[0].{where}"]


def test_a_name_stands_once() -> None:
    assert [place for place, _ in rules.problems(FeatureSet(features=(GOOD, GOOD)))] == ["features[1].name"]


def test_windows_and_aggregates_of_the_same_events_share_a_series() -> None:
    wider = replace(GOOD, name="card_count_30d", window="30d", delay="1d")

    assert rules.identity(rules.series_of(wider)) == rules.identity(rules.series_of(GOOD))
    assert rules.identity(rules.series_of(MEAN)) != rules.identity(rules.series_of(GOOD))


@pytest.mark.parametrize(
    ("window_s", "grain_s"),
    [(60, 1), (600, 10), (3_600, 60), (86_400, 600), (7 * 86_400, 3_600), (180 * 86_400, 86_400)],
)
def test_a_window_of_extremes_has_60_to_360_buckets(window_s: int, grain_s: int) -> None:
    assert rules.grain_of(window_s) == grain_s


def test_floats_are_the_nearest_of_the_exact_numbers() -> None:
    values = [2**53 - 1, 2**53 - 3, 1]
    sums = Sums(3, sum(values), sum(value * value for value in values))

    assert rules.value_of(MEAN, sums, None, NOW, None) == sum(values) / 3
    assert rules.stddev(sums) == pytest.approx(math.sqrt(2 / 3 * (2**52) ** 2 * 2), rel=1e-12)
    assert rules.stddev(Sums(2, 2 * (2**53 - 1), 2 * (2**53 - 1) ** 2)) == 0.0
    assert rules.stddev(Sums(1, 5, 25)) is None


def test_nothing_is_divided_by_nothing() -> None:
    ratio = replace(MEAN, aggregate=Aggregate.RATIO)

    assert rules.value_of(MEAN, Sums(), None, NOW, None) is None
    assert rules.value_of(ratio, Sums(), None, NOW, 100) is None
    assert rules.value_of(ratio, Sums(4, 200, 0), None, NOW, 100) == 2.0
