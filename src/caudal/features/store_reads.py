"""The SQL that reads series: all that a batch of decisions needs of the past, in one statement.

Each statement of a pipeline costs both sides some 0.1 ms, however little it asks.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.features.types import Sums
from caudal_base import arrays
from caudal_base.database import Connection

Cursor = AsyncCursor[TupleRow]

SeriesKey = tuple[int, bytes]
"""The number of a series, and a key in it."""

# What a row tells of.
_NEWEST, _HEAD, _UPTO, _EXTREME, _MEMBERS, _SEEN = range(6)

# With the ordinal of the newest event, which none of what is asked about has. The arrays stand in selects of
# their own, so that their lengths are no reason to plan a small batch anew each time. A limit or an aggregate
# (here and below) has each key looked up by itself, though tables were empty when it was planned; a key has
# four runs at most.
HEADS: Final = f"""
select {_NEWEST} as what, 0::bigint as n, 0::smallint as run, null::timestamptz as at,
       coalesce(max(ordinal), 0) as count, null::numeric as total, null::numeric as squares
  from features.event
 where book_id = %(book_id)s
 union all
select {_HEAD}, p.n, h.run, h.event_at, h.count, h.total, h.squares
  from unnest((select %(head_series)s), (select %(head_keys)s)) with ordinality as p(series, key, n)
 cross join lateral (
        select run, event_at, count, total, squares
          from features.head
         where book_id = %(book_id)s and series = p.series and key = p.key
         limit 8
       ) h
"""

# Sums up to a bound: one seek for each run and bound, however long the history is. Members: an index-only
# walk of at most so many different values as are counted.
READS: Final = f"""
{HEADS}
 union all
select {_UPTO}, p.n, 0, c.event_at, c.count, c.total, c.squares
  from unnest((select %(upto_series)s), (select %(upto_keys)s), (select %(upto_bounds)s))
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
 union all
select {_EXTREME}, p.n, 0, null, b.least, b.greatest, null
  from unnest((select %(extreme_series)s), (select %(extreme_keys)s), (select %(extreme_after)s),
              (select %(extreme_through)s))
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
 union all
select {_MEMBERS}, p.n, 0, null, m.count, null, null
  from unnest((select %(member_series)s), (select %(member_keys)s), (select %(member_after)s))
       with ordinality as p(series, key, after, n)
 cross join lateral (
        select count(*) as count
          from (
                select value
                  from features.member
                 where book_id = %(book_id)s
                   and series = p.series
                   and key = p.key
                   and last_at > p.after
                 limit %(most)s
               ) v
       ) m
 union all
select {_SEEN}, p.n, 0, m.last_at, 0, null, null
  from unnest((select %(seen_series)s), (select %(seen_keys)s), (select %(seen_values)s))
       with ordinality as p(series, key, value, n)
 cross join lateral (
        select last_at
          from features.member
         where book_id = %(book_id)s and series = p.series and key = p.key and value = p.value
         limit 1
       ) m
"""


class Wanted(NamedTuple):
    """What is asked of a book's series."""

    heads: Sequence[SeriesKey]
    """The newest row of each run of these."""
    upto: Sequence[tuple[int, bytes, dt.datetime]]
    """What each run of these had summed up at a moment."""
    extremes: Sequence[tuple[int, bytes, int, int]]
    """Of buckets: those behind the first number, up to and with the second."""
    members: Sequence[tuple[int, bytes, dt.datetime]]
    """How many different values were seen after a moment."""
    most: int
    """So many different values are counted."""
    seen: Sequence[tuple[int, bytes, UUID]]
    """When these values were seen last."""


class Head(NamedTuple):
    """The newest row of a run."""

    event_at: dt.datetime
    sums: Sums


class Upto(NamedTuple):
    """What a run had summed up at a bound."""

    place: int
    event_at: dt.datetime
    sums: Sums


class Answers(NamedTuple):
    """Places count what was asked, from 0; what is not there has no row."""

    last_ordinal: int
    """Of the book's newest event."""
    heads: dict[SeriesKey, list[Head]]
    """The runs of each key, in order."""
    upto: list[Upto]
    """A row for each run that had begun."""
    extremes: list[tuple[int, int, int]]
    """Place, least, greatest."""
    members: list[tuple[int, int]]
    """Place, count."""
    seen: list[tuple[int, dt.datetime]]
    """Place, moment."""


async def queue_heads(connection: Connection, book_id: int, heads: Sequence[SeriesKey]) -> Cursor:
    """Ask for the newest row of each run of these, and for the newest event; this does not wait."""
    return await connection.execute(HEADS, {"book_id": book_id, **_keys("head", heads)})


async def queue(connection: Connection, book_id: int, wanted: Wanted) -> Cursor:
    """Ask for all of it, and for the newest event; in a pipeline this does not wait."""
    upto, extremes, members, seen = wanted.upto, wanted.extremes, wanted.members, wanted.seen
    parameters = {
        "book_id": book_id,
        **_keys("head", wanted.heads),
        **_keys("upto", upto),
        "upto_bounds": arrays.timestamps([bound for _, _, bound in upto]),
        **_keys("extreme", extremes),
        "extreme_after": arrays.bigints([after for _, _, after, _ in extremes]),
        "extreme_through": arrays.bigints([through for _, _, _, through in extremes]),
        **_keys("member", members),
        "member_after": arrays.timestamps([after for _, _, after in members]),
        "most": wanted.most,
        **_keys("seen", seen),
        "seen_values": arrays.uuids([value for _, _, value in seen]),
    }
    return await connection.execute(READS, parameters)


async def answers(cursor: Cursor, heads: Sequence[SeriesKey]) -> Answers:
    """The answers to `queue` or `queue_heads`, which asked for `heads`."""
    last_ordinal = 0
    runs: dict[SeriesKey, dict[int, Head]] = {}
    upto: list[Upto] = []
    extremes: list[tuple[int, int, int]] = []
    members: list[tuple[int, int]] = []
    seen: list[tuple[int, dt.datetime]] = []
    for what, n, run, at, count, total, squares in await cursor.fetchall():
        if what == _UPTO:
            upto.append(Upto(n - 1, at, Sums(count, int(total), int(squares))))
        elif what == _HEAD:
            runs.setdefault(heads[n - 1], {})[run] = Head(at, Sums(count, int(total), int(squares)))
        elif what == _MEMBERS:
            members.append((n - 1, count))
        elif what == _EXTREME:
            extremes.append((n - 1, count, int(total)))
        elif what == _SEEN:
            seen.append((n - 1, at))
        else:
            last_ordinal = count
    in_order = {of: [found[run] for run in sorted(found)] for of, found in runs.items()}
    return Answers(last_ordinal, in_order, upto, extremes, members, seen)


def _keys(of: str, asked: Sequence[tuple[Any, ...]]) -> dict[str, object]:
    return {
        f"{of}_series": arrays.integers([each[0] for each in asked]),
        f"{of}_keys": arrays.blobs([each[1] for each in asked]),
    }
