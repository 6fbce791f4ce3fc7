"""The SQL of features: events, and the series that are kept of them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from caudal.features.store_reads import SeriesKey
from caudal.features.types import Event, Sums
from caudal_base import arrays
from caudal_base.database import Connection
from caudal_base.statements import Statement

KNOWN: Final = """
select e.source, e.id
  from unnest(%(sources)s, %(ids)s) as n(source, id)
  join features.event e
    on e.book_id = %(book_id)s and e.source = n.source and e.id = n.id
"""

_INSERT_EVENTS: Final = """
insert into features.event (book_id, ordinal, source, id, event_at, known_at, entities, tags, values)
select %(book_id)s, n.ordinal, n.source, n.id, n.event_at, n.known_at, n.entities, n.tags, n.values
  from unnest(%(ordinals)s, %(sources)s, %(ids)s, %(event_ats)s, %(known_ats)s, %(entities)s, %(tags)s,
              %(values)s)
       as n(ordinal, source, id, event_at, known_at, entities, tags, values)
"""

_INSERT_SUMS: Final = """
insert into features.cumulative (book_id, series, key, run, event_at, ordinal, count, total, squares)
select %(book_id)s, n.series, n.key, n.run, n.event_at, n.ordinal, n.count, n.total::numeric,
       n.squares::numeric
  from unnest(%(series)s, %(keys)s, %(runs)s, %(event_ats)s, %(ordinals)s, %(counts)s, %(totals)s,
              %(squares)s)
       as n(series, key, run, event_at, ordinal, count, total, squares)
"""

_PUT_HEADS: Final = """
insert into features.head as h (book_id, series, key, run, event_at, count, total, squares)
select %(book_id)s, n.series, n.key, n.run, n.event_at, n.count, n.total::numeric, n.squares::numeric
  from unnest(%(series)s, %(keys)s, %(runs)s, %(event_ats)s, %(counts)s, %(totals)s, %(squares)s)
       as n(series, key, run, event_at, count, total, squares)
    on conflict (book_id, series, key, run)
    do update set event_at = excluded.event_at,
                  count = excluded.count,
                  total = excluded.total,
                  squares = excluded.squares
"""

_PUT_EXTREMES: Final = """
insert into features.extreme as b (book_id, series, key, bucket, least, greatest)
select %(book_id)s, n.series, n.key, n.bucket, min(n.value), max(n.value)
  from unnest(%(series)s, %(keys)s, %(buckets)s, %(values)s) as n(series, key, bucket, value)
 group by n.series, n.key, n.bucket
    on conflict (book_id, series, key, bucket)
    do update set least = least(b.least, excluded.least),
                  greatest = greatest(b.greatest, excluded.greatest)
"""

_PUT_MEMBERS: Final = """
insert into features.member as m (book_id, series, key, value, last_at)
select %(book_id)s, n.series, n.key, n.value, max(n.last_at)
  from unnest(%(series)s, %(keys)s, %(values)s, %(last_ats)s) as n(series, key, value, last_at)
 group by n.series, n.key, n.value
    on conflict (book_id, series, key, value)
    do update set last_at = greatest(m.last_at, excluded.last_at)
"""

# A late event in the last run: behind what happened before it. What happened after it and was known before it
# moves up; what became known after it has counted it already.
INSERT_LATE: Final = """
insert into features.cumulative (book_id, series, key, run, event_at, ordinal, count, total, squares)
select %(book_id)s, %(series)s, %(key)s, %(run)s, %(event_at)s, %(ordinal)s,
       coalesce(b.count, 0) + 1,
       coalesce(b.total, 0) + %(value)s::numeric,
       coalesce(b.squares, 0) + %(square)s::numeric
  from (select) one
  left join lateral (
        select count, total, squares
          from features.cumulative
         where book_id = %(book_id)s
           and series = %(series)s
           and key = %(key)s
           and run = %(run)s
           and event_at <= %(event_at)s
         order by event_at desc, ordinal desc
         limit 1
       ) b on true
"""

MOVE_UP: Final = """
update features.cumulative
   set count = count + 1,
       total = total + %(value)s::numeric,
       squares = squares + %(square)s::numeric
 where book_id = %(book_id)s
   and series = %(series)s
   and key = %(key)s
   and run = %(run)s
   and event_at > %(event_at)s
   and ordinal < %(ordinal)s
