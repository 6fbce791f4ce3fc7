"""What may be done with cases, and what comes of it. Pure: every time is an argument."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from caudal.cases.errors import CaseClosed, CaseExists, CaseInvalid, CaseNotFound, CaseOpenAlready
from caudal.cases.types import (
    DUE_AFTER,
    MAX_NOTES,
    MAX_SUBJECTS,
    RANK,
    AssignCase,
    Case,
    CaseChanged,
    CaseCommand,
    CaseId,
    CaseKind,
    CaseState,
    CaseSubject,
    CloseCase,
    Note,
    NoteCase,
    Occurrence,
    OpenCase,
    ReopenCase,
)
from caudal_base import ids
from caudal_base.personal import refuse_personal

MAX_TEXT: Final = 255
MAX_NOTE: Final = 4_000

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

ACTIONS: Final[Mapping[type, str]] = {
    OpenCase: "case.open",
    AssignCase: "case.assign",
    NoteCase: "case.note",
    CloseCase: "case.close",
    ReopenCase: "case.reopen",
}

OpenKey = tuple[CaseKind, str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a command comes to."""

    result: CaseChanged
    event: str | None = None
    occurrence: Occurrence | None = None
    note: Note | None = None


class State:
    """The cases that commands are about, as they stand while the commands are planned one after the other."""

    def __init__(self, cases: Iterable[Case], references: Iterable[tuple[CaseId, str]]) -> None:
        """As they were read under the book's lock; `references` are those of occurrences that are kept."""
        self.cases = {case.id: case for case in cases}
        self.open = {(case.kind, case.key): case.id for case in self.cases.values() if _is_open(case)}
        self.references = set(references)

    def case(self, id: CaseId) -> Case:
        """Raises `CaseNotFound`."""
        found = self.cases.get(id)
        if found is None:
            raise CaseNotFound("no case of the book has this id")
        return found

    def put(self, case: Case) -> None:
        """`case` stands so from now on."""
        self.cases[case.id] = case
        key = (case.kind, case.key)
        if _is_open(case):
            self.open[key] = case.id
        elif self.open.get(key) == case.id:
            del self.open[key]


def case_of(command: CaseCommand) -> CaseId:
    """The case that a command names."""
    return command.id if isinstance(command, OpenCase) else command.case


def refuse_malformed(command: CaseCommand) -> None:
    """Raise `InvalidId`, `CaseInvalid` or `PersonalDataRefused` for what no case can be."""
    ids.decode(ids.CASE, case_of(command), field="id")
    if isinstance(command, OpenCase):
        _refuse_new(command)
    elif isinstance(command, AssignCase):
        _refuse_assignee(command.assignee)
    elif command_note := _note_of(command):
        _refuse_text(command_note, "text" if isinstance(command, NoteCase) else "note", MAX_NOTE)
    elif isinstance(command, NoteCase) or _note_of(command) == "":
        raise CaseInvalid("a note says something", field="text" if isinstance(command, NoteCase) else "note")
    if isinstance(command, ReopenCase):
        _refuse_moment(command.due_at)


def plan(state: State, command: CaseCommand, *, at: dt.datetime, by: str) -> Plan:
    """What comes of a command, which is done in `state` too.

    Raises `CaseNotFound`, `CaseClosed`, `CaseOpenAlready`, `CaseExists`, `CaseInvalid`.
    """
    if isinstance(command, OpenCase):
        planned = _open(state, command, at, by)
    elif isinstance(command, AssignCase):
        planned = _assign(state.case(command.case), command, at)
    elif isinstance(command, NoteCase):
        planned = _noted(state.case(command.case), command.text, at, by)
    elif isinstance(command, CloseCase):
        planned = _close(state.case(command.case), command, at, by)
    else:
        planned = _reopen(state, command, at, by)
    state.put(planned.result.case)
    return planned


def _open(state: State, command: OpenCase, at: dt.datetime, by: str) -> Plan:
    there = state.cases.get(command.id)
    if there is not None:
        if (there.kind, there.key) != (command.kind, command.key):
            raise CaseExists("the id belongs to a case of another kind or key", field="id")
        return Plan(result=CaseChanged(there, False))
    known = state.open.get((command.kind, command.key))
    if known is not None:
        return _occur(state, state.cases[known], command, at)
    due = command.due_at if command.due_at is not None else at + DUE_AFTER[command.severity]
    case = Case(
        id=command.id, kind=command.kind, key=command.key, title=command.title, severity=command.severity,
        state=CaseState.OPEN, subjects=_united((), command.subjects), due_at=due, assignee=command.assignee,
        occurrences=1, notes=0, first_at=command.occurrence.at, last_at=command.occurrence.at, opened_at=at,
        opened_by=by, updated_at=at,
    )  # fmt: skip
    state.references.add((case.id, command.occurrence.reference))
    return Plan(result=CaseChanged(case, True, new=True), event="case.opened", occurrence=command.occurrence)


