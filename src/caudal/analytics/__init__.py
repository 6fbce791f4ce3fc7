"""What the database knows, for people and programs that look at much of it at once.

`export` writes Parquet that follows a book's journals, each row once. It needs the extra `caudal[models]`.
"""

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

__all__ = [
    "AT_ONCE",
    "TABLES",
    "ExportBusy",
    "ExportDamaged",
    "ExportForeign",
    "ExportMissing",
    "ExportNewer",
    "Exported",
    "Table",
    "TrainingSetInvalid",
    "export",
]
