"""What columns are, in words that people understand: from a file, and else from the columns' names."""

import csv
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from caudal.training.errors import DataUnreadable
from caudal.training.reading import require

MOST_LETTERS: Final = 400
_MOST_CODE: Final = 40
_CODE: Final = re.compile(r"[A-Za-z0-9_.\-]{1,40}")


class Described(msgspec.Struct, frozen=True):
    """A column in words."""

    text: str
    code: str | None = None
    """The adverse-action code that letters to applicants are written by; None: made of the name."""


def read(path: Path) -> dict[str, Described]:
    """Descriptions of columns. Raises `DataUnreadable`.

    A CSV file has the columns `column`, `text` and, where codes are given, `code`; a JSON file is an object
    of texts, or of objects with `text` and `code`.
    """
    if not path.is_file():
        raise _unreadable(f"there is no file {path.name}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _of_json(text) if text.lstrip().startswith("{") else _of_csv(text)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as wrong:
        raise _unreadable(str(wrong)) from None
    if not rows:
        raise _unreadable("it describes no column")
    return {name: _checked(name, *row) for name, row in rows.items()}


def require_known(described: Collection[str], columns: Collection[str]) -> None:
    """Raise `ColumnUnknown` unless all columns that are described are there, or are made in training."""
    for name in described:
        if not name.startswith(("features.", "payment.")):
            require(columns, name)


def codes(names: Sequence[str], described: Mapping[str, Described]) -> dict[str, str]:
    """The adverse-action code of each name: the one that was said, or the name in capitals.

    Two names that would have one code, or are too long for one, end in figures of their own.
    """
    plain = {name: "".join(letter if letter.isalnum() else "_" for letter in name.upper()) for name in names}
    found = {}
    for name in names:
        said = described[name].code if name in described else None
        alike = sum(each == plain[name] for each in plain.values())
        if said is None and (alike > 1 or len(plain[name]) > _MOST_CODE or not plain[name].strip("_")):
            own = hashlib.blake2b(name.encode(), digest_size=3).hexdigest().upper()
            said = f"{plain[name][: _MOST_CODE - 7]}_{own}"
        found[name] = said or plain[name]
    return found


def _of_json(text: str) -> dict[str, tuple[Any, Any]]:
    content = json.loads(text)
    return {
        name: (one.get("text"), one.get("code")) if isinstance(one, dict) else (one, None)
        for name, one in content.items()
    }


def _of_csv(text: str) -> dict[str, tuple[Any, Any]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    if not {"column", "text"} <= set(rows.fieldnames or ()):
        raise _unreadable("it needs the columns column and text, and may have code")
    return {row["column"]: (row["text"], row.get("code") or None) for row in rows}


def _checked(name: str, text: Any, code: Any) -> Described:
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= MOST_LETTERS:
        raise _unreadable(f"the text of {name!r} must have 1 to {MOST_LETTERS} letters")
    if code is not None and (not isinstance(code, str) or _CODE.fullmatch(code) is None):
        raise _unreadable(f"the code of {name!r} must be 1 to 40 letters, digits, `_`, `.` or `-`")
    return Described(text.strip(), code)


def _unreadable(why: str) -> DataUnreadable:
    return DataUnreadable(f"the descriptions: {why}"[:300], field="describe")
