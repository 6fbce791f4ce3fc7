"""Objectives, their versions and how they stand. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    await objectives.put(connection, book_id, objective, caller=caller, ledger=ledger, at=clock.now())
    watched = await objectives.watched(connection, book_id)
"""

import datetime as dt
from typing import Final

from caudal import audit
from caudal.access import Caller
from caudal.ledger import Ledger
from caudal.objectives import rules, store
from caudal.objectives.errors import ObjectiveInvalid, ObjectiveNotFound
from caudal.objectives.types import Objective, Version, Watched
from caudal_base import ids
from caudal_base.database import Connection

MAX_OBJECTIVES: Final = 50
"""Of a book."""

MAX_VERSIONS: Final = 1_000


async def put(
    connection: Connection,
    book_id: int,
    objective: Objective,
    *,
    caller: Caller,
    ledger: Ledger,
    at: dt.datetime,
) -> Watched:
    """Set an objective: the next version of its name. Within a minute it is evaluated so.

    What has been counted stays, unless the indicator or its time is another. Raises `ObjectiveInvalid`, also
    for more than `MAX_OBJECTIVES`, and `BookNotFound`.
    """
    rules.refuse_wrong(objective)
    async with connection.pipeline():
        await (await ledger.begin(connection, book_id, ())).finish()
    known = rules.current([version.objective for version in await store.latest(connection, book_id)])
    if len(known) >= MAX_OBJECTIVES and all(one.name != objective.name for one in known):
        raise ObjectiveInvalid(f"a book has {MAX_OBJECTIVES} objectives at most", field="name")
    number = await store.insert(connection, book_id, objective, at=at, by=caller.principal.actor)
    external = external_id(book_id, objective.name)
    record = audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action="objective.set",
        object_id=external,
        request_id=caller.request_id,
        result=f"{objective.name}@{number}",
        origin=caller.origin,
    )
    await audit.append(connection, [record])
    version = Version(number=number, objective=objective, created_at=at, created_by=caller.principal.actor)
    standing = (await store.standings(connection, book_id)).get(objective.name)
    return Watched(id=external, version=version, standing=standing)


async def watched(connection: Connection, book_id: int) -> list[Watched]:
    """A book's objectives, by name, with how they stand."""
    versions = await current_versions(connection, book_id)
    standings = await store.standings(connection, book_id)
    return [
        Watched(
            id=external_id(book_id, one.objective.name),
            version=one,
            standing=standings.get(one.objective.name),
        )
        for one in versions
    ]


async def get(connection: Connection, book_id: int, name: str) -> Watched:
    """The objective of this name. Raises `ObjectiveNotFound`."""
    for one in await watched(connection, book_id):
        if one.version.objective.name == name:
            return one
    raise ObjectiveNotFound("the book has no objective of this name", field="name")


async def history(connection: Connection, book_id: int, name: str) -> list[Version]:
    """The versions that were set of a name, the newest first; none of one that nobody has set."""
    return await store.versions(connection, book_id, name, MAX_VERSIONS)


async def current_versions(connection: Connection, book_id: int) -> list[Version]:
    """Of every objective of the book the version that counts, by name."""
    of_book = {one.objective.name: one for one in await store.latest(connection, book_id)}
    return [
        of_book.get(one.name, Version(number=0, objective=one))
        for one in rules.current([version.objective for version in of_book.values()])
    ]


def external_id(book_id: int, name: str) -> str:
    """The id of an objective outside."""
    return ids.encode(ids.OBJECTIVE, rules.id_of(book_id, name))
