"""Reports of an export, or of the database itself: the same figures."""

import contextlib
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from caudal.analytics import current, reports
from caudal.analytics.reports import SECTIONS, By, Report


def report_of(
    where: str | Path, *, book: str = "main", sections: Sequence[str] = SECTIONS, by: By | None = None,
    since: dt.datetime | None = None, until: dt.datetime | None = None, currency: str | None = None,
) -> Report:  # fmt: skip
    """What became of the payments that were made from `since` on and before `until`.

    `where` is the directory of an export (a `Path`), or a DSN. Raises `ExportMissing`, `ExportDamaged`,
    `ExportNewer`, `BookNotFound`, and what psycopg raises.
    """
    found = (
        current.of_export(where, book)
        if isinstance(where, Path)
        else current.of_database(where, book, since, until)
    )
    with contextlib.closing(found):
        return reports.report(
            found, book, sections=sections, by=by, since=since, until=until, currency=currency
        )
