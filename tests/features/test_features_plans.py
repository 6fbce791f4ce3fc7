"""What a decision reads of features costs the same however much there is, though it was planned on a row."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import pytest

from caudal.features import store_reads
from support.plans import filled, require_known_planner, touched_as_prepared

if TYPE_CHECKING:
    from conftest import Server

NOW: Final = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
KEYS: Final = [number.to_bytes(16) for number in range(1, 11)]
SERIES: Final = [1] * len(KEYS)

FIRST: Final = """
insert into features.event (book_id, ordinal, source, id, event_at, known_at, entities, tags, values)
values (1, 1, 'payment', '1', '2026-01-01', '2026-01-01', '{}', '{}', '{}');
insert into features.head values (1, 1, decode(lpad('1', 32, '0'), 'hex'), 0, '2026-01-01', 1, 1, 1);
insert into features.cumulative values (1, 1, decode(lpad('1', 32, '0'), 'hex'), 0, '2026-01-01', 1, 1, 1, 1);
insert into features.extreme values (1, 1, decode(lpad('1', 32, '0'), 'hex'), 1, 1, 1);
insert into features.member values (1, 1, decode(lpad('1', 32, '0'), 'hex'),
                                    '00000000-0000-0000-0000-000000000001', '2026-01-01');
"""
"""A book in which it has just begun: the server knows nothing of how much there is."""

MANY: Final = """
insert into features.head
select 1, 1, decode(lpad(to_hex(n), 32, '0'), 'hex'), 0, '2026-01-01', 1, 1, 1
  from generate_series(2, 20000) n;
insert into features.cumulative
select 1, 1, decode(lpad(to_hex(n), 32, '0'), 'hex'), 0, timestamptz '2026-01-01' + e * interval '1 hour',
       n * 10 + e, e, e, e
  from generate_series(1, 5000) n cross join generate_series(1, 4) e;
insert into features.extreme
select 1, 1, decode(lpad(to_hex(n), 32, '0'), 'hex'), b, 1, 1
  from generate_series(1, 5000) n cross join generate_series(2, 4) b;
insert into features.member
select 1, 1, decode(lpad(to_hex(n), 32, '0'), 'hex'), lpad(to_hex(v), 32, '0')::uuid, '2026-02-28'
  from generate_series(1, 5000) n cross join generate_series(2, 4) v;
"""

_EACH: Final = len(KEYS)


def keyed(*names: str) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {"book_id": ("integer", 1)}
    for name in names:
        found |= {f"{name}_series": ("integer[]", SERIES), f"{name}_keys": ("bytea[]", KEYS)}
    return found


EARLIER: Final = [dt.datetime(2026, 2, 1, tzinfo=dt.UTC)] * _EACH

READS: Final[dict[str, tuple[str, dict[str, tuple[str, Any]], int, int]]] = {
    "what events are added to": (store_reads.HEADS, keyed("head"), _EACH + 1, 12 * _EACH),
    "what a decision reads": (
        store_reads.READS,
        {
            **keyed("head", "upto", "extreme", "member", "seen"),
            "upto_bounds": ("timestamptz[]", [NOW] * _EACH),
            "extreme_after": ("bigint[]", [1] * _EACH),
            "extreme_through": ("bigint[]", [9] * _EACH),
            "member_after": ("timestamptz[]", EARLIER),
            "most": ("integer", 1_000),
            "seen_values": ("uuid[]", [UUID(int=3)] * _EACH),
        },
        5 * _EACH + 1,
        5 * 12 * _EACH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_what_was_planned_on_a_row_is_sought_among_thousands(
    server: "Server", migrated_template: str, name: str
) -> None:
    require_known_planner(server)
    statement, values, rows, blocks = READS[name]

    async with filled(server, migrated_template, FIRST) as connection:
        told = await touched_as_prepared(connection, statement, values, meanwhile=MANY)

    assert told.rows == rows
    assert told.blocks <= blocks, told.plan
