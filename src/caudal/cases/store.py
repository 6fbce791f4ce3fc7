"""The SQL of cases."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.cases.types import (
    MAX_OCCURRENCES_KEPT,
    RANK,
    Case,
    CaseFilter,
    CaseId,
    CaseKind,
    CaseOutcome,
    CaseState,
    CaseSubject,
    Note,
    Occurrence,
    OpenCount,
)
from caudal_base import arrays, ids
from caudal_base.database import Connection

Cursor = AsyncCursor[TupleRow]

_SEVERITY: Final = {rank: severity for severity, rank in RANK.items()}

_COLUMNS: Final = """id, kind, key, title, severity, state, subjects::text, assignee, due_at, outcome,
       occurrences, notes, first_at, last_at, opened_at, opened_by, updated_at, closed_at, closed_by"""

# Those that commands name, those that are open under the keys of what is to be opened, and under the keys of
# those that are named.
KNOWN: Final = f"""
select {_COLUMNS}
  from cases.case_file
 where book_id = %(book_id)s
   and id = any(%(ids)s)
 union all
select {_COLUMNS}
  from cases.case_file
 where book_id = %(book_id)s
   and state = 'open'
   and not id = any(%(ids)s)
   and (kind, key) in (
       select n.kind, n.key
         from unnest(%(kinds)s, %(keys)s) as n(kind, key)
        union
       select named.kind, named.key
         from cases.case_file as named
        where named.book_id = %(book_id)s
          and named.id = any(%(ids)s)
       )
"""

REFERENCES: Final = """
select o.case_id, o.reference
  from unnest(%(kinds)s, %(keys)s, %(references)s) as n(kind, key, reference)
  join cases.case_file as c
    on c.book_id = %(book_id)s
   and c.kind = n.kind
   and c.key = n.key
   and c.state = 'open'
  join cases.occurrence as o
    on o.book_id = %(book_id)s
   and o.case_id = c.id
   and o.reference = n.reference
"""

_PUT: Final = """
insert into cases.case_file (book_id, id, kind, key, title, severity, state, subjects, assignee, due_at,
                             outcome, occurrences, notes, first_at, last_at, opened_at, opened_by, updated_at,
                             closed_at, closed_by)
select %(book_id)s, n.id, n.kind, n.key, n.title, n.severity, n.state, n.subjects, n.assignee, n.due_at,
       n.outcome, n.occurrences, n.notes, n.first_at, n.last_at, n.opened_at, n.opened_by, n.updated_at,
       n.closed_at, n.closed_by
  from unnest(%(ids)s, %(kinds)s, %(keys)s, %(titles)s, %(severities)s, %(states)s, %(subjects)s,
              %(assignees)s, %(dues)s, %(outcomes)s, %(occurrences)s, %(notes)s, %(firsts)s, %(lasts)s,
              %(opened)s, %(openers)s, %(updated)s, %(closed)s, %(closers)s)
       as n(id, kind, key, title, severity, state, subjects, assignee, due_at, outcome, occurrences, notes,
            first_at, last_at, opened_at, opened_by, updated_at, closed_at, closed_by)
    on conflict (book_id, id)
    do update set severity = excluded.severity,
                  state = excluded.state,
                  subjects = excluded.subjects,
                  assignee = excluded.assignee,
                  due_at = excluded.due_at,
                  outcome = excluded.outcome,
                  occurrences = excluded.occurrences,
                  notes = excluded.notes,
                  first_at = excluded.first_at,
                  last_at = excluded.last_at,
                  updated_at = excluded.updated_at,
                  closed_at = excluded.closed_at,
                  closed_by = excluded.closed_by
"""

_PUT_SUBJECTS: Final = """
insert into cases.subject (book_id, kind, value, case_id)
select %(book_id)s, n.kind, n.value, n.case_id
  from unnest(%(kinds)s, %(values)s, %(ids)s) as n(kind, value, case_id)
    on conflict (book_id, kind, value, case_id) do nothing
