"""At size: a page of events costs what it shows, however long the history."""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from caudal.events import store
from caudal_base.database import Connection
from support.plans import filled

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1
PAYMENTS = 5_000

FILL = """
insert into events.event (book_id, seq, id, type, object_type, object_id, at, data)
select 1, place, gen_random_uuid(),
       case when place % 1000 = 0 then 'payment.failed' else 'payment.succeeded' end, 'payment',
       lpad(to_hex(place % 5000), 32, '0')::uuid, now(), '{}'
  from generate_series(1, 50000) as place
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 50,000 events, ten about each payment, 50 of a rare type."""
    async with filled(server, migrated_template, FILL) as opened:
        await opened.execute("analyze events.event")
        yield opened


@pytest.mark.parametrize(
    ("wanted", "rows", "most_blocks"),
    [
        ({"after": 25_000}, 100, 12),
        ({"type": "payment.succeeded", "after": 25_000}, 100, 20),
        ({"type": "payment.failed"}, 50, 120),
        ({"object": ("payment", UUID(int=77))}, 10, 40),
        ({"object": ("payment", UUID(int=1000)), "type": "payment.failed"}, 10, 40),
    ],
)
async def test_a_page_touches_few_blocks(
    connection: Connection, wanted: dict[str, Any], rows: int, most_blocks: int
) -> None:
    conditions = {"type": None, "object": None, "after": 0, **wanted}
    statement, parameters = store.search(BOOK, limit=100, **conditions)

    cursor = await connection.execute(
        f"explain (analyze, buffers, format json) {statement}".encode(), parameters
    )
    (told,) = (await cursor.fetchall())[0]
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]

    assert plan["Actual Rows"] == rows
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= most_blocks, plan
