"""Streams, anomalies and silences. Nothing here opens or commits a transaction.

async with database.transaction() as connection:
    version = await anomalies.declare(connection, book_id, stream, caller=caller, ledger=ledger, at=now)
    found = await anomalies.list_anomalies(connection, book_id, AnomalyFilter(entity="customer:cus_…"))
"""

import datetime as dt
from typing import Final

from caudal import audit
from caudal.access import Caller
from caudal.anomalies import rules, store, store_reading
from caudal.anomalies.errors import AnomalyNotFound, AnomalyStreamInvalid, AnomalyStreamNotFound
from caudal.anomalies.types import (
    Anomaly,
    AnomalyFilter,
    AnomalyStream,
    Behind,
    Silence,
    StreamVersion,
)
from caudal.ledger import Ledger
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

MAX_PAGE: Final = 1_000


async def declare(
    connection: Connection, book_id: int, stream: AnomalyStream, *, caller: Caller, ledger: Ledger,
    at: dt.datetime,
) -> StreamVersion:  # fmt: skip
    """Watch a stream: the next version of its name, unless nothing of it is otherwise.

    It learns from all of the book's events, and tells of those that become known from now on. Raises
    `AnomalyStreamInvalid`, also for more than `MAX_STREAMS`, `PersonalDataRefused` and `BookNotFound`.
    """
    rules.refuse_wrong(stream)
    recorded_at = await ledger.lock(connection, book_id)
    there = await store.streams(connection, book_id)
    same = [one for one in there if one.declared == stream]
    if same:
        return same[0]
    if len(there) >= rules.MAX_STREAMS and all(one.declared.name != stream.name for one in there):
        raise AnomalyStreamInvalid(f"a book has {rules.MAX_STREAMS} streams at most", field="name")
    at = max(at, recorded_at)
    kept = await store.insert_stream(connection, book_id, stream, at=at, by=caller.principal.actor)
    record = _record(book_id, "anomalies.declare", stream.name, f"{stream.name}@{kept.version}", caller, at)
    await audit.append(connection, [record])
    return kept


async def list_streams(connection: Connection, book_id: int) -> list[StreamVersion]:
    """A book's streams, by name, each as it was declared last."""
    return await store.streams(connection, book_id)


async def behind(connection: Connection, book_id: int) -> list[Behind]:
    """How far detection is behind the book's events, by stream."""
    return await store_reading.behind(connection, book_id)


async def get_stream(connection: Connection, book_id: int, name: str) -> StreamVersion:
    """The stream of this name. Raises `AnomalyStreamNotFound`."""
    for one in await store.streams(connection, book_id):
        if one.declared.name == name:
            return one
    raise AnomalyStreamNotFound("the book has no stream of this name", field="name")


async def get_anomaly(connection: Connection, book_id: int, id: str) -> Anomaly:
    """The anomaly with this id. Raises `InvalidId`, `AnomalyNotFound`."""
    ids.decode(ids.ANOMALY, id)
    found = await store_reading.get(connection, book_id, id)
    if found is None:
        raise AnomalyNotFound("no anomaly of the book has this id")
    return found


async def list_anomalies(
    connection: Connection, book_id: int, wanted: AnomalyFilter, *, before: str | None = None, limit: int = 50
) -> list[Anomaly]:
    """The anomalies that `wanted` wants, the newest first: `limit` behind `before`.

    `InvalidRequest` for a limit outside 1 to 1,001, `InvalidId` for a `before` that is no id.
    """
    if not 1 <= limit <= MAX_PAGE + 1:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE:,} anomalies", field="limit")
    return await store_reading.find(connection, book_id, wanted, before=before, limit=limit)


async def silence(
    connection: Connection, book_id: int, *, stream: str | None, entity: str | None, until: dt.datetime,
    reason: str, caller: Caller, ledger: Ledger, at: dt.datetime,
) -> Silence:  # fmt: skip
    """Let anomalies of a stream, an entity or both open no cases until a moment; they are kept all the same.

    Raises `AnomalySilenceInvalid`, `PersonalDataRefused`, `BookNotFound`.
    """
    rules.refuse_silence(stream=stream, entity=entity, until=until, reason=reason, now=at)
    await ledger.lock(connection, book_id)
    made = await store.silence(
        connection, book_id, stream=stream, entity=entity, until=until, reason=reason, at=at,
        by=caller.principal.actor,
    )  # fmt: skip
    record = _record(book_id, "anomalies.silence", f"silence@{made.number}", "silenced", caller, at)
    await audit.append(connection, [record])
    return made


async def list_silences(connection: Connection, book_id: int, at: dt.datetime) -> list[Silence]:
    """Those that are not over."""
    return await store.silences(connection, book_id, at)


def _record(
    book_id: int, action: str, object_id: str, result: str, caller: Caller, at: dt.datetime
) -> audit.Record:
    return audit.Record(
        book_id=book_id, at=at, principal=caller.principal.actor, action=action, object_id=object_id,
        request_id=caller.request_id, result=result, origin=caller.origin,
    )  # fmt: skip
