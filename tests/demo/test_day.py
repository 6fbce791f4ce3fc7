"""One short day of real processes, which all of these look at."""

import re
from pathlib import Path
from typing import Any

import pytest

from support.processes import Ran, run, run_process

SECONDS = 3


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("day") / "day.html"


@pytest.fixture(scope="module")
def ran(page: Path) -> Ran:
    return run_process(
        *("demo", "day", "--json", "--seconds", SECONDS, "--rate", 6, "--processes", 1, "--html", page)
    )


@pytest.fixture(scope="module")
def report(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = ran.json
    return found


@pytest.mark.timeout(240)
def test_every_invariant_holds_and_the_exit_code_says_so(ran: Ran, report: dict[str, Any]) -> None:
    assert [each for each in report["invariants"] if not each["holds"]] == []
    assert ran.code == 0, ran.err


def test_what_came_is_accounted_for(report: dict[str, Any]) -> None:
    offered = sum(phase["offered"] for phase in report["phases"])
    accepted = sum(phase["accepted"] for phase in report["phases"])
    assert offered > 10
    assert report["payments"] == accepted == sum(report["outcomes"].values())
    assert sum(route["payments"] for route in report["routes"]) == accepted
    assert set(report["outcomes"]) <= {"succeeded", "failed"}


def test_duplicates_were_sent_and_none_had_an_effect(report: dict[str, Any]) -> None:
    again = report["duplicates"]
    assert again["sent"] > 0
    assert again["sent"] <= again["replayed"] + sum(again["refused"].values())


def test_every_webhook_arrived(report: dict[str, Any]) -> None:
    webhooks = report["webhooks"]
    assert webhooks["arrived"] == webhooks["events"] >= 2 * report["payments"]
    assert webhooks["refused"] == 0


def test_what_was_unknown_is_known(report: dict[str, Any]) -> None:
    assert report["unknowns"]["resolved"] == report["unknowns"]["count"]


def test_both_accounts_were_busy(report: dict[str, Any]) -> None:
    assert [account["name"] for account in report["accounts"]] == ["shop", "marketplace"]
    assert all(account["transfers"] > 3 for account in report["accounts"])


def test_the_page_was_written_with_its_plots(ran: Ran, page: Path) -> None:
    text = page.read_text()
    assert len(re.findall(r'<svg viewBox="0 0 960', text)) == 5
    assert "invariants hold." in text


def test_nothing_but_the_report_is_on_standard_output_and_nothing_is_left_behind(ran: Ran) -> None:
    assert ran.out.count("\n") == 1
    assert ran.err == ""


def test_what_could_not_be_written_is_refused_before_the_day(tmp_path: Path) -> None:
    assert run("demo", "day", "--html", tmp_path / "nowhere" / "day.html").code == 2
    (tmp_path / "file").write_text("here")
    assert run("demo", "day", "--keep", tmp_path).code == 2
    assert run("demo", "day", "--seconds", 1).code == 2
