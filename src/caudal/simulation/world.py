"""Everything that a run drives, in a temporary directory: PostgreSQL, the sandbox, the API, the workers.

The listening sockets are held here, so that callers of a killed API wait in its queue for the next one.
"""

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from caudal import server
from caudal.access import OPERATOR, Caller, CreateKey, Environment, IssuedKey, Scope, create_keys
from caudal.ledger import BookMode, create_book
from caudal.migrations import MIGRATIONS
from caudal.simulation import delivery_store, partners, store
from caudal.simulation.http import Http, NoAnswer
from caudal.simulation.nursery import Nursery
from caudal.simulation.partners import Control, Secrets
from caudal.simulation.processes import Kept, Waiting, command_line, cpu_s, descendants, kill_hard
from caudal.simulation.types import Victim
from caudal.supervisor import Program
from caudal_base import ids
from caudal_base.check import check
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.embedded import EmbeddedPostgres
from caudal_base.ids import IdSource
from caudal_base.migrate import migrate

BOOK: Final = "main"

API_PROCESSES: Final = 2
"""That share one socket, below one that watches over them."""

WORKERS: Final = ("worker", "worker-2")

SANDBOX: Final = "sandbox"

NEEDED: Final = (
    "caudal.app",
    "caudal.server",
    "caudal.worker",
    "caudal.supervisor",
    "caudal.cli.api",
    "caudal.cli.worker",
    "caudal.connectors.bank",
    "caudal.connectors.meridian",
    "caudal.connectors.stripe.sdk",
    "stripe._charge",
    "stripe._error_object",
    "stripe._payment_intent",
    "stripe._refund",
)
"""What the programs import as they start, and with their first calls; this package uses none of it."""

_POOL_SIZES: Final = (4, 5, 6, 8)
"""Connections of each process, one of these in each run: what a statement costs for the first time on each
connection is a good part of what a short run costs, and with few of them callers wait for one another."""

_LEASE_S: Final = 3.0
"""How long the claims of a killed worker last: longer than the calls that another has under way."""

