"""`caudal restore`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from caudal.cli.frame import Call, command, single
from caudal.cli.options import moment_of
from caudal.cli.terminal import facts
from caudal_base import restore as restoring
from caudal_base.errors import InvalidRequest

app = single()


@command(app)
def restore(
    call: Call,
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Where `caudal backup` put the backups.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="As it was at this time: 2026-01-31T12:00:00Z. (default: the end)"),
    ] = None,
) -> None:
    """Restore a backup into the data directory that --data names, which must be new or empty."""
    if call.settings.database_url is not None:
        raise InvalidRequest(
            "A backup is restored into a data directory. Unset CAUDAL_DATABASE_URL and name it with --data.",
            field="database_url",
        )
    directory = call.settings.data_dir
    with call.terminal.progress() as report:
        done = restoring.restore(place, directory, at=moment_of(to, field="to"), progress=report)
    rows = [
        ("restored", done.directory),
        ("from", done.backup.id),
        ("last change", done.last_transaction_at or "none after the copy"),
    ]
    call.terminal.answer(msgspec.to_builtins(done), lambda out: out.print(facts(rows)))
    if not call.terminal.as_json:
        call.terminal.note(f"Start it with `caudal up --data {directory}`.")
