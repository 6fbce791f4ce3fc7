"""Many conditions as one function."""

from typing import Any

import pytest

from caudal.expressions import INT, Conditions, Environment, Missing, compile, compile_all
from caudal.expressions.types import Cause
from caudal_base.errors import InvariantError
from support.expressions import ENVIRONMENT, GIVEN

RULES = {
    "velocity": "features.count_1h > 5 && payment.amount_minor > 10000",
    "abroad": 'payment.country in ["RU", "KP"]',
    "unusual": "double(payment.amount_minor) > features.mean_30d + 3.0 * features.stddev_30d",
    "ratio": "double(features.sum_24h) / double(features.count_24h) > 4000.0",
    "new": "coalesce(features.count_24h, 0) < 3",
    "tagged": 'payment.tags.exists(t, t == "web")',
    "certain": "payment.kind == 'transfer'",
}


def conditions() -> Conditions:
    return compile_all([(name, compile(source, ENVIRONMENT)) for name, source in RULES.items()])


def fired(**changed: Any) -> tuple[list[str], list[str]]:
    """The names of the rules that fired, and of those that are missing."""
    values = {name: changed.get(name.split(".")[1], value) for name, value in GIVEN.items()}
    together = conditions()
    held, missing = together.evaluate(ENVIRONMENT.row(values))
    assert (held, missing) == together.slowly(ENVIRONMENT.row(values))
    return [together.names[place] for place in held], [together.names[place] for place in missing]


@pytest.mark.parametrize(
    ("changed", "held", "missing"),
    [
        ({}, ["velocity", "unusual", "ratio", "tagged", "certain"], []),
        ({"count_1h": 5, "kind": "payout", "tags": []}, ["unusual", "ratio"], []),
        ({"count_24h": 0}, ["velocity", "unusual", "new", "tagged", "certain"], ["ratio"]),
        ({"country": None}, ["velocity", "unusual", "ratio", "tagged", "certain"], ["abroad"]),
        (
            {"country": None, "mean_30d": None, "count_24h": None, "count_1h": None},
            ["new", "tagged", "certain"],
            ["velocity", "abroad", "unusual", "ratio"],
        ),
        ({"stddev_30d": float("nan")}, ["velocity", "ratio", "tagged", "certain"], ["unusual"]),
        ({"mean_30d": float("inf")}, ["velocity", "ratio", "tagged", "certain"], ["unusual"]),
        ({"mean_30d": 1e308, "stddev_30d": 1e308}, ["velocity", "ratio", "tagged", "certain"], ["unusual"]),
        ({"tags": ["x"] * 6}, ["velocity", "unusual", "ratio", "certain"], ["tagged"]),
    ],
)
def test_what_holds_and_what_is_missing(changed: dict[str, Any], held: list[str], missing: list[str]) -> None:
    assert fired(**changed) == (held, missing)


@pytest.mark.parametrize("mean", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("stddev", [1.0, float("inf")])
def test_what_is_not_finite_is_never_compared(mean: float, stddev: float) -> None:
    sources = ["features.mean_30d > 1.0", "features.mean_30d < 1.0", "features.count_1h == 7"]
    together = compile_all([(source, compile(source, ENVIRONMENT)) for source in sources])
    row = ENVIRONMENT.row({**GIVEN, "features.mean_30d": mean, "features.stddev_30d": stddev})

    assert together.evaluate(row) == ([2], [0, 1])


def test_doubles_near_the_largest_are_compared() -> None:
    source = "features.mean_30d > 1.0 && features.stddev_30d > 1.0"
    row = ENVIRONMENT.row({**GIVEN, "features.mean_30d": 1.7e308, "features.stddev_30d": 1.7e308})

    assert compile_all([("both", compile(source, ENVIRONMENT))]).evaluate(row) == ([0], [])


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"amount_minor": None}, ["velocity", "unusual"]),
        ({"amount_minor": "many"}, ["velocity", "unusual"]),
        ({"amount_minor": [1]}, ["velocity", "unusual"]),
        ({"tags": 5}, ["tagged"]),
        ({"mean_30d": "1"}, ["unusual"]),
        ({"mean_30d": 10**400}, ["unusual"]),
        ({"kind": None}, ["certain"]),
    ],
)
def test_values_of_another_type_raise_nothing(changed: dict[str, Any], missing: list[str]) -> None:
    held, found = fired(**changed)

    assert found == missing
    assert set(held) == {"velocity", "unusual", "ratio", "tagged", "certain"} - set(missing)


def test_why_a_condition_is_missing_is_told() -> None:
    together = conditions()
    row = ENVIRONMENT.row({**GIVEN, "payment.country": None})

    assert together.why_missing(row, 1) == Missing(Cause.MISSING, "payment.country")
    assert together.why_missing(row, 0) is None


def test_what_they_read_is_told_in_the_order_of_the_environment() -> None:
    names = ["payment.kind", "features.count_1h", "payment.amount_minor"]
    together = compile_all([(name, compile(f"has({name})", ENVIRONMENT)) for name in names])

    assert together.reads == ("payment.amount_minor", "payment.kind", "features.count_1h")


def test_a_row_of_another_length_is_a_bug_of_the_caller() -> None:
    with pytest.raises(InvariantError):
        compile("payment.is_first", ENVIRONMENT).evaluate((True,))


def test_conditions_share_an_environment_and_give_bools() -> None:
    other = Environment({"a": INT})

    with pytest.raises(InvariantError):
        compile_all([("a", compile("payment.is_first", ENVIRONMENT)), ("b", compile("a > 1", other))])
    with pytest.raises(InvariantError):
        compile_all([("a", compile("a", other, INT))])
    with pytest.raises(InvariantError):
        compile_all([])


def test_hundreds_of_conditions_are_one_function_too() -> None:
    sources = [f"features.mean_30d > {number}.0 && features.count_1h > {number}" for number in range(150)]
    together = compile_all([(source, compile(source, ENVIRONMENT)) for source in sources])

    assert together.evaluate(ENVIRONMENT.row(GIVEN)) == (list(range(7)), [])


def test_a_function_sees_no_builtins() -> None:
    function = conditions().evaluate

    assert function.__globals__["__builtins__"] == {}  # type: ignore[attr-defined]
    assert set(function.__code__.co_names) <= set(function.__globals__) | {"append", "tzinfo"}  # type: ignore[attr-defined]
