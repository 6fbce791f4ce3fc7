"""At size: what a decision reads and writes costs what it gives, however long the lists and the history."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from caudal.risk import store
from caudal_base import arrays
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_as_prepared, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1
TODAY = dt.date(2026, 3, 1)
FILL = """
insert into risk.entry (book_id, subject, value, list, reason, created_at, created_by)
select 1, (array['customer', 'device', 'ip', 'merchant', 'instrument'])[1 + n % 5], 'value-' || n, 1 + n % 3,
       'x', now(), 'operator'
  from generate_series(1, 50000) n;

insert into risk.usage (book_id, customer, day, currency, kind, country, amount, count)
select 1, lpad(to_hex(n), 32, '0')::uuid, date '2026-03-01' - d, 'EUR', k, '', 100, 1
  from generate_series(1, 2000) n
 cross join generate_series(0, 19) d
 cross join unnest(array['pay_in', 'payout']) k;

analyze risk.entry;
analyze risk.usage;
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 50,000 entries on lists, and sums of 2,000 customers over 20 days."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


@pytest.mark.parametrize("size", [1, 30, 500])
async def test_lists_are_looked_up_by_seeks(connection: Connection, size: int) -> None:
    subjects = ["device"] * size
    values = [f"value-{1 + 5 * number}" for number in range(size)]

    now = await touched_by(
        connection,
        store.ENTRIES,
        {"book_id": BOOK, "subjects": arrays.texts(subjects), "values": arrays.texts(values)},
    )
    prepared = await touched_as_prepared(
        connection,
        store.ENTRIES,
        {"book_id": ("integer", BOOK), "subjects": ("text[]", subjects), "values": ("text[]", values)},
    )

    for told in (now, prepared):
        assert (told.rows, told.scanned) == (size, [])
        assert told.blocks <= 5 * size + 10, told.plan


@pytest.mark.parametrize("size", [1, 30, 500])
async def test_sums_of_the_day_are_read_by_seeks(connection: Connection, size: int) -> None:
    customers = [UUID(int=1 + number) for number in range(size)]
    since = TODAY - dt.timedelta(days=1)

    now = await touched_by(
        connection, store.USED, {"book_id": BOOK, "customers": arrays.uuids(customers), "since": since}
    )
    prepared = await touched_as_prepared(
        connection,
        store.USED,
        {"book_id": ("integer", BOOK), "customers": ("uuid[]", customers), "since": ("date", since)},
    )

    for told in (now, prepared):
        assert (told.rows, told.scanned) == (4 * size, [])
        assert told.blocks <= 8 * size + 10, told.plan


async def test_old_sums_are_found_by_their_day(connection: Connection) -> None:
    async with connection.transaction(force_rollback=True):
        told = await touched_by(
            connection,
            store.DELETE_USED,
            {"book_id": BOOK, "before": TODAY - dt.timedelta(days=18), "limit": 100},
        )

    assert told.scanned == []
    assert told.blocks <= 1_500, told.plan