"""

_INSERT_OCCURRENCES: Final = """
insert into cases.occurrence (book_id, case_id, number, reference, at, what)
select %(book_id)s, n.case_id, n.number, n.reference, n.at, n.what
  from unnest(%(ids)s, %(numbers)s, %(references)s, %(ats)s, %(whats)s)
       as n(case_id, number, reference, at, what)
"""

_FORGET: Final = """
delete from cases.occurrence as o
 using unnest(%(ids)s, %(through)s) as n(case_id, through)
 where o.book_id = %(book_id)s
   and o.case_id = n.case_id
   and o.number <= n.through
"""

_INSERT_NOTES: Final = """
insert into cases.note (book_id, case_id, number, at, by, body)
select %(book_id)s, n.case_id, n.number, n.at, n.by, n.body
  from unnest(%(ids)s, %(numbers)s, %(ats)s, %(bys)s, %(bodies)s) as n(case_id, number, at, by, body)
"""

_OCCURRENCES: Final = """
select reference, at, what
  from cases.occurrence
 where book_id = %(book_id)s
   and case_id = %(id)s
 order by number desc
"""

_NOTES: Final = """
select number, at, by, body
  from cases.note
 where book_id = %(book_id)s
   and case_id = %(id)s
 order by number
"""

_OPEN_COUNTS: Final = """
select kind, severity, count(*), count(*) filter (where due_at < %(now)s)
  from (
       select kind, severity, due_at
         from cases.case_file
        where book_id = %(book_id)s
          and state = 'open'
        order by due_at
        limit %(most)s
       ) as counted
 group by kind, severity
 order by kind, severity
"""

_OVERDUE: Final = """
select count(*), min(due_at)
  from (
       select due_at
         from cases.case_file
        where book_id = %(book_id)s
          and state = 'open'
          and due_at < %(now)s
        order by due_at
        limit %(most)s
       ) as late
"""

_SUBJECTS: Final = msgspec.json.Decoder(tuple[CaseSubject, ...])


async def queue_known(
    connection: Connection, book_id: int, named: Sequence[CaseId], keys: Sequence[tuple[CaseKind, str]]
) -> Cursor:
    """Ask for the cases that are named, and for those that are open under `keys` or the keys of the named."""
    return await connection.execute(
        KNOWN,
        {
            "book_id": book_id, "ids": arrays.hex_uuids(named),
            "kinds": arrays.texts([kind.value for kind, _ in keys]),
            "keys": arrays.texts([key for _, key in keys]),
        },
    )  # fmt: skip


async def queue_references(
    connection: Connection, book_id: int, wanted: Sequence[tuple[CaseKind, str, str]]
) -> Cursor:
    """Ask which of these references the open case of a kind and key knows already."""
    return await connection.execute(
        REFERENCES,
        {
            "book_id": book_id,
            "kinds": arrays.texts([kind.value for kind, _, _ in wanted]),
            "keys": arrays.texts([key for _, key, _ in wanted]),
            "references": arrays.texts([reference for _, _, reference in wanted]),
        },
    )


async def cases_of(cursor: Cursor) -> list[Case]:
    """The cases in a cursor's rows."""
    return [_case_of(row) for row in await cursor.fetchall()]


async def references_of(cursor: Cursor) -> set[tuple[CaseId, str]]:
    """The answer to `queue_references`."""
    return {(_id(id), reference) for id, reference in await cursor.fetchall()}


