"""The SQL of features: events, and the series that are kept of them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.features.types import Event, Sums
from caudal_base import arrays
from caudal_base.database import Connection
from caudal_base.statements import Statement

Cursor = AsyncCursor[TupleRow]

SeriesKey = tuple[int, bytes]
"""The number of a series, and a key in it."""

KNOWN: Final = """
select e.source, e.id
  from unnest(%(sources)s, %(ids)s) as n(source, id)
  join features.event e
    on e.book_id = %(book_id)s and e.source = n.source and e.id = n.id
"""

# With the ordinal of the newest event, which none of what is asked about has. The arrays stand in selects of
# their own, so that their lengths are no reason to plan a small batch anew each time. A limit or an aggregate
# (here and below) has each key looked up by itself, though tables were empty when it was planned; a key has
# four runs at most.
HEADS: Final = """
select null, null, 0, null, coalesce(max(ordinal), 0), 0, 0
  from features.event
 where book_id = %(book_id)s
 union all
select n.series, n.key, h.run, h.event_at, h.count, h.total, h.squares
  from unnest((select %(series)s), (select %(keys)s)) as n(series, key)
 cross join lateral (
        select run, event_at, count, total, squares
          from features.head
         where book_id = %(book_id)s and series = n.series and key = n.key
         limit 8
       ) h
"""

# One seek for each run and bound, however long the history is.
UPTO: Final = """
select p.n, c.event_at, c.count, c.total, c.squares
  from unnest((select %(series)s), (select %(keys)s), (select %(bounds)s))
       with ordinality as p(series, key, bound, n)
 cross join lateral (
        select run
          from features.head
         where book_id = %(book_id)s and series = p.series and key = p.key
         limit 8
       ) h
 cross join lateral (
        select event_at, count, total, squares
          from features.cumulative
         where book_id = %(book_id)s
           and series = p.series
           and key = p.key
           and run = h.run
           and event_at <= p.bound
         order by event_at desc, ordinal desc
         limit 1
       ) c
"""

EXTREMES: Final = """
select p.n, b.least, b.greatest
  from unnest((select %(series)s), (select %(keys)s), (select %(after)s), (select %(through)s))
       with ordinality as p(series, key, after, through, n)
 cross join lateral (
        select min(least) as least, max(greatest) as greatest
          from features.extreme
         where book_id = %(book_id)s
           and series = p.series
           and key = p.key
           and bucket > p.after
           and bucket <= p.through
       ) b
 where b.least is not null
"""

# An index-only walk of at most so many different values as are counted.
MEMBERS: Final = """
select p.n, count(m.value)
  from unnest((select %(series)s), (select %(keys)s), (select %(after)s))
       with ordinality as p(series, key, after, n)
 cross join lateral (
        select value
          from features.member
         where book_id = %(book_id)s
           and series = p.series
           and key = p.key
           and last_at > p.after
         limit %(most)s
       ) m
 group by p.n
"""

LAST_SEEN: Final = """
select n.series, n.key, n.value, m.last_at
  from unnest((select %(series)s), (select %(keys)s), (select %(values)s)) as n(series, key, value)
 cross join lateral (
        select last_at
          from features.member
         where book_id = %(book_id)s and series = n.series and key = n.key and value = n.value
         limit 1
       ) m
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


class Head(NamedTuple):
    """The newest row of a run."""

    event_at: dt.datetime
    sums: Sums


class SumRow(NamedTuple):
    """A row of running sums."""

    series: int
    key: bytes
    run: int
    event_at: dt.datetime
    ordinal: int
    sums: Sums


class Upto(NamedTuple):
    """What a run had summed up at a bound."""

    probe: int
    event_at: dt.datetime
    sums: Sums


async def queue_heads(connection: Connection, book_id: int, wanted: Sequence[SeriesKey]) -> Cursor:
    """Ask for the newest row of each run of these keys, and for the newest event; this does not wait."""
    return await connection.execute(HEADS, {"book_id": book_id, **_keys(wanted)})


async def heads_of(cursor: Cursor) -> tuple[int, dict[SeriesKey, list[Head]]]:
    """The answer to `queue_heads`: the newest event's ordinal, and the runs of each key, in order."""
    last_ordinal = 0
    runs: dict[SeriesKey, dict[int, Head]] = {}
    for series, key, run, event_at, count, total, squares in await cursor.fetchall():
        if series is None:
            last_ordinal = count
        else:
            head = Head(event_at, Sums(count, int(total), int(squares)))
            runs.setdefault((series, bytes(key)), {})[run] = head
    return last_ordinal, {of: [heads[run] for run in sorted(heads)] for of, heads in runs.items()}


async def queue_upto(
    connection: Connection, book_id: int, wanted: Sequence[tuple[int, bytes, dt.datetime]]
) -> Cursor:
    """Ask what each run of these keys had summed up at a moment."""
    parameters = {
        "book_id": book_id,
        **_keys([(series, key) for series, key, _ in wanted]),
        "bounds": arrays.timestamps([bound for _, _, bound in wanted]),
    }
    return await connection.execute(UPTO, parameters)


async def upto_of(cursor: Cursor) -> list[Upto]:
    """The answer to `queue_upto`: a row for each run that had begun; `probe` counts what was asked from 0."""
    return [
        Upto(n - 1, event_at, Sums(count, int(total), int(squares)))
        for n, event_at, count, total, squares in await cursor.fetchall()
    ]


async def queue_extremes(
    connection: Connection, book_id: int, wanted: Sequence[tuple[int, bytes, int, int]]
) -> Cursor:
    """Ask for the extremes of buckets: those behind the first number, up to and with the second."""
    parameters = {
        "book_id": book_id,
        **_keys([(series, key) for series, key, _, _ in wanted]),
        "after": arrays.bigints([after for _, _, after, _ in wanted]),
        "through": arrays.bigints([through for _, _, _, through in wanted]),
    }
    return await connection.execute(EXTREMES, parameters)


async def queue_members(
    connection: Connection, book_id: int, wanted: Sequence[tuple[int, bytes, dt.datetime]], most: int
) -> Cursor:
    """Ask how many different values were seen after a moment, up to `most`."""
    parameters = {
        "book_id": book_id,
        **_keys([(series, key) for series, key, _ in wanted]),
        "after": arrays.timestamps([after for _, _, after in wanted]),
        "most": most,
    }
    return await connection.execute(MEMBERS, parameters)


async def queue_last_seen(
    connection: Connection, book_id: int, wanted: Sequence[tuple[int, bytes, UUID]]
) -> Cursor:
    """Ask when these values were seen last."""
    parameters = {
        "book_id": book_id,
        **_keys([(series, key) for series, key, _ in wanted]),
        "values": arrays.uuids([value for _, _, value in wanted]),
    }
    return await connection.execute(LAST_SEEN, parameters)


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
