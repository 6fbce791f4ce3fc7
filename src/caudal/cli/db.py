"""`caudal db`: the schema, and the database it stands in."""

from pathlib import Path
from typing import Annotated

import msgspec
import psycopg
import typer

from caudal.cli.frame import Call, command, group
from caudal.cli.options import YesOption
from caudal.cli.setup import prepare
from caudal.cli.terminal import facts
from caudal.migrations import MIGRATIONS
from caudal_base import upgrade as upgrading
from caudal_base.embedded import EmbeddedPostgres, attach_or_start
from caudal_base.errors import InvalidRequest
from caudal_base.migrate import Standing, inspect

app = group("The database: its schema, its version, its state.")


@command(app, "migrate")
def migrate(call: Call) -> None:
    """Bring the database's schema to this version's. Safe to repeat, and while others do the same."""
    if call.settings.database_url is not None:
        applied = prepare(call.settings.database_url.reveal())
    else:
        with attach_or_start(call.settings.data_dir) as joined:
            applied = prepare(joined.dsn())
    call.terminal.answer(
        {"applied": applied},
        lambda out: out.print("\n".join(f"Applied {name}" for name in applied) or "Nothing to do."),
    )


@command(app, "status")
def status(call: Call) -> None:
    """Show where the database is, its PostgreSQL version, and how far its schema has been migrated."""
    if call.settings.database_url is not None:
        _show(call, call.settings.database_url.reveal(), where="database_url", running=True)
        return
    with attach_or_start(call.settings.data_dir) as joined:
        running = not isinstance(joined, EmbeddedPostgres)
        _show(call, joined.dsn(), where=str(joined.directory), running=running)


@command(app, "upgrade")
def upgrade(
    call: Call,
    old_bin: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The programs of the old PostgreSQL: Debian has them in /usr/lib/postgresql/NN/bin.",
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Move a data directory to the major version of PostgreSQL that this Caudal brings.

    The data is copied and compared; the old cluster stays beside the new one.
    """
    directory = call.settings.data_dir
    if call.settings.database_url is not None:
        raise InvalidRequest("This is for the embedded PostgreSQL: unset CAUDAL_DATABASE_URL.")
    call.terminal.confirm(f"Move the data in {directory} to a new major version of PostgreSQL?", yes=yes)
    with call.terminal.progress() as report:
        done = upgrading.upgrade(directory, old_bin=old_bin, progress=lambda what: report(what, 0, 0))
    if done is None:
        call.terminal.answer({"upgraded": False}, lambda out: out.print("Nothing to do: it is up to date."))
        return
    rows = [
        ("PostgreSQL", f"{done.from_major} -> {done.to_major}"),
        ("tables", f"{done.tables:,}"),
        ("rows", f"{done.rows:,}"),
        ("sorted anew", ", ".join(done.resorted)),
        ("old data kept in", done.kept),
    ]
    call.terminal.answer({"upgraded": True, **msgspec.to_builtins(done)}, lambda out: out.print(facts(rows)))


def _show(call: Call, dsn: str, *, where: str, running: bool) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "select current_setting('server_version'), pg_database_size(current_database())"
        ).fetchone()
    version, size_bytes = row or ("", 0)
    standing = inspect(dsn, MIGRATIONS)
    data = {
        "database": where,
        "running": running,
        "postgresql": version,
        "size_bytes": size_bytes,
        "migrations": {
            "applied": standing.applied,
            "missing": standing.missing,
            "ahead": standing.ahead,
        },
    }
    rows = [
        ("database", where),
        ("server", "runs by itself or by `caudal up`" if running else "started for this command"),
        ("PostgreSQL", version),
        ("size", f"{size_bytes / 1_000_000:,.1f} MB"),
        ("schema", _in_words(standing)),
    ]
    call.terminal.answer(data, lambda out: out.print(facts(rows)))


def _in_words(standing: Standing) -> str:
    if standing.missing:
        return f"lacks {', '.join(standing.missing)}: run `caudal db migrate`"
    if standing.ahead:
        return f"ahead of this version by {', '.join(standing.ahead)}: a newer Caudal was here"
    return f"up to date ({standing.applied[-1]})"
