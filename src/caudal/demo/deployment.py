"""A whole deployment in a temporary directory: PostgreSQL, the API, workers, a sandbox, an endpoint.

PostgreSQL is as `caudal up` has it, with what is acknowledged on the disk.
"""

import asyncio
import contextlib
import functools
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from caudal import routing, server
from caudal.access import OPERATOR, Caller
from caudal.connectors import Registry
from caudal.customers import (
    CreateCustomer,
    CustomerId,
    Customers,
    CustomerType,
    Fee,
    NewProduct,
    create_products,
)
from caudal.delivery import Endpoints, NewEndpoint, Policy
from caudal.demo import partners
from caudal.demo.partners import Secrets
from caudal.demo.sink import Sink
from caudal.demo.types import CURRENCY, MARKET, SHOP, Parameters
from caudal.ledger import Ledger
from caudal.migrations import MIGRATIONS
from caudal.simulation import (
    BOOK,
    NEEDED,
    SANDBOX,
    Control,
    Kept,
    Nursery,
    World,
    answers,
    python,
    start,
    stream,
)
from caudal.supervisor import Program
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.decide import Limit
from caudal_base.embedded import EmbeddedPostgres
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from caudal_base.migrate import migrate
from caudal_base.sealing import Sealing
from caudal_base.settings import load

R = TypeVar("R")

_MUCH: Final = 10**12
_PRODUCT: Final = NewProduct(
    name="trading",
    currencies=(CURRENCY,),
    fees=(
        Fee(kind="pay_in", method="card", currency=CURRENCY, flat=20, basis_points=140),
        Fee(kind="payout", currency=CURRENCY, flat=25),
    ),
    # Never reached, but looked at for each payment.
    limits=(Limit(currency=CURRENCY, per_payment=_MUCH, per_day=_MUCH),),
)


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a day runs on."""

    world: World
    control: Control
    sink: Sink
    shared: dict[str, Secrets]
    shop: str
    """Customers' ids."""
    market: str

    @property
    def logs(self) -> list[Path]:
        """What our own programs and PostgreSQL have written."""
        ours = [kept.log for name, kept in self.world.programs.items() if name != SANDBOX]
        return [*ours, self.world.postgres.layout.log]

    @property
    def worker_logs(self) -> list[Path]:
        """What the workers have written."""
        return [kept.log for name, kept in self.world.programs.items() if name.startswith("worker")]


@contextlib.asynccontextmanager
async def running(parameters: Parameters, directory: Path | None = None) -> AsyncIterator[Deployment]:
    """A deployment that is ready, until the block ends; in a temporary directory if none is given.

    Nothing is left behind, whatever ends the block. Belongs to the main thread.
    """
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="caudal-demo-")))
            directory.chmod(0o755)  # PostgreSQL may run as another user than we do
        listening = stack.enter_context(server.listen("127.0.0.1", 0))
        nursery = stack.enter_context(
            contextlib.closing(Nursery(NEEDED, [listening.fileno()], directory / "nursery.log"))
        )
        postgres = stack.enter_context(EmbeddedPostgres(directory / "data"))
        migrate(postgres.dsn(), MIGRATIONS)
        sandbox_socket = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=server.BACKLOG))
        database = await Database.open(postgres.dsn(), min_size=1, max_size=4)
        world = World(directory, postgres, listening=listening, database=database)
        control = Control(sandbox_socket.getsockname()[1])
        try:
            await world.prepare()
            shared = partners.secrets(stream(parameters.seed, "secrets"))
            _describe(world, sandbox_socket, nursery, parameters, shared)
            shop, market = await _fill(world)
            async with Sink().listening() as sink:
                await _subscribe(world, sink)
                await start(world)
                await control.call("PUT", "webhooks", partners.endpoints(world.url, shared))
                tending = asyncio.create_task(world.tend())
                try:
                    yield Deployment(
                        world=world, control=control, sink=sink, shared=shared, shop=shop, market=market
                    )
                finally:
                    tending.cancel()
        except BaseException:
            # Nothing of it is wanted any more: not even the time to finish.
            for program in world.programs.values():
                await program.kill()
            raise
        finally:
            control.close()
            for program in reversed(world.programs.values()):
                await program.stop()
            await database.close()


