"""Cases: work for people, grouped by what it is about.

    cases = Cases(ledger, clock, new_ids)
    await cases.apply(connection, book_id, [OpenCase(…), CloseCase(…)], caller=caller)

Of a kind and key one case is open at a time: what happens again is another occurrence of it.
"""

from caudal.cases.errors import CaseClosed, CaseExists, CaseInvalid, CaseNotFound, CaseOpenAlready
from caudal.cases.service import Cases, get_case, list_cases, open_counts, overdue
from caudal.cases.types import (
    DUE_AFTER,
    MAX_NOTES,
    MAX_OCCURRENCES_KEPT,
    MAX_SUBJECTS,
    AssignCase,
    Case,
    CaseChanged,
    CaseCommand,
    CaseDetail,
    CaseFilter,
    CaseId,
    CaseKind,
    CaseOutcome,
    CaseSeverity,
    CaseState,
    CaseSubject,
    CloseCase,
    Note,
    NoteCase,
    Occurrence,
    OpenCase,
    OpenCount,
    ReopenCase,
)
from caudal.cases.views import (
    CaseDetailView,
    CaseNoteView,
    CaseOccurrenceView,
    CaseView,
    case_detail_view,
    case_view,
)

__all__ = [
    "DUE_AFTER",
    "MAX_NOTES",
    "MAX_OCCURRENCES_KEPT",
    "MAX_SUBJECTS",
    "AssignCase",
    "Case",
    "CaseChanged",
    "CaseClosed",
    "CaseCommand",
    "CaseDetail",
    "CaseDetailView",
    "CaseExists",
    "CaseFilter",
    "CaseId",
    "CaseInvalid",
    "CaseKind",
    "CaseNotFound",
    "CaseNoteView",
    "CaseOccurrenceView",
    "CaseOpenAlready",
    "CaseOutcome",
    "CaseSeverity",
    "CaseState",
    "CaseSubject",
    "CaseView",
    "Cases",
    "CloseCase",
    "Note",
    "NoteCase",
    "Occurrence",
    "OpenCase",
    "OpenCount",
    "ReopenCase",
    "case_detail_view",
    "case_view",
    "get_case",
    "list_cases",
    "open_counts",
    "overdue",
]
