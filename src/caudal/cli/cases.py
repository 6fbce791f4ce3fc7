"""`caudal cases`: work for people."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from caudal import cases
from caudal.cases import (
    AssignCase,
    Case,
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
from caudal.cli.frame import group
from caudal.cli.operator import Operator, on_database
from caudal.cli.options import DEFAULT_LIMIT, AfterOption, BookOption, DryRunOption, LimitOption, span_of
from caudal.cli.paging import more
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.terminal import cell, facts, table
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.errors import CaudalError, InvalidRequest

app = group("Work for people: list it, assign, note, close, reopen.")

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The case's id (`case_…`).")]
NoteOption = Annotated[str | None, typer.Option(help="A note on it; no personal data.")]
DueOption = Annotated[
    str | None, typer.Option(metavar="SPAN", help="By when: 4h, 3d. (default: as its severity says)")
]


@on_database(app, "list")
async def list_(
    operator: Operator,
    state: Annotated[CaseState | None, typer.Option(help="Only those in this state.")] = None,
    kind: Annotated[CaseKind | None, typer.Option(help="Only those of this kind.")] = None,
    severity_from: Annotated[CaseSeverity | None, typer.Option(help="So severe, or more.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Only this one's work.")] = None,
    key: Annotated[str | None, typer.Option(help="Only those under this key.")] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="KIND:ID", help="Only those about it: customer:cus_….")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only open ones past their due time.")] = False,
    limit: LimitOption = DEFAULT_LIMIT,
    after: AfterOption = None,
    book: BookOption = FIRST_BOOK,
) -> None:
    """List cases, the newest first."""
    found = await operator.book(book)
    wanted = CaseFilter(
        state=CaseState.OPEN if overdue else state, kind=kind, severity_from=severity_from,
        assignee=assignee, key=key, subject=_subject(subject),
        due_before=operator.clock.now() if overdue else None,
    )  # fmt: skip
    size = min(limit, 1_000)
    before = None if after is None else CaseId(ids.encode(ids.CASE, ids.decode(ids.CASE, after)))
    async with operator.database.connection() as connection:
        rows = await cases.list_cases(connection, found.book_id, wanted, before=before, limit=size)
    cursor = rows[-1].id if len(rows) == size else None

    def show_rows(out: Console) -> None:
        shown = table("case", "kind", "severity", "state", "due", "times", "assignee", "title")
        for row in rows:
            state = row.state.value if row.outcome is None else row.outcome.value
            shown.add_row(
                row.id, row.kind.value, row.severity.value, state, cell(row.due_at), f"{row.occurrences:,}",
                row.assignee or "", row.title,
            )  # fmt: skip
        out.print(shown if rows else "No cases.")
        more(out, cursor)

    operator.terminal.answer({"data": [_shape(row) for row in rows], "next_cursor": cursor}, show_rows)


@on_database(app, "show")
async def show(operator: Operator, case: CaseArgument, book: BookOption = FIRST_BOOK) -> None:
    """Show a case with its notes and its newest occurrences."""
    found = await operator.book(book)
    async with operator.database.snapshot() as connection:
        detail = await cases.get_case(connection, found.book_id, CaseId(case))

    def show_it(out: Console) -> None:
        out.print(facts(_facts(detail.case)))
        happened = table("at", "what", "reference")
        for one in detail.occurrences:
            happened.add_row(cell(one.at), one.what, one.reference)
        out.print(happened)
        if detail.notes:
            written = table("note", "at", "by", "text")
            for note in detail.notes:
                written.add_row(str(note.number), cell(note.at), note.by, note.text)
            out.print(written)

    operator.terminal.answer(msgspec.to_builtins(case_detail_view(detail)), show_it)


@on_database(app, "open")
async def open_(
    operator: Operator,
    kind: Annotated[CaseKind, typer.Option(help="Why there is one.")],
    key: Annotated[str, typer.Option(help="One case of a kind and key is open at a time.")],
    title: Annotated[str, typer.Option(help="In a line; no personal data.")],
    severity: Annotated[CaseSeverity, typer.Option(help="How soon.")] = CaseSeverity.MEDIUM,
    subject: Annotated[
        list[str] | None, typer.Option(metavar="KIND:ID", help="What it is about; may be repeated.")
    ] = None,
    what: Annotated[str | None, typer.Option(help="What happened. (default: the title)")] = None,
    reference: Annotated[
        str | None, typer.Option(help="What told of it; the same again has no effect.")
    ] = None,
    due_in: DueOption = None,
    assignee: Annotated[str | None, typer.Option(help="Whose work it is.")] = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Open a case, or add an occurrence to the open one of its kind and key."""
    new, now = operator.new_id(ids.CASE), operator.clock.now()
    command = OpenCase(
        id=CaseId(new), kind=kind, key=key, title=title, severity=severity,
        subjects=tuple(one for one in map(_subject, subject or ()) if one is not None),
        occurrence=Occurrence(reference=reference or new, at=now, what=what or title),
        due_at=None if due_in is None else now + span_of(due_in, field="due_in"), assignee=assignee,
    )  # fmt: skip
    await _carry_out(operator, book, command, dry_run=dry_run)


