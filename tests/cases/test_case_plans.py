"""At size: a page of cases costs the same however many were ever closed."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from caudal.cases import CaseFilter, CaseKind, CaseSeverity, CaseState, CaseSubject, store
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1

# One in a thousand is open; breaks are as rare, and old.
FILL = """
insert into cases.case_file (book_id, id, kind, key, title, severity, state, subjects, assignee, due_at,
       outcome, occurrences, notes, first_at, last_at, opened_at, opened_by, updated_at, closed_at, closed_by)
select 1, lpad(to_hex(n), 32, '0')::uuid,
       case when n % 1000 = 1 and n < 20000 then 'break' else 'anomaly' end,
       'key-' || case when n % 1000 = 0 then n else n % 20000 end, 'x', 1 + n % 4,
       case when n % 1000 = 0 then 'open' else 'closed' end, '[]',
       case when n % 500 = 3 then 'ana' end, now() - make_interval(days => n % 60),
       case when n % 1000 = 0 then null else 'resolved' end, 1, 0, now(), now(), now(), 'x', now(),
       case when n % 1000 = 0 then null else now() end, case when n % 1000 = 0 then null else 'x' end
  from generate_series(1, 60000) n;

insert into cases.subject (book_id, kind, value, case_id)
select 1, 'customer', 'cus_' || n % 3000, lpad(to_hex(n), 32, '0')::uuid
  from generate_series(1, 60000) n;

analyze cases.case_file;
analyze cases.subject;
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 60,000 cases, 60 of them open."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (CaseFilter(), 50),
        (CaseFilter(state=CaseState.OPEN), 50),
        (CaseFilter(state=CaseState.CLOSED), 50),
        (CaseFilter(kind=CaseKind.BREAK), 20),
        (CaseFilter(kind=CaseKind.BREAK, state=CaseState.CLOSED), 20),
        (CaseFilter(kind=CaseKind.DISPUTE), 0),
        (CaseFilter(kind=CaseKind.ANOMALY, key="key-7"), 3),
        (CaseFilter(assignee="ana"), 50),
        (CaseFilter(assignee="nobody"), 0),
        (CaseFilter(subject=CaseSubject("customer", "cus_7")), 20),
        (CaseFilter(subject=CaseSubject("customer", "cus_7"), state=CaseState.OPEN), 0),
        (CaseFilter(state=CaseState.OPEN, severity_from=CaseSeverity.CRITICAL), 0),
        (CaseFilter(state=CaseState.OPEN, due_before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)), 0),
    ],
    ids=str,
)
async def test_a_page_of_cases_is_found_by_seeks(
    connection: Connection, wanted: CaseFilter, rows: int
) -> None:
    statement, parameters = store.search(BOOK, wanted, before=None, limit=50)

    told = await touched_by(connection, statement, parameters)

    assert (told.rows, told.scanned) == (rows, [])
    assert told.blocks <= 300, told.plan
