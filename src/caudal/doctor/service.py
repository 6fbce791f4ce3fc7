"""The examination: measure, one thing after the other, and say what is wrong.

What cannot be measured is a finding too, and keeps nothing else from being measured: the doctor is called
when something is broken.
"""

import asyncio
import datetime as dt
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from caudal import anomalies, audit, cases, objectives, risk, webhooks
from caudal.doctor import rules, rules_server, store
from caudal.doctor.types import MANY, Clocks, Disk, Finding, Group, Severity
from caudal.ledger import BookInfo, list_books
from caudal.migrations import MIGRATIONS
from caudal_base.clock import Clock
from caudal_base.database import Connection, Database, Timeouts, UnsupportedServer
from caudal_base.errors import CaudalError, Unavailable
from caudal_base.migrate import MigrationRefused, Standing, inspect, read_migrations

TIMEOUTS: Final = Timeouts(statement_ms=5_000, lock_ms=1_000)
"""Whatever takes longer is itself a finding."""

_ORDER: Final = tuple(Severity)

Check = Callable[[], Awaitable[Iterable[Finding]]]


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What is examined."""

    dsn: str
    data_dir: Path | None = None
    """Where the database's files are, if they are on this machine."""
    running: bool = True
    """Whether it runs by itself; False where its server was started for the doctor alone."""
    production: bool = False


def unreachable(reason: str, *, embedded: bool) -> Finding:
    """That there is no database to examine."""
    return Finding(
        code="database_unreachable",
        severity=Severity.CRITICAL,
        what=f"the database cannot be reached: {reason}",
        remedy="caudal up starts it; postgres.log in the data directory says why it stopped"
        if embedded
        else "see that the server of CAUDAL_DATABASE_URL runs and lets this machine in: try psql",
    )


async def examine(patient: Patient, clock: Clock) -> list[Finding]:
    """All that is wrong, the worst first. Changes nothing, and raises for nothing that the database does."""
    try:
        standing = await asyncio.to_thread(inspect, patient.dsn, MIGRATIONS)
        database = await Database.open(patient.dsn, max_size=1, timeouts=TIMEOUTS)
    except (Unavailable, UnsupportedServer) as error:
        return [unreachable(error.detail, embedded=patient.data_dir is not None)]
    except MigrationRefused as error:
        return [_contradiction(error)]
    found = list(_schema(standing, patient))
    try:
        async with database.connection() as connection:
            found += [one async for one in _examined(connection, patient, standing, clock)]
    except (psycopg.Error, CaudalError) as error:
        found.append(unreachable(str(error), embedded=patient.data_dir is not None))
    finally:
        await database.close()
    return sorted(found, key=lambda one: (_ORDER.index(one.severity), one.code, one.subject or ""))


async def _examined(
    connection: Connection, patient: Patient, standing: Standing, clock: Clock
) -> AsyncIterator[Finding]:
    async for one in _each(_of_server(connection, patient, clock)):
        yield one
    if standing.missing:
        return  # its tables are not those that the statements here are written for
    async for one in _each([("indexes", lambda: _indexes(connection))]):
        yield one
    books: list[BookInfo] = []

    async def find_books() -> Iterable[Finding]:
        books.extend(await list_books(connection))
        return ()

    async for one in _each([("books", find_books)]):
        yield one
    for book in books:
        async for one in _each(_of_book(connection, patient, book, clock)):
            yield one
    async for one in _each([("jobs", lambda: _work(connection, patient, None, clock))]):
        yield one


async def _each(checks: Sequence[tuple[str, Check]]) -> AsyncIterator[Finding]:
    """What the checks find; one that fails is found itself."""
    for name, check in checks:
        try:
            found = list(await check())
        except psycopg.OperationalError as error:
            if not isinstance(error, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable):
                raise
            found = [_unchecked(name, error)]
        except (psycopg.Error, OSError) as error:
            found = [_unchecked(name, error)]
        for one in found:
            yield one


def _unchecked(name: str, error: psycopg.Error | OSError) -> Finding:
    denied = isinstance(error, psycopg.errors.InsufficientPrivilege)
    said = error.strerror if isinstance(error, OSError) else error.diag.message_primary
    return Finding(
        code="not_checked",
        severity=Severity.NOTICE if denied else Severity.WARNING,
        subject=name,
        what=f"this could not be looked at: {said or type(error).__name__}",
        remedy="grant pg_monitor to the role of CAUDAL_DATABASE_URL"
        if denied
        else "run it again; see what the database is busy with: select * from pg_stat_activity;",
    )


def _of_server(connection: Connection, patient: Patient, clock: Clock) -> list[tuple[str, Check]]:
    async def settings() -> Iterable[Finding]:
        return rules_server.settings(await store.settings(connection), production=patient.production)

    async def clocks() -> Iterable[Finding]:
        before = clock.now()
        theirs = await store.now(connection)
        after = clock.now()
        half = (after - before) / 2
        ahead = (theirs - (before + half)).total_seconds()
        return rules_server.clocks(Clocks(other="the database", ahead_s=ahead, within_s=half.total_seconds()))

    async def connections() -> Iterable[Finding]:
        return rules_server.connections(await store.connections(connection))

    async def transaction() -> Iterable[Finding]:
        return rules_server.transaction(await store.oldest_transaction(connection), clock.now())

    async def tables() -> Iterable[Finding]:
        found = await store.tables(connection, least=rules_server.LEAST_DEAD)
        return rules_server.tables(found, clock.now())

    async def frozen() -> Iterable[Finding]:
        return rules_server.frozen(*await store.frozen(connection))

    async def slots() -> Iterable[Finding]:
        return rules_server.slots(await store.slots(connection))

    async def disk() -> Iterable[Finding]:
        return () if patient.data_dir is None else rules_server.disk(_disk(patient.data_dir))

    return [
        ("settings", settings),
        ("clocks", clocks),
        ("connections", connections),
        ("transactions", transaction),
        ("tables", tables),
        ("transaction ids", frozen),
        ("replication slots", slots),
        ("disk", disk),
    ]


