"""Files of one step of an export: Parquet, a folder for each book, table and day."""

import datetime as dt
import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from caudal.analytics.manifest import part_of, sync
from caudal.analytics.tables import Table

_ROWS_IN_MEMORY: Final = 20_000
"""Of one file: then they are a row group."""

_OPEN: Final = 8
"""Files that are written at once. Rows come in order of time, more or less."""

_COMPRESSION: Final = "zstd"


def folder(book: str, table: str, day: dt.date | None = None) -> str:
    """Where a table's files of a day are, in an export; of all days without one."""
    root = f"book={book}/{table}"
    return root if day is None else f"{root}/date={day.isoformat()}"


class Step:
    """Everything that one step writes. Nothing of it counts before the manifest says so."""

    def __init__(self, directory: Path, book: str, number: int) -> None:
        """`number` is in the names of files."""
        self._directory = directory
        self._book = book
        self._number = number
        self._open: OrderedDict[tuple[str, dt.date], _File] = OrderedDict()
        self._parts: dict[tuple[str, dt.date], int] = {}
        self.files: list[str] = []
        """Relative to the directory."""
        self.rows: dict[str, int] = {}

    def add(self, table: Table, day: dt.date, row: Sequence[Any]) -> None:
        """A row, with a value for each column of the table."""
        key = (table.name, day)
        file = self._open.get(key)
        if file is None:
            if len(self._open) >= _OPEN:
                self._open.popitem(last=False)[1].close()
            file = self._open[key] = self._new(table, day)
        else:
            self._open.move_to_end(key)
        file.add(row)
        self.rows[table.name] = self.rows.get(table.name, 0) + 1

    def close(self) -> None:
        """Write what is left, so that it outlives a power cut."""
        while self._open:
            self._open.popitem(last=False)[1].close()
        for place in sorted({(self._directory / name).parent for name in self.files}):
            sync(place)
            sync(place.parent)

    def _new(self, table: Table, day: dt.date) -> "_File":
        key = (table.name, day)
        part = self._parts[key] = self._parts.get(key, 0) + 1
        name = f"{folder(self._book, table.name, day)}/{self._number:08d}-{part}.parquet"
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(name)
        return _File(part_of(path), table)


class _File:
    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._schema = table.schema()
        self._writer = pq.ParquetWriter(path, self._schema, compression=_COMPRESSION)
        self._rows: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_IN_MEMORY:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        with self._path.open("rb") as opened:
            os.fsync(opened.fileno())

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, type=f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []
