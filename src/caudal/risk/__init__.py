"""Decisions on payments. Here by lists and limits; `ListsAndLimits` is a `caudal_base.decide.Decide`.

`begin` queues at most two statements for a batch, `writes` gives at most one. Workers take `handlers()` and
`PERIODICS`.
"""

from caudal.risk.errors import EntryInvalid, EntryNotFound
from caudal.risk.lists_and_limits import Batch, ListsAndLimits
from caudal.risk.service import (
    KEEP_DAYS,
    PURGE_LIMIT,
    add_entries,
    list_entries,
    purge_used,
    remove_entries,
)
from caudal.risk.types import AddEntry, Entry, EntryFilter, ListKind, RemoveEntry, SubjectKind
from caudal.risk.upkeep import PERIODICS, PURGE_USED, handlers

__all__ = [
    "KEEP_DAYS",
    "PERIODICS",
    "PURGE_LIMIT",
    "PURGE_USED",
    "AddEntry",
    "Batch",
    "Entry",
    "EntryFilter",
    "EntryInvalid",
    "EntryNotFound",
    "ListKind",
    "ListsAndLimits",
    "RemoveEntry",
    "SubjectKind",
    "add_entries",
    "handlers",
    "list_entries",
    "purge_used",
    "remove_entries",
]
