"""Which column is the outcome, and which of its values the risk: by words, by custom, or asked about."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from caudal.training import ColumnUnfit, TargetUnclear, outcome
from caudal.training.types import Column, ColumnKind, Table

GOOD, BAD = 70, 30


def column(name: str, values: Sequence[Any]) -> Column:
    if isinstance(values[0], str):
        return Column(name=name, kind=ColumnKind.CATEGORY, values=np.array(values, dtype=object))
    return Column(name=name, kind=ColumnKind.NUMBER, values=np.array(values, dtype=np.float64), whole=True)


def table(**columns: Sequence[Any]) -> Table:
    made = {name: column(name, values) for name, values in columns.items()}
    return Table(columns=made, rows=GOOD + BAD, numbers=np.arange(1, GOOD + BAD + 1), hash="")


def paid_and_not(paid: Any, not_paid: Any) -> list[Any]:
    return [paid] * GOOD + [not_paid] * BAD


@pytest.mark.parametrize(
    ("name", "paid", "not_paid"),
    [
        ("default", 0, 1),
        ("Creditability", 1, 0),  # 1 is the frequent one, and good by the column's name
        ("repaid", 1, 0),
        ("loan_repaid", "yes", "no"),
        ("paid_back", "Y", "N"),
        ("not.fully.paid", 0, 1),
        ("non_default", 1, 0),
        ("Ausfall", "nein", "ja"),
        ("SeriousDlqin2yrs", 0, 1),
        ("isFraud", "False", "True"),
        ("Loan_Approved", "Y", "N"),
        ("Class", 1, 2),  # UCI's German credit: nothing but the frequency tells
        ("flag", 2, 1),
        ("target", 0, 1),
        ("loan_status", "Fully Paid", "Default"),
        ("MIS_Status", "P I F", "CHGOFF"),
        ("status", "no default", "default"),
        ("status", "A", "B"),
        ("fraud", "legit", "fraudulent"),
    ],
)
def test_the_risk_is_what_words_or_custom_call_one(name: str, paid: Any, not_paid: Any) -> None:
    found: list[str] = []
    assert outcome.risk_of(column(name, paid_and_not(paid, not_paid)), None, found) == str(not_paid)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [("target", (1, 0)), ("Loan_Status", ("Y", "N")), ("good_bad", (1, 0))],
)
def test_where_the_frequent_value_is_one_by_custom_it_is_asked(name: str, values: tuple[Any, Any]) -> None:
    with pytest.raises(TargetUnclear, match=rf"--positive {values[0]} or --positive {values[1]}"):
        outcome.risk_of(column(name, paid_and_not(*values)), None, [])


def test_two_values_without_a_meaning_that_are_both_frequent_are_asked_about() -> None:
    with pytest.raises(TargetUnclear, match="A in 55% of the rows"):
        outcome.risk_of(column("status", ["A"] * 55 + ["B"] * 45), None, [])


def test_what_is_said_goes_before_all_words() -> None:
    assert outcome.risk_of(column("default", paid_and_not("NO", "YES")), "no", []) == "NO"
    with pytest.raises(ColumnUnfit, match="never 'maybe'"):
        outcome.risk_of(column("default", paid_and_not("NO", "YES")), "maybe", [])


def test_an_outcome_of_one_value_or_of_many_is_refused_in_words() -> None:
    with pytest.raises(ColumnUnfit, match="bad is always 0"):
        outcome.risk_of(column("bad", [0] * 100), None, [])
    with pytest.raises(ColumnUnfit, match=r"3 values .*--positive"):
        outcome.risk_of(column("state", ["a", "b", "c"] * 10), None, [])


def test_the_outcome_is_found_among_other_columns_of_two_values() -> None:
    half = [0, 1] * 50
    assert outcome.find(table(phone=half, TARGET=paid_and_not(0, 1), flag_late=half), []) == "TARGET"
    assert (
        outcome.find(table(phone=half, paid_back=paid_and_not("yes", "no"), x=[3] * 100), []) == "paid_back"
    )
    assert outcome.find(table(q=half, z=paid_and_not("good", "bad")), []) == "z"


def test_of_several_columns_that_might_be_it_none_is_taken() -> None:
    half, other = [0, 1] * 50, [0, 0, 1, 1] * 25
    with pytest.raises(TargetUnclear, match="p, q"):
        outcome.find(table(p=half, q=other), [])
    with pytest.raises(TargetUnclear, match="y, default"):  # in UCI's bank marketing one is an input
        outcome.find(table(y=half, default=other), [])
    with pytest.raises(TargetUnclear, match="with two values there are sex"):
        outcome.find(table(age=[1, 2, 3, 4] * 25, sex=["f", "m"] * 50, income=[5, 6, 7, 8] * 25), [])


def test_an_outcome_with_open_cases_is_not_passed_over_for_another_column() -> None:
    status = ["Fully Paid"] * 50 + ["Charged Off"] * 30 + ["Current"] * 20
    with pytest.raises(TargetUnclear, match="--target loan_status --positive VALUE"):
        outcome.find(table(term=[36, 60] * 50, loan_status=status), [])
    with pytest.raises(TargetUnclear, match="bad is always 0"):
        outcome.find(table(term=[36, 60] * 50, bad=[0] * 100), [])
