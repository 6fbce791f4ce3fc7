"""At size: what a driver asks costs what it gets, however long the log."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from caudal.delivery import DeliveryState, store_claims, store_drives, store_log
from caudal_base import arrays
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
ENDPOINT = UUID(int=1)
PLACE: dict[str, Any] = {"book_id": 1, "endpoint_id": ENDPOINT, "now": NOW, "held": store_drives.HELD}

FILL = """
insert into delivery.drive (book_id, endpoint_id, active, revision, through_seq)
select 1, lpad(to_hex(number), 32, '0')::uuid, true, 1, 20000
  from generate_series(1, 3) as number;
insert into delivery.delivery
       (book_id, endpoint_id, seq, event_id, type, object_type, object_id, state, attempts, tried, next_at,
        ended_at)
select 1, lpad(to_hex(number), 32, '0')::uuid, place, gen_random_uuid(),
       case when place % 1000 = 7 and place < 10000 then 'dispute.open' else 'payment.succeeded' end,
       'payment',
       lpad(to_hex(place % 2000), 32, '0')::uuid,
       case when place % 200 = 0 then 'pending' when place % 500 = 1 then 'failed' else 'delivered' end, 1, 1,
       case when place % 200 = 0 then timestamptz '2026-03-01 00:00Z' + place * interval '5 s' end,
       case when place % 200 <> 0 then timestamptz '2026-02-01 00:00Z' end
  from generate_series(1, 20000) as place, generate_series(1, 3) as number;
insert into delivery.attempt (book_id, endpoint_id, seq, number, at, duration_ms, response)
select book_id, endpoint_id, seq, 1, now(), 5, ''
  from delivery.delivery;
analyze delivery.drive, delivery.delivery, delivery.attempt
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """Three endpoints with 20,000 deliveries each, a hundred of them pending."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


async def test_what_is_due_is_found_among_what_is_pending(connection: Connection) -> None:
    values = {**PLACE, "known": arrays.bigints([200, 400]), "limit": 10}
    told = await touched_by(connection, store_drives.DUE, values)
    assert (told.rows, told.scanned) == (10, [])
    assert told.blocks < 30


async def test_an_endpoint_with_nothing_to_do_is_not_looked_through(connection: Connection) -> None:
    before = {**PLACE, "now": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "head": 20_000, "limit": 10}
    values = {**before, "claim": UUID(int=9), "until": NOW, "max_pending": 10_000, "astray": arrays.uuids([])}
    told = await touched_by(connection, store_claims.CLAIM, values)
    assert (told.rows, "delivery" in told.scanned) == (0, False)
    assert told.blocks < 40


async def test_how_far_endpoints_are_behind_is_read_without_their_deliveries(connection: Connection) -> None:
    told = await touched_by(connection, store_drives.BACKLOG, {"book_id": 1, "head": 20_000})
    assert told.rows == 1
    assert told.blocks < 6


async def test_what_waits_is_counted_by_its_index(connection: Connection) -> None:
    told = await touched_by(connection, store_drives.COUNT, PLACE)
    assert (told.rows, "delivery" in told.scanned) == (1, False)
    assert told.blocks < 130


async def test_claims_are_extended_by_their_endpoints(connection: Connection) -> None:
    values = {**PLACE, "endpoint_ids": arrays.uuids([ENDPOINT]), "claims": arrays.uuids([UUID(int=8)])}
    told = await touched_by(connection, store_claims.EXTEND, {**values, "until": NOW})
    assert (told.rows, "delivery" in told.scanned) == (0, False)


async def test_objects_that_wait_are_found_by_their_ids(connection: Connection) -> None:
    objects = [f"pay_{number:032x}" for number in range(0, 2_000, 20)]
    values = {**PLACE, "object_ids": arrays.hex_uuids(objects), "known": arrays.bigints([])}
    told = await touched_by(connection, store_drives.BUSY, values)
    assert (told.rows, told.scanned) == (10, [])
    assert told.blocks < 400


async def test_the_next_of_an_object_is_found_by_the_object(connection: Connection) -> None:
    values = {**PLACE, "object_ids": arrays.hex_uuids([f"pay_{number:032x}" for number in range(200)])}
    told = await touched_by(connection, store_drives.PROMOTE, values)
    assert told.scanned == []
    assert told.blocks < 900


@pytest.mark.parametrize("state", [None, DeliveryState.PENDING, DeliveryState.FAILED])
async def test_a_page_of_the_log_costs_what_it_shows(
    connection: Connection, state: DeliveryState | None
) -> None:
    statement, parameters = store_log.search(1, ENDPOINT, state=state, before=15_000, limit=20)
    names = [f"p{number}" for number in range(len(parameters))]
    named = statement.replace("%s", "{}").format(*(f"%({name})s" for name in names))
    told = await touched_by(connection, named, dict(zip(names, parameters, strict=True)))
    assert (told.rows, told.scanned) == (20, [])
    assert told.blocks < 150


async def test_what_is_old_goes_in_lots_that_cost_their_length(connection: Connection) -> None:
    third = {**PLACE, "endpoint_id": UUID(int=3)}
    values = {**third, "before": NOW, "limit": 500, "after": 0, "forgotten": False}
    told = await touched_by(connection, store_log.PURGE, values)
    assert told.scanned == []
    row = await (
        await connection.execute(
            "select count(*) filter (where state = 'pending'), min(seq) from delivery.delivery"
            " where book_id = 1 and endpoint_id = %s",
            (UUID(int=3),),
        )
    ).fetchone()
    assert row == (100, 200)


@pytest.mark.parametrize(
    ("state", "rows"), [(None, 10), (DeliveryState.DELIVERED, 10), (DeliveryState.FAILED, 0)]
)
async def test_deliveries_of_a_seldom_type_are_found_by_seeks(
    connection: Connection, state: DeliveryState | None, rows: int
) -> None:
    statement, parameters = store_log.search(
        1, ENDPOINT, state=state, type="dispute.open", before=None, limit=50
    )
    names = [f"p{number}" for number in range(len(parameters))]
    named = statement.replace("%s", "{}").format(*(f"%({name})s" for name in names))
    told = await touched_by(connection, named, dict(zip(names, parameters, strict=True)))
    assert (told.rows, told.scanned) == (rows, [])
    assert told.blocks < 60, told.plan
