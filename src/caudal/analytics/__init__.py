"""What the database knows, for people and programs that look at much of it at once.

`export` writes Parquet that follows a book's journals, each row once; `lab` makes training sets of what was
known then, from an export or the database. It needs the extra `caudal[models]`.
"""

from caudal.analytics import lab
from caudal.analytics.errors import (
    ExportBusy,
    ExportDamaged,
    ExportForeign,
    ExportMissing,
    ExportNewer,
    TrainingSetInvalid,
)
from caudal.analytics.exporting import AT_ONCE, Exported, export
from caudal.analytics.tables import TABLES, Table
from caudal.analytics.types import Rows

__all__ = [
    "AT_ONCE",
    "TABLES",
    "ExportBusy",
    "ExportDamaged",
    "ExportForeign",
    "ExportMissing",
    "ExportNewer",
    "Exported",
    "Rows",
    "Table",
    "TrainingSetInvalid",
    "export",
    "lab",
]
