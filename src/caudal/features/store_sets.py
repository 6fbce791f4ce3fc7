"""The SQL of feature sets, of the book's series, and of the filling of new ones."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from caudal.features.plan import Kept
from caudal.features.types import Event, FeatureSet, Series
from caudal_base import arrays
from caudal_base.database import Connection

# Under the book's lock, so that versions have no gaps and no twins.
_INSERT: Final = """
insert into features.feature_set (book_id, version, declared, created_at, created_by)
select %(book_id)s,
       coalesce((select max(version) from features.feature_set where book_id = %(book_id)s), 0) + 1,
       %(declared)s::json, %(at)s, %(by)s
returning version
"""

_GET: Final = """
select version, declared::text, created_at, created_by
  from features.feature_set
 where book_id = %(book_id)s
   and (version = %(version)s or %(version)s::integer is null)
 order by version desc
 limit 1
"""

_SERIES: Final = """
select number, identity, filled_to is null
  from features.series
 where book_id = %(book_id)s
 order by number
"""

# In a book without events there is nothing to fill.
_ADD_SERIES: Final = """
insert into features.series (book_id, number, identity, filled_to)
select %(book_id)s,
       coalesce((select max(number) from features.series where book_id = %(book_id)s), 0) + n.place,
       n.identity,
       case when exists (select from features.event where book_id = %(book_id)s) then 0 end
  from unnest(%(identities)s) with ordinality as n(identity, place)
"""

_UNFILLED: Final = """
select number, identity, filled_to
  from features.series
 where book_id = %(book_id)s
   and filled_to is not null
 order by filled_to, number
"""

_FILLED: Final = """
update features.series
   set filled_to = %(filled_to)s
 where book_id = %(book_id)s
   and number = any(%(numbers)s)
"""

EVENTS_BEHIND: Final = """
select ordinal, source, id, event_at, known_at, entities, tags, values
  from features.event
 where book_id = %(book_id)s
   and ordinal > %(after)s
 order by ordinal
 limit %(limit)s
"""

NEWEST: Final = """
select known_at
  from features.event
 where book_id = %(book_id)s
 order by ordinal desc
 limit 1
"""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A feature set as it was published."""

    version: int
    declared: FeatureSet
    created_at: dt.datetime
    created_by: str


async def insert(connection: Connection, book_id: int, declared: FeatureSet, at: dt.datetime, by: str) -> int:
    """Keep a set as the book's next version, and say which that is."""
    parameters = {
        "book_id": book_id, "declared": msgspec.json.encode(declared).decode(), "at": at, "by": by,
    }  # fmt: skip
    row = await (await connection.execute(_INSERT, parameters)).fetchone()
    return 0 if row is None else int(row[0])


async def get(connection: Connection, book_id: int, version: int | None) -> Version | None:
    """A version, by default the newest."""
    row = await (await connection.execute(_GET, {"book_id": book_id, "version": version})).fetchone()
    if row is None:
        return None
    return Version(
        version=row[0], declared=msgspec.json.decode(row[1], type=FeatureSet), created_at=row[2],
        created_by=row[3],
    )  # fmt: skip


async def series(connection: Connection, book_id: int) -> list[Kept]:
    """All series of a book."""
    cursor = await connection.execute(_SERIES, {"book_id": book_id})
    return [Kept(number, _decode(identity), filled) for number, identity, filled in await cursor.fetchall()]


async def add_series(connection: Connection, book_id: int, identities: Sequence[str]) -> None:
    """Begin series that are not there yet. They are to be filled, where there are events."""
    if identities:
        await connection.execute(_ADD_SERIES, {"book_id": book_id, "identities": arrays.texts(identities)})


async def unfilled(connection: Connection, book_id: int) -> list[tuple[Kept, int]]:
    """Series whose history is not counted yet, and up to which event it is; as if they were filled."""
    cursor = await connection.execute(_UNFILLED, {"book_id": book_id})
    return [
        (Kept(number, _decode(identity), filled=True), through)
        for number, identity, through in await cursor.fetchall()
    ]


async def filled_to(
    connection: Connection, book_id: int, numbers: Sequence[int], through: int | None
) -> None:
    """These series have counted events up to an ordinal; None: all of them, and go on with each new one."""
    parameters = {"book_id": book_id, "numbers": arrays.integers(numbers), "filled_to": through}
    await connection.execute(_FILLED, parameters)


async def events_behind(
    connection: Connection, book_id: int, after: int, limit: int
) -> list[tuple[int, Event]]:
    """The next events behind an ordinal, each with its own."""
    cursor = await connection.execute(EVENTS_BEHIND, {"book_id": book_id, "after": after, "limit": limit})
    return [
        (
            ordinal,
            Event(
                id=id, source=source, event_at=event_at, known_at=known_at, entities=entities, tags=tags,
                values=values,
            ),
        )
        for ordinal, source, id, event_at, known_at, entities, tags, values in await cursor.fetchall()
    ]  # fmt: skip


async def newest_known(connection: Connection, book_id: int) -> dt.datetime | None:
    """When the newest event became known."""
    row = await (await connection.execute(NEWEST, {"book_id": book_id})).fetchone()
    return None if row is None else row[0]


def _decode(identity: str) -> Series:
    return msgspec.json.decode(identity, type=Series)
