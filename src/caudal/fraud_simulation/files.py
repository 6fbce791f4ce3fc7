"""A simulated history as a table, and as a file."""

import datetime as dt
import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from caudal.fraud_simulation.types import COUNTRIES, CURRENCY, History
from caudal_base.errors import InvalidRequest

_AT_ONCE: Final = 200_000
"""Rows that are made ready in one go, so that a long history is not in memory twice."""

_CHANNELS: Final = np.array(("terminal", "online"), dtype=object)

SUFFIXES: Final = (".csv", ".parquet")


class Columns(enum.Enum):
    """Which columns a file has."""

    CAUDAL = "caudal"
    """Payments as our features know them: ids, time, entities, amount in minor units, label, when known."""
    HANDBOOK = "handbook"
    """Those of the public Fraud Detection Handbook's simulator; amounts in units of the currency."""


def refuse_file(path: Path) -> None:
    """Raise `InvalidRequest` for what `write` cannot write: better before all is drawn."""
    if path.suffix not in SUFFIXES:
        raise InvalidRequest("a file that ends in .csv or .parquet", field="out")
    if not path.absolute().parent.is_dir():
        raise InvalidRequest(f"{path.absolute().parent} is no directory", field="out")


def write(
    history: History, path: Path, columns: Columns = Columns.CAUDAL, told: Callable[[int], None] | None = None
) -> None:
    """Write a file, CSV or Parquet by its name. It is there whole or not at all.

    `told` hears how many rows have been written. Raises `InvalidRequest` for another name, and `OSError`.
    """
    import pyarrow.csv
    import pyarrow.parquet

    refuse_file(path)
    part = path.with_name(f".{path.name}.part")
    schema = table_of(history, columns, slice(0, 0)).schema
    if path.suffix == ".csv":
        writer = pyarrow.csv.CSVWriter(
            part, schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed")
        )
    else:
        writer = pyarrow.parquet.ParquetWriter(part, schema, compression="zstd")
    try:
        with writer:
            for at in range(0, len(history), _AT_ONCE):
                writer.write_table(table_of(history, columns, slice(at, at + _AT_ONCE)))
                if told is not None:
                    told(min(at + _AT_ONCE, len(history)))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def table_of(history: History, columns: Columns = Columns.CAUDAL, rows: slice = slice(None)) -> Any:
    """A pyarrow table of the history, or of some rows of it."""
    return (_handbook if columns is Columns.HANDBOOK else _ours)(history, rows)


def _ours(history: History, rows: slice) -> Any:
    import pyarrow as pa

    at_us, labelled_us = history.at_us[rows], history.labelled_us[rows]
    number = np.arange(len(history))[rows]
    moment = pa.timestamp("us", tz="UTC")
    fraud = history.fraud[rows]
    return pa.table(
        {
            "transaction": pa.array(number),
            "at": pa.array(at_us, type=moment),
            "customer": _named("c", history.customer[rows]),
            "terminal": _named("m", history.terminal[rows]),
            "card": _named("k", history.card[rows]),
            "device": _named("d", history.device[rows]),
            "country": pa.array(np.array(COUNTRIES, dtype=object)[history.country[rows]], type=pa.string()),
            "channel": pa.array(_CHANNELS[history.online[rows].astype(np.int64)], type=pa.string()),
            "amount": pa.array(history.amount[rows]),
            "currency": pa.array([CURRENCY] * len(number), type=pa.string()),
            "fraud": pa.array(fraud.astype(np.int8)),
            "labelled_at": pa.array(labelled_us, type=moment, mask=labelled_us < 0),
            "scenario": pa.array(history.scenario[rows].astype(np.int8)),
        }
    )


def _handbook(history: History, rows: slice) -> Any:
    import pyarrow as pa

    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    begun_us = (history.world.begun - epoch) // dt.timedelta(microseconds=1)
    second = (history.at_us[rows] - begun_us) // 1_000_000
    return pa.table(
        {
            "TRANSACTION_ID": pa.array(np.arange(len(history))[rows]),
            "TX_DATETIME": pa.array(begun_us // 1_000_000 + second, type=pa.timestamp("s")),
            "CUSTOMER_ID": pa.array(history.customer[rows]),
            "TERMINAL_ID": pa.array(history.terminal[rows]),
            "TX_AMOUNT": pa.array(history.amount[rows] / 100),
            "TX_TIME_SECONDS": pa.array(second),
            "TX_TIME_DAYS": pa.array(second // 86_400),
            "TX_FRAUD": pa.array(history.fraud[rows].astype(np.int8)),
            "TX_FRAUD_SCENARIO": pa.array(history.scenario[rows].astype(np.int8)),
        }
    )


def _named(letter: str, numbers: Any) -> Any:
    """Texts like `c0001234`, null for -1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(numbers, mask=numbers < 0)
    padded = pc.utf8_lpad(pc.cast(known, pa.string()), 7, padding="0")
    return pc.binary_join_element_wise(letter, padded, "")
