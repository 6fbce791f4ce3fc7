"""Programs of the simulation that start at once: they are what `python -m` would have made of them."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from caudal.simulation.nursery import Child, Nursery

SERVER = [sys.executable, "-P", "-m", "http.server", "--bind", "127.0.0.1", "0"]


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    with closing(Nursery(["json"], [], tmp_path / "nursery.log")) as made:
        yield made


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(child: Child) -> int | None:
    until(lambda: child.poll() is not None)
    return child.poll()


def test_a_program_runs_with_its_arguments_environment_and_log(nursery: Nursery, tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    environment = {"PATH": os.environ["PATH"], "CAUDAL_DATA_DIR": str(tmp_path)}
    child = nursery.start([sys.executable, "-P", "-m", "caudal", "version"], environment, log, [])
    assert ended(child) == 0
    assert "caudal" in log.read_text(encoding="utf-8")


def test_one_that_fails_says_so(nursery: Nursery, tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    child = nursery.start([sys.executable, "-P", "-m", "caudal", "nonsense"], {}, log, [])
    assert ended(child) == 2
    assert "nonsense" in log.read_text(encoding="utf-8")


def test_it_is_killed_like_any_other_and_its_end_is_known(nursery: Nursery, tmp_path: Path) -> None:
    child = nursery.start(SERVER, dict(os.environ), tmp_path / "server.log", [])
    assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    child.terminate()  # one that is gone is left in peace


def test_children_end_with_their_nursery(tmp_path: Path) -> None:
    with closing(Nursery(["json"], [], tmp_path / "nursery.log")) as nursery:
        child = nursery.start(SERVER, dict(os.environ), tmp_path / "server.log", [])
    until(lambda: not Path(f"/proc/{child.pid}/cmdline").exists() or _is_zombie(child.pid))


def test_a_program_gets_the_descriptors_that_are_its_own_and_no_others(tmp_path: Path) -> None:
    own, other = os.pipe()
    try:
        with closing(Nursery(["json"], [own, other], tmp_path / "nursery.log")) as nursery:
            child = nursery.start(SERVER, dict(os.environ), tmp_path / "server.log", [own])
            held = {name.name for name in Path(f"/proc/{child.pid}/fd").iterdir()}
            until(lambda: str(other) not in {n.name for n in Path(f"/proc/{child.pid}/fd").iterdir()})
            assert str(own) in held
    finally:
        os.close(own)
        os.close(other)


def _is_zombie(pid: int) -> bool:
    """Ended, and nobody has waited for it: its nursery has gone before."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
