"""Serving the API: granian's workers on one listening socket.

The socket is made here, or handed down by the supervisor, and not by granian: granian binds with
SO_REUSEPORT, so that two servers would share one port without a word. And a socket that outlives a killed
API process holds its callers in its queue until the next one is there.
"""

import errno
import functools
import multiprocessing
import os
import signal
import socket
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer

from caudal_base.collector import spare_the_collector
from caudal_base.errors import CaudalError
from caudal_base.logs import configure
from caudal_base.parent import die_with_parent
from caudal_base.settings import Settings

FIRST_PORT: Final = 8000
PORTS_TRIED: Final = 100

BACKLOG: Final = 2_048

DRAIN_S: Final = 30
"""How long requests in work may go on after SIGTERM."""


class PortTaken(CaudalError):
    """Another process listens there."""

    code = "port_taken"
    status = 409
    title = "The port is taken"


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on `host` at `port`; without one at 8000, or the next port that is free.

    Raises `PortTaken`, or `OSError` for an address that is not this machine's.
    """
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else (port,)
    for candidate in candidates:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return socket.create_server((host, candidate), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    if port is None:
        raise PortTaken(f"All ports from {FIRST_PORT} to {FIRST_PORT + PORTS_TRIED - 1} of {host} are taken.")
    raise PortTaken(f"Port {port} of {host} is taken. Name another with --port, or leave the choice to us.")


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds the API."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve the API until SIGTERM or SIGINT; then finish the requests in work, for up to `DRAIN_S`."""
    # The workers inherit the socket; other ways to start them would need it by name.
    multiprocessing.set_start_method("fork", force=True)
    server = _OnSocket(
        listening,
        target="caudal.app",
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.api_processes,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_S,
        backlog=BACKLOG,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=functools.partial(_load, settings, os.getpid()), wrap_loader=False)


def _load(settings: Settings, parent: int) -> Any:
    """Runs in each worker: the application."""
    die_with_parent(signal.SIGKILL, parent=parent)
    configure(level=settings.log_level, format=settings.log_format)
    # Here, in the worker: the process that only watches over it does without the application.
    from caudal.app import create_app

    spare_the_collector()
    return create_app(settings)


class _OnSocket(MPServer):
    """granian on a socket that exists already."""

    def __init__(self, listening: socket.socket, **options: Any) -> None:
        super().__init__(**options)
        self._listening = listening

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._sso = None
        self._sfd: Any = self._listening.fileno()
        # Its descriptor, whether it is a unix socket, its backlog; the type stub leaves them out.
        self._shd: Any = SocketHolder(self._sfd, False, BACKLOG)  # type: ignore[call-arg]
