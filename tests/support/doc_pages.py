"""The pages of the documentation: their links, their commands, and their examples, carried out.

A fenced block marked `sh` or `python` is an example: it is run. Where the next block is marked `text`,
`json` or `csv`, that is what it prints. Blocks with other marks are shown and not run.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_OUTPUT = frozenset({"text", "json", "csv"})
_END = "--- end of block ---"

_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "TIME"),
    (re.compile(r"caudal_(test|live)_\w+"), "KEY"),
    (re.compile(r"\b\d+(\.\d+)? MB\b"), "SIZE"),
    (re.compile(r'"seq": \d+'), '"seq": SEQ'),
    (re.compile(r"\bseq +\d+"), "seq SEQ"),
)
"""What differs from run to run."""

_ID = re.compile(r"\b(acct|tr|txn|book|key|req|job|aud|cus|pay|att|cap|re|dp|evt|whi)_[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    text: str


@dataclass(frozen=True)
class Example:
    """A block that is run, and what the page says that it prints; None where it says nothing."""

    language: str
    text: str
    printed: str | None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def examples(page: Path) -> list[Example]:
    """The examples of a page, in order."""
    found = blocks(page)
    following = [*found, Block("", "")][1:]
    return [
        Example(block.language, block.text, after.text if after.language in _OUTPUT else None)
        for block, after in zip(found, following, strict=True)
        if block.language in {"sh", "python"}
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def normal(text: str, page: Path) -> str:
    """`text` without what differs from run to run: times, keys, and ids that the page did not choose."""
    chosen = {found[0] for example in examples(page) for found in _ID.finditer(example.text)}
    text = _ID.sub(lambda found: found[0] if found[0] in chosen else f"{found[1]}_ID", text)
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def carry_out(page: Path, *, url: str, key: str, data: Path, directory: Path) -> list[tuple[Example, str]]:
    """Run a page's examples in order, as one shell session; each with what it printed.

    The page's own key and address are replaced by `key` and `url`.
    """
    script = ["set -u", f"cd {directory}"]
    for number, example in enumerate(examples(page)):
        text = re.sub(r"caudal_test_[\w…]+", key, example.text).replace("http://127.0.0.1:8000", url)
        if example.language == "python":
            file = directory / f"example_{number}.py"
            file.write_text(text, encoding="utf-8")
            text = f"{sys.executable} {file}\n"
        script += [text, f"echo '{_END}'"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env={
            **environment,
            "CAUDAL_DATA_DIR": str(data),
            "CAUDAL_API_KEY": key,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
        check=False,
    )
    printed = done.stdout.split(f"{_END}\n")
    return list(zip(examples(page), printed, strict=False))
