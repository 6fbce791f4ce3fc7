"""What other rooms do with cases. Nothing here opens or commits a transaction.

    async with database.transaction() as connection:
        [result] = await cases.apply(connection, book_id, [OpenCase(…)], caller=caller)

Every command leaves an audit record, refusals included; a case that is opened, assigned, closed or reopened
is told as an event.
"""

import datetime as dt
from collections.abc import Sequence

from caudal import audit, events
from caudal.access import Caller
from caudal.cases import rules, store
from caudal.cases.errors import CaseNotFound
from caudal.cases.rules import Plan, State
from caudal.cases.types import (
    MAX_PAGE,
    Case,
    CaseChanged,
    CaseCommand,
    CaseDetail,
    CaseFilter,
    CaseId,
    OpenCase,
    OpenCount,
)
from caudal.cases.views import case_view
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource


class Cases:
    """The cases of one deployment. Holds no connection, and no state."""

    def __init__(self, ledger: Ledger, clock: Clock, new_ids: IdSource) -> None:
        """`clock` is read under the book's lock; `new_ids` makes the ids of events."""
        self._ledger = ledger
        self._clock = clock
        self._new_ids = new_ids

    async def apply(
        self, connection: Connection, book_id: int, commands: Sequence[CaseCommand], *, caller: Caller
    ) -> list[CaseChanged | CaudalError]:
        """Carry out `commands` in order, under the book's lock; one result each. The caller commits.

        Results beside `CaseChanged`: `InvalidId`, `CaseInvalid`, `PersonalDataRefused`, `CaseNotFound`,
        `CaseClosed`, `CaseOpenAlready`, `CaseExists`. Raises `BookNotFound`.
        """
        refusals = [_malformed(command) for command in commands]
        well = [command for command, refusal in zip(commands, refusals, strict=True) if refusal is None]
        state, at = await self._load(connection, book_id, well)
        by = caller.principal.actor
        plans: list[Plan | CaudalError] = [
            _planned(state, command, at, by) if refusal is None else refusal
            for command, refusal in zip(commands, refusals, strict=True)
        ]
        await _write(connection, book_id, state, [plan for plan in plans if isinstance(plan, Plan)])
        await events.append(connection, book_id, _told(plans, at), self._new_ids)
        await audit.append(
            connection,
            [_record(book_id, c, p, caller, at) for c, p in zip(commands, plans, strict=True)],
        )
        return [plan.result if isinstance(plan, Plan) else plan for plan in plans]

    async def _load(
        self, connection: Connection, book_id: int, commands: Sequence[CaseCommand]
    ) -> tuple[State, dt.datetime]:
        """Lock the book and read what `commands` refer to; also the time of the batch."""
        opening = [command for command in commands if isinstance(command, OpenCase)]
        async with connection.pipeline():
            load = await self._ledger.begin(connection, book_id, ())
            # Behind the lock: each statement sees all that the last writer of the book has committed.
            known = await store.queue_known(
                connection, book_id, [rules.case_of(command) for command in commands],
                [(command.kind, command.key) for command in opening],
            )  # fmt: skip
            references = await store.queue_references(
                connection, book_id,
                [(command.kind, command.key, command.occurrence.reference) for command in opening],
            )  # fmt: skip
            book = await load.finish()
            state = State(await store.cases_of(known), await store.references_of(references))
        return state, max(self._clock.now(), book.recorded_at)


async def get_case(connection: Connection, book_id: int, id: CaseId) -> CaseDetail:
    """The case with this id and its history. Raises `InvalidId`, `CaseNotFound`."""
    ids.decode(ids.CASE, id)
    found = await store.cases_of(await store.queue_known(connection, book_id, [id], []))
    for case in found:
        if case.id == id:
            occurrences, notes = await store.history(connection, book_id, id)
            return CaseDetail(case=case, occurrences=occurrences, notes=notes)
    raise CaseNotFound("no case of the book has this id")


async def list_cases(
    connection: Connection, book_id: int, wanted: CaseFilter, *, before: CaseId | None = None, limit: int = 50
) -> list[Case]:
    """The cases that `wanted` wants, the newest first: `limit` behind `before`.

    `InvalidRequest` for a limit outside 1 to 1,001, `InvalidId` for a `before` that is no id.
    """
    if not 1 <= limit <= MAX_PAGE + 1:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE:,} cases", field="limit")
    return await store.find(connection, book_id, wanted, before=before, limit=limit)


async def open_counts(
    connection: Connection, book_id: int, *, now: dt.datetime, most: int
) -> list[OpenCount]:
    """How many cases are open by kind and severity; of the first `most` that are due."""
    return await store.open_counts(connection, book_id, now=now, most=most)


async def overdue(
    connection: Connection, book_id: int, *, now: dt.datetime, most: int
) -> tuple[int, dt.datetime | None]:
    """How many open cases are late, counted up to `most`, and since when the first."""
    return await store.overdue(connection, book_id, now=now, most=most)


def _malformed(command: CaseCommand) -> CaudalError | None:
    try:
        rules.refuse_malformed(command)
    except CaudalError as refusal:
        return refusal
    return None


def _planned(state: State, command: CaseCommand, at: dt.datetime, by: str) -> Plan | CaudalError:
    try:
        return rules.plan(state, command, at=at, by=by)
    except CaudalError as refusal:
        return refusal


async def _write(connection: Connection, book_id: int, state: State, plans: Sequence[Plan]) -> None:
    changed = {plan.result.case.id for plan in plans if plan.result.changed}
    if changed:
        await store.put(connection, book_id, [state.cases[id] for id in sorted(changed)])
    happened = [
        (plan.result.case.id, plan.result.case.occurrences, plan.occurrence)
        for plan in plans
        if plan.occurrence is not None
    ]
    if happened:
        await store.add_occurrences(connection, book_id, happened)
    written = [(plan.result.case.id, plan.note) for plan in plans if plan.note is not None]
    if written:
        await store.add_notes(connection, book_id, written)


def _told(plans: Sequence[Plan | CaudalError], at: dt.datetime) -> list[events.NewEvent]:
    return [
        events.NewEvent(
            type=plan.event,
            object_type="case",
            object_id=plan.result.case.id,
            at=at,
            data=case_view(plan.result.case),
        )
        for plan in plans
        if isinstance(plan, Plan) and plan.event is not None
    ]


def _record(
    book_id: int, command: CaseCommand, plan: Plan | CaudalError, caller: Caller, at: dt.datetime
) -> audit.Record:
    details: audit.Details = {}
    object_id: str = rules.case_of(command)
    if isinstance(plan, Plan):
        case = plan.result.case
        object_id = case.id
        result = case.state.value if plan.result.changed else "unchanged"
        if isinstance(command, OpenCase) and not plan.result.new and plan.result.changed:
            result = "occurred"
        details = {"kind": case.kind.value, "occurrences": case.occurrences}
        if case.outcome is not None:
            details = {**details, "outcome": case.outcome.value}
    else:
        result = plan.code
    return audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action=rules.ACTIONS[type(command)],
        # What is no id may be anything, also what must not be kept.
        object_id="case" if isinstance(plan, ids.InvalidId) else object_id,
        request_id=caller.request_id,
        result=result,
        details=details,
        origin=caller.origin,
    )
