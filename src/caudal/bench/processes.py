"""Our own programs beside the benchmark, and what each of them takes of the processor."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from caudal.bench import http_load
from caudal_base.check import check
from caudal_base.parent import dying_with_parent

_START_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.05

_NAMES: Final = (("caudal_sandbox", "sandbox"), ("caudal\0worker", "worker"), ("caudal\0api", "api"))
"""What a program's command line holds, and what it is called here."""


@contextlib.contextmanager
def running(
    arguments: Sequence[str], environment: Mapping[str, str], is_ready: Callable[[], bool]
) -> Iterator[None]:
    """Run a Python module of ours while the block lasts: `arguments` are its name and what follows it.

    `environment` is added to this process's own. The block begins when `is_ready` says so.
    """
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", *arguments],
        env={**os.environ, "CAUDAL_LOG_LEVEL": "error", **environment},
        stdout=subprocess.DEVNULL,
        preexec_fn=dying_with_parent(signal.SIGTERM),
    )
    with process:
        try:
            deadline = time.monotonic() + _START_WITHIN_S
            while not is_ready():
                check(process.poll() is None, f"{' '.join(arguments)} runs")
                check(time.monotonic() < deadline, f"{' '.join(arguments)} was ready in time")
                time.sleep(_LOOK_EVERY_S)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def answers(port: int, path: str) -> bool:
    """Whether a GET of `path` at 127.0.0.1 is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(http_load.request("GET", path, {"Connection": "close"}, b""))
            return b" 200 " in probe.recv(64)
    except OSError:
        return False


def cpu() -> dict[str, float]:
    """Seconds of CPU so far: of this process as `generator`, and of what it has started, by program."""
    seconds = {"generator": time.process_time()}
    for pid in _descendants(os.getpid()):
        name = _name(pid)
        if name is not None:
            seconds[name] = seconds.get(name, 0.0) + _cpu(pid)
    return seconds


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return [each for child in found for each in (child, *_descendants(child))]


def _name(pid: int) -> str | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return None
    if "postgres" in line.partition("\0")[0]:
        return "postgres"
    return next((name for part, name in _NAMES if part in line), None)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # Its own user and system time: those that it has started are counted by themselves.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
