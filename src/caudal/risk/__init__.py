"""Decisions on payments: lists, rules, models, and a record of all that each was made of.

`Decider` is a `caudal_base.decide.Decide`. `begin` queues what a batch needs with the batch's own first round
trip; nothing published costs one small statement, and approvals are not recorded then. `replay` makes a
decision of the past again, to the same bytes. Workers take `handlers()` and `PERIODICS`.
"""

from caudal.risk.decider import Decider
from caudal.risk.decision_types import (
    Because,
    DecisionFilter,
    Fallback,
    FallbackPolicy,
    Reason,
    Record,
    SubjectOf,
    Thresholds,
)
from caudal.risk.decisions import Explanation, Replay, explain, find_decisions, get_decision, replay
from caudal.risk.errors import DecisionNotFound, EntryInvalid, EntryNotFound
from caudal.risk.lists_and_limits import Batch, ListsAndLimits
from caudal.risk.service import (
    KEEP_DAYS,
    PURGE_LIMIT,
    add_entries,
    list_entries,
    purge_used,
    remove_entries,
)
from caudal.risk.showing import FeatureShown, features_of
from caudal.risk.types import AddEntry, Entry, EntryFilter, ListKind, Met, RemoveEntry, SubjectKind
from caudal.risk.upkeep import PERIODICS, PURGE_DECISIONS, PURGE_USED, handlers

__all__ = [
    "KEEP_DAYS",
    "PERIODICS",
    "PURGE_DECISIONS",
    "PURGE_LIMIT",
    "PURGE_USED",
    "AddEntry",
    "Batch",
    "Because",
    "Decider",
    "DecisionFilter",
    "DecisionNotFound",
    "Entry",
    "EntryFilter",
    "EntryInvalid",
    "EntryNotFound",
    "Explanation",
    "Fallback",
    "FallbackPolicy",
    "FeatureShown",
    "ListKind",
    "ListsAndLimits",
    "Met",
    "Reason",
    "Record",
    "RemoveEntry",
    "Replay",
    "SubjectKind",
    "SubjectOf",
    "Thresholds",
    "add_entries",
    "explain",
    "features_of",
    "find_decisions",
    "get_decision",
    "handlers",
    "list_entries",
    "purge_used",
    "remove_entries",
    "replay",
]
