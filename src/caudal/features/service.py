"""Feature sets, and events as they become known. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    version = await features.publish(connection, book_id, declared, caller=caller, ledger=ledger, at=now)
    results = await features.record(connection, book_id, events, ledger=ledger, at=now)
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from caudal import audit
from caudal.access import Caller
from caudal.features import rules, store, store_sets
from caudal.features.errors import EventInvalid, FeatureSetNotFound, FeaturesInvalid
from caudal.features.keeping import Keeping
from caudal.features.online import Lookup
from caudal.features.plan import Asked, Plan
from caudal.features.store_sets import Version
from caudal.features.types import Event, FeatureSet
from caudal.ledger import Ledger
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.personal import refuse_personal
from caudal_base.statements import execute

MAX_EVENTS: Final = 1_000
FILL_AT_ONCE: Final = 2_000
"""Events that `fill` counts in one transaction, while decisions of the book wait."""

EMPTY: Final = Plan(0, FeatureSet(features=()), ())


async def publish(
    connection: Connection, book_id: int, declared: FeatureSet, *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> Version | CaudalError:  # fmt: skip
    """Make a set the one that the book's decisions use. What is new in it is missing until it is filled.

    The error is `FeaturesInvalid`, of the first thing that is wrong; it leaves an audit record too. Raises
    `BookNotFound`.
    """
    async with connection.pipeline():
        await (await ledger.begin(connection, book_id, ())).finish()
    wrong = rules.problems(declared)
    refused = FeaturesInvalid(wrong[0][1], field=wrong[0][0]) if wrong else None
    number = 0
    if refused is None:
        there = {rules.identity(kept.series) for kept in await store_sets.series(connection, book_id)}
        wanted = {rules.identity(rules.series_of(feature)) for feature in declared.features}
        await store_sets.add_series(connection, book_id, sorted(wanted - there))
        number = await store_sets.insert(connection, book_id, declared, at, caller.principal.actor)
    result = "published" if refused is None else refused.code
    await audit.append(
        connection, [_record(book_id, "features.publish", f"features@{number}", result, caller, at)]
    )
    if refused is not None:
        return refused
    return Version(version=number, declared=declared, created_at=at, created_by=caller.principal.actor)


async def get_version(connection: Connection, book_id: int, version: int | None = None) -> Version:
    """A set, by default the newest, which is the one in use. Raises `FeatureSetNotFound`."""
    found = await store_sets.get(connection, book_id, version)
    if found is None:
        raise FeatureSetNotFound("the book has no feature set of this version", field="version")
    return found


async def load_plan(connection: Connection, book_id: int) -> Plan:
    """The set in use, made ready; an empty one where the book has none."""
    found = await store_sets.get(connection, book_id, None)
    if found is None:
        return EMPTY
    return Plan(found.version, found.declared, await store_sets.series(connection, book_id))


async def record(
    connection: Connection, book_id: int, events: Sequence[Event], *, ledger: Ledger, at: dt.datetime
) -> list[bool | CaudalError]:
    """Keep events and count them: True, False for one that is there already, or `EventInvalid`.

    They become known in the order given, and not before what is known already: an earlier `known_at` is set
    to the newest. Raises `BookNotFound`, and `InvalidRequest` for more than `MAX_EVENTS`.
    """
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(f"at most {MAX_EVENTS} events at once", field="events")
    async with connection.pipeline():
        await (await ledger.begin(connection, book_id, ())).finish()
    plan = await load_plan(connection, book_id)
    newest = await store_sets.newest_known(connection, book_id)
    refusals = [_refusal_of(event, at) for event in events]
    sound = [event for event, refusal in zip(events, refusals, strict=True) if refusal is None]
    seen = await store.known(connection, book_id, sound) if sound else set()
    lookup = Lookup(
        Plan(plan.version, FeatureSet(features=()), plan.kept), book_id, at,
        [Asked(event.entities, event.tags, event.values) for event in sound],
    )  # fmt: skip
    async with connection.pipeline():
        await lookup.queue(connection)
        await lookup.arrive()
    results: list[bool | CaudalError] = []
    for event, refusal in zip(events, refusals, strict=True):
        if refusal is not None:
            results.append(refusal)
            continue
        new = (event.source, event.id) not in seen
        results.append(new)
        if new:
            seen.add((event.source, event.id))
            newest = event.known_at if newest is None else max(newest, event.known_at)
            lookup.add(msgspec.structs.replace(event, known_at=newest))
    await lookup.write(connection)
    return results


async def fill(connection: Connection, book_id: int, *, ledger: Ledger, limit: int = FILL_AT_ONCE) -> bool:
    """Count the history of new series, up to `limit` events of it; whether there is more to count.

    For a job, a transaction each. A series serves from the moment that it has counted all there is.
    """
    async with connection.pipeline():
        await (await ledger.begin(connection, book_id, ())).finish()
    waiting = await store_sets.unfilled(connection, book_id)
    if not waiting:
        return False
    after = waiting[0][1]
    chosen = [kept for kept, through in waiting if through == after]
    numbers = [kept.number for kept in chosen]
    events = await store_sets.events_behind(connection, book_id, after, limit)
    keeping = Keeping(book_id, chosen)
    for _, event in events:
        keeping.want(event.entities, event.tags)
    await keeping.read(connection)
    for ordinal, event in events:
        keeping.add(event, ordinal)
    if statements := keeping.statements():
        await execute(connection, statements)
    await keeping.write_late(connection)
    done = len(events) < limit
    await store_sets.filled_to(connection, book_id, numbers, None if done else events[-1][0])
    return not done or len(chosen) < len(waiting)


def _refusal_of(event: Event, at: dt.datetime) -> CaudalError | None:
    try:
        _refuse(event, at)
    except CaudalError as refusal:
        return refusal
    return None


def _refuse(event: Event, at: dt.datetime) -> None:
    for where, text in (("id", event.id), ("source", event.source)):
        if not (1 <= len(text) <= rules.MAX_TEXT and text.isprintable()):
            raise EventInvalid(f"1 to {rules.MAX_TEXT} printable characters", field=where)
    if event.known_at > at:
        raise EventInvalid("it is not known before now", field="known_at")
    if event.event_at > event.known_at:
        raise EventInvalid("it did not happen after it was known", field="event_at")
    for name, text in (*event.entities.items(), *event.tags.items()):
        if not rules.is_name(name) or not (1 <= len(text) <= rules.MAX_TEXT and text.isprintable()):
            raise EventInvalid(f"a name, and 1 to {rules.MAX_TEXT} printable characters", field=name[:64])
        refuse_personal(text, name)
    for name, value in event.values.items():
        if not rules.is_name(name) or abs(value) > rules.MAX_VALUE:
            raise EventInvalid(f"a name, and an integer within {rules.MAX_VALUE}", field=name[:64])


def _record(
    book_id: int, action: str, object_id: str, result: str, caller: Caller, at: dt.datetime
) -> audit.Record:
    return audit.Record(
        book_id=book_id, at=at, principal=caller.principal.actor, action=action, object_id=object_id,
        request_id=caller.request_id, result=result, details={}, origin=caller.origin,
    )  # fmt: skip
