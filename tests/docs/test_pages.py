"""Links lead somewhere, commands exist, generated pages and tables are current."""

import enum
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import write_reference

from caudal import jobs, worker
from caudal_base.clock import SystemClock
from caudal_base.settings import OTHER_VARIABLES, PREFIX, Settings
from support.doc_pages import PAGES, ROOT, blocks, prose

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_CALL = re.compile(r"(?:^|[`\s(|&;])((?:\.venv/bin/)?caudal(?: [^`\n#|;)]*)?)")


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings have on GitHub and its like."""
    titles = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if fragment:
            assert fragment in anchors(target), f"{link}: there is no such heading"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(index))}

    assert {page for page in PAGES if page.is_relative_to(index.parent)} - linked <= {
        index,
        *(ROOT / "docs" / "decisions").glob("0*.md"),
    }


def commands_in(page: Path) -> list[str]:
    """Every call of `caudal` in a page: in code between backquotes and in blocks of shell."""
    inline = re.findall(r"`(caudal(?: [^`]*)?)`", prose(page))
    shown = [block.text for block in blocks(page) if block.language in {"sh", "shell"}]
    called = [found.strip() for text in shown for line in text.splitlines() for found in _CALL.findall(line)]
    return [*inline, *called]


def command_of(words: list[str], known: dict[str, Any]) -> str:
    """The command or group that begins a line of words; empty where it is none."""
    groups = {" ".join(name.split()[:length]) for name in known for length in (1, 2)}
    for length in (3, 2, 1):
        name = " ".join(words[:length])
        if len(words) >= length and (name in known or (name in groups and len(words) == length)):
            return name
    return ""


def options_of(command: Any) -> set[str]:
    """What a command takes."""
    return {option for known in command.params for option in (*known.opts, *known.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_option_exists(page: Path) -> None:
    known = dict(write_reference.commands())
    for call in commands_in(page):
        words = [word for word in shlex.split(call, comments=True)[1:] if word not in {"…", "[OPTIONS]"}]
        if not words or words[0] in {"<noun>", "--help"}:
            continue
        name = command_of(words, known)
        assert name, f"there is no `{call}`"
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= (options_of(known[name]) | {"--help"} if name in known else set()), call


def test_generated_pages_are_current() -> None:
    for name, make in write_reference.PAGES.items():
        written = (write_reference.REFERENCE / name).read_text(encoding="utf-8")
        assert written == make(), f"{name}: run .venv/bin/python tools/write_reference.py"


def table_of(page: Path, first: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell begins with `first`, by that cell."""
    rows = [line.strip("| ").split(" | ") for line in prose(page).splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return {row[0].strip("`"): row[1:] for row in cells if row[0].strip("`").startswith(first)}


def test_the_table_of_settings_is_complete_and_has_their_defaults() -> None:
    table = table_of(ROOT / "docs" / "operating" / "running.md", PREFIX)
    fields = {PREFIX + name.upper(): getattr(Settings(), name) for name in Settings.__struct_fields__}

    assert table.keys() == fields.keys() | OTHER_VARIABLES
    for variable, default in fields.items():
        shown = default.value if isinstance(default, enum.Enum) else default
        assert table[variable][0] == ("" if shown is None else f"`{shown}`"), variable


def test_every_kind_of_job_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    built: dict[str, Any] = {}
    monkeypatch.setattr(jobs, "Worker", lambda _, handlers, **rest: built.update(rest, handlers=handlers))
    worker.build(None, SystemClock())  # type: ignore[arg-type]
    kinds = {handler.kind for handler in built["handlers"]} | {each.kind for each in built["periodics"]}
    page = (ROOT / "docs" / "concepts" / "audit-and-jobs.md").read_text()
    assert kinds - set(re.findall(r"`([^`]+)`", page)) == set()
