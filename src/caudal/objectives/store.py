"""The SQL of objectives: versions, counts, standings."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

import msgspec

from caudal.objectives.types import Counts, Indicator, Measure, Objective, Standing, Version
from caudal_base import arrays
from caudal_base.database import Connection

_COLUMNS: Final[LiteralString] = (
    "name, version, indicator, within_ms, target_basis_points, window_days, least_bad, enabled, created_at,"
    " created_by"
)

_LATEST: Final[LiteralString] = f"""
select distinct on (name) {_COLUMNS}
  from objectives.objective
 where book_id = %(book_id)s
 order by name, version desc
"""

_VERSIONS: Final[LiteralString] = f"""
select {_COLUMNS}
  from objectives.objective
 where book_id = %(book_id)s
   and name = %(name)s
 order by version desc
 limit %(limit)s
"""

# Under the book's lock, so that versions have no gaps and no twins.
_INSERT: Final[LiteralString] = f"""
insert into objectives.objective (book_id, {_COLUMNS})
select %(book_id)s, %(name)s,
       coalesce((select max(version)
                   from objectives.objective
                  where book_id = %(book_id)s
                    and name = %(name)s), 0) + 1,
       %(indicator)s, %(within_ms)s, %(target)s, %(window_days)s, %(least_bad)s, %(enabled)s, %(at)s, %(by)s
returning version
"""

# In the order of the key: processes that add to the same rows wait for one another, and do not deadlock.
_ADD: Final[LiteralString] = """
insert into objectives.count as c (book_id, span, starts_at, indicator, within_ms, total, bad)
select %(book_id)s, n.span, n.starts_at, n.indicator, n.within_ms, n.total, n.bad
  from unnest(%(spans)s, %(starts)s, %(indicators)s, %(withins)s, %(totals)s, %(bads)s)
       as n(span, starts_at, indicator, within_ms, total, bad)
 order by n.span, n.starts_at, n.indicator, n.within_ms
    on conflict (book_id, span, starts_at, indicator, within_ms)
    do update set total = c.total + excluded.total,
                  bad = c.bad + excluded.bad
"""

SUMS: Final[LiteralString] = """
select w.label, c.indicator, c.within_ms, sum(c.total)::bigint, sum(c.bad)::bigint
  from unnest(%(labels)s, %(spans)s, %(sinces)s) as w(label, span, since)
  join objectives.count c
    on c.book_id = %(book_id)s
   and c.span = w.span
   and c.starts_at >= w.since
 group by w.label, c.indicator, c.within_ms
"""

_FORGET: Final[LiteralString] = """
delete from objectives.count
 where book_id = %(book_id)s
   and span = %(span)s
   and starts_at < %(before)s
"""

_STANDINGS: Final[LiteralString] = """
select name, data::text
  from objectives.standing
 where book_id = %(book_id)s
"""

_STAND: Final[LiteralString] = """
insert into objectives.standing as s (book_id, name, data)
select %(book_id)s, n.name, n.data::json
  from unnest(%(names)s, %(data)s) as n(name, data)
 order by n.name
    on conflict (book_id, name) do update set data = excluded.data
"""

_FALL: Final[LiteralString] = """
delete from objectives.standing
 where book_id = %(book_id)s
   and not name = any(%(names)s)
"""

_STANDING: Final = msgspec.json.Decoder(Standing)


class Addition(msgspec.Struct, frozen=True):
    """Counts of a span (`minute`, `hour`) that began at a moment."""

    span: str
    starts_at: dt.datetime
    measure: Measure
    counts: Counts


async def latest(connection: Connection, book_id: int) -> list[Version]:
    """Of every name that the book has set, the version that counts, by name."""
    cursor = await connection.execute(_LATEST, {"book_id": book_id})
    return [_version(row) for row in await cursor.fetchall()]


async def versions(connection: Connection, book_id: int, name: str, limit: int) -> list[Version]:
    """Up to `limit` versions of a name, the newest first."""
    cursor = await connection.execute(_VERSIONS, {"book_id": book_id, "name": name, "limit": limit})
    return [_version(row) for row in await cursor.fetchall()]


def _version(row: Sequence[object]) -> Version:
    name, number, indicator, within_ms, target, window_days, least_bad, enabled, at, by = row
    objective = msgspec.convert(
        {
            "name": name, "indicator": indicator, "within_ms": within_ms, "target_basis_points": target,
            "window_days": window_days, "least_bad": least_bad, "enabled": enabled,
        },
        Objective,
    )  # fmt: skip
    return msgspec.convert(
        {"number": number, "objective": objective, "created_at": at, "created_by": by}, Version
    )


async def insert(
    connection: Connection, book_id: int, objective: Objective, *, at: dt.datetime, by: str
) -> int:
    """Keep an objective as the next version of its name; its number."""
    cursor = await connection.execute(
        _INSERT,
        {
            "book_id": book_id, "name": objective.name, "indicator": objective.indicator.value,
            "within_ms": objective.within_ms, "target": objective.target_basis_points,
            "window_days": objective.window_days, "least_bad": objective.least_bad,
            "enabled": objective.enabled, "at": at, "by": by,
        },
    )  # fmt: skip
    ((number,),) = await cursor.fetchall()
    return int(number)


async def add(connection: Connection, book_id: int, additions: Sequence[Addition]) -> None:
    """Add to the counts of a book; of each span, moment and measure one."""
    if not additions:
        return
    await connection.execute(
        _ADD,
        {
            "book_id": book_id,
            "spans": arrays.texts([one.span for one in additions]),
            "starts": arrays.timestamps([one.starts_at for one in additions]),
            "indicators": arrays.texts([one.measure.indicator.value for one in additions]),
            "withins": arrays.integers([one.measure.within_ms for one in additions]),
            "totals": arrays.bigints([one.counts.total for one in additions]),
            "bads": arrays.bigints([one.counts.bad for one in additions]),
        },
    )


async def sums(
    connection: Connection, book_id: int, windows: Sequence[tuple[str, str, dt.datetime]]
) -> dict[tuple[str, Measure], Counts]:
    """What was counted since a moment, by each of `windows` (its label, span and moment) and measure."""
    cursor = await connection.execute(
        SUMS,
        {
            "book_id": book_id,
            "labels": arrays.texts([label for label, _, _ in windows]),
            "spans": arrays.texts([span for _, span, _ in windows]),
            "sinces": arrays.timestamps([since for _, _, since in windows]),
        },
    )
    return {
        (label, Measure(Indicator(indicator), within_ms)): Counts(total, bad)
        for label, indicator, within_ms, total, bad in await cursor.fetchall()
    }


async def forget(connection: Connection, book_id: int, *, span: str, before: dt.datetime) -> None:
    """Delete the counts of spans that began before a moment."""
    await connection.execute(_FORGET, {"book_id": book_id, "span": span, "before": before})


async def standings(connection: Connection, book_id: int) -> dict[str, Standing]:
    """How the objectives of a book stand, by name."""
    cursor = await connection.execute(_STANDINGS, {"book_id": book_id})
    return {name: _STANDING.decode(data) for name, data in await cursor.fetchall()}


async def stand(connection: Connection, book_id: int, standings: Mapping[str, Standing]) -> None:
    """Keep how objectives stand; what is not among them is not watched any more."""
    names = sorted(standings)
    await connection.execute(_FALL, {"book_id": book_id, "names": arrays.texts(names)})
    if names:
        data = [msgspec.json.encode(standings[name]).decode() for name in names]
        await connection.execute(
            _STAND, {"book_id": book_id, "names": arrays.texts(names), "data": arrays.texts(data)}
        )
