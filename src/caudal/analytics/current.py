"""Payments, disputes and labels as they stand, for reports: from an export, or from the database."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import duckdb
import psycopg
import pyarrow as pa

from caudal.analytics import queries
from caudal.analytics.sources import ExportSource
from caudal.ledger import BookNotFound
from caudal_base import ids

_AT_ONCE: Final = 20_000

_FROM_EXPORT: Final = """
create temp view payments_now as
select id, created_at, customer, kind, state, currency, amount, refunded_amount
  from payments
qualify row_number() over (partition by id order by seq desc) = 1;
create temp view disputes_now as
select payment, state, amount, fee_amount
  from disputes
qualify row_number() over (partition by id order by seq desc) = 1;
create temp view labels_now as
select subject, kind, known_at
  from labels;
"""

_PAYMENTS: Final = """
select id, created_at, customer, kind, state, currency, amount, refunded_amount
  from payments.payment
 where book_id = %(book_id)s
   and id > %(after)s
   and created_at >= coalesce(%(since)s::timestamptz, created_at)
   and created_at < coalesce(%(until)s::timestamptz, 'infinity')
 order by id
 limit %(limit)s
"""

_DISPUTES: Final = """
select payment_id, state, amount,
       coalesce((select sum(fee.value::bigint) from json_each_text(data -> 'fees') as fee), 0)::bigint
  from payments.dispute
 where book_id = %(book_id)s
"""

_LABELS: Final = """
select subject, kind, known_at
  from risk.label
 where book_id = %(book_id)s
"""

_TIME: Final = pa.timestamp("us", tz="UTC")
_PAYMENT_SCHEMA: Final = pa.schema(
    {
        "id": pa.string(), "created_at": _TIME, "customer": pa.string(), "kind": pa.string(),
        "state": pa.string(), "currency": pa.string(), "amount": pa.int64(), "refunded_amount": pa.int64(),
    }
)  # fmt: skip
_DISPUTE_SCHEMA: Final = pa.schema(
    {"payment": pa.string(), "state": pa.string(), "amount": pa.int64(), "fee_amount": pa.int64()}
)
_LABEL_SCHEMA: Final = pa.schema({"subject": pa.string(), "kind": pa.string(), "known_at": _TIME})


def of_export(directory: Path, book: str) -> Any:
    """A DuckDB connection. Raises as `ExportSource` does."""
    source = ExportSource(directory, book)
    source.duckdb.execute(_FROM_EXPORT)
    return source.duckdb


def of_database(dsn: str, book: str, since: dt.datetime | None, until: dt.datetime | None) -> Any:
    """The same, of one snapshot of the database: payments of a span, some hundred bytes each in memory.

    Raises `BookNotFound`.
    """
    with psycopg.connect(dsn) as connection:
        connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        connection.set_read_only(True)
        with connection.transaction():
            row = connection.execute(queries.BOOK, {"book": book}).fetchone()
            if row is None:
                raise BookNotFound("no book has this name", field="book")
            book_id = row[0]
            payments = pa.Table.from_batches(
                _payments(connection, book_id, since, until), schema=_PAYMENT_SCHEMA
            )
            disputes = connection.execute(_DISPUTES, {"book_id": book_id}).fetchall()
            labels = connection.execute(_LABELS, {"book_id": book_id}).fetchall()
    found = duckdb.connect()
    found.execute("set TimeZone = 'UTC'")
    found.register("payments_now", payments)
    found.register(
        "disputes_now", _batch([(_payment(row[0]), *row[1:]) for row in disputes], _DISPUTE_SCHEMA)
    )
    found.register("labels_now", _batch(labels, _LABEL_SCHEMA))
    return found


def _payments(connection: Any, book_id: int, since: Any, until: Any) -> Iterator[Any]:
    after = UUID(int=0)
    while True:
        parameters = {"book_id": book_id, "after": after, "since": since, "until": until, "limit": _AT_ONCE}
        page = connection.execute(_PAYMENTS, parameters).fetchall()
        yield _batch(
            [(_payment(row[0]), row[1], ids.encode(ids.CUSTOMER, row[2]), *row[3:]) for row in page],
            _PAYMENT_SCHEMA,
        )
        if len(page) < _AT_ONCE:
            return
        after = page[-1][0]


def _payment(id: UUID) -> str:
    return ids.encode(ids.PAYMENT, id)


def _batch(rows: Sequence[Any], schema: Any) -> Any:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
