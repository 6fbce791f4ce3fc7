"""The worker process: wires the rooms' background work together and runs it until it is told to stop.

- `ledger.expire`: every few seconds and in each book, expires the holds that are due and that no batch has
  come across.
- `idempotency.purge`: hourly and in each book, deletes answers whose retention is over.
- webhooks out: see `caudal.delivery`; what is older than its log is kept goes hourly.
- what payments, risk and webhooks do in the background: see `handlers` there.

The jobs' own table is looked after by the worker itself.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from caudal import (
    anomalies,
    audit,
    delivery,
    idempotency,
    jobs,
    objectives,
    payments,
    risk,
    routing,
    webhooks,
)
from caudal.connectors import Registry
from caudal.ledger import LOT, BookInfo, Ledger, list_books, require_book_number
from caudal.routing import Directory
from caudal_base import ids, telemetry
from caudal_base.clock import Clock, SystemClock
from caudal_base.database import Connection, Database, Timeouts
from caudal_base.errors import InvariantError
from caudal_base.ids import IdSource
from caudal_base.sealing import Sealing
from caudal_base.settings import Environment, Settings

EXPIRE: Final = "ledger.expire"
PURGE_ANSWERS: Final = "idempotency.purge"

EXPIRE_EVERY: Final = timedelta(seconds=5)
"""How late an expiry may enter the journal. Balances do not wait for it: reads leave due holds out."""

PURGE_EVERY: Final = timedelta(hours=1)

MAX_CALLS: Final = 8
"""Calls of handlers at once: as many as the default pool has connections, less two."""

_PRINCIPAL: Final = "expiry"

_log = structlog.get_logger("caudal.worker")


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


def handlers(ledger: Ledger, clock: Clock) -> list[jobs.AnyHandler]:
    """What each kind of job does."""
    sweep = _Sweep(ledger, clock)

    async def purge(work: jobs.Work[Nothing]) -> None:
        async def step(connection: Connection) -> bool:
            deleted = await idempotency.purge(connection, work.book_id, at=work.clock.now())
            return deleted < idempotency.PURGE_LIMIT

        await _repeatedly(work, step)

    return [
        jobs.Handler(EXPIRE, Nothing, sweep.run, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(PURGE_ANSWERS, Nothing, purge, max_batch=1, on_dead=jobs.OnDead.SKIP),
    ]


BACKGROUND: Final = frozenset({jobs.DEFAULT_QUEUE})
"""What sweeps, purges and fetches by the clock lets attempts, timers and webhooks go first."""


def queues(partners: Registry) -> dict[str, int]:
    """The queues that there is work in, with how many claims of each may be in work at once."""
    return {jobs.DEFAULT_QUEUE: 2, webhooks.QUEUE: 2, **payments.queues(partners)}


PERIODICS: Final = (
    jobs.Periodic(name=EXPIRE, kind=EXPIRE, every=EXPIRE_EVERY, payload=Nothing()),
    jobs.Periodic(name=PURGE_ANSWERS, kind=PURGE_ANSWERS, every=PURGE_EVERY, payload=Nothing()),
)


class _Sweep:
    """Expires what is due, a lot to a transaction, so that the book's other writers get in between."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def run(self, work: jobs.Work[Nothing]) -> None:
        job_id = ids.encode(ids.JOB, work.jobs[0].id)

        async def step(connection: Connection) -> bool:
            expired = await self._ledger.expire_due(connection, work.book_id)
            if expired:
                book = await require_book_number(connection, work.book_id)
                await audit.append(connection, [self._record(book, job_id, expired)])
            return expired < LOT

        await _repeatedly(work, step)

    def _record(self, book: BookInfo, job_id: str, expired: int) -> audit.Record:
        return audit.Record(
            book_id=book.book_id,
            at=self._clock.now(),
            principal=_PRINCIPAL,
            action="holds.expire",
            object_id=book.id,
            request_id=job_id,
            result="expired",
            details={"holds": expired},
        )


async def _repeatedly(work: jobs.Work[Nothing], step: Callable[[Connection], Awaitable[bool]]) -> None:
    """Take `step`, a transaction each, until it says that it was the last; the job ends with that one."""
    last = False
    while not last:
        async with work.database.transaction() as connection:
            last = await step(connection)
            if last:
                await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})


