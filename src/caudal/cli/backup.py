"""`caudal backup`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from caudal.cli import opening
from caudal.cli.frame import Call, command, single
from caudal.cli.terminal import facts
from caudal_base.backup import back_up
from caudal_base.errors import InvalidRequest

app = single()


@command(app)
def backup(
    call: Call,
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Where the backups of this database go.")],
    deliver: Annotated[
        bool,
        typer.Option(
            help="Deliver every later change there too, while the server runs: for a point in time."
        ),
    ] = True,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove older copies beyond so many. (default: keep all)")
    ] = None,
) -> None:
    """Copy the embedded database to another place, while it runs, and check the copy.

    `caudal restore` brings it back. A place belongs to one data directory.
    """
    if call.settings.database_url is not None:
        raise InvalidRequest(
            "This is for the embedded PostgreSQL. Back up your own with its own means (pg_basebackup, "
            "pgBackRest), or unset CAUDAL_DATABASE_URL.",
            field="database_url",
        )
    with opening.session(call) as session, call.terminal.progress() as report:
        done = back_up(session, place, deliver=deliver, keep=keep, progress=report)
    made = done.backup
    rows = [
        ("backup", made.id),
        ("in", done.path),
        ("size", f"{made.size_bytes / 1_000_000:,.1f} MB"),
        ("finished", made.finished_at),
        ("later changes", "are delivered too" if done.delivering else "are not delivered"),
        ("removed", ", ".join(done.removed)),
    ]
    call.terminal.answer(msgspec.to_builtins(done), lambda out: out.print(facts(rows)))
