"""Columns in words: from a file, with codes that stay the same."""

from pathlib import Path

import pytest

from caudal.training import ColumnUnknown, DataUnreadable, Described, describing, encoding


def test_descriptions_are_read_from_csv_and_json(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text('column,text,code\nlimit,"Credit limit, in use",R14\nage,Age of the applicant,\n')
    expected = {"limit": Described("Credit limit, in use", "R14"), "age": Described("Age of the applicant")}
    assert describing.read(path) == expected
    path.write_text(
        '{"limit": {"text": "Credit limit, in use", "code": "R14"}, "age": "Age of the applicant"}'
    )
    assert describing.read(path) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name;words\na;b\n", "columns column and text"),
        ('{"a": 3}', "text of 'a'"),
        ('{"a": {"text": "b", "code": "not a code"}}', "code of 'a'"),
        ('{"a": ', "descriptions"),
        ("column,text\n", "describes no column"),
    ],
)
def test_what_describes_nothing_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "words"
    path.write_text(content)
    with pytest.raises(DataUnreadable, match=said):
        describing.read(path)


def test_a_column_that_is_not_there_cannot_be_described() -> None:
    describing.require_known({"limit", "features.card_count_1h"}, ["limit"])
    with pytest.raises(ColumnUnknown, match="did you mean 'limit'"):
        describing.require_known({"Limit"}, ["limit"])


def test_a_code_follows_from_the_name_alone_unless_it_would_be_anothers() -> None:
    said = {"age": Described("Age", "R03")}
    assert describing.codes(["age", "limit_bal"], said) == {"age": "R03", "limit_bal": "LIMIT_BAL"}
    twice = describing.codes(["limit bal", "limit_bal"], {})
    assert twice == {"limit bal": "LIMIT_BAL_B69827", "limit_bal": "LIMIT_BAL_4BF7ED"}
    assert describing.codes(["limit_bal", "limit bal"], {}) == twice
    (long,) = describing.codes(["x" * 300], {}).values()
    assert len(long) == 40


def test_names_become_words() -> None:
    assert encoding.words("LoanAmount") == encoding.words("loan_amount") == "loan amount"
    assert encoding.words("FICO.score-at_start") == "FICO score at start"
    assert encoding.words("NumberOfTime30-59DaysPastDue") == "number of time30 59 days past due"
