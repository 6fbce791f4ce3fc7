"""Supervision: programs that are started together, kept running, and stopped in order.

A program ends with the supervisor, however that one dies (`dying_with_parent`). One that dies by itself is
started again, at once the first time and then with growing pauses. The first signal to stop lets each
program finish its work, stage by stage (`Stage`); the second one ends them at once.
"""

import enum
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from caudal_base.embedded import EmbeddedError, EmbeddedPostgres
from caudal_base.errors import CaudalError
from caudal_base.parent import dying_with_parent

_FIRST_PAUSE_S: Final = 0.2
_LAST_PAUSE_S: Final = 10.0
_STEADY_S: Final = 30.0
"""A program that has run for so long starts with no pause again."""

_LOOK_EVERY_S: Final = 1.0

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_log = structlog.get_logger("caudal.supervisor")


class StartFailed(CaudalError):
    """A program ended before it was ready; what it said stands above."""

    code = "start_failed"
    status = 503
    title = "It could not be started"


class Stage(enum.IntEnum):
    """When a program is stopped: those of one stage together, once those before have ended."""

    CALLED = 0
    """What callers come to: first, so that nothing new begins."""
    WORKING = 1
    """What finishes what was begun."""
    CALLED_UPON = 2
    """What the others need to finish."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be kept running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    """Open files that it inherits under their numbers."""
    stage: Stage = Stage.WORKING
    stop_within_s: float = 40.0
    """How long it may take after SIGTERM; then it is killed."""
    is_ready: Callable[[], bool] = bool
    """Whether it serves; asked until it does, when it is first started. `bool` is: never, so not asked."""


class _Kept:
    """One program and its present process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._pause_s = 0.0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603
            self.program.arguments,
            env=dict(self.program.environment),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # standard output is the supervisor's own
            pass_fds=self.program.descriptors,
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops the others in order
            preexec_fn=dying_with_parent(signal.SIGTERM),
        )

    def tend(self) -> None:
        """Start it again if it has died and its pause is over."""
        now = time.monotonic()
        if self.alive:
            return
        if self.process is not None:
            steady = now - self._started_at >= _STEADY_S
            pause = 0.0 if steady else self._pause_s
            self._start_at = now + pause
            self._pause_s = _FIRST_PAUSE_S if steady else min(max(2 * pause, _FIRST_PAUSE_S), _LAST_PAUSE_S)
            _log.warning(
                "program_died", program=self.program.name, code=self.process.returncode, restart_in_s=pause
            )
            self.process = None
        if now >= self._start_at:
            self.start()

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Supervisor:
    """Runs an embedded server, if there is one, and programs that need it. Belongs to the main thread."""

    def __init__(self, server: EmbeddedPostgres | None, programs: Sequence[Program]) -> None:
        """`server` is running already, and is stopped last."""
        self._server = server
        self._kept = [_Kept(program) for program in programs]
        self._wake = threading.Event()
        self._stop_signals = 0
        self._server_pause_s = 0.0
        self._look_at = 0.0

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the programs that run, by name."""
        found = {kept.program.name: kept.process.pid for kept in self._kept if kept.process and kept.alive}
        if self._server is not None and self._server.pid is not None:
            found["postgres"] = self._server.pid
        return found

    def run(self, on_ready: Callable[[], None], *, ready_within_s: float = 60.0) -> None:
        """Start all programs, call `on_ready` when they are, and keep them running until a signal to stop.

        Returns when everything has stopped. Raises `StartFailed` where a program ends before it is ready.
        """
        handlers: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._on_stop) for number in _STOP_SIGNALS
        }
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: self._wake.set())
        try:
            for kept in self._kept:
                kept.start()
            self._await_ready(time.monotonic() + ready_within_s)
            if not self._stop_signals:
                on_ready()
            while not self._stop_signals:
                self._tend()
                self._wake.wait(0.1 if any(not kept.alive for kept in self._kept) else _LOOK_EVERY_S)
                self._wake.clear()
        finally:
            self._stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._stop_signals += 1
        self._wake.set()

    def _await_ready(self, deadline: float) -> None:
        waiting = [kept for kept in self._kept if kept.program.is_ready is not bool]
        while waiting and not self._stop_signals:
            dead = [kept.program.name for kept in self._kept if not kept.alive]
            if dead:
                raise StartFailed(f"The {dead[0]} process ended at its start. What it said stands above.")
            if time.monotonic() >= deadline:
                raise StartFailed(f"The {waiting[0].program.name} process does not answer.")
            waiting = [kept for kept in waiting if not kept.program.is_ready()]
            self._wake.wait(0.05)
            self._wake.clear()

    def _tend(self) -> None:
        now = time.monotonic()
        if self._server is not None and (now >= self._look_at or self._server.pid is None):
            self._tend_server(self._server, now)
        for kept in self._kept:
            kept.tend()

    def _tend_server(self, server: EmbeddedPostgres, now: float) -> None:
        if now < self._look_at and self._server_pause_s:
            return
        try:
            if server.supervise():
                _log.warning("program_died", program="postgres", restart_in_s=0)
            self._server_pause_s = 0.0
            self._look_at = now + _LOOK_EVERY_S
        except EmbeddedError as error:
            self._server_pause_s = min(max(2 * self._server_pause_s, _LOOK_EVERY_S), _LAST_PAUSE_S)
            self._look_at = now + self._server_pause_s
            _log.error("postgres_not_restarted", reason=str(error), again_in_s=self._server_pause_s)

    def _stop(self) -> None:
        """Stop the programs, stage by stage, then the server."""
        for stage in Stage:
            self._stop_together([kept for kept in self._kept if kept.program.stage is stage])
        if self._server is not None:
            self._stop_server(self._server)

    def _stop_together(self, stage: Sequence[_Kept]) -> None:
        began = time.monotonic()
        for kept in stage:
            kept.signal(signal.SIGTERM)
        for kept in stage:
            deadline = began + kept.program.stop_within_s
            while kept.alive and time.monotonic() < deadline and self._stop_signals < 2:
                self._wake.wait(0.05)
                self._wake.clear()
            if kept.alive:
                _log.warning("program_killed", program=kept.program.name)
                kept.signal(signal.SIGKILL)
                if kept.process is not None:
                    kept.process.wait()

    def _stop_server(self, server: EmbeddedPostgres) -> None:
        """A second signal makes PostgreSQL stop at once: it recovers at its next start, and loses nothing."""

        def hurry(*_: object) -> None:
            self._stop_signals += 1
            if self._stop_signals >= 2 and server.pid is not None:
                os.kill(server.pid, signal.SIGQUIT)

        for number in _STOP_SIGNALS:
            signal.signal(number, hurry)
        server.stop()
