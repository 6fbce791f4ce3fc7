"""`caudal doctor`: what is wrong, and what to do."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from caudal.cli.exits import Exit
from caudal.cli.frame import Call, command, single
from caudal.cli.terminal import when
from caudal.doctor import Finding, Patient, Severity, examine, unreachable
from caudal_base.clock import SystemClock
from caudal_base.embedded import EmbeddedError, EmbeddedPostgres, attach_or_start
from caudal_base.embedded.layout import Layout
from caudal_base.settings import Environment

app = single()

_STYLES: Final = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.NOTICE: "dim"}


@command(app)
def doctor(call: Call) -> Exit:
    """Say what is wrong with this deployment and what to do; exit code 1 where something is.

    It looks at the database and its settings, the schema and its indexes, jobs, payments, webhooks, partners,
    clocks, connections and the disk, and changes nothing. What is only worth knowing (a notice) leaves the
    exit code at 0. Cases for it to be run: something does not work; after an upgrade; every hour, by cron.
    """
    with _patient(call) as patient:
        found = [patient] if isinstance(patient, Finding) else asyncio.run(examine(patient, SystemClock()))
    healthy = all(one.severity is Severity.NOTICE for one in found)

    def show(out: Console) -> None:
        for one in found:
            _print(out, one)
        if healthy:
            out.print(Text("Nothing is wrong.", style="green"))

    call.terminal.answer({"healthy": healthy, "findings": msgspec.to_builtins(found)}, show)
    return Exit.DONE if healthy else Exit.REFUSED


@contextlib.contextmanager
def _patient(call: Call) -> Iterator[Patient | Finding]:
    """The database to examine, or what keeps it from being examined."""
    settings = call.settings
    production = settings.env is Environment.PRODUCTION
    if settings.database_url is not None:
        yield Patient(dsn=settings.database_url.reveal(), production=production)
        return
    if not Layout.of(settings.data_dir).clusters():
        yield Finding(
            code="no_database",
            severity=Severity.CRITICAL,
            what=f"there is no database in {settings.data_dir}",
            remedy="caudal up makes one; or say where yours is: --data DIR, or CAUDAL_DATABASE_URL",
        )
        return
    with contextlib.ExitStack() as stack:
        try:
            session = stack.enter_context(attach_or_start(settings.data_dir))
        except EmbeddedError as error:
            yield unreachable(str(error), embedded=True)
            return
        running = not isinstance(session, EmbeddedPostgres)
        if not running:
            call.terminal.note("caudal up is not running here: its PostgreSQL was started for this alone.")
        yield Patient(dsn=session.dsn(), data_dir=session.directory, running=running, production=production)


def _print(out: Console, one: Finding) -> None:
    head = Text.assemble((one.severity.value, _STYLES[one.severity]), f"  {one.code}")
    if one.subject is not None:
        head.append(f"  {one.subject}")
    out.print(head, soft_wrap=True)
    since = "" if one.since is None else f" (since {when(one.since)})"
    out.print(f"  {one.what}{since}", soft_wrap=True)
    out.print(Text(f"  → {one.remedy}\n", style="bold"), soft_wrap=True)
