import subprocess
from pathlib import Path

import check_style
import pytest

SLASH = "/"  # keeps this file itself free of what it looks for


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def breaches(repository: Path, name: str, text: str) -> list[str]:
    """What the check says about a tracked file of this name and text."""
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    subprocess.run(["git", "add", "."], cwd=repository, check=True)
    return list(check_style.breaches(repository))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("--index-url https:{0}{0}mirror.example{0}simple", "a package index: index-url https:{0}{0}"),
        ("--find-links=file:{0}{0}{0}wheels", "a package index: find-links=file:{0}{0}"),
        ("# from files.python" + "hosted.org", "a registry's host: python" + "hosted.org"),
        ("https:{0}{0}pypi" + ".org{0}simple", "a registry's host: pypi" + ".org"),
        ("see {0}work{0}main", "a path of one machine: {0}work{0}m"),
        ("see {0}home{0}alice", "a path of one machine: {0}home{0}a"),
        ('x = "{0}tmp{0}socket"', "a path of one machine: {0}tmp{0}s"),
        ("{0}Users{0}alice", "a path of one machine: {0}Users{0}a"),
    ],
)
def test_registry_hosts_and_machine_paths_are_refused(repository: Path, line: str, what: str) -> None:
    found = breaches(repository, "docs/guide.md", f"first\n{line.format(SLASH)}\n")
    assert found == [f"docs/guide.md:2: {what.format(SLASH)}"]


@pytest.mark.parametrize(
    "line", ["{0}tmp", "https:{0}{0}example.com{0}work{0}x", "a framework{0}root", "{0}var{0}lib{0}caudal"]
)
def test_other_paths_are_not(repository: Path, line: str) -> None:
    assert breaches(repository, "docs/guide.md", line.format(SLASH)) == []


def test_files_that_git_does_not_know_are_nobodys_business(repository: Path) -> None:
    (repository / ".gitignore").write_text(".venv/\n")
    assert breaches(repository, ".venv/pip.conf", "pypi" + ".org") == []


def test_a_file_of_more_than_400_lines_is_refused(repository: Path) -> None:
    assert breaches(repository, "src/caudal/x.py", "x = 1\n" * 400) == []
    assert breaches(repository, "src/caudal/x.py", "x = 1\n" * 401) == [
        "src/caudal/x.py:1: 401 lines, more than 400"
    ]


def function(lines: int, docstring: str = "") -> str:
    body = [f'    """{docstring}"""'] if docstring else []
    return "\n".join(["def f():", *body, *["    pass"] * (lines - 1)])


def test_a_function_of_more_than_60_lines_is_refused_not_counting_its_docstring(repository: Path) -> None:
    assert breaches(repository, "src/caudal/x.py", function(60, docstring="Long\n\nstory.")) == []
    assert breaches(
        repository, "src/caudal/x.py", "class C:\n    async " + function(61).replace("\n", "\n    ")
    ) == ["src/caudal/x.py:2: f has 61 lines, more than 60"]


def test_tests_may_be_long(repository: Path) -> None:
    assert breaches(repository, "tests/test_x.py", "x = 1\n" * 1000) == []


@pytest.mark.parametrize(
    "line",
    [
        "from caudal.ledger.store import lock_book",
        "import caudal.ledger.store",
        "import caudal.ledger.rules as r",
    ],
)
def test_a_rooms_inside_is_not_imported_from_outside(repository: Path, line: str) -> None:
    module = line.split()[1]
    assert breaches(repository, "src/caudal/api/accounts.py", line) == [
        f"src/caudal/api/accounts.py:1: imports {module}: use what caudal.ledger exports"
    ]
    assert breaches(repository, "src/caudal/api/accounts.py", "") == []
    assert breaches(repository, "src/caudal/ledger/service.py", line) == []


def test_what_a_room_exports_is_imported_by_anyone(repository: Path) -> None:
    text = (
        "from caudal.ledger import Transfer\nfrom caudal import ledger\nfrom caudal_base.money import Money\n"
    )
    assert breaches(repository, "src/caudal/api/accounts.py", text) == []


def test_a_breach_fails_the_check_and_is_printed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["check_style.py", str(repository)])
    breaches(repository, "src/caudal/x.py", "x = 1\n" * 401)
    assert check_style.main() == 1
    assert capsys.readouterr().err == "src/caudal/x.py:1: 401 lines, more than 400\n"
    breaches(repository, "src/caudal/x.py", "")
    assert check_style.main() == 0
