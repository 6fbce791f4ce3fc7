"""Files into typed columns: CSV with a header, and Parquet. What cannot be read is named, never guessed.

A column is a number where nearly all its values are (currency signs, thousands' commas and blanks aside), a
date where nearly all are dates of one format, and else a category. Few exceptions are taken as missing, and
reported with the first of them; a row with another number of fields is left out, and named.
"""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from caudal.training import parsing
from caudal.training.errors import ColumnUnknown, DataUnreadable
from caudal.training.types import BadRow, Column, ColumnKind, Floats, Objects, Table

NEARLY_ALL: Final = 0.995
"""Of the values that are there: so many must fit for a column to be numbers, or dates."""
NAMED_ROWS: Final = 20
MAX_BYTES: Final = 4 * 1024**3

_WIDE: Final = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KNOWN: Final = (
    (b"PK\x03\x04", "a zip file, as spreadsheets are: save it as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet: save it as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it"),
    (b"BZh", "compressed with bzip2: unpack it"),
)
"""Files that are often taken for CSV, by how they begin."""


def read(path: Path, *, declared: Mapping[str, ColumnKind] | None = None) -> Table:
    """The table in a file. `declared` are columns whose kind is said: what does not fit it is missing.

    Raises `DataUnreadable`, `ColumnUnknown`.
    """
    if not path.is_file():
        raise DataUnreadable(f"there is no file {path.name}", field="data")
    if path.stat().st_size > MAX_BYTES:
        raise DataUnreadable(f"more than {MAX_BYTES:,} bytes", field="data")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    for begins, said in _KNOWN:
        if head.startswith(begins):
            raise DataUnreadable(f"it is {said}", field="data")
    bad: list[BadRow] = []
    try:
        content = pq.read_table(path) if head == b"PAR1" else _csv(path, bad)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as wrong:
        raise DataUnreadable(str(wrong).replace(f"'{path}'", path.name)[:300], field="data") from None
    except (OSError, EOFError, zlib.error) as wrong:
        raise DataUnreadable(f"it cannot be read to its end: {wrong}"[:300], field="data") from None
    names = content.column_names
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataUnreadable(f"the column {twice} is there twice", field="data")
    if content.num_rows == 0:
        raise DataUnreadable("it has no rows", field="data")
    kinds = dict(declared or {})
    for name in kinds:
        require(names, name)
    columns = {name: _column(name, content.column(name), kinds.get(name)) for name in names}
    numbers = np.setdiff1d(
        np.arange(1, content.num_rows + len(bad) + 1), np.array([row.number for row in bad], dtype=np.int64)
    )
    return Table(
        columns=columns,
        rows=content.num_rows,
        numbers=numbers,
        hash=digest,
        bad_rows=tuple(bad[:NAMED_ROWS]),
        bad_count=len(bad),
    )


def require(names: Any, name: str) -> None:
    """Raise `ColumnUnknown` unless there is such a column."""
    if name not in names:
        near = [each for each in names if each.lower().strip() == name.lower().strip()]
        hint = f"; did you mean {near[0]!r}?" if near else f": it has {', '.join(list(names)[:40])}"
        raise ColumnUnknown(f"no column {name!r}{hint}", field=name)


def take(table: Table, keep: Any, dropped: tuple[BadRow, ...], count: int) -> Table:
    """The table with only the rows that `keep` says, and what became of the others."""
    columns = {
        name: Column(
            name=name,
            kind=column.kind,
            values=column.values[keep],
            unreadable=column.unreadable,
            example=column.example,
            whole=column.whole,
        )
        for name, column in table.columns.items()
    }
    return Table(
        columns=columns,
        rows=len(table.numbers[keep]),
        numbers=table.numbers[keep],
        hash=table.hash,
        bad_rows=(*table.bad_rows, *dropped)[:NAMED_ROWS],
        bad_count=table.bad_count + count,
    )


def _csv(path: Path, bad: list[BadRow]) -> Any:
    """All columns as texts: what they are is decided by all their values, not by the first megabyte."""
    encoding = _encoding(path)
    with _opened(path) as file:
        first = file.readline().decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace")
    delimiter = max(",;\t|", key=first.count)

    def note(row: Any) -> str:
        bad.append(BadRow(int(row.number) - 1, f"{row.actual_columns} fields, not {row.expected_columns}"))
        return "skip"

    reading = pacsv.ReadOptions(use_threads=False, encoding=encoding)
    parsing = pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=note, newlines_in_values=True)
    with _opened(path) as file:
        names = pacsv.open_csv(file, reading, parsing).schema.names
    bad.clear()
    converting = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    with _opened(path) as file:
        return pacsv.read_csv(file, reading, parsing, converting)


