"""At size: what comes in, is applied and is looked at costs the same however long the history."""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from caudal.webhooks import InboundState, store
from caudal_base import arrays
from caudal_base.database import Connection
from support.plans import filled
from support.webhooks import NOW

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1

FILL = """
insert into webhooks.inbound (book_id, id, partner, event_id, type, state, occurred_at, received_at, attempts,
       settled_at, reason, body)
select 1, lpad(to_hex(place), 32, '0')::uuid, 'acme', 'msg_' || place, 'payment',
       case when place % 2000 = 0 then 'parked' when place % 2000 = 1 then 'received' else 'applied' end,
       now(), now(), 1, case when place % 2000 <> 1 then now() end, 'x',
       case when place > 30000 or place % 2000 < 2 then '{}'::bytea end
  from generate_series(1, 40000) as place
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """40,000 webhooks: 20 parked and 20 to be applied, the rest applied, most without their bodies."""
    async with filled(server, migrated_template, FILL) as opened:
        await opened.execute("analyze webhooks.inbound")
        yield opened


async def blocks(connection: Connection, statement: str, parameters: Any) -> int:
    """How many blocks the statement touches; what it does is undone."""
    await connection.execute("begin")
    cursor = await connection.execute(
        f"explain (analyze, buffers, format json) {statement}".encode(), parameters
    )
    (told,) = (await cursor.fetchall())[0]
    await connection.execute("rollback")
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


RECEIVED = [UUID(int=place) for place in range(1, 40_001, 2_000)]


@pytest.mark.parametrize(
    ("statement", "values", "most"),
    [
        (store.LOCK, {"ids": arrays.uuids(RECEIVED)}, 150),
        (store.STATES, {"ids": arrays.uuids(RECEIVED)}, 150),
        (store.UNSETTLED, {}, 100),
        (store.FORGET_BODIES, {"before": UUID(int=30_100), "limit": 50}, 1_000),
        (store.FORGET_PARKED, {"before": UUID(int=40_000), "limit": 50}, 500),
        (
            store.SETTLE,
            {
                "now": NOW,
                "ids": arrays.uuids(RECEIVED),
                "states": arrays.texts(["received"] * 20),
                "attempts": arrays.integers([2] * 20),
                "reasons": arrays.texts(["x"] * 20),
            },
            1_000,
        ),
    ],
    ids=["lock", "states", "unsettled", "forget", "forget parked", "settle"],
)
async def test_work_touches_few_blocks(
    connection: Connection, statement: str, values: dict[str, Any], most: int
) -> None:
    assert await blocks(connection, statement, {"book_id": BOOK, **values}) <= most


@pytest.mark.parametrize("state", [None, *InboundState])
async def test_a_page_touches_few_blocks(connection: Connection, state: InboundState | None) -> None:
    statement, parameters = store.search(BOOK, state=state, before=UUID(int=35_000), limit=100)

    assert await blocks(connection, statement, parameters) <= 150
