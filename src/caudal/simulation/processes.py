"""Programs that run, are killed and run again."""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from caudal.simulation.nursery import Child, Nursery
from caudal.supervisor import Program
from caudal_base.check import check
from caudal_base.parent import dying_with_parent

_LOOK_EVERY_S: Final = 0.02


class Kept:
    """A program with its present process and the log of all of them. Belongs to the main thread."""

    def __init__(self, program: Program, log: Path, nursery: Nursery | None = None) -> None:
        """With a `nursery` it is a child of that, and starts at once."""
        self.program = program
        self.log = log
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | Child | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.pid is not None:
            return
        if self._nursery is not None:
            program = self.program
            self._process = self._nursery.start(
                program.arguments, dict(program.environment), self.log, program.descriptors
            )
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own programs
                self.program.arguments,
                env=dict(self.program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.program.descriptors,
                start_new_session=True,
                preexec_fn=dying_with_parent(signal.SIGTERM),
            )

    async def ready(self, *, within_s: float = 30.0) -> None:
        """Wait until it serves, and start it again if it dies meanwhile."""
        deadline = time.monotonic() + within_s
        while not await asyncio.to_thread(self.program.is_ready):
            check(time.monotonic() < deadline, f"{self.program.name} serves in time")
            self.start()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def kill(self) -> None:
        """End it now with everything below it, and wait until it is gone."""
        process = self._process
        if process is None:
            return
        for pid in [*descendants(process.pid), process.pid]:
            kill_hard(pid)
        await self._gone(math.inf)

    async def stop(self) -> None:
        """Let it finish its work and end."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        if not await self._gone(self.program.stop_within_s):
            await self.kill()

    async def _gone(self, within_s: float) -> bool:
        """Wait until the process has ended; whether it has."""
        deadline = time.monotonic() + within_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        return True


def kill_hard(pid: int) -> None:
    """SIGKILL; nothing happens if it has gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live, oldest first."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    return [process for child in children(pid) for process in (child, *descendants(child))]


def cpu_s(pid: int) -> float:
    """Seconds of CPU of a process and all below it, those that have ended and were waited for included."""
    return sum(_ticks(each) for each in (pid, *descendants(pid))) / os.sysconf("SC_CLK_TCK")


class Waiting:
    """How long programs wait for a processor that others have: on a machine that is too busy, all is late."""

    def __init__(self) -> None:
        """Nothing has been looked at."""
        self._seen: dict[int, tuple[int, int]] = {}
        self._ran = 0
        self._waited = 0

    def look(self, pid: int) -> None:
        """Add what a process has run and waited since it was looked at last, or since it began."""
        try:
            ran, waited, _ = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())  # proc(5), in ns
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
        before = self._seen.get(pid, (0, 0))
        if ran >= before[0]:
            self._ran += ran - before[0]
            self._waited += waited - before[1]
        self._seen[pid] = (ran, waited)

    @property
    def slowness(self) -> float:
        """How many times as long their work took as it would have on a machine of their own."""
        return 1 + self._waited / self._ran if self._ran else 1.0


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime: proc(5)


def command_line(pid: int) -> str:
    """How a process was called, or how it names itself; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
