"""Decisions on payments: lists, rules, models, and a record of all that each was made of.

`Decider` is a `caudal_base.decide.Decide`. `begin` queues what a batch needs with the batch's own first round
trip; nothing published costs one small statement, and approvals are not recorded then. `replay` makes a
decision of the past again, to the same bytes. Workers take `handlers()` and `PERIODICS`.
"""

from caudal.risk.applications import Application, Applications
from caudal.risk.comparing import compare
from caudal.risk.counts import TIME_BOUNDS_S, Came, DecisionCounts, Times
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
from caudal.risk.elsewhere import LIMITS as DECISION_LIMITS
from caudal.risk.elsewhere import DecisionDesk, PaymentElsewhere
from caudal.risk.engine import Engines
from caudal.risk.errors import (
    ApplicationInvalid,
    DecisionDiffers,
    DecisionNotFound,
    EntryInvalid,
    EntryNotFound,
    LabelInvalid,
    NoModelServes,
    PaymentInvalid,
)
from caudal.risk.features_in import publish_features, record_events
from caudal.risk.following import FOLLOW, behind, follow
from caudal.risk.labels import (
    CREDIT_DELAY,
    FRAUD_DELAY,
    LabelDelays,
    Matured,
    add_labels,
    find_labels,
    matured,
)
from caudal.risk.links import Linked, linked
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
from caudal.risk.trying_rules import backtest, past_decisions, rule_stats
from caudal.risk.types import (
    BAD,
    AddEntry,
    AddLabel,
    Behind,
    Entry,
    EntryFilter,
    Label,
    LabelKind,
    ListKind,
    Met,
    RemoveEntry,
    SubjectKind,
)
from caudal.risk.upkeep import PERIODICS, PURGE_DECISIONS, PURGE_USED, handlers

__all__ = [
    "BAD",
    "CREDIT_DELAY",
    "DECISION_LIMITS",
    "FOLLOW",
    "FRAUD_DELAY",
    "KEEP_DAYS",
    "PERIODICS",
    "PURGE_DECISIONS",
    "PURGE_LIMIT",
    "PURGE_USED",
    "TIME_BOUNDS_S",
    "AddEntry",
    "AddLabel",
    "Application",
    "ApplicationInvalid",
    "Applications",
    "Batch",
    "Because",
    "Behind",
    "Came",
    "Decider",
    "DecisionCounts",
    "DecisionDesk",
    "DecisionDiffers",
    "DecisionFilter",
    "DecisionNotFound",
    "Engines",
    "Entry",
    "EntryFilter",
    "EntryInvalid",
    "EntryNotFound",
    "Explanation",
    "Fallback",
    "FallbackPolicy",
    "FeatureShown",
    "Label",
    "LabelDelays",
    "LabelInvalid",
    "LabelKind",
    "Linked",
    "ListKind",
    "ListsAndLimits",
    "Matured",
    "Met",
    "NoModelServes",
    "PaymentElsewhere",
    "PaymentInvalid",
    "Reason",
    "Record",
    "RemoveEntry",
    "Replay",
    "SubjectKind",
    "SubjectOf",
    "Thresholds",
    "Times",
    "add_entries",
    "add_labels",
    "backtest",
    "behind",
    "compare",
    "explain",
    "features_of",
    "find_decisions",
    "find_labels",
    "follow",
    "get_decision",
    "handlers",
    "linked",
    "list_entries",
    "matured",
    "past_decisions",
    "publish_features",
    "purge_used",
    "record_events",
    "remove_entries",
    "replay",
    "rule_stats",
]
