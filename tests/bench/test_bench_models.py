"""`caudal bench models`: the cases that are given, with their intervals; on small files."""

from pathlib import Path

import pytest

from caudal.bench import models
from caudal_base.errors import InvalidRequest
from support.training_data import loans, write_csv


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def test_a_data_set_that_is_given_has_its_case_with_intervals(tmp_path: Path) -> None:
    content = loans(1_500)
    # Of 2018 to 2021 make 2001 to 2004.
    year = [int(day[:4]) - 17 for day in content.pop("opened")]
    path = write_csv(tmp_path / "sba.csv", {**content, "ApprovalFY": year})
    report = models.run(models.Data(sba=path), ("scorecard",), 1, quiet)
    (case,) = report.cases
    assert case.case == "sba_2004"
    assert case.auc_low < case.auc < case.auc_high
    assert case.ks_low <= case.ks <= case.ks_high
    assert case.ap_low <= case.ap <= case.ap_high
    assert set(case.leaks) == {"recovered", "months", "written_off"}


def test_without_data_it_says_what_to_name() -> None:
    with pytest.raises(InvalidRequest, match="--ulb FILE"):
        models.run(models.Data(), (), 1, quiet)