"""


class SumRow(NamedTuple):
    """A row of running sums."""

    series: int
    key: bytes
    run: int
    event_at: dt.datetime
    ordinal: int
    sums: Sums


async def known(connection: Connection, book_id: int, events: Iterable[Event]) -> set[tuple[str, str]]:
    """Which of `events` have been recorded already, by source and id."""
    named = [(event.source, event.id) for event in events]
    parameters = {
        "book_id": book_id,
        "sources": arrays.texts([source for source, _ in named]),
        "ids": arrays.texts([id for _, id in named]),
    }
    cursor = await connection.execute(KNOWN, parameters)
    return {(source, id) for source, id in await cursor.fetchall()}


def inserting_events(book_id: int, events: Sequence[tuple[int, Event]]) -> Statement:
    """The statement that keeps events, each behind its ordinal."""
    encode = msgspec.json.encode
    return Statement(
        _INSERT_EVENTS,
        {
            "book_id": book_id,
            "ordinals": arrays.bigints([ordinal for ordinal, _ in events]),
            "sources": arrays.texts([event.source for _, event in events]),
            "ids": arrays.texts([event.id for _, event in events]),
            "event_ats": arrays.timestamps([event.event_at for _, event in events]),
            "known_ats": arrays.timestamps([event.known_at for _, event in events]),
            "entities": arrays.jsonbs([encode(event.entities) for _, event in events]),
            "tags": arrays.jsonbs([encode(event.tags) for _, event in events]),
            "values": arrays.jsonbs([encode(event.values) for _, event in events]),
        },
    )


def inserting_sums(book_id: int, rows: Sequence[SumRow]) -> Statement:
    """The statement that writes rows of running sums."""
    return Statement(_INSERT_SUMS, {**_sum_columns(book_id, rows), "ordinals": _ordinals(rows)})


def putting_heads(book_id: int, rows: Sequence[SumRow]) -> Statement:
    """The statement that writes the newest rows of runs; one of a run at most."""
    return Statement(_PUT_HEADS, _sum_columns(book_id, rows))


def putting_extremes(book_id: int, rows: Sequence[tuple[int, bytes, int, int]]) -> Statement:
    """The statement that puts values into buckets: series, key, bucket, value."""
    return Statement(
        _PUT_EXTREMES,
        {
            "book_id": book_id,
            **_keys([(series, key) for series, key, _, _ in rows]),
            "buckets": arrays.bigints([bucket for _, _, bucket, _ in rows]),
            "values": arrays.bigints([value for _, _, _, value in rows]),
        },
    )


def putting_members(book_id: int, rows: Sequence[tuple[int, bytes, UUID, dt.datetime]]) -> Statement:
    """The statement that notes when values were seen: series, key, the value's hash, moment."""
    return Statement(
        _PUT_MEMBERS,
        {
            "book_id": book_id,
            **_keys([(series, key) for series, key, _, _ in rows]),
            "values": arrays.uuids([value for _, _, value, _ in rows]),
            "last_ats": arrays.timestamps([last_at for _, _, _, last_at in rows]),
        },
    )


async def insert_late(connection: Connection, book_id: int, row: SumRow, value: int) -> None:
    """Put an event into the middle of a run; the run's head is not touched."""
    parameters = {
        "book_id": book_id, "series": row.series, "key": row.key, "run": row.run, "event_at": row.event_at,
        "ordinal": row.ordinal, "value": str(value), "square": str(value * value),
    }  # fmt: skip
    await connection.execute(MOVE_UP, parameters)
    await connection.execute(INSERT_LATE, parameters)


def _ordinals(rows: Sequence[SumRow]) -> arrays.Array:
    return arrays.bigints([row.ordinal for row in rows])


def _sum_columns(book_id: int, rows: Sequence[SumRow]) -> dict[str, object]:
    return {
        "book_id": book_id,
        **_keys([(row.series, row.key) for row in rows]),
        "runs": arrays.smallints([row.run for row in rows]),
        "event_ats": arrays.timestamps([row.event_at for row in rows]),
        "counts": arrays.bigints([row.sums.events for row in rows]),
        "totals": arrays.texts([str(row.sums.total) for row in rows]),
        "squares": arrays.texts([str(row.sums.squares) for row in rows]),
    }


def _keys(keys: Sequence[SeriesKey]) -> dict[str, object]:
    return {
        "series": arrays.integers([series for series, _ in keys]),
        "keys": arrays.blobs([key for _, key in keys]),
    }
