"""`caudal.cases`: work for people."""

import datetime as dt
from collections.abc import Sequence

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import Answer, OpenEnum, Page

_PATH = "/v1/cases"


class CaseKind(OpenEnum):
    """Why there is a case."""

    ANOMALY = "anomaly"
    """Something is unlike its own past."""
    REVIEW = "review"
    """A payment or an application waits for a decision."""
    BREAK = "break"
    """Two records of the same do not agree."""
    ALERT = "alert"
    APPROVAL = "approval"
    """A second person has to agree."""
    DISPUTE = "dispute"
    OTHER = "other"


class CaseSeverity(OpenEnum):
    """How soon somebody should look, rising."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class CaseState(OpenEnum):
    """Whether there is work left."""

    OPEN = "open"
    CLOSED = "closed"


class CaseOutcome(OpenEnum):
    """What came of it."""

    CONFIRMED = "confirmed"
    """It was what it seemed to be."""
    FALSE_ALARM = "false_alarm"
    RESOLVED = "resolved"
    """It was something, and is mended."""
    DUPLICATE = "duplicate"
    """Another case is about it."""


class CaseSubject(Answer, frozen=True):
    """Something that a case is about."""

    kind: str
    id: str


class Case(Answer, frozen=True, kw_only=True):
    """Work for a person."""

    id: str
    kind: CaseKind
    key: str
    """What happens again under it while the case is open is another occurrence of this case."""
    title: str
    severity: CaseSeverity
    state: CaseState
    subjects: Sequence[CaseSubject]
    due_at: dt.datetime
    occurrences: int
    first_at: dt.datetime
    last_at: dt.datetime
    opened_at: dt.datetime
    opened_by: str
    updated_at: dt.datetime
    assignee: str | None = None
    outcome: CaseOutcome | None = None
    closed_at: dt.datetime | None = None
    closed_by: str | None = None


class CaseOccurrence(Answer, frozen=True, kw_only=True):
    """That it happened."""

    reference: str
    """What told of it, such as an anomaly's id."""
    at: dt.datetime
    what: str


class CaseNote(Answer, frozen=True, kw_only=True):
    """What somebody has written."""

    number: int
    at: dt.datetime
    by: str
    text: str


class CaseDetail(Case, frozen=True, kw_only=True):
    """A case with its history."""

    newest_occurrences: Sequence[CaseOccurrence]
    """At most 100, the newest first."""
    notes: Sequence[CaseNote]


class NewCase(Body, frozen=True, kw_only=True):
    """POST /v1/cases"""

    kind: CaseKind
    key: str
    title: str
    severity: CaseSeverity | None = None
    subjects: Sequence[CaseSubject] = ()
    what: str | None = None
    reference: str | None = None
    happened_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    assignee: str | None = None


class NewCaseAssignment(Body, frozen=True, kw_only=True):
    """POST /v1/cases/{id}/assign"""

    assignee: str | None = None


class NewCaseNote(Body, frozen=True, kw_only=True):
    """POST /v1/cases/{id}/note"""

    text: str


class CaseClosing(Body, frozen=True, kw_only=True):
    """POST /v1/cases/{id}/close"""

    outcome: CaseOutcome
    note: str | None = None


class CaseReopening(Body, frozen=True, kw_only=True):
    """POST /v1/cases/{id}/reopen"""

    due_at: dt.datetime | None = None
    note: str | None = None


class CasesQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/cases"""

    state: CaseState | None = None
    kind: CaseKind | None = None
    key: str | None = None
    severity_from: CaseSeverity | None = None
    assignee: str | None = None
    subject: str | None = None
    due_before: dt.datetime | None = None


class Cases:
    """Work for people. Of a kind and key one case is open at a time."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def open(self, case: NewCase, *, idempotency_key: str | None = None, dry_run: bool = False) -> Case:
        """Open a case, or add an occurrence to the open one of its kind and key.

        Raises `Unprocessable` (`case_invalid`, `personal_data_refused`).
        """
        return await self._write(_PATH, case, idempotency_key, dry_run=dry_run)

    async def get(self, id: str) -> CaseDetail:
        """A case with its notes and newest occurrences. Raises `NotFound`."""
        return await self._sender.read(CaseDetail, f"{_PATH}/{segment(id)}")

    def list(
        self,
        *,
        state: CaseState | None = None,
        kind: CaseKind | None = None,
        key: str | None = None,
        severity_from: CaseSeverity | None = None,
        assignee: str | None = None,
        subject: CaseSubject | None = None,
        due_before: dt.datetime | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Case]:
        """The cases that meet every condition, the newest first; pages of at most 1,000."""
        query = CasesQuery(
            state=state,
            kind=kind,
            key=key,
            severity_from=severity_from,
            assignee=assignee,
            subject=None if subject is None else f"{subject.kind}:{subject.id}",
            due_before=due_before,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[Case], _PATH, query)

    async def assign(
        self, id: str, assignee: str | None, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Case:
        """Give an open case to somebody, or (None) to nobody. Raises `NotFound`, `Conflict` if closed."""
        path = f"{_PATH}/{segment(id)}/assign"
        return await self._write(path, NewCaseAssignment(assignee=assignee), idempotency_key, dry_run=dry_run)

    async def note(
        self, id: str, text: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Case:
        """Write on a case, open or closed. Raises `NotFound`, `Unprocessable`."""
        path = f"{_PATH}/{segment(id)}/note"
        return await self._write(path, NewCaseNote(text=text), idempotency_key, dry_run=dry_run)

    async def close(
        self,
        id: str,
        outcome: CaseOutcome,
        *,
        note: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Case:
        """End the work. Raises `NotFound`, and `Conflict` if it is closed with another outcome."""
        path = f"{_PATH}/{segment(id)}/close"
        body = CaseClosing(outcome=outcome, note=note)
        return await self._write(path, body, idempotency_key, dry_run=dry_run)

    async def reopen(
        self,
        id: str,
        *,
        due_at: dt.datetime | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Case:
        """There is work left after all. Raises `NotFound`, `Conflict` if another is open under its key."""
        path = f"{_PATH}/{segment(id)}/reopen"
        body = CaseReopening(due_at=due_at, note=note)
        return await self._write(path, body, idempotency_key, dry_run=dry_run)

    async def _write(self, path: str, body: Body, key: str | None, *, dry_run: bool) -> Case:
        key = new_idempotency_key() if key is None else key
        return await self._sender.write(Case, path, body, key=key, query=Write(dry_run=dry_run))
