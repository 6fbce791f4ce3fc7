"""Joining the server of a data directory, or running it for as long as one command takes."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import psycopg

from caudal_base.embedded.errors import DirectoryInUse, EmbeddedError, ServerFailed
from caudal_base.embedded.layout import Layout, explained, read_json
from caudal_base.embedded.locks import POLL_S, FileLock
from caudal_base.embedded.server import EmbeddedPostgres, Role, connection_string

JOIN_TIMEOUT_S = 60.0
"""How long a command waits for a server that is starting or leaving."""


class Session(Protocol):
    """A server that answers, whoever runs it."""

    @property
    def directory(self) -> Path:
        """The data directory, absolute and without links."""

    def dsn(self, dbname: str = "caudal", *, role: Role = "caudal") -> str:
        """The connection string of a role, with its password."""


class _Attached:
    """A session on the server of another process."""

    def __init__(self, layout: Layout, socket_dir: Path) -> None:
        self._layout = layout
        self._socket_dir = socket_dir

    @property
    def directory(self) -> Path:
        return self._layout.root

    def dsn(self, dbname: str = "caudal", *, role: Role = "caudal") -> str:
        return connection_string(self._layout, self._socket_dir, dbname=dbname, role=role)


@contextlib.contextmanager
def attach_or_start(
    directory: Path, *, settings: Mapping[str, str] | None = None, wait_seconds: float = JOIN_TIMEOUT_S
) -> Iterator[Session]:
    """A session on the directory's server: the one that runs, else one that runs until the block ends.

    One that was started here stays, past the block, until all that joined it meanwhile have left; Ctrl-C
    ends it at once. `wait_seconds` is the time allowed to a server that is just starting or leaving.
    Raises DirectoryInUse after it, else what `EmbeddedPostgres.start` raises.
    """
    server = EmbeddedPostgres(directory, settings=settings)
    with contextlib.ExitStack() as stack:
        yield _enter(server, stack, deadline=time.monotonic() + wait_seconds)


def _enter(server: EmbeddedPostgres, stack: contextlib.ExitStack, *, deadline: float) -> Session:
    while True:
        try:
            server.start()
        except DirectoryInUse:
            attached = stack.enter_context(_joined(server.layout))
            if attached is not None:
                return attached
            if time.monotonic() >= deadline:
                raise
            stack.close()
            time.sleep(POLL_S)
        else:
            return stack.enter_context(_owned(server))


@contextlib.contextmanager
def _owned(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    try:
        try:
            yield server
        except Exception:  # of the block; KeyboardInterrupt and SystemExit wait for nobody
            _let_others_finish(server.layout)
            raise
        _let_others_finish(server.layout)
    finally:
        server.stop()


@contextlib.contextmanager
def attach(directory: Path) -> Iterator[Session]:
    """A session on the server that another process runs. Raises EmbeddedError where none answers."""
    with _joined(Layout.of(directory)) as attached:
        if attached is None:
            raise EmbeddedError(f"No server of {directory} is running. Start one with `caudal up`.")
        yield attached


@contextlib.contextmanager
def _joined(layout: Layout) -> Iterator[_Attached | None]:
    """Joins the running server, or yields None where none answers now.

    The lock comes before the look: an owner that leaves takes its state away first and then waits for the
    lock, so whoever saw the state is waited for.
    """
    lock = FileLock(layout.sessions)
    try:
        with explained(layout.root, "join the server of"):
            seen = lock.try_acquire(shared=True) and read_json(layout.state)
        if not seen:
            yield None
            return
        attached = _Attached(layout, Path(seen["socket_directory"]))
        yield attached if _answers(attached) else None
    finally:
        lock.release()


def _answers(attached: _Attached) -> bool:
    try:
        psycopg.connect(attached.dsn(), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _let_others_finish(layout: Layout) -> None:
    """Nobody new joins, and those who did finish their work."""
    layout.state.unlink(missing_ok=True)
    lock = FileLock(layout.sessions)
    if not lock.acquire(wait_seconds=None):
        raise ServerFailed(f"{layout.sessions} cannot be locked")
    lock.release()
