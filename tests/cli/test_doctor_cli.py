"""`caudal doctor`: what it prints, and with which exit code it ends."""

from pathlib import Path

from caudal.cli.exits import Exit
from support.processes import Up, run


def test_a_system_that_runs_well_has_nothing_wrong(up: Up) -> None:
    ran = run("doctor", "--data", up.directory, "--json")

    serious = [one["code"] for one in ran.json["findings"] if one["severity"] != "notice"]
    assert (serious, ran.json["healthy"], ran.code) == ([], True, Exit.DONE)


def test_where_there_is_no_database_that_is_the_finding_and_none_is_made(tmp_path: Path) -> None:
    ran = run("doctor", "--data", tmp_path / "none")

    assert ran.code == Exit.REFUSED
    assert ran.out.startswith("critical  no_database\n  there is no database in ")
    assert "\n  → caudal up makes one" in ran.out
    assert not (tmp_path / "none").exists()


def test_a_database_by_url_that_is_down_is_a_finding_without_a_traceback_or_a_password() -> None:
    url = "postgresql://caudal:geheim-canary@127.0.0.1:1/caudal"

    ran = run("doctor", "--json", environment={"CAUDAL_DATABASE_URL": url})

    (finding,) = ran.json["findings"]
    assert (finding["code"], finding["severity"], ran.code) == (
        "database_unreachable",
        "critical",
        Exit.REFUSED,
    )
    assert "geheim-canary" not in ran.out + ran.err