async def put(connection: Connection, book_id: int, cases: Sequence[Case]) -> None:
    """Write cases as they stand; what never changes of one that is there is left alone."""
    parameters = {
        "book_id": book_id,
        "ids": arrays.hex_uuids([one.id for one in cases]),
        "kinds": arrays.texts([one.kind.value for one in cases]),
        "keys": arrays.texts([one.key for one in cases]),
        "titles": arrays.texts([one.title for one in cases]),
        "severities": arrays.smallints([RANK[one.severity] for one in cases]),
        "states": arrays.texts([one.state.value for one in cases]),
        "subjects": arrays.jsons([msgspec.json.encode(one.subjects) for one in cases]),
        "assignees": arrays.texts([one.assignee for one in cases]),
        "dues": arrays.timestamps([one.due_at for one in cases]),
        "outcomes": arrays.texts([None if one.outcome is None else one.outcome.value for one in cases]),
        "occurrences": arrays.bigints([one.occurrences for one in cases]),
        "notes": arrays.integers([one.notes for one in cases]),
        "firsts": arrays.timestamps([one.first_at for one in cases]),
        "lasts": arrays.timestamps([one.last_at for one in cases]),
        "opened": arrays.timestamps([one.opened_at for one in cases]),
        "openers": arrays.texts([one.opened_by for one in cases]),
        "updated": arrays.timestamps([one.updated_at for one in cases]),
        "closed": arrays.timestamps([one.closed_at for one in cases]),
        "closers": arrays.texts([one.closed_by for one in cases]),
    }
    await connection.execute(_PUT, parameters)
    about = [(one.id, subject) for one in cases for subject in one.subjects]
    if about:
        await connection.execute(
            _PUT_SUBJECTS,
            {
                "book_id": book_id,
                "kinds": arrays.texts([subject.kind for _, subject in about]),
                "values": arrays.texts([subject.id for _, subject in about]),
                "ids": arrays.hex_uuids([id for id, _ in about]),
            },
        )


async def add_occurrences(
    connection: Connection, book_id: int, found: Sequence[tuple[CaseId, int, Occurrence]]
) -> None:
    """Write occurrences with their numbers, and delete those of their cases that are too old."""
    await connection.execute(
        _INSERT_OCCURRENCES,
        {
            "book_id": book_id,
            "ids": arrays.hex_uuids([id for id, _, _ in found]),
            "numbers": arrays.bigints([number for _, number, _ in found]),
            "references": arrays.texts([one.reference for _, _, one in found]),
            "ats": arrays.timestamps([one.at for _, _, one in found]),
            "whats": arrays.texts([one.what for _, _, one in found]),
        },
    )
    newest: dict[CaseId, int] = {}
    for id, number, _ in found:
        newest[id] = max(number, newest.get(id, 0))
    full = {id: number for id, number in newest.items() if number > MAX_OCCURRENCES_KEPT}
    if full:
        through = [number - MAX_OCCURRENCES_KEPT for number in full.values()]
        await connection.execute(
            _FORGET,
            {"book_id": book_id, "ids": arrays.hex_uuids(list(full)), "through": arrays.bigints(through)},
        )


async def add_notes(connection: Connection, book_id: int, written: Sequence[tuple[CaseId, Note]]) -> None:
    """Write notes."""
    await connection.execute(
        _INSERT_NOTES,
        {
            "book_id": book_id,
            "ids": arrays.hex_uuids([id for id, _ in written]),
            "numbers": arrays.integers([note.number for _, note in written]),
            "ats": arrays.timestamps([note.at for _, note in written]),
            "bys": arrays.texts([note.by for _, note in written]),
            "bodies": arrays.texts([note.text for _, note in written]),
        },
    )


async def find(
    connection: Connection, book_id: int, wanted: CaseFilter, *, before: CaseId | None, limit: int
) -> list[Case]:
    """The newest `limit` cases that `wanted` wants, behind `before`."""
    statement, parameters = search(book_id, wanted, before=before, limit=limit)
    return await cases_of(await connection.execute(statement, parameters))


