"""A book of its own for each point: its partners, its endpoint, its programs, and a clock that stands still.

What is killed is a child; what recovers are programs in the test's own process, made anew, that know nothing
but the database.
"""

import asyncio
import contextlib
import datetime as dt
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from caudal import ledger
from caudal.delivery import NewEndpoint
from caudal_base.clock import ManualClock
from caudal_sandbox.http import Connection
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.sandbox import Sandbox
from caudal_sandbox.serving import listen, serving
from caudal_sandbox.webhooks import Endpoint
from support.deliveries import Listener
from support.kill_children import Children
from support.kill_points import Point, Watch
from support.kill_programs import (
    API,
    Order,
    Partner,
    Result,
    build_deliverer,
    build_worker,
    busy,
    settings,
    waits_for_periods,
)
from support.kill_statements import CLAIMS, ENDED, LEFT, NEXT, TOLD
from support.meridians import API_KEY as MERIDIAN_KEY
from support.meridians import SECRET as MERIDIAN_SECRET
from support.payment_api import PaymentWorld

SECRET = "whsec_" + "a1" * 16
HORIZON = dt.timedelta(minutes=15)
"""What lies further ahead is no recovery: it waits for its time."""

REPEATS = "the caller repeats: "

_names = itertools.count(1)


class Told(NamedTuple):
    """Something that helped, and when: in seconds after the death, then by what the caller had done."""

    seconds: float
    phase: int
    what: str


@dataclass
class Asked:
    """A request of a caller, to be repeated under its key."""

    path: str
    body: Any
    key: str
    answer: bytes | None = None
    """The body of the answer, once there is one."""


@dataclass
class Arrival:
    """A partner's webhook that waits at the door."""

    request: Request
    answer: "asyncio.Future[Response]"


