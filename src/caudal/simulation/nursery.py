"""Programs that start at once: children of one process that has imported what all of them need.

A run starts some ten programs, and each would spend most of a second of CPU on its imports. Here one process
does so once, and forks. A child is what `python -m MODULE …` makes of it: with its own session, environment,
log and descriptors, killed and waited for like any other process. Linux only, as the simulation is.
"""

import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from caudal_base.check import check
from caudal_base.parent import die_with_parent, dying_with_parent

_PYTHON: Final = ("-P", "-m")
"""How programs call Python; their module and its arguments come behind."""


_MAIN: Final = f"from {__name__} import main; main()"


class Wish(msgspec.Struct, frozen=True):
    """A program to be started."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    log: str
    descriptors: list[int]


class Event(msgspec.Struct, frozen=True):
    """What became of a wish, or of a child."""

    pid: int
    code: int | None
    """None: it has been started. As `subprocess` has it: negative is the signal that ended it."""


class Nursery:
    """The parent of programs. Belongs to the main thread; ends with this process."""

    def __init__(self, modules: Sequence[str], descriptors: Sequence[int], log: Path) -> None:
        """Import `modules` for them; they can be given those open files of ours that `descriptors` number."""
        with log.open("ab") as written:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-P", "-c", _MAIN, msgspec.json.encode(list(descriptors)), *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                bufsize=0,
                pass_fds=tuple(descriptors),
                start_new_session=True,
                preexec_fn=dying_with_parent(signal.SIGTERM),
            )
        self._unread = b""
        self._ended: dict[int, int] = {}

    def start(
        self, arguments: Sequence[str], environment: dict[str, str], log: Path, descriptors: Sequence[int]
    ) -> "Child":
        """Start a program by the command line that would start it otherwise."""
        check(tuple(arguments[1:3]) == _PYTHON, "a program is a module of ours")
        wish = Wish(arguments[3], list(arguments[4:]), environment, str(log), list(descriptors))
        stdin = self._process.stdin
        check(stdin is not None, "wishes are written to a pipe")
        if stdin is not None:
            stdin.write(msgspec.json.encode(wish) + b"\n")
        while True:
            for event in self._events(wait=True):
                if event.code is None:
                    return Child(self, event.pid)

    def code_of(self, pid: int) -> int | None:
        """How a child ended; None: it runs."""
        self._events(wait=False)
        return self._ended.get(pid)

    def close(self) -> None:
        """End it; children that still run are told to end."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _events(self, *, wait: bool) -> list[Event]:
        """What it has told since."""
        stdout = self._process.stdout
        check(stdout is not None, "what it tells is read from a pipe")
        found: list[Event] = []
        while stdout is not None and select.select([stdout], [], [], None if wait and not found else 0)[0]:
            data = os.read(stdout.fileno(), 65_536)
            check(data != b"", "the parent of all programs lives")
            *lines, self._unread = (self._unread + data).split(b"\n")
            told = [msgspec.json.decode(line, type=Event) for line in lines]
            found += told
            for event in told:
                if event.code is None:
                    self._ended.pop(event.pid, None)  # an earlier child had the number
                else:
                    self._ended[event.pid] = event.code
        return found


class Child:
    """A program that was started."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def poll(self) -> int | None:
        """How it ended; None: it runs."""
        return self._nursery.code_of(self.pid)

    def terminate(self) -> None:
        """Tell it to end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


def _serve(modules: Sequence[str], given: Sequence[int]) -> Wish:
    """Fork for each wish, tell who has ended, end with the input. Returns in children, with their wish."""
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    parent, unread = os.getpid(), b""
    while True:
        ready, _, _ = select.select([0, read], [], [])
        if read in ready:
            os.read(read, 65_536)
            _tell_ended()
        if 0 not in ready:
            continue
        data = os.read(0, 1_048_576)
        if not data:
            sys.exit(0)
        *lines, unread = (unread + data).split(b"\n")
        for line in lines:
            wish = msgspec.json.decode(line, type=Wish)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (read, write, *(each for each in given if each not in wish.descriptors)):
                    os.close(descriptor)
                die_with_parent(signal.SIGTERM, parent=parent)
                return wish
            _tell(Event(pid, None))


def _tell_ended() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(Event(pid, os.waitstatus_to_exitcode(status)))


def _tell(event: Event) -> None:
    os.write(1, msgspec.json.encode(event) + b"\n")


def _become(wish: Wish) -> NoReturn:
    """Be the program that was wished for."""
    os.setsid()
    with Path(os.devnull).open("rb") as nothing, Path(wish.log).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(wish.environment)
    sys.argv = [wish.module, *wish.arguments]
    runpy.run_module(wish.module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def main() -> NoReturn:
    """Run by `Nursery`, with the descriptors and the modules; wishes come by standard input."""
    _become(_serve(sys.argv[2:], msgspec.json.decode(sys.argv[1], type=list[int])))