def build(
    database: Database,
    clock: Clock,
    *,
    partners: Registry | None = None,
    applied: webhooks.ApplyCounts | None = None,
    keep_parked: timedelta = webhooks.KEEP_PARKED,
    keep_log: timedelta = timedelta(days=30),
    options: jobs.Options | None = None,
) -> jobs.Worker:
    """A worker of all background work, for all books of `database`; `partners` are those that it calls.

    What becomes of partners' webhooks is counted in `applied`; the body of a parked one is removed after
    `keep_parked`, the log of deliveries after `keep_log`.
    `options` stand in for those of production; the queues are always those that there is work in.
    """
    partners = partners or Registry()
    options = options or jobs.Options(max_calls=MAX_CALLS)
    ledger, new_ids = Ledger(clock), IdSource(clock)
    paying = payments.Payments(
        ledger, risk.Decider(clock, new_ids), partners, new_ids, routing=Directory(clock)
    )

    return jobs.Worker(
        database,
        [
            *handlers(ledger, clock),
            *risk.handlers(ledger),
            *payments.handlers(paying, partners),
            *delivery.handlers(keep_log),
            *objectives.handlers(ledger, clock, new_ids),
            *anomalies.handlers(ledger, clock, new_ids),
            *routing.handlers(partners),
            *webhooks.handlers(partners, paying, ledger, new_ids, applied, keep_parked=keep_parked),
        ],
        books=_books(database),
        clock=clock,
        ids=new_ids,
        periodics=(
            *PERIODICS,
            *risk.PERIODICS,
            *payments.PERIODICS,
            *webhooks.PERIODICS,
            *delivery.PERIODICS,
            *objectives.PERIODICS,
            *anomalies.PERIODICS,
            *routing.PERIODICS,
        ),
        options=msgspec.structs.replace(options, queues=queues(partners), background=BACKGROUND),
    )


def build_delivery(
    database: Database,
    clock: Clock,
    settings: Settings,
    *,
    counts: delivery.DeliveryCounts | None = None,
    options: delivery.Options | None = None,
) -> delivery.Deliverer:
    """What delivers webhooks of all books of `database`. `options` stand in for those of production."""
    new_ids = IdSource(clock)
    policy = delivery.Policy(development=settings.env is Environment.DEVELOPMENT)
    options = options or delivery.Options(disable_after=timedelta(days=settings.webhook_disable_days))
    tools = delivery.Tools(
        database=database,
        clock=clock,
        network=delivery.Network(policy=policy),
        counts=counts or delivery.DeliveryCounts(),
        options=options,
    )
    sealing = Sealing(settings.sealing_key, settings.data_dir)
    endpoints = delivery.Endpoints(Ledger(clock), clock, new_ids, sealing, policy)
    return delivery.Deliverer(tools, endpoints, books=_books(database), new_ids=new_ids)


def _books(database: Database) -> Callable[[], Awaitable[Sequence[int]]]:
    async def books() -> Sequence[int]:
        async with database.connection() as connection:
            return [book.book_id for book in await list_books(connection)]

    return books


@contextlib.contextmanager
def _measured(
    settings: Settings,
    counts: jobs.Counts,
    applied: webhooks.ApplyCounts,
    partners: Registry,
    delivered: delivery.DeliveryCounts,
) -> Iterator[None]:
    """Serve the measurements meanwhile, where settings say so. Raises `OSError` for a port that is in use."""
    if settings.worker_metrics_port is None:
        yield
        return
    # Here, since a worker that is not measured need not wait for the API to be loaded.
    from prometheus_client import start_http_server

    from caudal.api import worker_registry

    server, thread = start_http_server(
        settings.worker_metrics_port,
        addr=settings.host,
        registry=worker_registry(counts, applied, partners, delivered),
    )
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in work. Raises `Unavailable` without a database."""
    if settings.database_url is None:
        raise InvariantError("a worker needs a database_url")
    if settings.trace_exporter is not None:
        telemetry.configure(settings.trace_exporter, service="caudal-worker")
    timeouts = Timeouts(statement_ms=settings.statement_timeout_ms, lock_ms=settings.lock_timeout_ms)
    clock = SystemClock()
    partners = Registry.from_settings(settings.partners, clock, processes=settings.worker_processes)
    database = await Database.open(
        settings.database_url.reveal(), max_size=settings.pool_size, timeouts=timeouts
    )
    try:
        applied = webhooks.ApplyCounts()
        keep_parked = timedelta(days=settings.parked_webhook_days)
        worker = build(
            database, clock, partners=partners, applied=applied, keep_parked=keep_parked,
            keep_log=timedelta(days=settings.webhook_log_days),
        )  # fmt: skip
        delivered = delivery.DeliveryCounts()
        deliverer = build_delivery(database, clock, settings, counts=delivered)

        def stop() -> None:
            worker.stop()
            deliverer.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        with _measured(settings, worker.counts, applied, partners, delivered):
            _log.info("worker_started")
            async with asyncio.TaskGroup() as both:
                both.create_task(worker.run())
                both.create_task(deliverer.run())
        _log.info("worker_stopped")
    finally:
        await partners.close()
        await database.close()