@on_database(app, "assign")
async def assign(
    operator: Operator,
    case: CaseArgument,
    assignee: Annotated[str | None, typer.Argument(metavar="NAME", help="Whose work it is.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from whom it was assigned to.")] = False,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Give an open case to somebody, or to nobody."""
    if (assignee is None) != nobody:
        raise InvalidRequest("a name, or --nobody", field="assignee")
    await _carry_out(operator, book, AssignCase(case=CaseId(case), assignee=assignee), dry_run=dry_run)


@on_database(app, "note")
async def note(
    operator: Operator,
    case: CaseArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What there is to say; no personal data.")],
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Write on a case, open or closed."""
    await _carry_out(operator, book, NoteCase(case=CaseId(case), text=text), dry_run=dry_run)


@on_database(app, "close")
async def close(
    operator: Operator,
    case: CaseArgument,
    outcome: Annotated[CaseOutcome, typer.Option(help="What came of it.")],
    note: NoteOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """End the work on a case. `reopen` takes it back."""
    command = CloseCase(case=CaseId(case), outcome=outcome, note=note)
    await _carry_out(operator, book, command, dry_run=dry_run)


@on_database(app, "reopen")
async def reopen(
    operator: Operator,
    case: CaseArgument,
    due_in: DueOption = None,
    note: NoteOption = None,
    dry_run: DryRunOption = False,
    book: BookOption = FIRST_BOOK,
) -> None:
    """Open a closed case again, due anew."""
    due_at = None if due_in is None else operator.clock.now() + span_of(due_in, field="due_in")
    await _carry_out(operator, book, ReopenCase(case=CaseId(case), due_at=due_at, note=note), dry_run=dry_run)


async def _carry_out(operator: Operator, book: str, command: CaseCommand, *, dry_run: bool) -> None:
    found = await operator.book(book)
    service = Cases(Ledger(operator.clock), operator.clock, operator.ids)
    caller = operator.caller
    async with (
        operator.database.transaction() as connection,
        connection.transaction(force_rollback=dry_run),
    ):
        (result,) = await service.apply(connection, found.book_id, [command], caller=caller)
    if isinstance(result, CaudalError):
        raise result
    case = result.case
    operator.terminal.answer(_shape(case), lambda out: out.print(facts(_facts(case))))


def _subject(text: str | None) -> CaseSubject | None:
    if text is None:
        return None
    kind, _, id = text.partition(":")
    if not (kind and id):
        raise InvalidRequest("a kind and an id: customer:cus_…", field="subject")
    return CaseSubject(kind, id)


def _shape(case: Case) -> dict[str, Any]:
    shape: dict[str, Any] = msgspec.to_builtins(case_view(case))
    return shape


def _facts(case: Case) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("case", case.id), ("title", case.title), ("kind", case.kind.value), ("key", case.key),
        ("severity", case.severity.value), ("state", case.state.value), ("due", case.due_at),
        ("happened", f"{case.occurrences:,} times, last {cell(case.last_at)}"),
        ("about", ", ".join(f"{one.kind}:{one.id}" for one in case.subjects) or "-"),
        ("assignee", case.assignee or "-"), ("opened", case.opened_at), ("by", case.opened_by),
    ]  # fmt: skip
    if case.outcome is not None:
        rows += [("outcome", case.outcome.value), ("closed", case.closed_at), ("by", case.closed_by)]
    return rows
