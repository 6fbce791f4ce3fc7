"""What comes of a row: scores, what is missing, reasons; of scorecards and ONNX."""

import math

import msgspec
import pytest

from caudal import models
from caudal.models import (
    Axis,
    Isotonic,
    LibraryMissing,
    ModelCorrupt,
    ModelInvalid,
    Platt,
    Points,
    Probability,
    Row,
    Score,
    Scorecard,
    Term,
    artifact_of,
)
from support.model_worlds import (
    AMOUNT,
    COUNT,
    COUNTRY,
    ROW,
    card,
    credit_file,
    onnx_bytes,
    onnx_file,
    points,
    scorecard_file,
)


def sigmoid(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def test_points_are_added_up_and_made_a_probability() -> None:
    # amount 2.5, count 3, FR -0.5, both together 0.75, intercept -5
    assert models.load(scorecard_file()).score(ROW) == Score(sigmoid(0.75), (), None, 0.75)


def test_a_cut_belongs_to_the_bin_above_it() -> None:
    scorer = models.load(scorecard_file())
    below, at = (scorer.score({**ROW, AMOUNT.name: amount}).raw for amount in (9_999.99, 10_000))
    assert (below, at) == (-0.75, 0.75)


def test_what_is_missing_has_points_of_its_own_and_is_told() -> None:
    score = models.load(scorecard_file()).score({AMOUNT.name: 20_000})
    assert (score.raw, score.missing) == (-5 + 2.5 + 0.25, (COUNT.name, COUNTRY.name))


def test_a_category_that_is_not_known_is_what_the_card_says() -> None:
    scorer = models.load(scorecard_file())
    assert scorer.score({**ROW, COUNTRY.name: "US"}) == scorer.score({**ROW, COUNTRY.name: "other"})
    bare = msgspec.structs.replace(COUNTRY, unknown=None)
    without = models.load(models.assemble(card(inputs=(AMOUNT, COUNT, bare)), artifact_of(points())))
    assert without.score({**ROW, COUNTRY.name: "US"}) == without.score({**ROW, COUNTRY.name: None})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "much", 10**400])
def test_what_is_no_finite_number_is_missing(value: float | str) -> None:
    scorer = models.load(scorecard_file())
    found = scorer.score({**ROW, AMOUNT.name: value})
    assert found == scorer.score({COUNT.name: 12, COUNTRY.name: "FR"})
    assert found.missing == (AMOUNT.name,)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"debt": 30, "income": 60}, 0.5),
        ({"debt": 30, "income": 0}, math.nan),
        ({"debt": None, "income": 60}, math.nan),
        ({"debt / income": 0.7, "debt": 30, "income": 60}, 0.7),
    ],
)
def test_a_ratio_is_made_of_its_parts_unless_the_row_has_it(row: Row, found: float) -> None:
    ratio = models.Input(name="debt / income", about="debt over income", ratio=("debt", "income"))
    scorer = models.load(scorecard_of(ratio))
    assert scorer.score(row).raw == (3.0 if math.isnan(found) else 1.0 if found < 0.6 else 2.0)
    assert scorer.score(row).missing == (("debt / income",) if math.isnan(found) else ())


def scorecard_of(one: models.Input) -> models.ModelFile:
    """One point below 0.6, two from there on, three where it is missing."""
    term = Term(axes=(Axis(input=one.name, cuts=(0.6,)),), points=(1.0, 2.0, 3.0))
    made = msgspec.structs.replace(card(), kind=models.Kind.SCORECARD, inputs=(one,))
    return models.assemble(made, artifact_of(Scorecard(terms=(term,))))


def test_a_declared_default_stands_for_a_missing_number() -> None:
    inputs = (msgspec.structs.replace(AMOUNT, missing=500.0), COUNT, COUNTRY)
    scorer = models.load(models.assemble(card(inputs=inputs), artifact_of(points())))
    found = scorer.score({COUNT.name: 12, COUNTRY.name: "FR"})
    assert (found.raw, found.missing) == (scorer.score({**ROW, AMOUNT.name: 500}).raw, (AMOUNT.name,))


def test_without_a_required_input_there_is_no_score() -> None:
    inputs = (msgspec.structs.replace(AMOUNT, required=True), COUNT, COUNTRY)
    scorer = models.load(models.assemble(card(inputs=inputs), artifact_of(points())))
    expected = Score(None, (AMOUNT.name,), "input_required")
    assert scorer.score({COUNT.name: 12, COUNTRY.name: "FR"}) == expected
    assert scorer.score_many([{COUNT.name: 12, COUNTRY.name: "FR"}, ROW]) == [expected, scorer.score(ROW)]


def test_categories_that_are_written_as_numbers_are_found() -> None:
    job = models.Input(name="job", about="job", kind=models.InputKind.CATEGORY, categories=("1", "2"))
    scorecard = Scorecard(terms=(Term(axes=(Axis(input="job", groups=(0, 1)),), points=(1.0, 2.0, 0.0)),))
    scorer = models.load(models.assemble(card(inputs=(job,)), artifact_of(scorecard)))
    assert [scorer.score({"job": value}).raw for value in (1, 2.0, "2", 3, None)] == [1.0, 2.0, 2.0, 0.0, 0.0]


