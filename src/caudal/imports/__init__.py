"""Imports: files of transactions and opening balances, posted through the ledger, as often as one likes."""

from caudal.imports.comparison import Bucket, Comparison, Difference, label, render
from caudal.imports.description import Description, load, parse
from caudal.imports.errors import (
    DescriptionInvalid,
    FileUnreadable,
    FileUnsuitable,
    ImportStopped,
    NotImported,
    RowInvalid,
)
from caudal.imports.lots import Target
from caudal.imports.service import SAMPLE, compare_berka, import_berka, import_csv
from caudal.imports.types import AfterLot, ImportReport, Lot, OnError, Progress, RowError

__all__ = [
    "SAMPLE",
    "AfterLot",
    "Bucket",
    "Comparison",
    "Description",
    "DescriptionInvalid",
    "Difference",
    "FileUnreadable",
    "FileUnsuitable",
    "ImportReport",
    "ImportStopped",
    "Lot",
    "NotImported",
    "OnError",
    "Progress",
    "RowError",
    "RowInvalid",
    "Target",
    "compare_berka",
    "import_berka",
    "import_csv",
    "label",
    "load",
    "parse",
    "render",
]
