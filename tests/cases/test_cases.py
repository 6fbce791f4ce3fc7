"""Cases: grouped by key, worked on, closed, told of."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from caudal.cases import (
    AssignCase,
    Case,
    CaseChanged,
    CaseCommand,
    CaseFilter,
    CaseId,
    CaseKind,
    CaseNotFound,
    CaseOutcome,
    Cases,
    CaseSeverity,
    CaseState,
    CaseSubject,
    CloseCase,
    NoteCase,
    Occurrence,
    OpenCase,
    OpenCount,
    ReopenCase,
    get_case,
    list_cases,
    open_counts,
    overdue,
)
from caudal.events import find as find_events
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.clock import ManualClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from support.customer_worlds import CALLER
from support.histories import START
from support.ledgers import new_book

ANA, CARD = CaseSubject("customer", "cus_1"), CaseSubject("card", "tok_1")
HOUR = dt.timedelta(hours=1)


class CaseWorld:
    """A book with its cases, on a clock that stands still."""

    def __init__(self, database: Database, book_id: int) -> None:
        self.database = database
        self.book_id = book_id
        self.clock = ManualClock(START)
        self.new_ids = IdSource(self.clock)
        self.cases = Cases(Ledger(self.clock), self.clock, self.new_ids)

    def opening(self, key: str = "k", reference: str = "r1", **changes: Any) -> OpenCase:
        fields: dict[str, Any] = {
            "id": CaseId(ids.encode(ids.CASE, self.new_ids.new())), "kind": CaseKind.ANOMALY, "key": key,
            "title": "Unusual", "severity": CaseSeverity.MEDIUM, "subjects": (ANA,),
            "occurrence": Occurrence(reference=reference, at=self.clock.now(), what="It happened."),
        }  # fmt: skip
        return OpenCase(**{**fields, **changes})

    async def attempt(self, *commands: CaseCommand) -> list[CaseChanged | CaudalError]:
        async with self.database.transaction() as connection:
            return await self.cases.apply(connection, self.book_id, commands, caller=CALLER)

    async def do(self, *commands: CaseCommand) -> list[Case]:
        results = await self.attempt(*commands)
        assert all(isinstance(result, CaseChanged) for result in results), results
        return [result.case for result in results if isinstance(result, CaseChanged)]

    async def refused(self, command: CaseCommand) -> tuple[str, str | None]:
        (result,) = await self.attempt(command)
        assert isinstance(result, CaudalError)
        return result.code, result.field

    async def listed(self, **wanted: Any) -> list[CaseId]:
        async with self.database.connection() as connection:
            return [one.id for one in await list_cases(connection, self.book_id, CaseFilter(**wanted))]

    async def told(self) -> list[tuple[str, str]]:
        async with self.database.connection() as connection:
            page = await find_events(connection, self.book_id, after=0, limit=1_000)
        return [(event.type, event.object_id) for event in page.events]


@pytest.fixture
async def world(shared_database: Database) -> CaseWorld:
    return CaseWorld(shared_database, (await new_book(shared_database)).book_id)


async def test_what_happens_again_under_the_key_of_an_open_case_is_another_occurrence_of_it(
    world: CaseWorld,
) -> None:
    (case,) = await world.do(world.opening())
    world.clock.advance(HOUR)
    again = world.opening(reference="r2", severity=CaseSeverity.HIGH, subjects=(CARD, ANA), title="Not taken")
    (after,) = await world.do(again)

    assert (after.id, after.title, after.severity) == (case.id, "Unusual", CaseSeverity.HIGH)
    assert (after.occurrences, after.first_at, after.last_at) == (2, START, START + HOUR)
    assert (after.subjects, after.due_at) == ((ANA, CARD), START + dt.timedelta(days=3))
    async with world.database.connection() as connection:
        detail = await get_case(connection, world.book_id, case.id)
    assert detail.case == after
    assert [one.reference for one in detail.occurrences] == ["r2", "r1"]
    assert await world.told() == [("case.opened", case.id)]


async def test_the_same_reference_again_is_no_other_occurrence_in_one_batch_or_two(world: CaseWorld) -> None:
    (case, again) = await world.do(world.opening(), world.opening())
    (later,) = await world.do(world.opening(severity=CaseSeverity.CRITICAL))

    assert case.id == again.id
    assert later == case


async def test_of_occurrences_the_newest_hundred_are_kept_and_all_are_counted(world: CaseWorld) -> None:
    await world.do(*(world.opening(reference=f"r{number}") for number in range(60)))
    (case, *_) = await world.do(*(world.opening(reference=f"r{number}") for number in range(60, 103)))

    async with world.database.connection() as connection:
        detail = await get_case(connection, world.book_id, case.id)
    assert detail.case.occurrences == 103
    assert [one.reference for one in detail.occurrences] == [f"r{number}" for number in range(102, 2, -1)]


async def test_a_case_is_assigned_noted_closed_and_reopened_and_told_of(world: CaseWorld) -> None:
    (case,) = await world.do(world.opening())
    (assigned,) = await world.do(AssignCase(case=case.id, assignee="ana"))
    await world.do(AssignCase(case=case.id, assignee="ana"), NoteCase(case=case.id, text="Asked."))
    (closed,) = await world.do(CloseCase(case=case.id, outcome=CaseOutcome.FALSE_ALARM, note="A trip."))
    assert await world.do(CloseCase(case=case.id, outcome=CaseOutcome.FALSE_ALARM)) == [closed]
    world.clock.advance(HOUR)
    (reopened,) = await world.do(ReopenCase(case=case.id))

    assert assigned.assignee == "ana"
    assert (closed.state, closed.outcome, closed.closed_by) == (
        CaseState.CLOSED, CaseOutcome.FALSE_ALARM, "operator",
    )  # fmt: skip
    assert (reopened.state, reopened.outcome, reopened.closed_at) == (CaseState.OPEN, None, None)
    assert reopened.due_at == START + HOUR + dt.timedelta(days=3)
    async with world.database.connection() as connection:
        detail = await get_case(connection, world.book_id, case.id)
    assert [(note.number, note.by, note.text) for note in detail.notes] == [
        (1, "operator", "Asked."), (2, "operator", "A trip."),
    ]  # fmt: skip
    assert [type_ for type_, _ in await world.told()] == [
        "case.opened", "case.assigned", "case.closed", "case.reopened",
    ]  # fmt: skip


async def test_under_the_key_of_a_closed_case_another_is_opened_and_the_closed_one_stays_so(
    world: CaseWorld,
) -> None:
    (first,) = await world.do(world.opening())
    (_, second) = await world.do(
        CloseCase(case=first.id, outcome=CaseOutcome.CONFIRMED), world.opening(reference="r2")
    )

    assert second.id != first.id
    assert await world.refused(ReopenCase(case=first.id)) == ("case_open_already", None)
    assert await world.refused(AssignCase(case=first.id, assignee="ana")) == ("case_closed", None)
    assert await world.refused(CloseCase(case=first.id, outcome=CaseOutcome.RESOLVED)) == (
        "case_closed", None,
    )  # fmt: skip
    assert await world.listed(key="k", state=CaseState.OPEN) == [second.id]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"key": ""}, ("case_invalid", "key")),
        ({"title": "a\nb"}, ("case_invalid", "title")),
        ({"title": "write to ana@example.com"}, ("personal_data_refused", "title")),
        ({"assignee": "ana@example.com"}, ("personal_data_refused", "assignee")),
        ({"subjects": (CaseSubject("Customer", "1"),)}, ("case_invalid", "subjects[0].kind")),
        ({"subjects": (ANA, CaseSubject("card", ""))}, ("case_invalid", "subjects[1].id")),
        ({"subjects": (ANA,) * 51}, ("case_invalid", "subjects")),
        ({"id": CaseId("cus_" + "0" * 32)}, ("invalid_id", "id")),
    ],
)
async def test_what_no_case_can_be_is_refused_and_nothing_is_opened(
    world: CaseWorld, changes: dict[str, Any], refusal: tuple[str, str]
) -> None:
    assert await world.refused(world.opening(**changes)) == refusal
    assert await world.listed() == []
    assert await world.told() == []


async def test_a_case_that_is_not_there_is_not_found_and_an_id_is_one_case(world: CaseWorld) -> None:
    nobody = CaseId(ids.encode(ids.CASE, UUID(int=7)))
    assert await world.refused(NoteCase(case=nobody, text="x")) == ("case_not_found", None)
    async with world.database.connection() as connection:
        with pytest.raises(CaseNotFound):
            await get_case(connection, world.book_id, nobody)
    (case,) = await world.do(world.opening())
    assert await world.refused(world.opening(key="other", id=case.id)) == ("case_exists", "id")
    assert await world.refused(NoteCase(case=case.id, text="")) == ("case_invalid", "text")


async def test_cases_are_found_by_what_they_are_and_counted_and_late_ones_known(world: CaseWorld) -> None:
    first, second, third = await world.do(
        world.opening("a", severity=CaseSeverity.CRITICAL, assignee="ana"),
        world.opening("b", kind=CaseKind.BREAK, subjects=(CARD,)),
        world.opening("c", severity=CaseSeverity.LOW),
    )
    await world.do(CloseCase(case=third.id, outcome=CaseOutcome.DUPLICATE))
    now = START + 5 * HOUR

    assert await world.listed() == [third.id, second.id, first.id]
    assert await world.listed(state=CaseState.CLOSED) == [third.id]
    assert await world.listed(kind=CaseKind.BREAK) == [second.id]
    assert await world.listed(severity_from=CaseSeverity.MEDIUM) == [second.id, first.id]
    assert await world.listed(assignee="ana") == [first.id]
    assert await world.listed(subject=CARD) == [second.id]
    assert await world.listed(state=CaseState.OPEN, due_before=now) == [first.id]
    async with world.database.connection() as connection:
        page = await list_cases(connection, world.book_id, CaseFilter(), before=third.id, limit=1)
        assert [one.id for one in page] == [second.id]
        assert await overdue(connection, world.book_id, now=now, most=10) == (1, first.due_at)
        assert await open_counts(connection, world.book_id, now=now, most=10) == [
            OpenCount(kind="anomaly", severity=CaseSeverity.CRITICAL, count=1, overdue=1),
            OpenCount(kind="break", severity=CaseSeverity.MEDIUM, count=1, overdue=0),
        ]
