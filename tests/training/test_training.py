"""From a file to models: leaks named, figures of unseen rows, files that score as training did."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from caudal import features, models
from caudal.features import FeatureSet
from caudal.training import (
    ColumnUnfit,
    DataTooSmall,
    Division,
    Entities,
    Order,
    Trained,
    Wishes,
    boosting,
    calibration,
    evaluating,
    histories,
    leaks,
    reading,
    roles,
    service,
    train,
    write,
)
from support.training_data import loans, payments, write_csv


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


FEW_TREES = boosting.Setting(leaves=8, rounds=30, rate=0.15, least_rows=20, columns=0.5, rows=0.8, bags=2)


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """What is tested here holds for thirty trees as for a thousand; the benchmark measures those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "credit_setting", lambda _rows: FEW_TREES)
        patch.setattr(evaluating, "fraud_settings", lambda _rows, _positives: (FEW_TREES,))
        yield


@pytest.fixture(scope="module")
def credit(few_trees: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    path = write_csv(tmp_path_factory.mktemp("credit") / "loans.csv", loans(2_500))
    wishes = Wishes(groups=("gender", "years"))
    order = Order(
        path=path,
        purpose=models.Purpose.CREDIT,
        name="loans",
        wishes=wishes,
        learners=("scorecard", "lightgbm"),
    )
    return train(order, quiet)


def test_columns_that_know_the_outcome_are_named_and_left_out(credit: Trained) -> None:
    assert {each.name for each in credit.suspects} == {"recovered", "months", "written_off"}
    assert all(each.left_out for each in credit.suspects)
    assert credit.names == ("annual", "burden", "years", "where", "gender")
    assert set(credit.roles.left_out) == {"ref"}


def test_the_last_fifth_of_time_is_the_test(credit: Trained) -> None:
    assert credit.division.division is Division.OUT_OF_TIME
    assert credit.roles.time == "opened"
    assert credit.time is not None
    times = credit.time.values
    assert times[credit.division.train].max() < times[credit.division.test].min()
    assert 0.19 < len(credit.division.test) / credit.table.rows <= 0.2


def test_models_tell_and_their_probabilities_are_true(credit: Trained) -> None:
    for each in credit.candidates:
        assert each.figures.auc.low < each.figures.auc.value < each.figures.auc.high
        assert each.figures.auc.value > 0.75
        assert each.figures.calibration_error < 0.06
    assert [(one.attribute, one.group) for one in credit.candidates[0].figures.groups][:2] == [
        ("gender", "f"),
        ("gender", "m"),
    ]


def test_bins_of_numbers_are_monotone_and_points_follow_them(credit: Trained) -> None:
    bins = [one for one in credit.candidate("scorecard").learned.bins if one.label != "missing"]
    for name, sign in (("burden", -1), ("annual", 1), ("years", 1)):
        points = [one.points for one in bins if one.input == name]
        assert len(points) > 2
        assert points == sorted(points, reverse=sign < 0)


def test_a_written_model_scores_as_training_did_and_keeps_the_contract(
    credit: Trained, tmp_path: Path
) -> None:
    written = write(credit, tmp_path)
    for each, path in zip(credit.candidates, written.files, strict=True):
        file = models.unpack(path.read_bytes())
        scorer = models.load(file)
        models.check_risk_model(scorer, latency_us=20_000)
        rows = np.arange(40)
        expected = calibration.apply(
            each.calibration, each.learned.raw(each.learned.encoder.matrix(credit.table, rows))
        )
        found = [scorer.score(row_of(credit, place)).value for place in rows]
        assert found == pytest.approx(expected.tolist(), abs=1e-12)
        assert file.card.leaks is not None
        assert file.card.metrics["auc"].value == each.figures.auc.value


def row_of(trained: Trained, place: int) -> dict[str, Any]:
    values = {name: trained.table.columns[name].values[place] for name in trained.names}
    return {name: None if value != value else value for name, value in values.items()}


def test_the_report_needs_nothing_else_and_names_what_matters(credit: Trained, tmp_path: Path) -> None:
    page = write(credit, tmp_path).report.read_text()
    assert "<script" not in page
    assert "http" not in page
    assert "prefers-color-scheme: dark" in page
    assert "The risk is <b>state = CHGOFF</b>" in page
    for said in (
        "months",
        "Weight of evidence",
        "four fifths",
        credit.table.hash,
        "AUC against the recommended",
    ):
        assert said in page
    card = (tmp_path / "model-card.md").read_text()
    assert "| AUC | " in card
    assert "`written_off`" in card


def test_a_column_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    content = loans(1_200)
    del content["recovered"], content["written_off"], content["opened"]
    path = write_csv(tmp_path / "loans.csv", content)
    trained = train(
        Order(
            path=path,
            purpose=models.Purpose.CREDIT,
            name="loans",
            wishes=Wishes(keep=("months",)),
            learners=("lightgbm",),
            repeats=1,
        ),
        quiet,
    )
    assert [(each.name, each.left_out) for each in trained.suspects] == [("months", False)]
    assert "months" in trained.names
    assert trained.division.division is Division.CROSS_VALIDATION
    assert len(trained.candidates[0].seeds["auc"]) == 5


def test_payments_get_the_features_of_their_histories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "WINDOWS", (7,))
    drawn = payments(55, 55, 40)
    drawn["sum"][7] = drawn["sum"][70] = None
    path = write_csv(tmp_path / "payments.csv", drawn)
    trained = train(
        Order(
            path=path,
            purpose=models.Purpose.FRAUD,
            name="payments",
            wishes=Wishes(train_from="2018-04-16", train_until="2018-04-27", test_from="2018-05-04"),
        ),
        quiet,
    )
    assert [(row.number, row.why) for row in trained.table.bad_rows] == [(8, "no amount"), (71, "no amount")]
    assert "payment.amount" in trained.names
    assert "features.merchant_frauds_7d" in trained.names
    shares = [one.ratio for one in trained.files[0].card.inputs if one.ratio is not None]
    assert ("features.merchant_frauds_7d", "features.merchant_known_7d") in shares
    assert not {"who", "place", "seconds", "day", "number"} & set(trained.names)
    assert trained.candidates[0].figures.auc.value > 0.7
    written = write(trained, tmp_path / "out")
    assert written.features is not None
    declared = msgspec.json.decode(written.features.read_bytes(), type=FeatureSet)
    assert {f"features.{one.name}" for one in declared.features} < set(trained.names)
    assert list(features.problems(declared)) == []  # so that it can be published
    models.check_risk_model(models.load(trained.files[0]), latency_us=100_000.0)