def _describe(
    world: World, sandbox_socket: socket.socket, nursery: Nursery, parameters: Parameters,
    shared: dict[str, Secrets],
) -> None:  # fmt: skip
    """What is to run, in the order of starting."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
    ours = {
        **environment,
        "CAUDAL_DATABASE_URL": world.postgres.dsn(),
        "CAUDAL_DATA_DIR": str(world.directory),
        "CAUDAL_PARTNERS": partners.settings(server.url_of(sandbox_socket), BOOK, shared),
        "CAUDAL_API_PROCESSES": str(parameters.processes),
        "CAUDAL_WORKER_PROCESSES": str(parameters.processes),
        "CAUDAL_LOG_FORMAT": "json",
        "CAUDAL_LOG_LEVEL": "info",
    }
    sandbox_fd, api_fd = str(sandbox_socket.fileno()), str(world.listening.fileno())
    programs = [
        Program(
            name=SANDBOX,
            arguments=python(
                "caudal_sandbox", "serve", "--listen-fd", sandbox_fd, "--seed", str(parameters.seed)
            ),
            environment=environment,
            descriptors=(sandbox_socket.fileno(),),
            is_ready=functools.partial(answers, sandbox_socket, "/control/health"),
        ),
        Program(
            name="api",
            arguments=python("caudal", "api", "--listen-fd", api_fd),
            environment=ours,
            descriptors=(world.listening.fileno(),),
            is_ready=functools.partial(answers, world.listening, "/health/ready"),
        ),
        *(
            Program(
                name="worker" if number == 1 else f"worker-{number}",
                arguments=python("caudal", "worker"),
                environment=ours,
                is_ready=lambda: True,
            )
            for number in range(1, parameters.processes + 1)
        ),
    ]
    world.programs = {
        program.name: Kept(
            program,
            world.directory / f"{program.name}.log",
            None if program.name == SANDBOX else nursery,
        )
        for program in programs
    }


async def _fill(world: World) -> tuple[str, str]:
    """Take the two customers on, and publish the routing rules; the customers' ids."""
    clock = SystemClock()
    new_ids, ledger = IdSource(clock), Ledger(clock)
    caller = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, new_ids.new()))
    shop, market = (CustomerId(ids.encode(ids.CUSTOMER, new_ids.new())) for _ in range(2))
    settings = load(dict(world.programs["worker"].program.environment))
    can = {each.name: each.capabilities for each in Registry.from_settings(settings.partners, clock)}
    commands = [
        CreateCustomer(
            id=id_, type=CustomerType.BUSINESS, product=_PRODUCT.name, jurisdiction="DE", reference=name
        )
        for id_, name in ((shop, SHOP), (market, MARKET))
    ]
    async with world.database.transaction() as connection:
        made = await create_products(
            connection, world.book_id, [_PRODUCT], caller=caller, ledger=ledger, at=clock.now()
        )
        _all(made)
    async with world.database.transaction() as connection:
        customers = Customers(ledger, clock, new_ids)
        _all(await customers.apply(connection, world.book_id, commands, caller=caller))
    async with world.database.transaction() as connection:
        kept = await routing.create(
            connection, world.book_id, partners.RULES, caller=caller, ledger=ledger, at=clock.now()
        )
        published = await routing.publish(
            connection, world.book_id, kept.version, can, caller=caller, ledger=ledger, at=clock.now()
        )
        _all([published])
    return shop, market


async def _subscribe(world: World, sink: Sink) -> None:
    """Make the endpoint: in order per payment."""
    clock = SystemClock()
    settings = load(dict(world.programs["worker"].program.environment))
    sealing = Sealing(settings.sealing_key, settings.data_dir)
    endpoints = Endpoints(Ledger(clock), clock, IdSource(clock), sealing, Policy(development=True))
    new = NewEndpoint(
        id=IdSource(clock).new(),
        url=f"http://127.0.0.1:{sink.port}/",
        types=("payment.*",),
        ordered=True,
        concurrency=32,
    )
    async with world.database.transaction() as connection:
        issued = await endpoints.create(connection, world.book_id, new)
    check(issued.secret is not None, "an endpoint with HMAC has a secret")
    if issued.secret is not None:
        sink.trust(issued.secret)


def _all(results: Sequence[R | CaudalError]) -> None:
    """Raise the first error: what is set up here is never refused."""
    for result in results:
        if isinstance(result, CaudalError):
            raise result
