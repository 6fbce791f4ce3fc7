"""How streams follow a book's events: each event once, in the order in which they became known, a bounded
batch to a transaction, in which what was found, its cases and the new position are written together.

Decisions and payments do not wait for it: it reads what they have committed.
"""

import collections
import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal import jobs
from caudal.access import Caller, Principal
from caudal.anomalies import rules, store
from caudal.anomalies.detecting import Watch
from caudal.anomalies.types import Anomaly, Found, StreamVersion
from caudal.cases import CaseChanged, CaseId, CaseKind, Cases, CaseSubject, Occurrence, OpenCase
from caudal.features import Event, events_behind, matches
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.ids import IdSource

FOLLOW: Final = "anomalies.follow"
PURGE: Final = "anomalies.purge"

AT_ONCE: Final = 500
"""Events that one transaction holds against a stream."""

MAX_STEPS: Final = 60
"""Transactions of one run, the streams in turn: what is left, the next one does, seconds later."""

_EVERY: Final = dt.timedelta(seconds=10)
_PURGED_AT_ONCE: Final = 1_000
_WORDS: Final = 4_000
_NOBODY: Final = UUID(int=0)

ACTOR: Final = Principal(
    id=_NOBODY, key_id=_NOBODY, actor="anomalies", name="anomalies", scopes=frozenset(), books=None
)
"""In whose name cases are opened."""


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


PERIODICS: Final = (
    jobs.Periodic(name=FOLLOW, kind=FOLLOW, every=_EVERY, payload=Nothing()),
    jobs.Periodic(name=PURGE, kind=PURGE, every=dt.timedelta(days=1), payload=Nothing()),
)