def test_an_amount_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "payments.csv", payments(55, 55, 12))
    entities = Entities(columns=("who",), amount="moment")
    with pytest.raises(ColumnUnfit, match="moment holds no amounts: it is read as a date"):
        train(Order(path=path, purpose=models.Purpose.FRAUD, name="a", entities=entities), quiet)


@pytest.mark.parametrize(
    ("who", "place"), [("zz2", "zz1"), ("zz1", "customer_of_the_shop"), ("card", "terminal")]
)
def test_who_pays_is_told_by_the_name_else_by_whose_amounts_are_alike(
    tmp_path: Path, who: str, place: str
) -> None:
    drawn = payments(55, 55, 12)
    columns = {place: drawn["place"], "moment": drawn["moment"], who: drawn["who"], "sum": drawn["sum"]}
    table = reading.read(write_csv(tmp_path / "a.csv", {**columns, "bad": drawn["bad"]}))
    found, unclear = histories.find(table, roles.assign(table, Wishes()))
    assert found is not None
    assert unclear is None
    expected = (place, who) if "customer" in place else (who, place)
    assert (found.columns, found.amount) == (expected, "sum")


@pytest.mark.parametrize(("name", "amount"), [("tx_amount", "tx_amount"), ("zz", None)])
def test_whole_amounts_are_known_by_their_name_and_else_asked_about(
    tmp_path: Path, name: str, amount: str | None
) -> None:
    drawn = payments(55, 55, 12)
    columns = {"a": drawn["who"], "b": drawn["place"], "moment": drawn["moment"]}
    columns |= {name: [round(100 * one) for one in drawn["sum"]], "bad": drawn["bad"]}
    table = reading.read(write_csv(tmp_path / "a.csv", columns))
    found, unclear = histories.find(table, roles.assign(table, Wishes()))
    assert (None if found is None else found.amount) == amount
    assert (unclear is None) == (amount is not None)
    assert amount or "a, b come again and again" in str(unclear)


def test_too_little_data_is_refused_in_words(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", {"x": range(300), "bad": [1] * 5 + [0] * 295})
    with pytest.raises(DataTooSmall, match="5 rows with the risk"):
        train(Order(path=path, purpose=models.Purpose.CREDIT, name="a"), quiet)
    with pytest.raises(ColumnUnfit, match="never 'worse'"):
        wishes = Wishes(positive="worse")
        train(Order(path=path, purpose=models.Purpose.CREDIT, name="a", wishes=wishes), quiet)


def test_one_booster_of_several_gives_their_mean() -> None:
    import lightgbm as lgb

    random = np.random.default_rng(0)
    matrix = random.normal(size=(500, 4))
    y = (matrix[:, 0] + random.normal(size=500) > 0).astype(int)
    boosters = [
        lgb.train(
            {"objective": "binary", "verbosity": -1, "seed": seed, "num_threads": 1, "feature_fraction": 0.5},
            lgb.Dataset(matrix, label=y),
            num_boost_round=7,
        )
        for seed in range(3)
    ]
    merged = lgb.Booster(model_str=boosting.merged([each.model_to_string() for each in boosters]))
    mean = np.mean([each.predict(matrix, raw_score=True) for each in boosters], axis=0)
    assert merged.num_trees() == 21
    assert merged.predict(matrix, raw_score=True) == pytest.approx(mean)


def test_several_leaks_that_hide_one_another_are_found_together() -> None:
    scores = {"first": 0.99, "second": 0.98, "honest": 0.7}
    places = dict.fromkeys(scores)

    def alone(rest: Any, _rounds: int) -> float:
        return max([list(scores.values())[place] for place in rest] or [0.5])

    found = leaks._ahead(list(places), scores, [0, 1, 2], alone)
    assert [name for name, _ in found] == ["first", "second"]
