"""`caudal webhooks listen`: webhooks on a developer's screen, verified as a receiver would."""

import asyncio
import contextlib
import datetime as dt
import signal
import sys
from typing import Annotated, Any, Final

import h11
import httpx
import msgspec
import typer

from caudal.cli.exits import Exit
from caudal.cli.operator import Operator
from caudal.cli.options import BookOption
from caudal.cli.setup import FIRST_BOOK
from caudal.cli.webhook_endpoints import TypesOption, endpoints_of, event_types
from caudal.connectors import StandardWebhooks, WebhookRefused
from caudal.delivery import Issued, NewEndpoint
from caudal_base.check import check
from caudal_base.errors import Forbidden
from caudal_base.settings import Environment

_MAX_BODY: Final = 1_048_576
_EMPTY: Final = [("Content-Length", "0")]
_SENT: Final = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


class NotInProduction(Forbidden):
    """It needs an endpoint on this machine, and that is for development."""

    code = "not_in_production"
    title = "This is for development"


class _Listener:
    """Receives webhooks on this machine, verifies them and shows them."""

    def __init__(self, operator: Operator, forward_to: str | None) -> None:
        self._operator = operator
        self._scheme = StandardWebhooks([])
        self._trusts = asyncio.Event()
        self._forward_to = forward_to
        self._http = httpx.AsyncClient(timeout=10.0, follow_redirects=False)

    def trust(self, issued: Issued) -> None:
        """What this endpoint's secret signs is good from now on."""
        check(issued.secret is not None, "an endpoint with HMAC has a secret")
        self._scheme = StandardWebhooks([issued.secret] if issued.secret else [])
        self._trusts.set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request after request."""
        # The first webhook may be faster than the answer that holds its secret.
        await self._trusts.wait()
        http = h11.Connection(h11.SERVER)
        with contextlib.suppress(ConnectionError, h11.ProtocolError):
            while (got := await self._request(http, reader)) is not None:
                status = await self._received(*got)
                writer.write(http.send(h11.Response(status_code=status, headers=_EMPTY)) or b"")
                writer.write(http.send(h11.EndOfMessage()) or b"")
                await writer.drain()
                http.start_next_cycle()
        writer.close()

    async def close(self) -> None:
        """Forward nothing more."""
        await self._http.aclose()

    async def _request(
        self, http: h11.Connection, reader: asyncio.StreamReader
    ) -> tuple[dict[str, str], bytes] | None:
        headers: dict[str, str] = {}
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MAX_BODY:
                    return None
            elif isinstance(event, h11.EndOfMessage):
                return headers, body
            else:
                return None

    async def _received(self, headers: dict[str, str], body: bytes) -> int:
        """Show what came; the status to answer with."""
        try:
            self._scheme.verify(headers, body, now=dt.datetime.now(dt.UTC))
        except WebhookRefused as error:
            self._operator.terminal.note(f"refused: {error.detail}")
            return 400
        status = 204 if self._forward_to is None else await self._forwarded(self._forward_to, headers, body)
        if self._operator.terminal.as_json:
            sys.stdout.write(body.decode() + "\n")
        else:
            told: dict[str, Any] = msgspec.json.decode(body)
            answered = "" if self._forward_to is None else f"  {status}"
            line = "  ".join(str(told[name]) for name in ("created_at", "type", "object", "id"))
            sys.stdout.write(f"{line}{answered}\n")
        sys.stdout.flush()
        return status

    async def _forwarded(self, url: str, headers: dict[str, str], body: bytes) -> int:
        kept: dict[str, str] = {name: headers[name] for name in _SENT if name in headers}
        try:
            return (await self._http.post(url, content=body, headers=kept)).status_code
        except httpx.HTTPError as error:
            self._operator.terminal.note(f"not forwarded: {type(error).__name__}")
            return 502


async def listen(
    operator: Operator,
    forward_to: Annotated[
        str | None,
        typer.Option("--forward-to", metavar="URL", help="Send each on, and answer as it answers."),
    ] = None,
    type: TypesOption = None,
    book: BookOption = FIRST_BOOK,
) -> Exit:
    """Print webhooks as they come, verified, until interrupted; with --json one body a line.

    An endpoint on this machine is made for as long as it listens. Something must deliver: `caudal up`.
    """
    if operator.call.settings.env is not Environment.DEVELOPMENT:
        raise NotInProduction("it needs an endpoint on this machine, which only development has")
    found = await operator.book(book)
    endpoints = endpoints_of(operator, types=event_types())
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        listener = _Listener(operator, forward_to)
        stack.push_async_callback(listener.close)
        server = await asyncio.start_server(listener.connected, "127.0.0.1", 0)
        stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        new = NewEndpoint(
            id=operator.ids.new(),
            url=f"http://127.0.0.1:{port}/",
            types=tuple(type or ["*"]),
            description="caudal webhooks listen",
        )
        async with operator.database.transaction() as connection:
            issued = await endpoints.create(connection, found.book_id, new)
        listener.trust(issued)
        try:
            operator.terminal.note(f"Listening to {found.name}. Ctrl-C ends it.")
            await stopped.wait()
        finally:
            async with operator.database.transaction() as connection:
                await endpoints.delete(connection, found.book_id, new.id)
    return Exit.DONE