def _opened(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _encoding(path: Path) -> str:
    """UTF-8 wherever the whole file is; else the old Western one, in which every byte is a letter."""
    with _opened(path) as file:
        head = file.read(2)
    for mark, name in _WIDE:
        if head == mark:
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as file:
        try:
            while chunk := file.read(1 << 22):
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _column(name: str, values: Any, kind: ColumnKind | None) -> Column:
    """One column, by its own type where the file has types."""
    type_ = values.type
    if pa.types.is_dictionary(type_):
        values = values.cast(type_.value_type)
        type_ = values.type
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        instants = values.cast(pa.timestamp("us")).to_pandas()
        return Column(name=name, kind=ColumnKind.DATE, values=parsing.days(instants))
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_):
        numbers = _floats(values.to_pandas())
        if kind is ColumnKind.CATEGORY:
            return Column(name=name, kind=kind, values=_texts_of(numbers))
        return _typed(name, numbers, ColumnKind.NUMBER, said=kind is not None)
    if pa.types.is_decimal(type_):
        numbers = _floats(values.cast(pa.float64()).to_pandas())
        return Column(name=name, kind=ColumnKind.NUMBER, values=numbers, whole=_whole(numbers))
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataUnreadable(f"{name} holds {type_}: only plain values are read", field=name) from None
    return _of_texts(name, texts.dictionary_encode(), kind)


def _of_texts(name: str, encoded: Any, kind: ColumnKind | None) -> Column:
    """Decided by the different values, each of which is looked at once."""
    encoded = encoded.combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    codes = np.where(np.isnan(codes), -1, codes).astype(np.int64) if codes.dtype.kind == "f" else codes
    words = pc.utf8_trim_whitespace(encoded.dictionary)
    absent = pc.is_in(pc.utf8_lower(words), value_set=pa.array(parsing.MISSING)).to_numpy(
        zero_copy_only=False
    )
    there = np.append(~absent.astype(bool), False)
    words = pc.if_else(pa.array(there[:-1]), words, "")
    counts = np.bincount(codes[codes >= 0], minlength=len(words)).astype(np.float64)
    present = float((counts * there[:-1]).sum())
    for wanted in (ColumnKind.NUMBER, ColumnKind.DATE):
        if present == 0 or kind not in {None, wanted}:
            continue
        number = wanted is ColumnKind.NUMBER
        found = parsing.numbers(words, declared=kind is wanted) if number else parsing.dates(words)
        fits = np.isfinite(found)
        if float((counts * fits).sum()) >= NEARLY_ALL * present or kind is wanted:
            wrong = there[:-1] & ~fits
            return _typed(
                name, np.append(found, np.nan)[codes], wanted, said=kind is not None,
                unreadable=int((counts * wrong).sum()), example=_example(words, wrong, codes),
            )  # fmt: skip
    kept: Objects = np.array([*words.to_pylist(), None], dtype=object)
    kept[~there] = None
    return Column(name=name, kind=ColumnKind.CATEGORY, values=kept[codes])


def _typed(
    name: str,
    values: Floats,
    kind: ColumnKind,
    *,
    said: bool,
    unreadable: int = 0,
    example: str | None = None,
) -> Column:
    """A column of numbers or dates; numbers that are moments are dates unless they are said to be numbers."""
    if kind is ColumnKind.NUMBER and not said:
        moments = parsing.dates_in_numbers(name, values)
        if moments is not None:
            kind, values = ColumnKind.DATE, moments
    return Column(
        name=name, kind=kind, values=values, unreadable=unreadable, example=example,
        whole=kind is ColumnKind.NUMBER and _whole(values),
    )  # fmt: skip


def _example(words: Any, wrong: Any, codes: Any) -> str | None:
    places: Any = np.flatnonzero(wrong[np.maximum(codes, 0)] & (codes >= 0)) if wrong.any() else []
    return f"{words[int(codes[places[0]])].as_py()[:40]!r} in row {places[0] + 1}" if len(places) else None


def _floats(values: Any) -> Floats:
    found = pd.to_numeric(pd.Series(values), errors="coerce").astype("float64").to_numpy()
    kept: Floats = np.where(np.isfinite(found), found, np.nan)
    return kept


def _texts_of(numbers: Floats) -> Objects:
    return np.array([None if np.isnan(one) else as_text(one) for one in numbers], dtype=object)


def as_text(number: float) -> str:
    """A number as a category's name: whole ones without a point."""
    return str(int(number)) if number == int(number) else repr(number)


def _whole(numbers: Floats) -> bool:
    there = numbers[np.isfinite(numbers)]
    return bool(len(there)) and bool(np.all(there == np.round(there)))
