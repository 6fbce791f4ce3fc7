"""At size: a page of anomalies, and how far behind detection is, cost the same however many there are."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from caudal.anomalies import AnomalyDetector, AnomalyFilter, store_reading
from caudal_base.database import Connection
from support.plans import filled, require_known_planner, touched_by

if TYPE_CHECKING:
    from conftest import Server

BOOK = 1

# `rare` has ten anomalies, the oldest; each of the other ten streams has thousands.
FILL = """
insert into anomalies.stream (book_id, number, name, version, declared, after, created_at, created_by)
select 1, n, case when n = 11 then 'rare' else 'stream_' || n end, 1,
       '{"name": "x", "entity": "customer", "about": "payments"}', 0, now(), 'x'
  from generate_series(1, 11) n;

insert into anomalies.position (book_id, stream, through, profile)
select 1, n, 50000, '{}'
  from generate_series(1, 11) n;

insert into anomalies.anomaly (book_id, id, stream, detector, entity, ordinal, at, silenced, found)
select 1, lpad(to_hex(n), 32, '0')::uuid, case when n <= 10 then 11 else 1 + n % 10 end,
       case when n % 2 = 0 then 'level' else 'burst' end, 'customer:cus_' || n % 3000, n, now(), false, '{}'
  from generate_series(1, 50000) n;

insert into features.event (book_id, ordinal, source, id, event_at, known_at, entities, tags, values)
select 1, n, 'payment', 'pay_' || n, now(), now(), '{}', '{}', '{}'
  from generate_series(1, 60000) n;

analyze anomalies.stream;
analyze anomalies.anomaly;
analyze features.event;
"""


@pytest.fixture(scope="module")
async def connection(server: "Server", migrated_template: str) -> AsyncIterator[Connection]:
    """A database with 50,000 anomalies of eleven streams, 10,000 events behind."""
    require_known_planner(server)
    async with filled(server, migrated_template, FILL) as opened:
        yield opened


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (AnomalyFilter(), 50),
        (AnomalyFilter(entity="customer:cus_7"), 17),
        (AnomalyFilter(entity="customer:nobody"), 0),
        (AnomalyFilter(stream="stream_3"), 50),
        (AnomalyFilter(stream="rare"), 10),
        (AnomalyFilter(stream="nobody"), 0),
        (AnomalyFilter(stream="stream_3", entity="customer:cus_7"), 0),
        (AnomalyFilter(detector=AnomalyDetector.BURST), 50),
    ],
    ids=str,
)
async def test_a_page_of_anomalies_is_found_by_seeks(
    connection: Connection, wanted: AnomalyFilter, rows: int
) -> None:
    statement, parameters = store_reading.search(BOOK, wanted, before=None, limit=50)

    told = await touched_by(connection, statement, parameters)

    assert told.rows == rows
    assert set(told.scanned) <= {"stream"}
    assert told.blocks <= 400, told.plan


async def test_how_far_behind_detection_is_takes_a_seek_for_each_stream(connection: Connection) -> None:
    told = await touched_by(connection, store_reading.BEHIND, {"book_id": BOOK})

    assert told.rows == 11
    assert set(told.scanned) <= {"stream", "position"}
    assert told.blocks <= 150, told.plan
