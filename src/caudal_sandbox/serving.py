"""The process: one event loop, one listening socket, until a signal to stop."""

import asyncio
import contextlib
import gc
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Final

import uvloop

from caudal_sandbox.http import Connection
from caudal_sandbox.sandbox import Sandbox

BACKLOG: Final = 1_024
DRAIN_S: Final = 5.0
"""How long requests in work may go on after a signal to stop."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def inherited(descriptor: int) -> socket.socket:
    """The listening socket that a supervisor hands down by number. Raises `OSError`."""
    return socket.socket(fileno=descriptor)


def url_of(listening: socket.socket) -> str:
    """Where it is reached on this machine."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(sandbox: Sandbox, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; says on standard output, in one line of JSON, when it is ready."""
    spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_signal(sandbox, listening))


@contextlib.asynccontextmanager
async def serving(sandbox: Sandbox, listening: socket.socket) -> AsyncIterator[str]:
    """Serve in the running loop while the block lasts; gives the url."""
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()
    sandbox.start()
    server = await loop.create_server(lambda: Connection(sandbox.handle, connections), sock=listening)
    try:
        yield url_of(listening)
    finally:
        server.close()
        for connection in list(connections):
            connection.finish()
        working = [connection.working for connection in connections if connection.working is not None]
        if working:
            await asyncio.wait(working, timeout=DRAIN_S)
        for connection in list(connections):
            connection.abort()
        await sandbox.close()


async def _serve_until_signal(sandbox: Sandbox, listening: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(sandbox, listening) as url:
        sys.stdout.write(json.dumps({"url": url}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def spare_the_collector() -> None:
    """Let Python's cyclic collector look seldom: state only grows, and calls leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
