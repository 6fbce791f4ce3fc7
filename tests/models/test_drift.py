"""What a model meets is held against what it was trained on, and told of where it is too far from it."""

import datetime as dt
import math
from collections.abc import Iterator

import pytest

from caudal import models
from caudal.models import DriftBounds, Histogram, Input, Registered, Sample, Stage, Terms
from caudal_base.database import Database
from support.model_worlds import AMOUNT, COUNTRY, ModelWorld, card, scorecard_file

HISTOGRAMS = {
    AMOUNT.name: Histogram(edges=(1_000.0, 10_000.0), counts=(500, 400, 100), missing=0),
    COUNTRY.name: Histogram(categories=("DE", "FR"), counts=(700, 200, 100), missing=0),
}


def samples(count: int, *, large: float = 0.1, score: float = 0.005, fraud: int = 2) -> Iterator[Sample]:
    """As in training, unless said otherwise: so many parts are large, so many in 100 came true."""
    for number in range(count):
        part = (number * 37 % 1_000) / 1_000
        amount = 50_000 if part < large else 5_000 if part < large + 0.4 else 500
        country = "DE" if part < 0.7 else "FR" if part < 0.9 else "US"
        shown = 0.5 if part < 0.02 else 0.05 if part < 0.2 else score
        yield Sample({AMOUNT.name: amount, COUNTRY.name: country}, shown, number * 41 % 100 < fraud)


@pytest.fixture
async def world(database: Database) -> ModelWorld:
    return await ModelWorld.make(database)


async def champion(world: ModelWorld) -> Registered:
    return await world.champion(scorecard_file(input_histograms=HISTOGRAMS))


async def look(world: ModelWorld, model: Registered, rows: Iterator[Sample]) -> models.DriftReport:
    world.clock.advance(dt.timedelta(hours=1))
    report = models.look(model.card, rows, (await world.serving()).terms.drift)
    async with world.database.transaction() as connection:
        await models.note_drift(
            connection, world.book_id, model.id, report, ledger=world.ledger, at=world.clock.now()
        )
    return report


def test_the_index_is_what_it_is_defined_as() -> None:
    then, now = (499.5, 399.5, 99.5), (399.5, 399.5, 199.5)
    expected = (0.4 - 0.5) * math.log(0.4 / 0.5) + (0.2 - 0.1) * math.log(0.2 / 0.1)
    assert models.stability_index(then, now) == pytest.approx(expected, rel=1e-12)
    assert models.stability_index(then, then) == 0.0
    assert math.isfinite(models.stability_index((10, 0), (0, 10)))


def test_the_interval_of_a_rate_is_wilsons() -> None:
    assert models.interval(10, 100) == pytest.approx((0.0552291, 0.1743657), abs=1e-6)
    assert models.interval(0, 10)[0] == 0.0


async def test_what_is_as_in_training_has_not_drifted(world: ModelWorld) -> None:
    report = await look(world, await champion(world), samples(1_000))
    assert (report.rows, report.labels, report.over) == (1_000, 1_000, ())
    assert report.score == pytest.approx(0.0, abs=0.01)
    assert report.inputs == pytest.approx({AMOUNT.name: 0.0, COUNTRY.name: 0.0}, abs=0.01)
    assert report.missing == {"features.card_count_1h": 1.0}
    assert (report.rate, report.trained_rate) == (0.02, 0.02)


async def test_scores_inputs_and_labels_that_drift_are_told_once_while_they_do(world: ModelWorld) -> None:
    model = await champion(world)
    for _ in range(2):
        report = await look(world, model, samples(1_000, large=0.6, score=0.5, fraud=10))
    assert report.over == (
        "score: PSI 8.86, above 0.25",
        "input payment.amount: CSI 4.34, above 0.25",
        "label: 8.29% to 12.02% came true, 2.00% in training: more than 2 times apart",
    )
    assert (await look(world, model, samples(1_000))).over == ()
    await look(world, model, samples(1_000, large=0.6))
    drifted = [data["misses"] for type_, data in await world.told() if type_ == "model.drifted"]
    assert drifted == [list(report.over), ["input payment.amount: CSI 4.34, above 0.25"]]
    async with world.database.connection() as connection:
        kept = await models.list_drift(connection, world.book_id, model.id)
    assert [bool(found.over) for _, found in kept] == [True, False, True, True]


def test_a_ratio_is_held_against_its_own_histogram_though_rows_have_its_parts_alone() -> None:
    ratio = Input(name="a / b", about="a of b", ratio=("a", "b"))
    then = {"a / b": Histogram(edges=(0.5,), counts=(50, 50), missing=0)}
    made = card(inputs=(ratio,), input_histograms=then, score_histogram=None)
    rows = [Sample({"a": number % 2, "b": 1}, None) for number in range(100)]
    report = models.look(made, rows, DriftBounds(least_rows=1))
    assert (report.inputs, report.missing, report.over) == ({"a / b": 0.0}, {}, ())


async def test_what_drifts_in_addition_is_told_too_and_what_goes_on_is_not(world: ModelWorld) -> None:
    model = await champion(world)
    for large, score in ((0.6, 0.005), (0.6, 0.5), (0.1, 0.5), (0.6, 0.5)):
        await look(world, model, samples(1_000, large=large, score=score))
    told = [
        [one.partition(":")[0] for one in data["misses"]]
        for type_, data in await world.told()
        if type_ == "model.drifted"
    ]
    amount = "input payment.amount"
    assert told == [[amount], ["score", amount], ["score", amount]]


async def test_the_bounds_are_those_of_the_book_and_of_few_rows_nothing_is_said(world: ModelWorld) -> None:
    model = await champion(world)
    assert (await look(world, model, samples(499, large=0.6))).over == ()
    assert (await look(world, model, samples(0))).score is None
    await world.set_terms(Terms(drift=DriftBounds(input=5.0, least_rows=100)))
    assert (await look(world, model, samples(499, large=0.6))).over == ()
    await world.set_terms(Terms(drift=DriftBounds(input=0.5, least_rows=100)))
    assert len((await look(world, model, samples(499, large=0.6))).over) == 1
    assert await world.stage(model) is Stage.CHAMPION
