"""What the database knows, for people and programs that look at much of it at once.

`export` writes Parquet that follows a book's journals, each row once; `lab` makes training sets of what was
known then, and `report_of` says what became of payments, both from an export or the database. It needs the
extra `caudal[models]`.
"""

from caudal.analytics import lab
from caudal.analytics.errors import (
    ExportBusy,
    ExportDamaged,
    ExportForeign,
    ExportMissing,
    ExportNewer,
    ExportOlder,
    TrainingSetInvalid,
)
from caudal.analytics.exporting import AT_ONCE, Exported, export
from caudal.analytics.page import page, plots
from caudal.analytics.reporting import report_of
from caudal.analytics.reports import SECTIONS, By, Cohort, Fraud, Loss, Report, Volume
from caudal.analytics.tables import TABLES, Table
from caudal.analytics.types import Rows

__all__ = [
    "AT_ONCE",
    "SECTIONS",
    "TABLES",
    "By",
    "Cohort",
    "ExportBusy",
    "ExportDamaged",
    "ExportForeign",
    "ExportMissing",
    "ExportNewer",
    "ExportOlder",
    "Exported",
    "Fraud",
    "Loss",
    "Report",
    "Rows",
    "Table",
    "TrainingSetInvalid",
    "Volume",
    "export",
    "lab",
    "page",
    "plots",
    "report_of",
]
