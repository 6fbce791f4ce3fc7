"""The programs that are killed, and that run again afterwards: the API, the worker, the deliverer.

The same objects as in production; only that nothing periodic begins by itself, unless a step is about it, and
that the clock is the test's.
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import msgspec

from caudal import delivery, jobs, payments, risk, webhooks, worker
from caudal.api import Services
from caudal.app import Application, running_services
from caudal.connectors import Registry
from caudal.ledger import Ledger
from caudal.payments import Payments
from caudal.routing import Directory
from caudal_base.clock import Clock, ManualClock
from caudal_base.database import Connection, Database
from caudal_base.ids import IdSource
from caudal_base.sealing import Sealing
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings, Settings
from support.deliveries import LIMITS, SEALING_KEY
from support.kill_points import Moment, Point, Watch
from support.kill_statements import BUSY_DELIVERIES, BUSY_JOBS

QUICK = jobs.Options(poll_min_s=0.004, poll_max_s=0.016, upkeep_s=0.01, release_s=0.01)
QUICK_DELIVERY = delivery.Options(
    poll_min_s=0.004, poll_max_s=0.016, linger_s=0.001, books_s=60.0, backlog_s=1e9
)

# Made once: reading the machine's certificates takes longer than all else that a program begins with.
_TLS = ssl.create_default_context()

PERIODICS = {one.name: one for one in (*worker.PERIODICS, *payments.PERIODICS)}


class Partner(msgspec.Struct, frozen=True):
    """A partner's account, as settings have it."""

    connector: str
    url: str
    api_key: str
    webhook_secret: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to do."""

    program: str
    """`api`, `worker` or `deliverer`."""
    dsn: str
    book_id: int
    book: str
    now: dt.datetime
    partners: dict[str, Partner]
    victim: Point | None = None
    """Where it dies."""
    periodics: tuple[str, ...] = ()
    method: str = "POST"
    path: str = ""
    headers: dict[str, str] = {}
    body: bytes = b""

    @property
    def settings(self) -> Settings:
        """Of the application."""
        return settings(self.book, self.partners)


class Result(msgspec.Struct, kw_only=True):
    """What a child that lived says."""

    points: list[Point] = []
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    error: str | None = None


def settings(book: str, partners: dict[str, Partner]) -> Settings:
    """Of an application with these partners, which all serve one book."""
    return Settings(
        sealing_key=SEALING_KEY,
        partners={
            name: PartnerSettings(
                connector=partner.connector, book=book, url=partner.url, api_key=Secret(partner.api_key),
                webhook_secrets=[Secret(partner.webhook_secret)], calls_per_second=10_000,
                search_horizon_s=5.0, poll_after_s=20.0, timeout_ms=5_000, authorisation_lifetime_s=3_600,
            )
            for name, partner in partners.items()
        },
    )  # fmt: skip


def build_worker(
    database: Database, clock: Clock, partners: Registry, book_id: int, periodics: Sequence[str] = ()
) -> jobs.Worker:
    """What does the work in the background of one book."""
    ledger, new_ids = Ledger(clock), IdSource(clock)
    paying = Payments(ledger, risk.Decider(clock, new_ids), partners, new_ids, routing=Directory(clock))

    async def books() -> Sequence[int]:
        return [book_id]

    return jobs.Worker(
        database,
        [
            *worker.handlers(ledger, clock),
            *payments.handlers(paying, partners),
            *webhooks.handlers(partners, paying, ledger, new_ids),
        ],
        books=books, clock=clock, ids=new_ids, periodics=[PERIODICS[name] for name in periodics],
        options=msgspec.structs.replace(QUICK, queues=worker.queues(partners), background=worker.BACKGROUND),
        jitter=lambda: 0.0,
    )  # fmt: skip


def build_deliverer(database: Database, clock: Clock, book_id: int) -> delivery.Deliverer:
    """What delivers the events of one book."""

    async def books() -> Sequence[int]:
        return [book_id]

    policy = delivery.Policy(development=True)
    tools = delivery.Tools(
        database=database, clock=clock, network=delivery.Network(policy=policy, limits=LIMITS, tls=_TLS),
        counts=delivery.DeliveryCounts(), options=QUICK_DELIVERY, jitter=lambda: 0.0,
    )  # fmt: skip
    new_ids = IdSource(clock)
    sealing = Sealing(SEALING_KEY, Settings().data_dir)
    endpoints = delivery.Endpoints(Ledger(clock), clock, new_ids, sealing, policy)
    return delivery.Deliverer(tools, endpoints, books=books, new_ids=new_ids)


def waits_for_periods(program: jobs.Worker | delivery.Deliverer) -> bool:
    """Whether a worker that is to begin periodic jobs has not looked at them yet."""
    return isinstance(program, jobs.Worker) and bool(
        program._upkeep._periodics and not program._upkeep._begun
    )


async def busy(
    connection: Connection,
    book_id: int,
    now: dt.datetime,
    dead: Sequence[object] = (),
    *,
    work: bool = True,
    deliver: bool = True,
) -> bool:
    """Whether there is something to do now, or somebody alive is doing it; `dead` are claims of others."""
    for statement, wanted in ((BUSY_JOBS, work), (BUSY_DELIVERIES, deliver)):
        if wanted:
            cursor = await connection.execute(statement, {"book_id": book_id, "now": now, "dead": list(dead)})
            row = await cursor.fetchone()
            if row is not None and row[0]:
                return True
    return False


async def run(order: Order) -> Result:
    """Carry out an order."""
    watch = Watch(order.victim)
    with watch.watching():
        if order.program == "api":
            return await _answer(order, watch)
        return await _work(order, watch)


class Api:
    """The application, made once for any number of starts: making its routes takes longer than a request."""

    def __init__(self) -> None:
        self._open: Callable[[], AbstractAsyncContextManager[Services]] | None = None
        self.application = Application(self._opened)

    def _opened(self) -> AbstractAsyncContextManager[Services]:
        assert self._open is not None
        return self._open()

    def running(self, settings: Settings, *, dsn: str, clock: Clock) -> AbstractAsyncContextManager[Services]:
        """It runs, with these settings, as long as the block."""
        self._open = lambda: running_services(settings, dsn=dsn, clock=clock)
        return self.application.running()

    def http(self, application: Any = None) -> httpx.AsyncClient:
        """A client of it."""
        transport = httpx.ASGITransport(app=application or self.application)
        return httpx.AsyncClient(transport=transport, base_url="http://api", trust_env=False, verify=_TLS)


API = Api()


async def _answer(order: Order, watch: Watch) -> Result:
    """One request to the API. The process ends without draining anything."""

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watched_send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                watch.at("reply", Moment.BEFORE)
            await send(message)

        await API.application(scope, receive, watched_send)

    # Held, or it would be closed as nobody's; and never left, since a process that dies leaves nothing.
    running = API.running(order.settings, dsn=order.dsn, clock=ManualClock(order.now))
    await running.__aenter__()
    answer = await API.http(watched).request(
        order.method, order.path, headers=order.headers, content=order.body
    )
    return Result(
        points=watch.points, status=answer.status_code, headers=dict(answer.headers), body=answer.content
    )


async def _work(order: Order, watch: Watch) -> Result:
    """Work until there is nothing left to be done now."""
    clock = ManualClock(order.now)
    database = await Database.open(order.dsn, max_size=10)
    if order.program == "deliverer":
        program: jobs.Worker | delivery.Deliverer = build_deliverer(database, clock, order.book_id)
    else:
        partners = Registry.from_settings(order.settings.partners, clock)
        program = build_worker(database, clock, partners, order.book_id, order.periodics)
    running = asyncio.create_task(program.run())
    calm = 0
    async with asyncio.timeout(20):
        while calm < 2:
            if running.done():
                running.result()
            await asyncio.sleep(0.003)
            async with database.connection() as connection:
                working = await busy(
                    connection, order.book_id, order.now, work=order.program == "worker",
                    deliver=order.program == "deliverer",
                )  # fmt: skip
            calm = 0 if working or waits_for_periods(program) else calm + 1
    return Result(points=watch.points)
