"""Delimited text, row by row, in bounded memory: a bad row is a value, and reading goes on behind it."""

import csv
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from caudal.imports.errors import FileUnreadable, FileUnsuitable
from caudal.imports.types import RowError

MAX_LINE_BYTES: Final = 65_536
"""A longer line is an error of its row. A quoted field is at most `csv.field_size_limit()` characters."""

MAX_RECORD_LINES: Final = 1_000
"""A row whose quoted fields go over more lines is an error."""

_BOM: Final = b"\xef\xbb\xbf"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a file's text is laid out."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    """A single-byte encoding or UTF-8, with or without a byte order mark."""
    header: bool = True
    """The first row names the columns; without one they are named `1`, `2`, …"""
    skip_lines: int = 0
    """Lines above the header that belong to no table."""


class Record(msgspec.Struct, frozen=True):
    """A row's wanted fields, in the order in which they were asked for."""

    line: int
    fields: tuple[str, ...]


class Unreadable(Exception):
    """A field or a row that cannot be what it must be; becomes a `RowError`."""

    def __init__(self, code: str, detail: str, column: str | None = None) -> None:
        """`code` is stable, `detail` for people."""
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.column = column

    def at(self, file: Path, line: int) -> RowError:
        """The row error that it is in this place."""
        return RowError(file=file.name, line=line, code=self.code, detail=self.detail, column=self.column)


def read(path: Path, layout: Layout, wanted: Sequence[str]) -> Iterator[Record | RowError]:
    """The rows of a file, reduced to the columns in `wanted`; blank lines are passed over.

    Raises `FileUnreadable`, and `FileUnsuitable` naming the column that the header lacks or has twice.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}", field="file") from None
    with file:
        lines = _Lines(file, layout.encoding)
        for _ in range(layout.skip_lines):
            lines.skip()
        reader = csv.reader(
            lines, delimiter=layout.delimiter, quotechar=layout.quote, doublequote=True, strict=True
        )
        try:
            header = next(reader, None) if layout.header else None
        except (Unreadable, csv.Error) as error:
            raise FileUnsuitable(f"{path.name}: the header cannot be read: {error}", field="file") from None
        places: list[int] | None = None
        width = 0
        if layout.header:
            places, width = _places(path, header or [], wanted), len(header or [])
        while True:
            line = lines.begin_record()
            try:
                fields = next(reader, None)
                if fields is None:
                    return
                if not fields:
                    continue
                if places is None:
                    width = len(fields)
                    places = _places(path, [str(number) for number in range(1, width + 1)], wanted)
                if len(fields) != width:
                    raise Unreadable("row_width", f"{len(fields)} fields where there should be {width}")
            except Unreadable as unreadable:
                lines.rewind()
                yield unreadable.at(path, line)
            except csv.Error as error:
                lines.rewind()
                yield Unreadable("row_malformed", str(error)).at(path, line)
            else:
                yield Record(line, tuple([fields[place] for place in places]))


def scan(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file in hexadecimal, and how many lines it has. Raises `FileUnreadable`."""
    digest, lines, last = hashlib.sha256(), 0, b"\n"
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                lines += block.count(b"\n")
                last = block[-1:]
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}", field="file") from None
    return digest.hexdigest(), lines + (last != b"\n")


class _Lines:
    """The decoded lines of a file. Unlike a generator it goes on after it has raised.

    A quotation mark that is never closed swallows the lines behind it, until the field is too long. Then
    `rewind` gives them back, so that only the line with the mark is lost.
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._number = 0
        self._of_record: list[bytes] = []
        self._given_back: deque[bytes] = deque()

    def begin_record(self) -> int:
        """The number of the line on which the next record begins."""
        self._of_record.clear()
        return self._number + 1

    def rewind(self) -> None:
        """Give back all lines of the record but its first one."""
        again = self._of_record[1:]
        self._number -= len(again)
        self._given_back.extendleft(reversed(again))

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self._next_raw()
        if self._number == 1 and raw.startswith(_BOM):
            raw = raw[len(_BOM) :]
        if len(raw) > MAX_LINE_BYTES + 1:
            raise Unreadable("row_too_long", f"the line has more than {MAX_LINE_BYTES} bytes")
        if len(self._of_record) > MAX_RECORD_LINES:
            raise Unreadable("row_too_long", f"the row has more than {MAX_RECORD_LINES} lines")
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            detail = f"byte {error.start + 1} of the line is not {self._encoding}"
            raise Unreadable("row_encoding", detail) from None
        if "\0" in text:
            raise Unreadable("row_encoding", "a NUL character")
        return text

    def skip(self) -> None:
        """Pass over a line, whatever it holds."""
        with suppress(StopIteration):
            self._next_raw()

    def _next_raw(self) -> bytes:
        raw = self._given_back.popleft() if self._given_back else self._from_file()
        if not raw:
            raise StopIteration
        self._number += 1
        self._of_record.append(raw)
        return raw

    def _from_file(self) -> bytes:
        """The next line; of one that is too long only the beginning, which is too long still."""
        raw = rest = self._file.readline(MAX_LINE_BYTES + 2)
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._file.readline(MAX_LINE_BYTES + 1)
        return raw


def _places(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    for column in wanted:
        count = names.count(column)
        if count != 1:
            detail = "is not there" if count == 0 else f"is there {count} times"
            raise FileUnsuitable(f"{path.name}: the column {column!r} {detail}", field=column)
    return [names.index(column) for column in wanted]
