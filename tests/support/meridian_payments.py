"""Payments whose partner is the sandbox's acquirer: real workers, a real inbox, two clocks as one."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

from caudal import payments, webhooks
from caudal.connectors import Drift
from caudal.connectors.meridian import Meridian, create
from caudal.jobs import Options, Worker
from caudal.ledger import BookDirectory
from caudal.payments import AttemptState, Case, PaymentState
from caudal.webhooks import Inbox
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.errors import CaudalError
from caudal_base.ids import IdSource
from caudal_sandbox.http import Connection
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.serving import listen
from support.meridians import MeridianWorld, meridian_world, settings
from support.payment_worlds import Matrix, PaymentWorld

NAME = "acquirer"


class Deal:
    """A book of which Meridian is the one partner."""

    def __init__(
        self, world: PaymentWorld, sandbox: MeridianWorld, connector: Meridian, drift: Drift
    ) -> None:
        self.world = world
        self.sandbox = sandbox
        self.connector = connector
        self.drift = drift
        ids = IdSource(world.clock)
        self.inbox = Inbox(world.database, world.registry, BookDirectory(), world.clock, ids)

    async def receive(self, request: Request) -> Response:
        """What the API does with a webhook."""
        try:
            await self.inbox.receive(NAME, request.headers, request.body)
        except CaudalError as error:
            return json_response(error.status, {"code": error.code})
        return Response(200, self.inbox.acknowledgement(NAME) or b"", (("content-type", "text/plain"),))

    def pass_time(self, seconds: float) -> None:
        """For us and for the acquirer."""
        self.world.clock.advance(dt.timedelta(seconds=seconds))
        self.sandbox.advance(seconds)

    async def until(self, condition: Callable[[], Awaitable[bool]], *, step_s: float = 0.5) -> None:
        """Wait for a condition, while time goes by faster than it does."""
        async with asyncio.timeout(60):
            while not await condition():
                self.pass_time(step_s)
                await asyncio.sleep(0.01)

    async def reaches(self, case: Case, state: PaymentState, *, step_s: float = 0.5) -> Case:
        """The payment once it is in this state."""

        async def there() -> bool:
            return await self.world.state(case) is state

        await self.until(there, step_s=step_s)
        return await self.world.again(case)

    async def attempt_is(self, case: Case, state: AttemptState) -> Case:
        """The payment once an attempt of it is in this state; time stands still."""

        async def there() -> bool:
            return any(each.state is state for each in (await self.world.again(case)).attempts)

        await self.until(there, step_s=0)
        return await self.world.again(case)

    async def parked(self) -> list[str | None]:
        """Why webhooks wait for a person."""
        async with self.world.database.connection() as connection:
            rows = await webhooks.find(
                connection, self.world.book_id, state=webhooks.InboundState.PARKED, limit=100
            )
        return [row.reason for row in rows]

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A worker runs meanwhile."""
        world = self.world

        async def own() -> Sequence[int]:
            return [world.book_id]

        ids = IdSource(world.clock)
        queues = {**payments.queues(world.registry), webhooks.QUEUE: 2}
        worker = Worker(
            world.database,
            [
                *payments.handlers(world.payments, world.registry),
                *webhooks.handlers(world.registry, world.payments, world.ledger, ids),
            ],
            books=own, clock=world.clock, ids=ids,
            options=Options(queues=queues, poll_min_s=0.001, poll_max_s=0.01, upkeep_s=0.01),
        )  # fmt: skip
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


@contextlib.asynccontextmanager
async def deal(database: Database, *, seed: int = 1, **behaviour: Any) -> AsyncIterator[Deal]:
    """A book and its acquirer, with a worker; `behaviour` is of the notifications."""
    async with meridian_world(seed=seed) as sandbox:
        drift = Drift(NAME, SystemClock())
        connector = create(NAME, settings(sandbox.url), drift)
        world = await PaymentWorld.make(database, matrix=cast(Matrix, connector))
        made = Deal(world, sandbox, connector, drift)
        connections: set[Connection] = set()
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(made.receive, connections), sock=listening)
        sandbox.tell(f"http://127.0.0.1:{port}/", **behaviour)
        try:
            async with made.working():
                yield made
        finally:
            server.close()
            for connection in list(connections):
                connection.abort()
            await made.inbox.drain()
            await connector.close()
