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
import threading
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer

from caudal.farewell import farewell
from caudal_base.collector import spare_the_collector
from caudal_base.errors import CaudalError
from caudal_base.logs import configure
from caudal_base.parent import die_with_parent
from caudal_base.settings import Environment, Settings
from caudal_base.shared import Shared

FIRST_PORT: Final = 8000
PORTS_TRIED: Final = 100

BACKLOG: Final = 2_048

DRAIN_S: Final = 30
"""How long requests in work may go on once nobody new is let in."""

LEAVING_S: Final = DRAIN_S + 10.0
"""After which whoever looks after the API may kill it: what waits in its queues has ended long ago."""

PRODUCTION_NOTICE_S: Final = 5
"""Load balancers commonly ask every few seconds whether one is ready."""


class PortTaken(CaudalError):
    """Another process listens there."""

    code = "port_taken"
    status = 409
    title = "The port is taken"


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on `host` at `port`; without one at 8000, or the next port that is free.

    At 0 it is any that is free, and asked for by its number: Linux takes a port that it has chosen itself
    back when the socket listens no more, and the next process to serve there would get another.
    Raises `PortTaken`, or `OSError` for an address that is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port == 0:
        with socket.create_server((host, 0), family=family) as chosen:
            port = int(chosen.getsockname()[1])
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else (port,)
    for candidate in candidates:
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


def notice_s(settings: Settings) -> float:
    """How long the API still serves after it was told to stop, while it says that it is not ready."""
    if settings.drain_notice_s is not None:
        return settings.drain_notice_s
    return PRODUCTION_NOTICE_S if settings.env is Environment.PRODUCTION else 0


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve the API until SIGTERM or SIGINT, and take leave in three steps.

    For `notice_s` all is served but `/health/ready`. Then the requests in work are finished, for up to
    `DRAIN_S`, and new ones answered with 503. At last connections are refused. A second signal shortens the
    first step.
    """
    # After an earlier process took leave the socket listens no more; where it does, this changes nothing.
    listening.listen(BACKLOG)
    shared = Shared(settings.api_processes)
    # The workers inherit the socket; other ways to start them would need it by name.
    multiprocessing.set_start_method("fork", force=True)
    server = _OnSocket(
        listening,
        shared,
        notice_s(settings),
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
    server.serve(target_loader=functools.partial(_load, settings, shared, os.getpid()), wrap_loader=False)


def _load(settings: Settings, shared: Shared, parent: int) -> Any:
    """Runs in each worker: the application."""
    die_with_parent(signal.SIGKILL, parent=parent)
    configure(level=settings.log_level, format=settings.log_format)
    # Here, in the worker: the process that only watches over it does without the application.
    from caudal.app import create_app

    spare_the_collector()
    return create_app(settings, shared=shared)


class _OnSocket(MPServer):
    """granian on a socket that exists already, and on which those are answered who come too late."""

    def __init__(self, listening: socket.socket, shared: Shared, notice_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._listening = listening
        self._shared = shared
        self._notice_s = notice_s
        self._told = False

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._sso = None
        self._sfd: Any = self._listening.fileno()
        # Its descriptor, whether it is a unix socket, its backlog; the type stub leaves them out.
        self._shd: Any = SocketHolder(self._sfd, False, BACKLOG)  # type: ignore[call-arg]

    def _spawn_worker(self, idx: int, *arguments: Any, **options: Any) -> Any:
        # It is forked next, and inherits this.
        self._shared.process = idx
        return super()._spawn_worker(idx, *arguments, **options)

    def signal_handler_interrupt(self, *_: object, **__: object) -> None:
        """A first signal: say that we take leave. A second: now."""
        self._shared.stop()
        if self._notice_s > 0 and not self._told:
            self._told = True
            timer = threading.Timer(self._notice_s, self._interrupt)
            timer.daemon = True
            timer.start()
        else:
            self._interrupt()

    def _interrupt(self) -> None:
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        with farewell(self._listening):
            super()._stop_workers()  # type: ignore[no-untyped-call]
