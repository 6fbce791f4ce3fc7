"""`caudal api`."""

import socket
from typing import Annotated

import msgspec
import typer

from caudal import server
from caudal.cli import opening
from caudal.cli.frame import Call, command, single
from caudal_base.secret import Secret

app = single()


@command(app)
def api(
    call: Call,
    host: Annotated[str | None, typer.Option(help="The address to listen on. (default: 127.0.0.1)")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="The port. (default: 8000 or the next free one)"),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes serve. (default: 1)")
    ] = None,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the HTTP API alone, as in production: on the database that CAUDAL_DATABASE_URL names.

    SIGTERM lets requests in work finish. The database must have been migrated (`caudal db migrate`).
    """
    opening.require_partners(call)
    settings = call.settings
    if listen_fd is not None:
        listening = socket.socket(fileno=listen_fd)
    else:
        listening = server.listen(host or settings.host, port or settings.port)
    with listening, opening.dsn(call) as dsn:
        url = server.url_of(listening)
        if listen_fd is None:
            call.terminal.answer({"url": url}, lambda out: out.print(f"The API serves at {url}"))
        ready = msgspec.structs.replace(
            settings,
            database_url=Secret(dsn),
            api_processes=processes or settings.api_processes,
        )
        server.serve(ready, listening)
