"""The README's table of figures is made of a benchmark's report."""

from typing import Any

import pytest
from bench_table import CASES, MARKS, inserted, marked, models_table, table

START, END = MARKS["ledger"]

FIGURES = {"per_second": 5_000.0, "p50_ms": 12.345, "p99_ms": 40.04, "ratio_to_floor": 0.456}


def report(**cases: dict[str, Any]) -> dict[str, Any]:
    """A report in which all cases have the same figures, but for those of `cases`."""
    return {
        "name": "ledger",
        "machine": "A processor, 2 cores",
        "floor": {"copy_rows_per_second": 80_000.4},
        "cases": [
            {"case": name, **FIGURES, "figures": {"kept": 1.0}, **cases.get(name, {})} for name in CASES
        ],
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
        ("sustained", {"per_second": 1_500.0}, "missed by 25%"),
        ("sustained", {"p99_ms": 125.0}, "missed by 20%"),
        ("sustained_half", {"p99_ms": 100.0}, "missed by 50%"),
        ("end_to_end", {"per_second": 120.0}, "missed by 20%"),
        ("slow_neighbour", {"figures": {"kept": 0.76}}, "missed by 20%"),
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


def test_what_else_was_measured_is_said_with_the_case() -> None:
    figures = {"offered_per_second": 6_000.0, "shed_per_second": 4_100.4, "lost": 0.0, "p99_ms_at_700": 1.0}
    found = row(table(report(overload={"figures": figures})), "overload")

    assert "three times what is sustained: 6,000/s offered, 4,100/s shed, 0 lost |" in found


def test_the_payments_have_a_table_of_their_own_behind_the_ledgers() -> None:
    start, end = MARKS["payments"]
    readme = f"a\n{START}\nledger\n{END}\nb"
    first = inserted(marked(readme, "payments"), "old", "payments")
    assert first == f"a\n{START}\nledger\n{END}\n\n{start}\nold\n{end}\nb"

    assert inserted(marked(first, "payments"), "new", "payments") == first.replace("old", "new")
    assert inserted(first, "anew") == first.replace("\nledger\n", "\nanew\n")


def test_each_table_stands_behind_those_before_it() -> None:
    all_of_them = f"a\n{START}\n{END}\nb"
    for name in MARKS:
        all_of_them = marked(all_of_them, name)
    places = [all_of_them.index(start) for start, _ in MARKS.values()]
    assert places == sorted(places)


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert inserted(f"a\n{START}\nold\n{END}\nb", "new") == f"a\n{START}\nnew\n{END}\nb"


@pytest.mark.parametrize("readme", ["", START, f"{END}{START}", f"{START}{START}{END}"])
def test_a_readme_without_both_marks_is_left_alone(readme: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        inserted(readme, "new")


def test_figures_of_training_stand_with_their_intervals_beside_what_is_to_be_reached() -> None:
    case = {
        "case": "ulb", "learner": "lightgbm", "others": {"scorecard": 0.9712}, "leaks": ["V99"],
        "seconds": 61.4,
        "auc": 0.9891, "auc_low": 0.981, "auc_high": 0.995, "ap": 0.781, "ap_low": 0.7, "ap_high": 0.86,
        "ks": 0.9, "ks_low": 0.85, "ks_high": 0.95,
    }  # fmt: skip
    text = models_table({"machine": "A processor, 2 cores", "cases": [case]})
    assert "Machine: A processor, 2 cores." in text
    assert row(text, "ulb").endswith(
        "| lightgbm; scorecard AUC 0.9712 | 0.9891 (0.981 to 0.995) | 0.7810 (0.700 to 0.860) "
        "| 0.9000 (0.850 to 0.950) | AUC 0.98, AP 0.79: missed by 0.0090 | `V99` | 61 |"
    )
    with pytest.raises(ValueError, match="does not know moon"):
        models_table({"machine": "", "cases": [{**case, "case": "moon"}]})
