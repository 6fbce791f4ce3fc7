"""Lists, and the upkeep of sums. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    [entry] = await risk.add_entries(connection, book_id, [AddEntry(…)], caller=caller, at=clock.now())
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal import audit
from caudal.access import Caller
from caudal.risk import rules, store
from caudal.risk.errors import EntryNotFound
from caudal.risk.store import Key
from caudal.risk.types import AddEntry, Entry, EntryFilter, RemoveEntry
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest

MAX_PAGE: Final = 1_000

KEEP_DAYS: Final = 32
"""For how many days sums are kept; decisions need those of the day alone, people may look back a month."""

PURGE_LIMIT: Final = 5_000
"""Sums deleted by one call of `purge_used`."""


async def add_entries(
    connection: Connection, book_id: int, commands: Sequence[AddEntry], *, caller: Caller, at: dt.datetime
) -> list[Entry | CaudalError]:
    """Put things on lists, or give what is there another reason and expiry; one result each, in order.

    Results: `EntryInvalid`, `InvalidId`, `UnknownCountry`, `PersonalDataRefused`. Holds from the next
    batch of payments on. Each command leaves an audit record.
    """
    results: list[Entry | CaudalError] = []
    for command in commands:
        refusal = rules.refusal_of(command, at)
        results.append(rules.entry_of(command, caller.principal.actor, at) if refusal is None else refusal)
    # Of equal ones the last counts.
    last = {_key(entry): entry for entry in results if isinstance(entry, Entry)}
    if last:
        await store.put(connection, book_id, list(last.values()))
    records = [
        _record(book_id, command, "added" if isinstance(result, Entry) else result.code, caller, at)
        for command, result in zip(commands, results, strict=True)
    ]
    await audit.append(connection, records)
    return results


async def remove_entries(
    connection: Connection, book_id: int, commands: Sequence[RemoveEntry], *, caller: Caller, at: dt.datetime
) -> list[CaudalError | None]:
    """Take things off lists; for each None, or why not: as for `add_entries`, and `EntryNotFound`."""
    refusals = [rules.refusal_of(command, at) for command in commands]
    keys = [
        (command.subject, rules.canonical(command.subject, command.value), command.list)
        for command, refusal in zip(commands, refusals, strict=True)
        if refusal is None
    ]
    there = await store.take(connection, book_id, keys) if keys else set()
    wanted = iter(keys)
    results: list[CaudalError | None] = []
    for refusal in refusals:
        if refusal is not None:
            results.append(refusal)
        elif (key := next(wanted)) in there:
            there.remove(key)
            results.append(None)
        else:
            results.append(EntryNotFound("the list has no such entry", field="value"))
    records = [
        _record(book_id, command, "removed" if result is None else result.code, caller, at)
        for command, result in zip(commands, results, strict=True)
    ]
    await audit.append(connection, records)
    return results


async def list_entries(
    connection: Connection,
    book_id: int,
    wanted: EntryFilter,
    *,
    after: Key | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Entries, expired ones too, by subject, value and list: the first `limit` behind `after`.

    `InvalidRequest` for a limit outside 1 to 1,000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} entries", field="limit")
    return await store.find(connection, book_id, wanted, after=after, limit=limit)


async def purge_used(
    connection: Connection, book_id: int, *, at: dt.datetime, limit: int = PURGE_LIMIT
) -> int:
    """Delete sums of days that are more than `KEEP_DAYS` past, up to `limit`; how many it were.

    For a periodic job, a transaction each, until it returns less than `limit`.
    """
    before = at.astimezone(dt.UTC).date() - dt.timedelta(days=KEEP_DAYS)
    return await store.delete_used(connection, book_id, before, limit)


def _key(entry: Entry) -> Key:
    return entry.subject, entry.value, entry.list


def _record(
    book_id: int, command: AddEntry | RemoveEntry, result: str, caller: Caller, at: dt.datetime
) -> audit.Record:
    done = result in {"added", "removed"}
    value = rules.canonical(command.subject, command.value) if done else None
    return audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action="risk.list.add" if isinstance(command, AddEntry) else "risk.list.remove",
        object_id=f"{command.list.value}:{command.subject.value}",
        request_id=caller.request_id,
        result=result,
        # What was refused may be what must not be kept.
        details={"value": value} if value is not None else {},
        origin=caller.origin,
    )
