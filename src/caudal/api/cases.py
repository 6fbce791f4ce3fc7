"""`/v1/cases`: work for people."""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal import cases
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.fields import Cursor, Limit, Moment, utc
from caudal.api.paging import page_answer
from caudal.api.payment_reads import cursor_id
from caudal.api.problems import InvalidParameter, problem
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.cases import (
    AssignCase,
    CaseCommand,
    CaseFilter,
    CaseId,
    CaseKind,
    CaseOutcome,
    Cases,
    CaseSeverity,
    CaseState,
    CaseSubject,
    CloseCase,
    NoteCase,
    Occurrence,
    OpenCase,
    ReopenCase,
    case_detail_view,
    case_view,
)
from caudal.idempotency import Answer
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

Key = Annotated[
    str,
    Meta(description="One case of a kind and key is open at a time.", min_length=1, max_length=255),
]
Assignee = Annotated[
    str, Meta(description="Whose work it is: a name of your own, no address.", min_length=1, max_length=255)
]
NoteText = Annotated[str, Meta(description="No personal data.", min_length=1, max_length=4_000)]
DueAt = Annotated[Moment, Meta(description="By when; by default, as its severity says.")]


class NewCase(RequestBody, frozen=True, kw_only=True):
    """Work for a person, or that it has happened again."""

    kind: CaseKind
    key: Key
    title: Annotated[str, Meta(description="In a line; no personal data.", min_length=1, max_length=255)]
    severity: CaseSeverity = CaseSeverity.MEDIUM
    subjects: Annotated[tuple[CaseSubject, ...], Meta(description="What it is about.", max_length=50)] = ()
    what: NoteText | None = None
    """What happened; by default the title."""
    reference: (
        Annotated[
            str,
            Meta(description="What told of it; the same again has no effect.", min_length=1, max_length=255),
        ]
        | None
    ) = None
    happened_at: Moment | None = None
    due_at: DueAt | None = None
    assignee: Assignee | None = None


class NewCaseAssignment(RequestBody, frozen=True, kw_only=True):
    """Give a case to somebody, or to nobody."""

    assignee: Assignee | None = None


class NewCaseNote(RequestBody, frozen=True, kw_only=True):
    """Write on a case."""

    text: NoteText


class CaseClosing(RequestBody, frozen=True, kw_only=True):
    """End the work."""

    outcome: CaseOutcome
    note: NoteText | None = None


class CaseReopening(RequestBody, frozen=True, kw_only=True):
    """There is work left after all."""

    due_at: DueAt | None = None
    note: NoteText | None = None


class CasesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which cases: those that meet every condition."""

    state: CaseState | None = None
    kind: CaseKind | None = None
    key: Key | None = None
    severity_from: Annotated[CaseSeverity, Meta(description="So severe, or more.")] | None = None
    assignee: Assignee | None = None
    subject: (
        Annotated[str, Meta(description="`customer:cus_…`: a kind and an id.", min_length=3, max_length=320)]
        | None
    ) = None
    due_before: Moment | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


async def find(request: Request[CasesQuery, NoBody]) -> Answer:
    """GET /v1/cases"""
    query = request.query
    wanted = CaseFilter(
        state=query.state, kind=query.kind, key=query.key, severity_from=query.severity_from,
        assignee=query.assignee, subject=subject_of(query.subject),
        due_before=utc(query.due_before, "due_before"),
    )  # fmt: skip
    before = cursor_id(ids.CASE, query.cursor)
    async with request.services.database.connection() as connection:
        rows = await cases.list_cases(
            connection, request.book_id, wanted,
            before=None if before is None else CaseId(before), limit=query.limit + 1,
        )  # fmt: skip
    shown = rows[: query.limit]
    next_ = shown[-1].id if len(rows) > len(shown) else None
    return page_answer([case_view(case) for case in shown], next_)


async def read(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/cases/{id}; raises `CaseNotFound`."""
    async with request.services.database.snapshot() as connection:
        detail = await cases.get_case(connection, request.book_id, CaseId(request.ids["id"]))
    return json_answer(200, case_detail_view(detail))


async def create(request: Request[Write, NewCase]) -> Answer:
    """POST /v1/cases"""
    body = request.body
    new = request.new_id(ids.CASE)
    happened_at = utc(body.happened_at, "happened_at")
    command = OpenCase(
        id=CaseId(new), kind=body.kind, key=body.key, title=body.title, severity=body.severity,
        subjects=body.subjects, due_at=utc(body.due_at, "due_at"), assignee=body.assignee,
        occurrence=Occurrence(
            reference=new if body.reference is None else body.reference,
            at=request.services.clock.now() if happened_at is None else happened_at,
            what=body.title if body.what is None else body.what,
        ),
    )  # fmt: skip
    return await _apply(request, command)


async def assign(request: Request[Write, NewCaseAssignment]) -> Answer:
    """POST /v1/cases/{id}/assign"""
    return await _apply(request, AssignCase(case=_of_path(request), assignee=request.body.assignee))


async def note(request: Request[Write, NewCaseNote]) -> Answer:
    """POST /v1/cases/{id}/note"""
    return await _apply(request, NoteCase(case=_of_path(request), text=request.body.text))


async def close(request: Request[Write, CaseClosing]) -> Answer:
    """POST /v1/cases/{id}/close"""
    body = request.body
    return await _apply(request, CloseCase(case=_of_path(request), outcome=body.outcome, note=body.note))


async def reopen(request: Request[Write, CaseReopening]) -> Answer:
    """POST /v1/cases/{id}/reopen"""
    due_at = utc(request.body.due_at, "due_at")
    return await _apply(request, ReopenCase(case=_of_path(request), due_at=due_at, note=request.body.note))


def subject_of(text: str | None) -> CaseSubject | None:
    """`customer:cus_…`. Raises `InvalidParameter`."""
    if text is None:
        return None
    kind, colon, id = text.partition(":")
    if not (kind and colon and id):
        raise InvalidParameter("a kind and an id: `customer:cus_…`", field="subject")
    return CaseSubject(kind, id)


async def _apply(request: Request[Write, B], command: CaseCommand) -> Answer:
    services = request.services
    service = Cases(services.ledger, services.clock, services.ids)

    async def work(connection: Connection) -> Answer:
        (result,) = await service.apply(connection, request.book_id, [command], caller=caller_of(request))
        if isinstance(result, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays.
            return problem(result)
        if not result.new:
            return json_answer(200, case_view(result.case))
        return json_answer(201, case_view(result.case), ("Location", f"/v1/cases/{result.case.id}"))

    return await request.once(work, dry_run=request.query.dry_run)


def _of_path(request: Request[Q, B]) -> CaseId:
    """The case that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.CASE, text)
    return CaseId(text)
