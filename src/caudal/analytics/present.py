"""What of a book is in an export already: asked of the files themselves, so that nothing is there twice."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pyarrow.dataset as ds

from caudal.analytics.tables import ATTEMPTS
from caudal.analytics.writing import folder


def known_attempts(directory: Path, book: str, days: Iterable[dt.date], ids: Sequence[str]) -> set[str]:
    """Which of these attempts, of these days, are there."""
    folders = [directory / folder(book, ATTEMPTS.name, day) for day in days]
    files = _files(folders)
    if not files:
        return set()
    found = ds.dataset(files, schema=ATTEMPTS.schema()).to_table(
        columns=["id"], filter=ds.field("id").isin(ids)
    )
    return set(found["id"].to_pylist())


def _files(folders: Iterable[Path]) -> Collection[str]:
    return [str(file) for each in folders for file in sorted(each.glob("*.parquet"))]
