"""Where history is read: an export, by DuckDB, or the database itself. Both give the same rows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import psycopg
import pyarrow as pa

from caudal import features
from caudal.analytics import manifest as manifests
from caudal.analytics import queries
from caudal.analytics.errors import ExportMissing, ExportNewer, TrainingSetInvalid
from caudal.analytics.queries import Words
from caudal.analytics.tables import TABLES
from caudal.analytics.types import Wanted
from caudal.analytics.writing import folder
from caudal.features import Aggregate, Dialect, Feature
from caudal.ledger import BookNotFound

MAIN: Final = "main"
"""The book that is meant where none is named."""

_PARTS: Final = ("n", "events", "total", "squares", "total_text", "squares_text", "last_us")
_TEXTS: Final = frozenset({"subject", "customer", "currency", "facts", "total_text", "squares_text"})


class Asked(Protocol):
    """The rows of a training set, and what their features are made of."""

    table: Any
    """`n` from 0, `subject`, `as_of_us`, `known`, `customer`, `amount`, `currency`, `facts` (of applications:
    their values as JSON), `label`, `labelled_us`."""

    def parts(self, feature: Feature) -> Any:
        """A pyarrow table as `deriving.derived` reads it."""


class Source(Protocol):
    """History of one book."""

    def feature_set(self, version: int | None) -> str | None:
        """A set as it was declared, as JSON."""

    def table(self, name: str) -> Any:
        """A whole table."""

    def asked(self, wanted: Wanted) -> "contextlib.AbstractContextManager[Asked]":
        """The rows of a training set."""

    def close(self) -> None:
        """Let it go."""


class ExportSource:
    """An export."""

    def __init__(self, directory: Path, book: str | None) -> None:
        """Of `book`; None is the only one, else the main one.

        Raises `ExportMissing`, `ExportDamaged`, `ExportNewer`.
        """
        manifest = manifests.read(directory)
        if book is None:
            book = next(iter(manifest.books)) if len(manifest.books) == 1 else MAIN
        if book not in manifest.books:
            there = ", ".join(sorted(manifest.books)) or "no book"
            raise ExportMissing(f"it has {there}, and not {book}", field="book")
        newer = [n for n, v in manifest.schema_versions.items() if n in TABLES and v > TABLES[n].version]
        if newer:
            raise ExportNewer(f"it has newer columns of {', '.join(newer)}", field="directory")
        self.duckdb = duckdb.connect()
        """With a view of each table."""
        self.duckdb.execute("set TimeZone = 'UTC'")
        for name, table in TABLES.items():
            files = sorted((directory / folder(book, name)).glob("date=*/*.parquet"))
            self.duckdb.register(f"no_{name}", table.schema().empty_table())
            relation = f"(from no_{name})"
            if files:
                listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
                read = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
                relation += f" union all by name (from {read})"
            self.duckdb.execute(f"create view {name} as {relation}")
        self.duckdb.execute(queries.EXPORT_RELATIONS)

    def close(self) -> None:
        """Let the files go."""
        self.duckdb.close()

    def feature_set(self, version: int | None) -> str | None:
        """A set as it was declared, as JSON."""
        row = self.duckdb.execute(queries.EXPORT_FEATURE_SET, [version, version]).fetchone()
        return None if row is None else str(row[0])

    def table(self, name: str) -> Any:
        """A whole table."""
        if name not in TABLES:
            raise TrainingSetInvalid(f"one of {', '.join(TABLES)}", field="table")
        return self.duckdb.table(name).to_arrow_table()

    @contextlib.contextmanager
    def asked(self, wanted: Wanted) -> Iterator[Asked]:
        """The rows of a training set."""
        rows = queries.asked(wanted.rows, Words(Dialect.DUCKDB))
        events = queries.known_events(wanted.rows)
        self.duckdb.execute(f"create or replace temp table known_events as {events}")
        self.duckdb.execute(f"create or replace temp table asked_rows as {rows}", wanted.parameters())
        asked = _ExportAsked(self.duckdb)
        try:
            yield asked
        finally:
            asked.close()
            self.duckdb.execute("drop table asked_rows")
            self.duckdb.execute("drop table known_events")


class _ExportAsked:
    def __init__(self, connection: Any) -> None:
        self._duckdb = connection
        self._series: features.Series | None = None
        self.table = connection.execute("select * from asked_rows order by n").to_arrow_table()

    def parts(self, feature: Feature) -> Any:
        asked = "(select n, known, as_of_us, entities, tags from asked_rows)"
        series = features.summed_series(feature)
        if series is None:
            text = features.query(feature, Dialect.DUCKDB, events="known_events", asked=asked)
        else:
            if series != self._series:
                self.close()
                for statement in features.series_tables(feature, events="known_events", asked=asked):
                    self._duckdb.execute(statement)
                self._series = series
            text = features.series_sums(feature)
        return self._duckdb.execute(queries.parts(feature, text)).to_arrow_table()

    def close(self) -> None:
        """Let go of what the features of the last series are made of."""
        for statement in features.DROP_SERIES_TABLES:
            self._duckdb.execute(statement)


class PostgresSource:
    """The database itself, in one snapshot for each training set."""

    def __init__(self, dsn: str, book: str) -> None:
        """Raises `BookNotFound`, and what psycopg raises."""
        self._connection = psycopg.connect(dsn)
        self._connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        self._connection.set_read_only(True)
        with self._connection.transaction():
            row = self._connection.execute(queries.BOOK, {"book": book}).fetchone()
        if row is None:
            self._connection.close()
            raise BookNotFound("no book has this name", field="book")
        self._book_id = row[0]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def feature_set(self, version: int | None) -> str | None:
        """A set as it was declared, as JSON."""
        with self._connection.transaction():
            parameters = {"book_id": self._book_id, "version": version}
            row = self._connection.execute(queries.FEATURE_SET, parameters).fetchone()
        return None if row is None else str(row[0])

    def table(self, name: str) -> Any:
        """Whole tables are read from exports, or with SQL from the database."""
        raise TrainingSetInvalid(f"{name}: whole tables are read from an export", field="table")

    @contextlib.contextmanager
    def asked(self, wanted: Wanted) -> Iterator[Asked]:
        """The rows of a training set."""
        with self._connection.transaction():
            yield _PostgresAsked(self._connection, self._book_id, wanted)


class _PostgresAsked:
    def __init__(self, connection: Any, book_id: int, wanted: Wanted) -> None:
        self._connection = connection
        self._parameters = {"book_id": book_id, **wanted.parameters()}
        rows = queries.asked(wanted.rows, Words(Dialect.POSTGRESQL))
        events = queries.known_events(wanted.rows)
        self._with = (
            f"with {queries.RELATIONS},\nknown_events as materialized (\n{events}\n),\n"
            f"asked_rows as materialized ({rows}\n)\n"
        )
        self.table = self._read(
            f"select {', '.join(queries.COLUMNS)} from asked_rows order by n", queries.COLUMNS
        )

    def parts(self, feature: Feature) -> Any:
        asked = "(select n, known, as_of_us, entities, tags from asked_rows)"
        text = features.query(feature, Dialect.POSTGRESQL, events="known_events", asked=asked)
        is_one = feature.aggregate in (Aggregate.MIN, Aggregate.MAX, Aggregate.DISTINCT)
        found = queries.parts(feature, text).replace("%", "%%")
        return self._read(found, ("n", "value") if is_one else _PARTS)

    def _read(self, text: str, columns: tuple[str, ...]) -> Any:
        found = self._connection.execute((self._with + text).encode(), self._parameters).fetchall()
        by_column = list(zip(*found, strict=True)) if found else [()] * len(columns)
        return pa.table(
            {
                name: pa.array(values, type=pa.string() if name in _TEXTS else pa.int64())
                for name, values in zip(columns, by_column, strict=True)
            }
        )
