"""At size: what a minute is counted from costs what was told in it, however long the log."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from caudal.objectives.store_measuring import WEBHOOK_DELIVERED
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

BEGIN = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

FILL = """
insert into events.event (book_id, seq, id, type, object_type, object_id, at, data)
select 1, place, gen_random_uuid(), 'payment.succeeded', 'payment', gen_random_uuid(),
       timestamptz '2026-03-02 00:00Z' + place * interval '1 s', '{}'
  from generate_series(1, 20000) as place;
insert into delivery.endpoint (book_id, id, url, types, ordered, concurrency, status, created_at)
select 1, lpad(to_hex(number), 32, '0')::uuid, 'https://a.example', '{payment.*}', true, 1, 'enabled',
       timestamptz '2026-03-01 00:00Z'
  from generate_series(1, 3) as number;
insert into delivery.drive (book_id, endpoint_id, active, revision, through_seq)
select 1, lpad(to_hex(number), 32, '0')::uuid, true, 1, case when number = 3 then 10000 else 20000 end
  from generate_series(1, 3) as number;
insert into delivery.delivery
       (book_id, endpoint_id, seq, event_id, type, object_type, object_id, state, attempts, tried, ended_at)
select 1, lpad(to_hex(number), 32, '0')::uuid, e.seq, e.id, e.type, 'payment', e.object_id, 'delivered', 1, 1,
       e.at + interval '1 s'
  from events.event as e, generate_series(1, 3) as number
 where number < 3 or e.seq <= 10000;
insert into delivery.attempt (book_id, endpoint_id, seq, number, at, duration_ms, status, response)
select book_id, endpoint_id, seq, 1, ended_at, 5, 204, ''
  from delivery.delivery;
analyze events.event, delivery.endpoint, delivery.drive, delivery.delivery, delivery.attempt
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """20,000 events, which two endpoints got in time; a third stands still since the first half."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


async def test_what_endpoints_got_of_a_minute_is_found_among_all_that_they_ever_got(
    connection: Connection,
) -> None:
    values: dict[str, Any] = {
        "book_id": 1,
        "within": dt.timedelta(minutes=1),
        "after": 5_000,
        "through": 5_060,
        "since": BEGIN + dt.timedelta(seconds=5_000),
    }
    told = await touched_by(connection, WEBHOOK_DELIVERED, values)

    assert {"event", "delivery", "attempt"} & set(told.scanned) == set()
    assert told.blocks < 1_200


async def test_of_what_an_endpoint_was_not_given_a_thousand_events_are_read(connection: Connection) -> None:
    values: dict[str, Any] = {
        "book_id": 1,
        "within": dt.timedelta(minutes=1),
        "after": 18_000,
        "through": 20_000,
        "since": BEGIN + dt.timedelta(seconds=18_000),
    }
    cursor = await connection.execute(WEBHOOK_DELIVERED, values)
    counted = [(total, late) for _, total, late in await cursor.fetchall()]

    assert (sum(total for total, _ in counted), sum(late for _, late in counted)) == (
        2 * 2_000 + 1_000,
        1_000,
    )
