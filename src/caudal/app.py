"""Where objects are wired together, and nowhere else: settings in, an ASGI application out.

granian --interface asgi --factory caudal.app:create_app
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec
import psycopg
import structlog
from litestar import Litestar, Response
from litestar import Request as LitestarRequest
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from caudal.access import Authenticator
from caudal.api import (
    ENDPOINTS,
    FAMILIES,
    SECURITY,
    MethodNotAllowed,
    Metrics,
    PathNotFound,
    RateLimits,
    Room,
    Route,
    Services,
    problem,
    watch_rooms,
)
from caudal.connectors import Registry
from caudal.delivery import Endpoints, Policy
from caudal.ledger import LOT, BookDirectory, Desk, Ledger, list_books
from caudal.objectives import Meter
from caudal.payments import PAYMENT_LIMITS, PaymentDesk, Payments
from caudal.risk import DECISION_LIMITS, Applications, Decider, DecisionDesk, Engines
from caudal.routing import Directory
from caudal.webhooks import Inbox
from caudal_base import logs, telemetry
from caudal_base import settings as settings_module
from caudal_base.clock import Clock, SystemClock
from caudal_base.coalesce import Limits
from caudal_base.database import Database, Timeouts
from caudal_base.errors import PROBLEM_MEDIA_TYPE, CaudalError, InvalidRequest
from caudal_base.ids import IdSource
from caudal_base.sealing import Sealing
from caudal_base.settings import Environment, InvalidSettings, Settings
from caudal_base.shared import Shared

FLUSH_S: Final = 5.0
"""How often the uses of API keys, and what objectives are about, are written down."""

PREPARE_S: Final = 5.0
"""How often it is looked for models that may come to serve."""

log = structlog.get_logger("caudal.app")


@contextlib.asynccontextmanager
async def running_services(
    settings: Settings,
    *,
    dsn: str | None = None,
    clock: Clock | None = None,
    shared: Shared | None = None,
) -> AsyncIterator[Services]:
    """Open everything, and at the end finish what waits and close it.

    `dsn` is used in place of the settings' database; `shared` are the processes that serve together, by
    default this one alone. Raises `Unavailable` where it cannot be reached.
    """
    dsn = dsn or _dsn(settings)
    clock, shared = clock or SystemClock(), shared or Shared()
    partners = Registry.from_settings(settings.partners, clock)
    database = await _open(dsn, settings)
    ledger, meter = Ledger(clock), Meter(clock)
    desk = Desk(database, ledger, Limits(max_weight=LOT, max_queue=settings.queue_limit))
    authenticator = Authenticator(database, clock)
    rates = RateLimits(settings.requests_per_second, settings.request_burst_s, shared)
    room = Room.of(settings.pool_size, settings.long_reads)
    new_ids, books, routing, engines = IdSource(clock), BookDirectory(), Directory(clock), Engines()
    paying = Payments(ledger, Decider(clock, new_ids, engines), partners, new_ids, routing=routing)
    payments = PaymentDesk(database, paying, _limits(PAYMENT_LIMITS, settings))
    elsewhere = Decider(clock, new_ids, engines, elsewhere=True)
    decisions = DecisionDesk(database, ledger, elsewhere, clock, _limits(DECISION_LIMITS, settings))
    inbox = Inbox(database, partners, books, clock, new_ids)
    metrics = Metrics(shared)
    queues = {"ledger": desk.stats, "payments": payments.stats, "webhooks": inbox.stats}
    metrics.watch({**queues, "decisions": decisions.stats}, database.statistics)
    metrics.watch_traffic(room, rates)
    waiting = watch_rooms(metrics, partners, inbox, engines, clock, database)
    aside = [_flush_regularly(authenticator, meter, database), _prepare_regularly(engines, database)]
    tasks = [asyncio.create_task(each) for each in (*aside, waiting.answer_others())]
    try:
        yield Services(
            database=database,
            ledger=ledger,
            desk=desk,
            payments=payments,
            authenticator=authenticator,
            rates=rates,
            room=room,
            shared=shared,
            books=books,
            clock=clock,
            ids=new_ids,
            metrics=metrics,
            meter=meter,
            partners=partners,
            routing=routing,
            inbox=inbox,
            endpoints=_endpoints(settings, ledger, clock, new_ids),
            waiting=waiting,
            applications=Applications(ledger, clock, new_ids, engines),
            decisions=decisions,
            max_body_bytes=settings.max_body_bytes,
        )
    finally:
        await _cancel(tasks)
        for drain in (inbox.drain, payments.drain, decisions.drain, desk.drain):
            await drain()
        await _flush(authenticator, meter, database)
        await partners.close()
        await database.close()


async def _open(dsn: str, settings: Settings) -> Database:
    timeouts = Timeouts(statement_ms=settings.statement_timeout_ms, lock_ms=settings.lock_timeout_ms)
    return await Database.open(dsn, min_size=2, max_size=settings.pool_size, timeouts=timeouts)


def _limits(limits: Limits, settings: Settings) -> Limits:
    return msgspec.structs.replace(limits, max_queue=settings.queue_limit)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _dsn(settings: Settings) -> str:
    if settings.database_url is None:
        raise InvalidSettings(["CAUDAL_DATABASE_URL must name the database that the API serves"])
    return settings.database_url.reveal()


def _endpoints(settings: Settings, ledger: Ledger, clock: Clock, new_ids: IdSource) -> Endpoints:
    """Webhooks out, as the API knows them."""
    sealing = Sealing(settings.sealing_key, settings.data_dir)
    policy = Policy(development=settings.env is Environment.DEVELOPMENT)
    types = [type_ for family in FAMILIES for type_ in family.types]
    return Endpoints(ledger, clock, new_ids, sealing, policy, types=types)


async def _flush_regularly(authenticator: Authenticator, meter: Meter, database: Database) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        await _flush(authenticator, meter, database)


async def _prepare_regularly(engines: Engines, database: Database) -> None:
    """Have models loaded before they decide: first those of all books, then where something is decided."""
    books: Sequence[int] | None = None
    while True:
        try:
            async with database.connection() as connection:
                if books is None:
                    books = [book.book_id for book in await list_books(connection)]
                for book_id in books:
                    await engines.prepare(connection, book_id)
            books = list(engines.all)
        except (psycopg.Error, CaudalError) as error:
            log.warning("models_not_prepared", reason=type(error).__name__)
        await asyncio.sleep(PREPARE_S)


async def _flush(authenticator: Authenticator, meter: Meter, database: Database) -> None:
    # What cannot be written is kept by both for the next time; requests do not depend on it.
    try:
        await authenticator.flush()
    except psycopg.Error as error:
        log.warning("key_uses_not_written", exc_info=error)
    try:
        await meter.flush(database)
    except (psycopg.Error, CaudalError) as error:
        log.warning("counts_not_written", reason=type(error).__name__)


class Application:
    """The ASGI application: Litestar routes, our routes serve; the hottest one is found without."""

    def __init__(self, open_services: Callable[[], contextlib.AbstractAsyncContextManager[Services]]) -> None:
        """`open_services` is entered at start and left at shutdown."""
        self._open_services = open_services
        self._methods: dict[str, dict[str, Route]] = {endpoint.path: {} for endpoint in ENDPOINTS}
        self._hot: dict[tuple[str, str], Route] = {}
        self._litestar = Litestar(
            route_handlers=[self._handler(path) for path in self._methods],
            lifespan=[self._lifespan],
            exception_handlers={HTTPException: _refuse},
            openapi_config=None,
            logging_config=None,  # ours stands: the framework would put its own format over it
            debug=False,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection, or the server's start and end."""
        if scope["type"] == "http":
            # Litestar's routing and handling would take 25 µs more than the 55 that HTTP takes so (measured).
            route = self._hot.get((scope["method"], scope["path"]))
            if route is not None:
                await route.serve(scope, receive, send, {})
                return
        await self._litestar(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Services]:
        """What the server does by lifespan events, for those who call the application in process."""
        async with self._open_services() as services:
            for endpoint in ENDPOINTS:
                route = self._methods[endpoint.path][endpoint.method] = Route(endpoint, services)
                if endpoint.hot:
                    self._hot[endpoint.method, endpoint.path] = route
            yield services

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncIterator[None]:
        async with self.running():
            yield

    def _handler(self, path: str) -> HTTPRouteHandler:
        """The framework's handler of one path. All methods together: so `Allow` lists them all."""
        routes = self._methods[path]

        async def handle(request: LitestarRequest[Any, Any, Any]) -> ASGIApp:
            route = routes[request.method]
            return functools.partial(route.serve, path_ids=request.path_params)

        methods = [endpoint.method for endpoint in ENDPOINTS if endpoint.path == path]
        return HTTPRouteHandler(path.replace("}", ":str}"), http_method=methods)(handle)  # type: ignore[arg-type]


def _refuse(_: LitestarRequest[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework's own refusals look like: no such path or method, a host header that is none."""
    wrong: CaudalError
    match error.status_code:
        case 404:
            wrong = PathNotFound("there is nothing at this path")
        case 405:
            wrong = MethodNotAllowed(f"this path takes {(error.headers or {}).get('allow')}")
        case _:
            wrong = InvalidRequest(error.detail)
    answer = problem(wrong)
    headers = {name.decode(): value.decode() for name, value in SECURITY} | dict(error.headers or {})
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=PROBLEM_MEDIA_TYPE)


def create_app(
    settings: Settings | None = None,
    *,
    dsn: str | None = None,
    clock: Clock | None = None,
    shared: Shared | None = None,
) -> Application:
    """The application for `settings` (by default the environment's), on the database that they name or `dsn`.

    Logs are configured here only where the settings come from the environment: a process of its own.
    """
    if settings is None:
        settings = settings_module.load()
        logs.configure(level=settings.log_level, format=settings.log_format)
        if settings.trace_exporter is not None:
            telemetry.configure(settings.trace_exporter, service="caudal-api")
    chosen = settings
    return Application(lambda: running_services(chosen, dsn=dsn, clock=clock, shared=shared))
