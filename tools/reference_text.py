"""What the pages of docs/reference are made with."""

from collections.abc import Iterable
from typing import Final

HEAD: Final = "<!-- Made by tools/write_reference.py: do not edit. -->\n"


def first_line(doc: str | None) -> str:
    """Of a docstring."""
    return (doc or "").strip().split("\n", 1)[0]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """In Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