def _of_book(
    connection: Connection, patient: Patient, book: BookInfo, clock: Clock
) -> list[tuple[str, Check]]:
    number, name = book.book_id, book.name

    async def unsettled() -> Iterable[Finding]:
        now = clock.now()
        before = now - rules.UNSETTLED_AFTER
        return rules.unsettled(await store.unsettled(connection, number, name, before=before), now)

    async def reviews() -> Iterable[Finding]:
        return rules.reviews(await store.reviews(connection, number, name), clock.now())

    async def parked() -> Iterable[Finding]:
        return rules.parked(
            [
                Group(book=name, name=one.partner, count=one.count, oldest=one.oldest_received_at)
                for one in await webhooks.unsettled(connection, number)
                if one.state is webhooks.InboundState.PARKED
            ]
        )

    async def endpoints() -> Iterable[Finding]:
        now = clock.now()
        before = now - rules.FAILING_AFTER
        return rules.endpoints(await store.endpoints(connection, number, name, before=before), now)

    async def outages() -> Iterable[Finding]:
        return rules.outages(await store.outages(connection, number, name))

    async def clocks() -> Iterable[Finding]:
        heard = await store.clocks(connection, number, name, since=clock.now() - rules_server.HEARD_WITHIN)
        return [finding for one in heard for finding in rules_server.clocks(one)]

    async def promises() -> Iterable[Finding]:
        found = await objectives.watched(connection, number)
        return rules.objectives(found, name, clock.now(), running=patient.running)

    async def work_of_people() -> Iterable[Finding]:
        now = clock.now()
        count, since = await cases.overdue(connection, number, now=now, most=MANY + 1)
        return rules.overdue_cases(count, since, name, now)

    async def detection() -> Iterable[Finding]:
        return rules.anomalies_behind(await anomalies.behind(connection, number), name, clock.now())

    return [
        (f"jobs of {name}", lambda: _work(connection, patient, book, clock)),
        (f"attempts of {name}", unsettled),
        (f"reviews of {name}", reviews),
        (f"webhooks of {name}", parked),
        (f"endpoints of {name}", endpoints),
        (f"partners of {name}", outages),
        (f"clocks of {name}", clocks),
        (f"objectives of {name}", promises),
        (f"cases of {name}", work_of_people),
        (f"anomalies of {name}", detection),
        (f"features of {name}", lambda: _known(connection, book, clock)),
    ]


async def _work(
    connection: Connection, patient: Patient, book: BookInfo | None, clock: Clock
) -> Iterable[Finding]:
    """Of the deployment where there is no book: nothing regular is done for that."""
    now = clock.now()
    number, name = (audit.DEPLOYMENT, "") if book is None else (book.book_id, book.name)
    opened_at: dt.datetime | None = None if book is None else book.created_at
    found = await store.work(connection, number, name, before=now - rules.OVERDUE_AFTER, opened_at=opened_at)
    return rules.work(found, name, now, running=patient.running)


async def _known(connection: Connection, book: BookInfo, clock: Clock) -> Iterable[Finding]:
    """Of what became of payments, to features and labels."""
    return rules.features_behind(await risk.behind(connection, book.book_id), book.name, clock.now())


async def _indexes(connection: Connection) -> Iterable[Finding]:
    expected = rules_server.expected_indexes([one.sql for one in read_migrations(MIGRATIONS)])
    schemas = sorted({name.partition(".")[0] for name in expected})
    return rules_server.indexes(expected, await store.indexes(connection, schemas))


def _disk(directory: Path) -> Disk:
    usage = shutil.disk_usage(directory)
    return Disk(path=str(directory), total=usage.total, free=usage.free)


def _schema(standing: Standing, patient: Patient) -> Iterable[Finding]:
    if standing.missing:
        embedded = patient.data_dir is not None and patient.running
        yield Finding(
            code="migrations_pending",
            severity=Severity.CRITICAL,
            what=f"the schema lacks {', '.join(standing.missing)}",
            count=len(standing.missing),
            remedy="stop caudal up and start it again with this version" if embedded else "caudal db migrate",
        )
    if standing.ahead:
        yield Finding(
            code="migrations_ahead",
            severity=Severity.NOTICE,
            what=f"a newer Caudal has added {', '.join(standing.ahead)}",
            count=len(standing.ahead),
            remedy="upgrade this Caudal when you can",
        )


def _contradiction(error: MigrationRefused) -> Finding:
    return Finding(
        code="migrations_contradict",
        severity=Severity.CRITICAL,
        what=f"the schema is not the one of this Caudal: {error.detail}",
        remedy="use the Caudal that belongs to this database: caudal db status shows what was applied",
    )