def _occur(state: State, case: Case, command: OpenCase, at: dt.datetime) -> Plan:
    reference = (case.id, command.occurrence.reference)
    if reference in state.references:
        return Plan(result=CaseChanged(case, False))
    state.references.add(reference)
    severity = command.severity if RANK[command.severity] > RANK[case.severity] else case.severity
    after = msgspec.structs.replace(
        case,
        severity=severity,
        subjects=_united(case.subjects, command.subjects),
        occurrences=case.occurrences + 1,
        first_at=min(case.first_at, command.occurrence.at),
        last_at=max(case.last_at, command.occurrence.at),
        updated_at=at,
    )
    return Plan(result=CaseChanged(after, True), occurrence=command.occurrence)


def _assign(case: Case, command: AssignCase, at: dt.datetime) -> Plan:
    if not _is_open(case):
        raise CaseClosed("a closed case is nobody's work")
    if case.assignee == command.assignee:
        return Plan(result=CaseChanged(case, False))
    after = msgspec.structs.replace(case, assignee=command.assignee, updated_at=at)
    return Plan(result=CaseChanged(after, True), event="case.assigned")


def _close(case: Case, command: CloseCase, at: dt.datetime, by: str) -> Plan:
    if not _is_open(case):
        if case.outcome is command.outcome:
            return Plan(result=CaseChanged(case, False))
        raise CaseClosed("it was closed with another outcome")
    after = msgspec.structs.replace(
        case, state=CaseState.CLOSED, outcome=command.outcome, closed_at=at, closed_by=by, updated_at=at
    )
    return _with_note(after, command.note, "case.closed", at, by)


def _reopen(state: State, command: ReopenCase, at: dt.datetime, by: str) -> Plan:
    case = state.case(command.case)
    if _is_open(case):
        return Plan(result=CaseChanged(case, False))
    other = state.open.get((case.kind, case.key))
    if other is not None:
        raise CaseOpenAlready("another case of this kind and key is open", case=other)
    due = command.due_at if command.due_at is not None else at + DUE_AFTER[case.severity]
    after = msgspec.structs.replace(
        case, state=CaseState.OPEN, outcome=None, closed_at=None, closed_by=None, due_at=due, updated_at=at
    )
    return _with_note(after, command.note, "case.reopened", at, by)


def _with_note(case: Case, text: str | None, event: str, at: dt.datetime, by: str) -> Plan:
    if text is None:
        return Plan(result=CaseChanged(case, True), event=event)
    return msgspec.structs.replace(_noted(case, text, at, by), event=event)


def _noted(case: Case, text: str, at: dt.datetime, by: str) -> Plan:
    if case.notes >= MAX_NOTES:
        raise CaseInvalid(f"a case has {MAX_NOTES:,} notes at most", field="text")
    after = msgspec.structs.replace(case, notes=case.notes + 1, updated_at=at)
    return Plan(result=CaseChanged(after, True), note=Note(number=after.notes, at=at, by=by, text=text))


def _united(there: Sequence[CaseSubject], more: Sequence[CaseSubject]) -> tuple[CaseSubject, ...]:
    """Both without repetition, the first `MAX_SUBJECTS`."""
    by_key = {(one.kind, one.id): one for one in (*there, *more)}
    return tuple(by_key.values())[:MAX_SUBJECTS]


def _is_open(case: Case) -> bool:
    return case.state is CaseState.OPEN


def _note_of(command: CaseCommand) -> str | None:
    if isinstance(command, NoteCase):
        return command.text
    return command.note if isinstance(command, CloseCase | ReopenCase) else None


def _refuse_new(command: OpenCase) -> None:
    _refuse_text(command.key, "key", MAX_TEXT)
    _refuse_text(command.title, "title", MAX_TEXT)
    _refuse_text(command.occurrence.reference, "reference", MAX_TEXT)
    _refuse_text(command.occurrence.what, "what", MAX_NOTE)
    _refuse_assignee(command.assignee)
    _refuse_moment(command.due_at)
    if len(command.subjects) > MAX_SUBJECTS:
        raise CaseInvalid(f"at most {MAX_SUBJECTS} subjects", field="subjects")
    for place, subject in enumerate(command.subjects):
        if _WORD.fullmatch(subject.kind) is None:
            raise CaseInvalid("a lower-case word, such as `customer`", field=f"subjects[{place}].kind")
        _refuse_text(subject.id, f"subjects[{place}].id", MAX_TEXT)


def _refuse_assignee(assignee: str | None) -> None:
    if assignee is not None:
        _refuse_text(assignee, "assignee", MAX_TEXT)


def _refuse_moment(due_at: dt.datetime | None) -> None:
    if due_at is not None and due_at.tzinfo is None:
        raise CaseInvalid("a moment with a zone", field="due_at")


def _refuse_text(text: str, field: str, most: int) -> None:
    plain = text.replace("\n", " ").replace("\t", " ") if most == MAX_NOTE else text
    if not (1 <= len(text) <= most and plain.isprintable() and text.strip()):
        raise CaseInvalid(f"1 to {most:,} printable characters", field=field)
    refuse_personal(text, field)
