"""What of a book is in an export already: asked of the files themselves, so that nothing is there twice."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pyarrow.dataset as ds

from caudal.analytics.tables import ATTEMPTS, DECISIONS, LABELS
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


def decisions_since(directory: Path, book: str, since: dt.datetime) -> set[str]:
    """The decisions whose ids were made since then that are there."""
    first = f"date={since.date().isoformat()}"
    root = directory / folder(book, DECISIONS.name)
    files = _files(each for each in root.glob("date=*") if each.name >= first)
    if not files:
        return set()
    prefix = f"{int(since.timestamp() * 1000):012x}"
    found = ds.dataset(files, schema=DECISIONS.schema()).to_table(columns=["id"])["id"].to_pylist()
    return {id for id in found if id.rpartition("_")[2] >= prefix}


def labels_since(directory: Path, book: str, since: dt.datetime) -> set[tuple[str, str, str]]:
    """The labels that became known since then that are there: subject, kind and source."""
    first = f"date={since.date().isoformat()}"
    root = directory / folder(book, LABELS.name)
    files = _files(each for each in root.glob("date=*") if each.name >= first)
    if not files:
        return set()
    found = ds.dataset(files, schema=LABELS.schema()).to_table(
        columns=["subject", "kind", "source"], filter=ds.field("known_at") >= since
    )
    return set(zip(*(found[name].to_pylist() for name in found.column_names), strict=True))


def _files(folders: Iterable[Path]) -> Collection[str]:
    return [str(file) for each in folders for file in sorted(each.glob("*.parquet"))]
