"""The words of the cases room: what people have to look at, and what they may do with it."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NewType, TypeAlias

import msgspec

from caudal_base.enums import QuickEnum

CaseId = NewType("CaseId", str)
"""External, such as `case_…`."""


class CaseKind(QuickEnum):
    """Why there is a case. Whoever finds a new kind of work adds it here, and nowhere else."""

    ANOMALY = "anomaly"
    """Something is unlike its own past."""
    REVIEW = "review"
    """A payment or an application waits for a decision."""
    BREAK = "break"
    """Two records of the same do not agree."""
    ALERT = "alert"
    """A rule or a model asks for a look."""
    APPROVAL = "approval"
    """A second person has to agree."""
    DISPUTE = "dispute"
    """A payer contests a payment."""
    OTHER = "other"


class CaseSeverity(QuickEnum):
    """How soon somebody should look, rising."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


RANK: Final = {severity: place for place, severity in enumerate(CaseSeverity, start=1)}
"""Severities as numbers that rise."""


class CaseState(QuickEnum):
    """Whether there is work left."""

    OPEN = "open"
    CLOSED = "closed"


class CaseOutcome(QuickEnum):
    """What came of it."""

    CONFIRMED = "confirmed"
    """It was what it seemed to be: fraud, an error, a break."""
    FALSE_ALARM = "false_alarm"
    RESOLVED = "resolved"
    """It was something, and is mended."""
    DUPLICATE = "duplicate"
    """Another case is about it."""


DUE_AFTER: Final = {
    CaseSeverity.LOW: dt.timedelta(days=7),
    CaseSeverity.MEDIUM: dt.timedelta(days=3),
    CaseSeverity.HIGH: dt.timedelta(days=1),
    CaseSeverity.CRITICAL: dt.timedelta(hours=4),
}
"""When a case is due, unless who opens it says."""

MAX_OCCURRENCES_KEPT: Final = 100
"""Of a case, the newest; the number of all goes on."""

MAX_SUBJECTS: Final = 50
MAX_NOTES: Final = 1_000
"""Of a case."""

MAX_PAGE: Final = 1_000


class CaseSubject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a case is about."""

    kind: str
    """A lower-case word: `customer`, `account`, `card`, `device`, `ip`, `merchant`, `payment`, …"""
    id: str


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """That it happened, once or once more."""

    reference: str
    """What told of it, such as an anomaly's id: the same one again is no other occurrence of the case."""
    at: dt.datetime
    what: str
    """In words."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Work for a person."""

    id: CaseId
    kind: CaseKind
    key: str
    """What happens again under it while the case is open belongs to the case."""
    title: str
    severity: CaseSeverity
    state: CaseState
    subjects: tuple[CaseSubject, ...]
    due_at: dt.datetime
    occurrences: int
    notes: int
    first_at: dt.datetime
    last_at: dt.datetime
    opened_at: dt.datetime
    opened_by: str
    updated_at: dt.datetime
    assignee: str | None = None
    outcome: CaseOutcome | None = None
    closed_at: dt.datetime | None = None
    closed_by: str | None = None


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has written on a case."""

    number: int
    at: dt.datetime
    by: str
    text: str


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """Open a case, or add an occurrence to the open one of this kind and key.

    The open one keeps its title and its due time, takes the higher severity and all subjects of both.
    """

    id: CaseId
    """Of the case, should it become a new one."""
    kind: CaseKind
    key: str
    title: str
    severity: CaseSeverity
    subjects: tuple[CaseSubject, ...]
    occurrence: Occurrence
    due_at: dt.datetime | None = None
    """None: by its severity."""
    assignee: str | None = None


class AssignCase(msgspec.Struct, frozen=True, kw_only=True):
    """Give an open case to somebody, or (None) to nobody."""

    case: CaseId
    assignee: str | None


class NoteCase(msgspec.Struct, frozen=True, kw_only=True):
    """Write a note on a case, open or closed."""

    case: CaseId
    text: str


class CloseCase(msgspec.Struct, frozen=True, kw_only=True):
    """End the work."""

    case: CaseId
    outcome: CaseOutcome
    note: str | None = None


class ReopenCase(msgspec.Struct, frozen=True, kw_only=True):
    """There is work left after all: due anew, by its severity or as said."""

    case: CaseId
    due_at: dt.datetime | None = None
    note: str | None = None


CaseCommand: TypeAlias = OpenCase | AssignCase | NoteCase | CloseCase | ReopenCase


class CaseChanged(msgspec.Struct, frozen=True):
    """What a command came to."""

    case: Case
    changed: bool
    """False: it was so already."""
    new: bool = False
    """Whether a new case was opened."""


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases: those that meet every condition."""

    state: CaseState | None = None
    kind: CaseKind | None = None
    key: str | None = None
    severity_from: CaseSeverity | None = None
    assignee: str | None = None
    subject: CaseSubject | None = None
    due_before: dt.datetime | None = None


class CaseDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A case with its history."""

    case: Case
    occurrences: Sequence[Occurrence]
    """The newest first, at most `MAX_OCCURRENCES_KEPT`."""
    notes: Sequence[Note]
    """In order."""


class OpenCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases are open, of a kind and severity."""

    kind: str
    severity: CaseSeverity
    count: int
    overdue: int