_SERVER: Final = {
    # The processes are killed, not the machine: what the system has been given survives without a sync.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}
_LOOK_EVERY_S: Final = 0.01
_TEND_EVERY_S: Final = 0.5

_SERVER_BACK_S: Final = 10.0
"""So long after PostgreSQL was killed a program may end because it could not reach it; longer on a machine
that is too busy."""


class World:
    """A deployment that runs, and the partners' sandbox beside it."""

    def __init__(
        self, directory: Path, postgres: EmbeddedPostgres, *, listening: socket.socket, database: Database
    ) -> None:
        self.directory = directory
        self.postgres = postgres
        self.database = database
        self.listening = listening
        self.book_id = 0
        self.key = ""
        self.shared: dict[str, Secrets] = {}
        self.programs: dict[str, Kept] = {}
        self.died: list[str] = []
        """Programs that ended though nobody killed them."""
        self.workers_killed: list[float] = []
        """When, in seconds since 1970."""
        self.waiting = Waiting()
        """Of the workers."""
        self._server_died_at = 0.0
        self._kills = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Of the API."""
        return int(self.listening.getsockname()[1])

    @property
    def url(self) -> str:
        """Of the API."""
        return server.url_of(self.listening)

    @property
    def logs(self) -> list[Path]:
        """What the API, the workers and PostgreSQL have written."""
        ours = [program.log for name, program in self.programs.items() if name != SANDBOX]
        return [*ours, self.postgres.layout.log]

    def http(self) -> Http:
        """A caller's way to the API."""
        return Http(self.port, {"Authorization": f"Bearer {self.key}"})

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU by program, as far as the processes of today have taken them."""
        pids = {name: program.pid for name, program in self.programs.items()}
        pids["postgres"] = self.postgres.pid
        used = {name: cpu_s(pid) for name, pid in pids.items() if pid is not None}
        return {**used, "callers": time.process_time()}

    async def prepare(self) -> None:
        """Make the book and a key that may do everything in it."""
        clock = SystemClock()
        new_ids, at = IdSource(clock), clock.now()
        async with self.database.transaction() as connection:
            book = await create_book(connection, id=new_ids.new(), name=BOOK, mode=BookMode.TEST, now=at)
            wanted = CreateKey(
                name="simulation",
                scopes=frozenset({Scope.ADMIN}),
                books=frozenset({book.book_id}),
                environment=Environment.TEST,
            )
            caller = Caller(principal=OPERATOR, request_id=ids.encode(ids.REQUEST, new_ids.new()))
            (issued,) = await create_keys(connection, [wanted], caller=caller, at=at, new_ids=new_ids)
        self.book_id = book.book_id
        if isinstance(issued, IssuedKey):
            self.key = issued.text.reveal()
        check(self.key != "", "the key was made")

    async def kill(self, victim: Victim, choice: float) -> None:
        """Kill it, and bring back what nothing else would. `choice` in [0, 1) picks among several."""
        async with self._kills:
            match victim:
                case Victim.API:
                    await self.programs["api"].kill()
                    self.programs["api"].start()
                case Victim.API_WORKER:
                    self._kill_one_of(descendants(self.programs["api"].pid or 0), choice)
                case Victim.WORKER:
                    await self._kill_worker(WORKERS[int(choice * len(WORKERS))])
                case Victim.WORKERS:
                    for name in WORKERS:
                        await self.programs[name].kill()
                    self.workers_killed.append(time.time())
                    await store.end_claims(self.database, self.book_id, SystemClock().now())
                    await delivery_store.end_claims(self.database, self.book_id)
                    for name in WORKERS:
                        self.programs[name].start()
                case Victim.POSTMASTER:
                    self._server_died_at = time.monotonic()
                    await self._kill_server()
                case Victim.BACKEND:
                    self._server_died_at = time.monotonic()
                    self._kill_one_of(self._backends(), choice)

    async def restart_workers(self) -> None:
        """End the workers as an operator would, and start them again: they hold no claim then."""
        async with self._kills:
            await asyncio.gather(*(self.programs[name].stop() for name in WORKERS))
            await store.end_claims(self.database, self.book_id, SystemClock().now())
            await delivery_store.end_claims(self.database, self.book_id)
            for name in WORKERS:
                self.programs[name].start()

    async def _kill_worker(self, name: str) -> None:
        """Kill one. What it had claimed is free a moment later; what the others have by then done is done."""
        await self.programs[name].kill()
        self.workers_killed.append(time.time())
        killed_at = SystemClock().now()
        self.programs[name].start()

        async def end_claims() -> None:
            await asyncio.sleep(_LEASE_S)
            await store.end_claims(self.database, self.book_id, killed_at)

        task = asyncio.create_task(end_claims())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def tend(self) -> None:
        """Start what has ended by itself again, as a supervisor does, and keep in mind that it did.

        What finds no database as it starts ends, and is right to.
        """
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            async with self._kills:
                for name in WORKERS:
                    if (pid := self.programs[name].pid) is not None:
                        self.waiting.look(pid)
                back_s = _SERVER_BACK_S * self.waiting.slowness
                for name, program in self.programs.items():
                    if program.pid is None:
                        if time.monotonic() > self._server_died_at + back_s:
                            self.died.append(name)
                        program.start()

    def leave(self) -> None:
        """Whatever was still to be done to the deployment is not done any more."""
        for task in self._tasks:
            task.cancel()

    async def _kill_server(self) -> None:
        pid = self.postgres.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        while self.postgres.pid is not None:  # noqa: ASYNC110  # a process that dies tells nobody
            await asyncio.sleep(_LOOK_EVERY_S)
        self.postgres.supervise()

    def _backends(self) -> list[int]:
        """The processes of PostgreSQL that serve connections."""
        return [pid for pid in descendants(self.postgres.pid or 0) if "caudal caudal" in command_line(pid)]

    @staticmethod
    def _kill_one_of(pids: Sequence[int], choice: float) -> None:
        if pids:
            kill_hard(pids[int(choice * len(pids))])


@contextlib.asynccontextmanager
async def running(seed: int, directory: Path | None = None) -> AsyncIterator[tuple[World, Control]]:
    """A world of the seed, ready, until the block ends; in a temporary directory if none is given.

    Belongs to the main thread.
    """
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="caudal-simulation-")))
            directory.chmod(0o755)  # PostgreSQL may run as another user than we do
        directory.mkdir(parents=True, exist_ok=True)
        listening = stack.enter_context(server.listen("127.0.0.1", 0))
        nursery = stack.enter_context(
            contextlib.closing(Nursery(NEEDED, [listening.fileno()], directory / "nursery.log"))
        )
        postgres = stack.enter_context(EmbeddedPostgres(directory / "data", settings=_SERVER))
        migrate(postgres.dsn(), MIGRATIONS)
        sandbox_socket = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=server.BACKLOG))
        database = await Database.open(postgres.dsn(), min_size=1, max_size=4)
        world = World(directory, postgres, listening=listening, database=database)
        control = Control(sandbox_socket.getsockname()[1])
        try:
            await world.prepare()
            world.shared = partners.secrets(seed)
            _describe(world, sandbox_socket, nursery, seed)
            await start(world)
            tending = asyncio.create_task(world.tend())
            try:
                yield world, control
            finally:
                tending.cancel()
                world.leave()
        finally:
            control.close()
            for program in reversed(world.programs.values()):
                await program.stop()
            await database.close()


async def start(world: World) -> None:
    """Start all its programs, and wait until they serve."""
    for program in world.programs.values():
        program.start()
    await asyncio.gather(*(program.ready() for program in world.programs.values()))


def _describe(world: World, sandbox_socket: socket.socket, nursery: Nursery, seed: int) -> None:
    """What is to run, in the order of starting."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
    sandbox_url = server.url_of(sandbox_socket)
    ours = {
        **environment,
        "CAUDAL_DATABASE_URL": world.postgres.dsn(),
        "CAUDAL_PARTNERS": partners.settings(sandbox_url, BOOK, world.shared).decode(),
        "CAUDAL_API_PROCESSES": str(API_PROCESSES),
        "CAUDAL_WORKER_PROCESSES": str(len(WORKERS)),
        "CAUDAL_POOL_SIZE": str(_POOL_SIZES[seed % len(_POOL_SIZES)]),
        "CAUDAL_LOG_FORMAT": "json",
        "CAUDAL_LOG_LEVEL": "info",
    }
    programs = [
        Program(
            name=SANDBOX,
            arguments=python(
                "caudal_sandbox", "serve", "--listen-fd", str(sandbox_socket.fileno()), "--seed", str(seed)
            ),
            environment=environment,
            descriptors=(sandbox_socket.fileno(),),
            is_ready=functools.partial(answers, sandbox_socket, "/control/health"),
        ),
        Program(
            name="api",
            arguments=python("caudal", "api", "--listen-fd", str(world.listening.fileno())),
            environment=ours,
            descriptors=(world.listening.fileno(),),
            is_ready=functools.partial(answers, world.listening, "/health/ready"),
        ),
        *(
            Program(name=name, arguments=python("caudal", "worker"), environment=ours, is_ready=lambda: True)
            for name in WORKERS
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


def python(module: str, *arguments: str) -> list[str]:
    """How a module of ours is run."""
    return [sys.executable, "-P", "-m", module, *arguments]


def answers(listening: socket.socket, path: str) -> bool:
    """Whether what listens there says that it is well. For a thread: it has a loop of its own."""

    async def ask() -> bool:
        http = Http(listening.getsockname()[1], {})
        try:
            return (await http.request("GET", path, timeout_s=2.0)).status == 200
        except NoAnswer:
            return False
        finally:
            http.close()

    return asyncio.run(ask())
