"""One `caudal up` that most tests share, in real processes, and commands on it."""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import structlog

import caudal.cli

CAUDAL = (sys.executable, "-P", "-m", "caudal")

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
"""Settings of whoever runs the tests must not reach the commands."""


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        return json.loads(self.out)


def run(*arguments: object, environment: dict[str, str] | None = None) -> Ran:
    """Runs `caudal …` to its end, in this process: starting Python takes longer than most commands."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {**ENVIRONMENT, **(environment or {})}, clear=True),
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        logs_as_before(),
    ):
        code = caudal.cli.run([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def logs_as_before() -> Iterator[None]:
    """Takes back what a command does to the logs of its process: other tests read theirs."""
    root = logging.getLogger()
    configured, before = structlog.is_configured(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in root.manager.loggerDict}
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in root.manager.loggerDict:
            logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
        if configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()


def run_process(*arguments: object, environment: dict[str, str] | None = None) -> Ran:
    """Runs `caudal …` to its end, in a process of its own."""
    done = subprocess.run(
        [*CAUDAL, *(str(argument) for argument in arguments)],
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def wait_for(condition: Callable[[], Any], *, within_s: float = 60.0) -> Any:
    """What `condition` returns as soon as it is true; fails the test when the time is over."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return found


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    return [process for child in children(pid) for process in (child, *descendants(child))]


def alive(pid: int) -> bool:
    """Whether the process runs: neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Up:
    """A `caudal up` that runs."""

    process: subprocess.Popen[str]
    directory: Path
    log: Path
    greeting: dict[str, Any]
    key: str = field(default="")

    @property
    def url(self) -> str:
        return str(self.greeting["url"])

    @property
    def pids(self) -> dict[str, int]:
        """As they were at the start."""
        pids: dict[str, int] = self.greeting["pids"]
        return pids

    def ready(self) -> bool:
        """Whether the API answers and has its database."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> httpx.Response:
        """A request with the first API key."""
        return httpx.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"}, timeout=30)

    def caudal(self, *arguments: object) -> Ran:
        """A command on the same data directory."""
        return run(*arguments, "--data", self.directory)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def running_up(
    directory: Path,
    *arguments: object,
    key: str = "",
    prefix: Sequence[str] = (),
    python: str = sys.executable,
    **environment: str,
) -> Iterator[Up]:
    """`caudal up --json` in the directory, from its greeting on; stopped at the end if it still runs."""
    log = directory.with_name(directory.name + ".log")
    with log.open("a") as errors:
        process = subprocess.Popen(
            [
                *prefix,
                python,
                *CAUDAL[1:],
                "up",
                "--json",
                "--data",
                str(directory),
                *(str(item) for item in arguments),
            ],
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        assert line, f"it did not start: {log.read_text()}"
        greeting = json.loads(line)
        assert "error" not in greeting, greeting
        yield Up(process, directory, log, greeting, greeting["api_key"] or key)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