def handlers(ledger: Ledger, clock: Clock, new_ids: IdSource) -> list[jobs.AnyHandler]:
    """What each kind of job does."""
    cases = Cases(ledger, clock, new_ids)

    async def follow_all(work: jobs.Work[Nothing]) -> None:
        caller = Caller(principal=ACTOR, request_id=ids.encode(ids.JOB, work.jobs[0].id))
        async with work.database.connection() as connection:
            streams = await store.streams(connection, work.book_id)
        waiting = collections.deque(stream for stream in streams if stream.declared.enabled)
        for _ in range(MAX_STEPS):
            if not waiting:
                break
            stream = waiting.popleft()
            async with work.database.transaction() as connection:
                if await follow(
                    connection, work.book_id, stream, cases=cases, new_ids=new_ids, caller=caller
                ):
                    waiting.append(stream)
        async with work.database.transaction() as connection:
            await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    async def purge(work: jobs.Work[Nothing]) -> None:
        last = False
        while not last:
            async with work.database.transaction() as connection:
                last = await store.purge(connection, work.book_id, _PURGED_AT_ONCE) < _PURGED_AT_ONCE
                if last:
                    await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})

    return [
        jobs.Handler(FOLLOW, Nothing, follow_all, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(PURGE, Nothing, purge, max_batch=1, on_dead=jobs.OnDead.SKIP),
    ]


async def follow(
    connection: Connection, book_id: int, stream: StreamVersion, *, cases: Cases, new_ids: IdSource,
    caller: Caller, limit: int = AT_ONCE,
) -> bool:  # fmt: skip
    """Take a stream up to `limit` events further; whether there may be more. The caller commits.

    Two that follow the same stream wait for one another, and the second goes on behind the first.
    """
    through, profile = await store.lock(connection, book_id, stream.number)
    events = await events_behind(connection, book_id, through, limit)
    if not events:
        return False
    watch = Watch(stream.declared, profile)
    found = await _seen(connection, book_id, stream, watch, events)
    if found:
        await _keep(connection, book_id, stream, found, cases=cases, new_ids=new_ids, caller=caller)
    await store.advance(connection, book_id, stream.number, events[-1][0], watch.profile)
    return len(events) == limit


Hit = tuple[int, Event, Found]
"""The ordinal of an event, the event, and what was found in it."""


async def _seen(
    connection: Connection, book_id: int, stream: StreamVersion, watch: Watch,
    events: Sequence[tuple[int, Event]],
) -> list[Hit]:  # fmt: skip
    """Hold events against the pasts of their entities, which are written as they stand then."""
    declared = stream.declared
    counting = [
        (ordinal, event, key)
        for ordinal, event in events
        if matches(declared.of, event) and (key := rules.key_of(declared, event)) is not None
    ]
    if not counting:
        return []
    histories = await store.histories(
        connection, book_id, stream.number, sorted({key for _, _, key in counting})
    )
    pairs = {
        (key, value)
        for _, event, key in counting
        if (value := rules.counterparty_of(declared, event)) is not None
    }
    known = await store.counterparties(connection, book_id, stream.number, sorted(pairs)) if pairs else set()
    unknown = pairs - known
    found: list[Hit] = []
    for ordinal, event, key in counting:
        value = rules.counterparty_of(declared, event)
        new = value is not None and (key, value) not in known
        if value is not None:
            known.add((key, value))
        tell = ordinal > stream.after
        found += [(ordinal, event, one) for one in watch.see(event, histories[key], new=new, tell=tell)]
    await store.put_histories(connection, book_id, stream.number, histories)
    if unknown:
        await store.put_counterparties(connection, book_id, stream.number, sorted(unknown))
    return found


async def _keep(
    connection: Connection, book_id: int, stream: StreamVersion, found: Sequence[Hit], *, cases: Cases,
    new_ids: IdSource, caller: Caller,
) -> None:  # fmt: skip
    """Write what was found, and open cases of what is not silenced: one of an entity at a time."""
    declared = stream.declared
    silences = await store.silences(connection, book_id, found[0][1].known_at)
    silent = [
        rules.is_silenced(silences, declared.name, rules.entity_of(declared, event), event.known_at)
        for _, event, _ in found
    ]
    opening = [
        _case_of(book_id, stream, hit, CaseId(ids.encode(ids.CASE, new_ids.new())))
        for hit, silenced in zip(found, silent, strict=True)
        if not silenced
    ]
    opened: dict[str, str] = {}
    if opening:
        results = await cases.apply(connection, book_id, opening, caller=caller)
        for command, result in zip(opening, results, strict=True):
            check(isinstance(result, CaseChanged), f"a case of an anomaly was refused: {result}")
            if isinstance(result, CaseChanged):
                opened[command.occurrence.reference] = result.case.id
    anomalies = []
    for (ordinal, event, one), silenced in zip(found, silent, strict=True):
        id = rules.id_of(book_id, declared, stream.version, ordinal, one)
        anomalies.append(
            Anomaly(
                id=id, stream=declared.name, version=stream.version,
                entity=rules.entity_of(declared, event), ordinal=ordinal, silenced=silenced,
                case=opened.get(id), found=one,
            )
        )  # fmt: skip
    await store.insert(connection, book_id, stream.number, anomalies)


def _case_of(book_id: int, stream: StreamVersion, hit: Hit, new: CaseId) -> OpenCase:
    ordinal, event, found = hit
    declared = stream.declared
    subjects = [CaseSubject(kind, id) for kind, id in event.entities.items()]
    # What stands first is what it is about.
    subjects.sort(key=lambda one: one.kind != declared.entity.value)
    if event.source == "payment":
        subjects.append(CaseSubject("payment", event.id))
    entity = rules.entity_of(declared, event)
    return OpenCase(
        id=new, kind=CaseKind.ANOMALY, key=f"{entity}"[:255], title=f"Unusual: {entity}"[:255],
        severity=declared.severity, subjects=tuple(subjects),
        occurrence=Occurrence(
            reference=rules.id_of(book_id, declared, stream.version, ordinal, found), at=found.at,
            what=found.words[:_WORDS],
        ),
    )  # fmt: skip
