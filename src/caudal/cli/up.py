"""`caudal up`: everything on one machine, supervised."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console
from rich.text import Text

from caudal import server, supervisor
from caudal.cli.frame import Call, command, single
from caudal.cli.locks import others_run, wait_for_earlier
from caudal.cli.opening import require_partners
from caudal.cli.probe import answers
from caudal.cli.setup import FIRST_BOOK, first_key, prepare
from caudal.cli.up_sandbox import sandbox
from caudal_base.embedded import DEFAULTS, DirectoryInUse, EmbeddedPostgres
from caudal_base.errors import CaudalError
from caudal_base.logs import configure
from caudal_base.secret import Secret
from caudal_base.settings import Environment, Settings

app = single()

_LEAVING_S: Final = 60.0
"""How long another command may need to leave the data directory."""

_CONNECTIONS_LEFT: Final = 10
"""Of PostgreSQL, for commands beside the processes, for backups, and those that it keeps to itself."""

_PYTHON_OPTIONS: Final = ("-P", "-m", "caudal")
"""How the children are called: without the working directory on their path, where a caudal.py may lie."""


class TooManyConnections(CaudalError):
    """The processes may want more database connections than the embedded PostgreSQL has."""

    code = "too_many_connections"
    status = 409
    title = "The database has too few connections for so many processes"


class _Counts(NamedTuple):
    """How many processes there are of each kind."""

    api: int
    workers: int

    def require_connections(self, settings: Settings) -> None:
        """Raise `TooManyConnections` where PostgreSQL would refuse some under load; yours you know best."""
        if settings.database_url is not None:
            return
        wanted = (self.api + self.workers) * settings.pool_size
        there = int(DEFAULTS["max_connections"]) - _CONNECTIONS_LEFT
        if wanted > there:
            raise TooManyConnections(
                f"{self.api + self.workers} processes with {settings.pool_size} connections each want "
                f"{wanted}, and there are {there}. Start fewer, or set CAUDAL_POOL_SIZE to "
                f"{there // (self.api + self.workers)}."
            )


@command(app)
def up(
    call: Call,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="The API's port. (default: 8000 or the next free one)"),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on. (default: 127.0.0.1)")] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="So many processes serve the API, and so many work. (default: 1)"),
    ] = None,
) -> None:
    """Run everything on this machine: PostgreSQL, the API, the worker and partners to try, until Ctrl-C.

    Where the settings name no partners, a sandbox plays Stripe, an acquirer and a bank, and misbehaves.

    The data directory is made if need be. With CAUDAL_DATABASE_URL that PostgreSQL is used and none is
    started. A process that dies is started again; after a crash the next `caudal up` recovers by itself.
    """
    require_partners(call)
    settings = call.settings
    counts = _Counts(processes or settings.api_processes, processes or settings.worker_processes)
    counts.require_connections(settings)
    with contextlib.ExitStack() as stack:
        postgres, dsn, held = stack.enter_context(_database(call))
        listening = stack.enter_context(server.listen(host or settings.host, port or settings.port))
        prepare(dsn)
        key = first_key(dsn)
        configure(level=settings.log_level, format=settings.log_format)
        environment = _environment(call, dsn, counts)
        url = server.url_of(listening)
        programs, sandbox_url = [], None
        if not settings.partners and settings.env is Environment.DEVELOPMENT:
            partners = stack.enter_context(sandbox(api_url=url, data_dir=settings.data_dir))
            programs.append(partners.program(environment, ("-P", "-m")))
            environment["CAUDAL_PARTNERS"] = partners.partners
            sandbox_url = partners.url
        programs += [
            supervisor.Program(
                name="api",
                stage=supervisor.Stage.CALLED,
                stop_within_s=server.LEAVING_S + server.notice_s(settings),
                arguments=_command("api", "--listen-fd", str(listening.fileno())),
                environment=environment,
                descriptors=(listening.fileno(), *held),
                is_ready=functools.partial(answers, listening, "/health/ready"),
            ),
            *(_worker(number, settings, environment, held) for number in range(counts.workers)),
        ]
        watch = supervisor.Supervisor(postgres, programs)

        def greet() -> None:
            database = "CAUDAL_DATABASE_URL" if postgres is None else str(postgres.directory)
            _greet(call, url, database, key, watch.pids, sandbox_url, counts)

        watch.run(greet)
    if not call.terminal.as_json:
        call.terminal.note("Stopped.")


@contextlib.contextmanager
def _database(call: Call) -> Iterator[tuple[EmbeddedPostgres | None, str, tuple[int, ...]]]:
    """The server to look after, if it is ours; the connection string; what children must hold open."""
    if call.settings.database_url is not None:
        yield None, call.settings.database_url.reveal(), ()
        return
    postgres = EmbeddedPostgres(call.settings.data_dir)
    try:
        postgres.start()
    except DirectoryInUse:
        if others_run(postgres.directory):
            raise
        postgres.start(wait_seconds=_LEAVING_S)  # for another command, which will be done soon
    try:
        with wait_for_earlier(postgres.directory) as descriptor:
            yield postgres, postgres.dsn(), (descriptor,)
    finally:
        postgres.stop()


def _environment(call: Call, dsn: str, counts: _Counts) -> dict[str, str]:
    # The data directory too: it holds the key that seals secrets in development.
    directory = str(call.settings.data_dir.absolute())
    found = {
        **os.environ,
        "CAUDAL_DATABASE_URL": dsn,
        "CAUDAL_DATA_DIR": directory,
        "CAUDAL_API_PROCESSES": str(counts.api),
        "CAUDAL_WORKER_PROCESSES": str(counts.workers),
    }
    if call.config is not None:
        found["CAUDAL_CONFIG"] = str(call.config.absolute())
    return found


def _worker(
    number: int, settings: Settings, environment: Mapping[str, str], held: tuple[int, ...]
) -> supervisor.Program:
    """One of the workers, counted from 0. Each has a port of its own for its measurements."""
    first = settings.worker_metrics_port
    own = {} if first is None else {"CAUDAL_WORKER_METRICS_PORT": str(first + number)}
    return supervisor.Program(
        name="worker" if number == 0 else f"worker-{number + 1}",
        stage=supervisor.Stage.WORKING,
        arguments=_command("worker"),
        environment={**environment, **own},
        descriptors=held,
    )


def _command(*arguments: str) -> list[str]:
    return [sys.executable, *_PYTHON_OPTIONS, *arguments]


def _greet(
    call: Call, url: str, database: str, key: Secret | None, pids: dict[str, int], sandbox_url: str | None,
    counts: _Counts,
) -> None:  # fmt: skip
    data: dict[str, Any] = {
        "url": url,
        "docs": f"{url}/docs",
        "database": database,
        "api_key": None if key is None else key.reveal(),
        "sandbox": sandbox_url,
        "processes": {"api": counts.api, "worker": counts.workers},
        "pids": {"supervisor": os.getpid(), **pids},
    }
    rows = [("API", url), ("Docs", f"{url}/docs"), ("Data", database)]
    if counts != _Counts(1, 1):
        rows.append(("Processes", f"{counts.api} of the API, {counts.workers} of the worker"))
    if sandbox_url is not None:
        played = "Stripe, Meridian and a bank, played by a sandbox that misbehaves"
        rows.append(("Partners", f"{played}: {sandbox_url}"))
    call.terminal.answer(data, functools.partial(_welcome, url=url, rows=rows, key=key, call=call))


def _welcome(
    out: Console, *, url: str, rows: Sequence[tuple[str, str]], key: Secret | None, call: Call
) -> None:
    out.print(Text.assemble(("Caudal is up.", "bold green"), " Ctrl-C stops it.\n"))
    for name, value in rows:
        out.print(Text.assemble((f"  {name:<10}", "dim"), value), soft_wrap=True)
    if key is not None:
        out.print(Text.assemble(("  Key       ", "dim"), (key.reveal(), "bold")), soft_wrap=True)
        out.print(
            Text(
                f"\nThe key has all rights in the book `{FIRST_BOOK}`, and is shown this once. "
                "`caudal keys create` makes others.",
                "dim",
            ),
            soft_wrap=True,
        )
    shown = "$KEY" if key is None else key.reveal()
    here = "" if call.settings.data_dir == Path(".caudal") else f" --data {call.settings.data_dir}"
    out.print("\nTry this in another terminal:\n", style="bold")
    for line in (
        f'echo \'{{"name": "basic", "currencies": ["EUR"]}}\' | caudal products create -{here}',
        f"caudal customers create --product basic --jurisdiction DE --reference eva{here}",
        "caudal payments create --customer eva --amount 20.00 --currency EUR "
        f"--instrument pm_card_visa{here}",
        f"caudal payments list{here}   # what became of it at the partner",
        f'curl -H "Authorization: Bearer {shown}" {url}/v1/payments',
        f"caudal ledger import berka --sample{here}    # a small bank in a real one's format",
        f"caudal ledger compare berka --sample{here}   # its stated balances against ours",
        f"caudal accounts list{here}",
    ):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
