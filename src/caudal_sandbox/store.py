"""The sandbox's memory: tables of structs, and a journal of their rows so that a restart keeps them.

The journal is a line of JSON for each row that was put or removed; the last line of a row counts. It is
written before the answer to the call that made the change and not synced: it survives the process, not the
machine. Each start writes it anew with only what is left.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from caudal_base.check import check


class StateUnreadable(Exception):
    """The journal is not one that this version of the sandbox has written."""


class Row(Protocol):
    """Anything with an id; a `msgspec.Struct`, so that it can be written down."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Row)

Index = Callable[[R], str | None]

_encoder: Final = msgspec.json.Encoder()
_Line = tuple[str, str, msgspec.Raw]
_lines: Final = msgspec.json.Decoder(_Line)


class Table(Generic[R]):
    """Rows by id, in the order in which they were first put. Whoever changes a row puts it again.

    What an index says of a row must not change while the row lives.
    """

    def __init__(self, store: "Store", name: str, row: type[R], indexes: Mapping[str, Index[R]]) -> None:
        self.name = name
        self.decoder: Final = msgspec.json.Decoder(row)
        self._store = store
        self._rows: dict[str, R] = {}
        self._indexes = {index: (of, dict[str, dict[str, R]]()) for index, of in indexes.items()}

    def get(self, id: str) -> R | None:
        """The row with that id."""
        return self._rows.get(id)

    def find(self, index: str, value: str) -> list[R]:
        """The rows of which `index` says `value`, oldest first."""
        return list(self._indexes[index][1].get(value, {}).values())

    def newest_first(self) -> Iterator[R]:
        """All rows, the last one put in first."""
        return reversed(self._rows.values())

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: R) -> R:
        """Keep `row` as it is now."""
        self.take(row)
        self._store.write(self.name, row.id, row)
        return row

    def remove(self, id: str) -> None:
        """Forget the row with that id, if there is one."""
        row = self._rows.pop(id, None)
        if row is None:
            return
        for of, found in self._indexes.values():
            value = of(row)
            if value is not None:
                found[value].pop(id)
                if not found[value]:
                    del found[value]
        self._store.write(self.name, id, None)

    def take(self, row: R) -> None:
        """Put `row` without writing it down."""
        if row.id not in self._rows:
            for of, found in self._indexes.values():
                value = of(row)
                if value is not None:
                    found.setdefault(value, {})[row.id] = row
        self._rows[row.id] = row

    def clear(self) -> None:
        """Forget all rows, without writing it down."""
        self._rows.clear()
        for _, found in self._indexes.values():
            found.clear()


class Store:
    """All tables, and the journal behind them. Make the tables first, then `open` it."""

    def __init__(self) -> None:
        self._tables: dict[str, Table[Any]] = {}
        self._path: Path | None = None
        self._descriptor: int | None = None
        self._unwritten: list[bytes] = []

    def table(self, name: str, row: type[R], **indexes: Index[R]) -> Table[R]:
        """A new table of `row`s."""
        check(name not in self._tables, f"two tables are called {name}")
        table = Table(self, name, row, indexes)
        self._tables[name] = table
        return table

    def open(self, path: Path | None) -> None:
        """Read the journal at `path`, if there is one, and go on writing it. None: nothing is written.

        A last line that a crash cut off is left out. Raises `StateUnreadable`.
        """
        self._path = path
        if path is None:
            return
        if path.exists():
            self._read(path)
        self._rewrite(path)

    def write(self, table: str, id: str, row: Any) -> None:
        """Note a change; `flush` writes it."""
        if self._descriptor is not None:
            self._unwritten.append(_line(table, id, row))

    def flush(self) -> None:
        """Write what has been noted."""
        if self._unwritten and self._descriptor is not None:
            _write_all(self._descriptor, b"".join(self._unwritten))
            self._unwritten.clear()

    def clear(self) -> None:
        """Forget everything."""
        for table in self._tables.values():
            table.clear()
        if self._path is not None:
            self._rewrite(self._path)

    def close(self) -> None:
        """Write the rest and close the journal."""
        self.flush()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, path: Path) -> None:
        lines = path.read_bytes().split(b"\n")
        # What follows the last line break is nothing, or a line that a crash cut off.
        for number, line in enumerate(lines[:-1], start=1):
            try:
                name, id, raw = _lines.decode(line)
                table = self._tables[name]
                if bytes(raw) == b"null":
                    table.remove(id)
                else:
                    table.take(table.decoder.decode(raw))
            except (msgspec.DecodeError, KeyError) as error:
                raise StateUnreadable(f"{path}, line {number}: {error}") from error

    def _rewrite(self, path: Path) -> None:
        """Write a journal with what is left and put it in the place of the old one."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._unwritten.clear()
        fresh = path.with_name(f"{path.name}.new")
        self._descriptor = os.open(
            fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        for table in self._tables.values():
            for row in table:
                self._unwritten.append(_line(table.name, row.id, row))
                if len(self._unwritten) >= 1_000:
                    self.flush()
        self.flush()
        fresh.replace(path)


def _line(table: str, id: str, row: Any) -> bytes:
    return _encoder.encode((table, id, row)) + b"\n"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