@dataclass
class KillWorld:
    """Everything that one point is tried in."""

    dsn: str
    children: Children
    sandbox: Sandbox
    clock: ManualClock
    partners: Mapping[str, Partner]
    payments: PaymentWorld
    sink: Listener
    door: str
    customer: str = ""
    other: str = ""
    payment: str = ""
    periodics: tuple[str, ...] = ()
    asked: Asked | None = None
    told: "list[Told]" = field(default_factory=list)
    phase: int = 0
    held: list[Arrival] = field(default_factory=list)
    door_open: bool = True
    arrivals: "Counter[bytes]" = field(default_factory=Counter)
    began: dt.datetime | None = None
    """When it was begun to be told what helps."""
    dead: list[object] = field(default_factory=list)

    @property
    def book_id(self) -> int:
        return self.payments.book.book_id

    def tell(self, what: str) -> None:
        """For the row: something that helped."""
        if self.began is not None:
            seconds = (self.clock.now() - self.began).total_seconds()
            self.told.append(Told(seconds, self.phase, what))

    def begin(self) -> None:
        """From now on it is told what helps."""
        self.began = self.clock.now()

    # What callers and partners do

    async def ask(self, path: str, body: Any, *, key: str) -> None:
        """A caller asks, and gets a 2xx; this is the request that he will repeat."""
        answer = await self.payments.post(path, body, key=key)
        assert answer.status_code in (200, 201), answer.text
        self.asked = Asked(path, body, key, answer.content)
        told = answer.json()
        self.payment = str(told.get("payment") or told["id"])

    async def repeat(self) -> bool:
        """The caller sends his request again, with its key; whether he gets what he would have got."""
        asked = self.asked
        assert asked is not None
        answer = await self.payments.post(asked.path, asked.body, key=asked.key)
        assert answer.status_code in (200, 201), answer.text
        replayed = answer.headers.get("idempotent-replayed") == "true"
        if asked.answer is not None:
            assert (replayed, answer.content) == (True, asked.answer)
        self.phase += 1
        self.tell(f"{REPEATS}{answer.status_code}{', replayed' if replayed else ''}")
        self.phase += 1
        asked.answer = answer.content
        return replayed

    def hear(self, *events: str) -> None:
        """Partners send us their events of these types from now on."""
        for name, partner in self.partners.items():
            endpoint = Endpoint(
                url=f"{self.door}/webhooks/in/{name}",
                secrets=(partner.webhook_secret,),
                events=events or None,
            )
            kind = "meridian" if "meridian" in partner.connector else partner.connector.rpartition(":")[2]
            self.sandbox.partners[kind].behave(endpoint=endpoint)

    async def receive(self, request: Request) -> Response:
        """The door: what partners send goes to the API, or waits while nobody lets it in."""
        if not self.door_open:
            arrival = Arrival(request, asyncio.get_running_loop().create_future())
            self.held.append(arrival)
            return await arrival.answer
        self.arrivals[request.body] += 1
        count = self.arrivals[request.body]
        answer = await self.payments.http.request(
            request.method, request.path, headers=dict(request.headers), content=request.body
        )
        self.tell("the partner's webhook arrived" + (f" (try {count})" if count > 1 else ""))
        return Response(answer.status_code, answer.content, (("content-type", "text/plain"),))

    def let_in(self) -> None:
        """Open the door to what waits at it."""
        self.door_open = True
        for arrival in self.held:
            if not arrival.answer.done():
                arrival.answer.set_result(json_response(502, {}))
        self.held.clear()

    async def arrival(self) -> Arrival:
        """The next webhook that stands at the closed door."""
        async with asyncio.timeout(10):
            while not self.held:
                await asyncio.sleep(0.002)
        return self.held.pop(0)

    def pass_time(self, step: dt.timedelta) -> None:
        """For us and for the partners."""
        self.clock.advance(step)
        self.sandbox.world.clock.advance(step.total_seconds())

    # The programs

    async def child(self, program: str, victim: Point | None = None, **more: Any) -> Result | None:
        """Run a program in a process of its own; None: it was killed."""
        order = Order(
            program=program, dsn=self.dsn, book_id=self.book_id, book=self.payments.book.name,
            now=self.clock.now(), partners=dict(self.partners), victim=victim, periodics=self.periodics,
            **more,
        )  # fmt: skip
        return await self.children.carry_out(order)

    async def to_rest(self, horizon: dt.timedelta = HORIZON, *, deliver: bool = True) -> None:
        """Programs that know nothing of the dead run until nothing is left to do but what waits for its time.

        Where all wait, time goes on to the moment at which the first of them is due.
        """
        until = self.clock.now() + horizon
        async with asyncio.timeout(30):
            while True:
                await self._work(deliver)
                if not await self._wait_for_the_next(until):
                    return

    async def _work(self, deliver: bool) -> None:
        """Let programs do what is to be done now. They end before time goes on: they have just read it."""
        services = self.payments.services
        programs: list[Any] = [
            build_worker(services.database, self.clock, services.partners, self.book_id, self.periodics)
        ]
        if deliver:
            programs.append(build_deliverer(services.database, self.clock, self.book_id))
        running = [asyncio.create_task(program.run()) for program in programs]
        calm = 0
        while calm < 2:
            for task in running:
                if task.done():
                    task.result()
            await asyncio.sleep(0.003)
            waiting = self.sandbox.world.sender.waiting if self.door_open else 0
            if waiting:
                await self.sandbox.world.sender.flush()
            async with services.database.connection() as connection:
                working = await busy(connection, self.book_id, self.clock.now(), self.dead, deliver=deliver)
            waiting = waiting or waits_for_periods(programs[0])
            calm = 0 if working or waiting else calm + 1
        for program in programs:
            program.stop()
        await asyncio.gather(*running)

    async def _wait_for_the_next(self, until: dt.datetime) -> bool:
        rows = await self.rows(NEXT)
        due = rows[0][0]
        if due is None or due > until:
            return False
        self.pass_time(due - self.clock.now())
        return True

    # What is found

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Of the book."""
        async with self.payments.services.database.connection() as connection:
            cursor = await connection.execute(
                statement.encode(), {"book_id": self.book_id, "now": self.clock.now()}
            )
            return await cursor.fetchall()

    async def bury(self) -> None:
        """Note what the dead hold: nobody waits for them."""
        self.dead = [row[0] for row in await self.rows(CLAIMS)]

    async def left(self) -> "Counter[str]":
        """What stands in the book, in words."""
        counted = Counter(row[0] for row in await self.rows(LEFT))
        counted["request at the endpoint"] = len(self.sink.received)
        return counted

    def effects(self) -> list[str]:
        """What happened at the partners, without fees."""
        book = self.sandbox.world.effects.book()
        return sorted(entry.kind.value for entry in book["effects"] if entry.kind.value != "fee")

    async def ended(self) -> dict[str, Any]:
        """How it all ended: the same for every point of a step. And what must always hold, does."""
        async with self.payments.services.database.snapshot() as connection:
            findings = await ledger.check(connection, [self.payments.book])
        assert findings == []
        book = self.sandbox.world.effects.book()
        assert all(count == 1 for count in book["attempts"].values()), book["attempts"]
        told = {row[0].hex for row in await self.rows(TOLD)}
        arrived = {one.headers["webhook-id"][-32:] for one in self.sink.received}
        assert told <= arrived, "an event has not been delivered"
        found: dict[str, Any] = {"effects": self.effects()}
        for kind, what, count in sorted(await self.rows(ENDED)):
            found[f"{kind} {what}"] = count
        return found


@contextlib.asynccontextmanager
async def kill_world(
    dsn: str,
    children: Children,
    *,
    names: Mapping[str, str] | None = None,
    ordered: bool = False,
    periodics: tuple[str, ...] = (),
) -> AsyncIterator[KillWorld]:
    """A world whose partners are `names`, by the connector that each has."""
    clock = ManualClock(dt.datetime.now(dt.UTC))
    sandbox = Sandbox(seed=1)
    made: list[KillWorld] = []
    connections: set[Connection] = set()

    async def receive(request: Request) -> Response:
        return await made[0].receive(request)

    loop = asyncio.get_running_loop()
    door = listen("127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(sandbox, listen("127.0.0.1", 0)))
        sink = await stack.enter_async_context(Listener().serving())
        server = await loop.create_server(lambda: Connection(receive, connections), sock=door)
        partners = {
            name: _partner(connector, url)
            for name, connector in (names or {"stripe": "stripe", "bank": "bank"}).items()
        }
        name = f"kill-{next(_names)}"
        services = await stack.enter_async_context(
            API.running(settings(name, partners), dsn=dsn, clock=clock)
        )
        http = await stack.enter_async_context(API.http())
        payments = await PaymentWorld.make(http, services, name=name)
        world = KillWorld(
            dsn, children, sandbox, clock, partners, payments, sink, f"http://127.0.0.1:{door.getsockname()[1]}",
            periodics=periodics,
        )  # fmt: skip
        made.append(world)
        world.customer, world.other = await payments.customer(100_000), await payments.customer()
        # One request after the other, or what has arrived when it dies would be a matter of chance.
        new = NewEndpoint(id=services.ids.new(), url=sink.url, ordered=ordered, concurrency=1)
        async with services.database.transaction() as connection:
            await services.endpoints.create(connection, world.book_id, new)
        watch = Watch(told=world.tell)
        stack.enter_context(watch.watching(commits=False))
        try:
            yield world
        finally:
            server.close()
            for connection in list(connections):
                connection.abort()


def _partner(connector: str, url: str) -> Partner:
    if "meridian" in connector:
        return Partner(connector, url, MERIDIAN_KEY, MERIDIAN_SECRET)
    return Partner(connector, url, f"{'bk' if connector == 'bank' else 'sk'}_test_of_the_tests", SECRET)


def changed(before: "Counter[str]", after: "Counter[str]") -> str:
    """What is left behind, in words: that which was not there before."""
    new = after - before
    words = [what if count == 1 else f"{what} ({count})" for what, count in sorted(new.items())]
    return ", ".join(words) or "nothing new"