def test_reasons_are_what_differs_from_expected_ranked_in_words() -> None:
    scorer = models.load(scorecard_file())
    found = scorer.reasons(ROW, 4)
    assert [(one.name, one.points, one.text) for one in found] == [
        (COUNT.name, 2.8, "payments with this card in the last hour: 12"),
        (AMOUNT.name, 2.1, "amount: 20000"),
        (f"{COUNT.name} & {COUNTRY.name}", 0.75, "payments with this card in the last hour: 12; country: FR"),
    ]
    base, parts = scorer.parts(ROW)
    assert math.fsum([base, *(one.points for one in parts)]) == pytest.approx(0.75, abs=1e-12)


def test_of_credit_points_are_good_and_each_adverse_action_code_is_there_once() -> None:
    scorer = models.load(credit_file())
    score = scorer.score(ROW)
    assert score.raw == 640 - 20 * 5.75
    expected = sigmoid(-(math.log(50) + (525 - 600) * math.log(2) / 20))
    assert score.value == pytest.approx(expected, rel=1e-12)
    found = scorer.reasons(ROW, 4)
    assert [one.code for one in found] == ["A2", "A1"]
    assert found[0].statement == "Too many recent payments"
    assert scorer.reasons(ROW, 1) == found[:1]


def test_calibration_is_applied() -> None:
    platt = models.load(scorecard_file(calibration=Platt(slope=0.5, intercept=-1.0))).score(ROW)
    assert platt.value == pytest.approx(sigmoid(0.75 * 0.5 - 1.0), rel=1e-15)
    isotonic = Isotonic(x=(0.1, 0.5, 0.9), y=(0.01, 0.02, 0.5))
    scorer = models.load(scorecard_file(calibration=isotonic))
    between = (sigmoid(0.75) - 0.5) / 0.4
    assert scorer.score(ROW).value == pytest.approx(0.02 + 0.48 * between, rel=1e-12)
    assert models.load(scorecard_file(shift=-9.0, calibration=isotonic)).score(ROW).value == 0.01
    assert models.load(scorecard_file(shift=9.0, calibration=isotonic)).score(ROW).value == 0.5


@pytest.mark.parametrize("raw", [-1e6, 1e6])
def test_log_odds_beyond_everything_are_probabilities_still(raw: float) -> None:
    for link in (models.Logit(), Points(base_points=0.0, base_odds=1.0, double_odds=1.0), Probability()):
        scorecard = Scorecard(intercept=raw, terms=points().terms)
        value = models.load(models.assemble(card(link=link), artifact_of(scorecard))).score(ROW).value
        assert value == pytest.approx(float(raw > 0), abs=1e-300)


def term(name: str, points: int, **axis: object) -> Term:
    return Term(axes=(Axis(input=name, **axis),), points=(0.0,) * points)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("term", "field"),
    [
        (Term(axes=(), points=()), "axes"),
        (term("nobody", 2), "axes[0].input"),
        (term(AMOUNT.name, 2, cuts=(1.0,)), "points"),
        (term(AMOUNT.name, 4, cuts=(2.0, 1.0)), "axes[0].cuts"),
        (term(COUNTRY.name, 3, groups=(0, 1)), "axes[0].groups"),
        (term(COUNTRY.name, 11, groups=(0, 1, 9)), "axes[0].groups"),
    ],
)
def test_a_scorecard_that_does_not_fit_its_card_is_refused(term: Term, field: str) -> None:
    with pytest.raises(ModelInvalid) as refused:
        models.load(models.assemble(card(), artifact_of(Scorecard(terms=(term,)))))
    assert refused.value.field == f"artifact.terms[0].{field}"


def test_what_is_no_scorecard_is_corrupt() -> None:
    for artifact in (
        b"",
        b"{}",
        b'{"terms": [], "terms": []}',
        b'{"terms": [{"axes": 1}]}',
        b"\x80\x04pickle",
    ):
        with pytest.raises((ModelCorrupt, ModelInvalid)):
            models.load(models.assemble(card(), artifact))


def test_onnx_scores_a_row_and_many() -> None:
    scorer = models.load(onnx_file())
    rows: list[Row] = [{AMOUNT.name: 20_000 * number, COUNT.name: number} for number in range(20)]
    found = [scorer.score(row) for row in rows]
    assert found[4].value == pytest.approx(sigmoid(0.8 + 0.4 - 2), rel=1e-5)
    assert scorer.score_many(rows) == found
    (reason, *_) = scorer.reasons(rows[10])
    assert (reason.name, reason.text) == (AMOUNT.name, "amount: 200000")
    assert not scorer.additive
    models.check_risk_model(scorer, latency_us=100_000)


@pytest.mark.parametrize(
    "artifact",
    [
        onnx_bytes(kind="Loop"),
        onnx_bytes(domain="com.somebody"),
        onnx_bytes(external=True),
    ],
)
def test_onnx_that_reaches_out_or_has_no_bound_is_refused(artifact: bytes) -> None:
    with pytest.raises(ModelInvalid):
        models.load(onnx_file(artifact))


def test_onnx_that_is_cut_off_or_no_graph_is_corrupt() -> None:
    whole = onnx_bytes()
    for artifact in (b"\x00", whole[:-30], whole[: len(whole) // 2], onnx_bytes(kind="NoSuchOperator")):
        with pytest.raises(ModelCorrupt):
            models.load(onnx_file(artifact))


def test_onnx_of_another_number_of_inputs_is_refused() -> None:
    with pytest.raises(ModelInvalid):
        models.load(onnx_file(inputs=(AMOUNT,)))


def test_where_a_library_is_not_installed_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(LibraryMissing):
        models.load(onnx_file())
