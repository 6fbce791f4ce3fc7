"""Cases as callers get them: in answers, and in the events that tell of changes."""

import datetime as dt
from typing import Annotated, Any

import msgspec

from caudal.cases.types import (
    Case,
    CaseDetail,
    CaseKind,
    CaseOutcome,
    CaseSeverity,
    CaseState,
    CaseSubject,
    Note,
    Occurrence,
)

Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class CaseView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A case as it stands."""

    id: str
    kind: CaseKind
    key: str
    """What happens again under it while the case is open is another occurrence of this case."""
    title: str
    severity: CaseSeverity
    state: CaseState
    subjects: tuple[CaseSubject, ...]
    """What it is about."""
    due_at: Time
    occurrences: int
    """How often it has happened."""
    first_at: Time
    last_at: Time
    opened_at: Time
    opened_by: str
    updated_at: Time
    assignee: str | None = None
    outcome: CaseOutcome | None = None
    closed_at: Time | None = None
    closed_by: str | None = None


class CaseOccurrenceView(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """That it happened."""

    reference: str
    """What told of it, such as an anomaly's id."""
    at: Time
    what: str


class CaseNoteView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody has written."""

    number: int
    at: Time
    by: str
    text: str


class CaseDetailView(CaseView, frozen=True, kw_only=True):
    """A case with its history."""

    newest_occurrences: tuple[CaseOccurrenceView, ...]
    """At most 100, the newest first."""
    notes: tuple[CaseNoteView, ...]


def case_view(case: Case) -> CaseView:
    """`case` for a caller."""
    return CaseView(**_members(case))


def case_detail_view(detail: CaseDetail) -> CaseDetailView:
    """A case with its history for a caller."""
    return CaseDetailView(
        **_members(detail.case),
        newest_occurrences=tuple(_occurrence_view(one) for one in detail.occurrences),
        notes=tuple(_note_view(one) for one in detail.notes),
    )


def _members(case: Case) -> dict[str, Any]:
    return {name: getattr(case, name) for name in CaseView.__struct_fields__}


def _occurrence_view(one: Occurrence) -> CaseOccurrenceView:
    return CaseOccurrenceView(reference=one.reference, at=one.at, what=one.what)


def _note_view(one: Note) -> CaseNoteView:
    return CaseNoteView(number=one.number, at=one.at, by=one.by, text=one.text)
