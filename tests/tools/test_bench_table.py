"""The README's table of figures is made of a benchmark's report."""

from typing import Any

import pytest
from bench_table import CASES, END, START, inserted, table

FIGURES = {"per_second": 5_000.0, "p50_ms": 12.345, "p99_ms": 40.04, "ratio_to_floor": 0.456}


def report(**cases: dict[str, Any]) -> dict[str, Any]:
    """A report in which all cases have the same figures, but for those of `cases`."""
    return {
        "name": "ledger",
        "machine": "A processor, 2 cores",
        "floor": {"copy_rows_per_second": 80_000.4},
        "cases": [{"case": name, **FIGURES, **cases.get(name, {})} for name in CASES],
    }


def row(text: str, case: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"| `{case}` ")]
    return found


def test_figures_stand_beside_their_budget_machine_and_floor() -> None:
    text = table(report(batch_uniform={"per_second": 51_234.5}))

    assert "Machine: A processor, 2 cores." in text
    assert "COPY of the same rows into the same table: 80,000 rows/s" in text
    assert row(text, "batch_uniform").endswith("| 51,234 | 12.35 | 40.0 | 0.46 | ≥ 40,000/s |")


@pytest.mark.parametrize(
    ("case", "figures", "says"),
    [
        ("batch_uniform", {"per_second": 30_000.0}, "missed by 25%"),
        ("http_64", {"per_second": 3_000.0}, "missed by 25%"),
        ("http_64", {"p99_ms": 120.0}, "missed by 50%"),
        ("http_64_hot", {"per_second": 3_000.0}, "missed by 25%"),
    ],
)
def test_a_missed_budget_says_by_how_much(case: str, figures: dict[str, float], says: str) -> None:
    assert says in row(table(report(**{case: figures})), case)


def test_a_figure_that_makes_no_sense_is_left_out() -> None:
    assert "|  |" in row(table(report(statement={"p50_ms": None})), "statement")


def test_a_case_without_words_is_refused() -> None:
    unknown = report()
    unknown["cases"].append({"case": "vault", **FIGURES})

    with pytest.raises(ValueError, match="vault"):
        table(unknown)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert inserted(f"a\n{START}\nold\n{END}\nb", "new") == f"a\n{START}\nnew\n{END}\nb"


@pytest.mark.parametrize("readme", ["", START, f"{END}{START}", f"{START}{START}{END}"])
def test_a_readme_without_both_marks_is_left_alone(readme: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        inserted(readme, "new")