def search(
    book_id: int, wanted: CaseFilter, *, before: CaseId | None, limit: int
) -> tuple[str, dict[str, Any]]:
    """The statement of `find`, with its parameters."""
    parameters: dict[str, Any] = {"book_id": book_id, "limit": limit}
    conditions = ""
    if wanted.state is not None:
        # In the text: the index of those that are open must be seen to serve.
        conditions += f"\n   and state = '{wanted.state.value}'"
    for name, value in (
        ("kind", None if wanted.kind is None else wanted.kind.value),
        ("key", wanted.key),
        ("assignee", wanted.assignee),
    ):
        if value is not None:
            conditions += f"\n   and {name} = %({name})s"
            parameters[name] = value
    if wanted.severity_from is not None:
        conditions += "\n   and severity >= %(severity)s"
        parameters["severity"] = RANK[wanted.severity_from]
    if wanted.due_before is not None:
        conditions += "\n   and due_at < %(due_before)s"
        parameters["due_before"] = wanted.due_before
    if wanted.subject is not None:
        conditions += """
   and id in (
       select case_id
         from cases.subject
        where book_id = %(book_id)s
          and kind = %(subject_kind)s
          and value = %(subject_id)s
       )"""
        parameters |= {"subject_kind": wanted.subject.kind, "subject_id": wanted.subject.id}
    if before is not None:
        conditions += "\n   and id < %(before)s"
        parameters["before"] = ids.decode(ids.CASE, before, field="cursor")
    statement = f"""
select {_COLUMNS}
  from cases.case_file
 where book_id = %(book_id)s{conditions}
 order by id desc
 limit %(limit)s
"""
    return statement, parameters


async def history(
    connection: Connection, book_id: int, id: CaseId
) -> tuple[Sequence[Occurrence], Sequence[Note]]:
    """The occurrences that are kept of a case, the newest first, and its notes in order."""
    parameters = {"book_id": book_id, "id": ids.decode(ids.CASE, id)}
    occurrences = await (await connection.execute(_OCCURRENCES, parameters)).fetchall()
    notes = await (await connection.execute(_NOTES, parameters)).fetchall()
    return (
        [Occurrence(reference=reference, at=at, what=what) for reference, at, what in occurrences],
        [Note(number=number, at=at, by=by, text=body) for number, at, by, body in notes],
    )


async def open_counts(
    connection: Connection, book_id: int, *, now: dt.datetime, most: int
) -> list[OpenCount]:
    """How many cases are open by kind and severity; of the first `most` that are due."""
    parameters = {"book_id": book_id, "now": now, "most": most}
    cursor = await connection.execute(_OPEN_COUNTS, parameters)
    return [
        OpenCount(kind=kind, severity=_SEVERITY[severity], count=count, overdue=overdue)
        for kind, severity, count, overdue in await cursor.fetchall()
    ]


async def overdue(
    connection: Connection, book_id: int, *, now: dt.datetime, most: int
) -> tuple[int, dt.datetime | None]:
    """How many open cases are late, counted up to `most`, and since when the first."""
    cursor = await connection.execute(_OVERDUE, {"book_id": book_id, "now": now, "most": most})
    ((count, since),) = await cursor.fetchall()
    return count, since


def _id(id: UUID) -> CaseId:
    return CaseId(ids.encode(ids.CASE, id))


def _case_of(row: TupleRow) -> Case:
    (
        id, kind, key, title, severity, state, subjects, assignee, due_at, outcome, occurrences, notes,
        first_at, last_at, opened_at, opened_by, updated_at, closed_at, closed_by,
    ) = row  # fmt: skip
    return Case(
        id=_id(id), kind=CaseKind(kind), key=key, title=title, severity=_SEVERITY[severity],
        state=CaseState(state), subjects=_SUBJECTS.decode(subjects), assignee=assignee, due_at=due_at,
        outcome=None if outcome is None else CaseOutcome(outcome), occurrences=occurrences, notes=notes,
        first_at=first_at, last_at=last_at, opened_at=opened_at, opened_by=opened_by, updated_at=updated_at,
        closed_at=closed_at, closed_by=closed_by,
    )  # fmt: skip
