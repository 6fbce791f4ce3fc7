"""What the tests of the embedded PostgreSQL share: prepared directories, and processes that own them."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from caudal_base.embedded import EmbeddedPostgres

ORDINARY_UID = pwd.getpwnam("daemon").pw_uid
"""Whom root's tests take for an ordinary user: not the one that root's own servers run as."""
SERVER_UID = pwd.getpwnam("nobody").pw_uid
NAMELESS_UID = 54_321
"""A user that /etc/passwd does not know, as containers have them."""

OWNER = """
import json, os, sys
from pathlib import Path
from caudal_base.embedded import EmbeddedPostgres, attach_or_start
mode, directory, settings, uid = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
if uid != os.geteuid():  # only now: the interpreter itself may be in a place that only root can reach
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
if mode == "start":
    manager = EmbeddedPostgres(directory, settings=settings)
else:
    manager = attach_or_start(directory, settings=settings)
with manager as server:
    pid = server.pid if isinstance(server, EmbeddedPostgres) else None
    print(json.dumps({"postmaster": pid, "dsn": server.dsn()}), flush=True)
    sys.stdin.readline()
"""

QUICK = {"shared_buffers": "16MB", "max_connections": "20"}
"""Durable as in production, and small."""


def eventually(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Returns once the condition holds; fails the test where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def copied(source: Path, target: Path) -> Path:
    """Copies a directory with its files' owners and modes."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
    return target


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@dataclass
class Owner:
    """A process that runs (or joined) a server until it is told to end."""

    process: subprocess.Popen[str]
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def postmaster(self) -> int:
        """The postmaster's pid."""
        return int(self.said["postmaster"])

    @property
    def dsn(self) -> str:
        """What the process connects with."""
        return str(self.said["dsn"])

    def wait_until_ready(self) -> "Owner":
        """Returns once its server answers; fails the test with its last words where it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.last_words()
        self.said = json.loads(line)
        return self

    def finish(self) -> None:
        """Ends the block of its context manager, without waiting for it."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finished(self) -> int:
        """Ends it and gives its exit code."""
        self.finish()
        return self.process.wait(20)

    def last_words(self) -> str:
        """What it wrote to standard error, once it has ended by itself."""
        assert self.process.stderr is not None
        words = self.process.stderr.read()
        self.process.wait(20)
        return words

    def kill(self) -> None:
        """SIGKILL to the owner alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


StartOwner = Callable[..., Owner]


@pytest.fixture
def start_owner() -> Iterator[StartOwner]:
    """Starts processes that own or join a server; those still there at the end are ended."""
    owners: list[Owner] = []

    def start(directory: Path, *, mode: str = "start", uid: int | None = None) -> Owner:
        user = os.geteuid() if uid is None else uid
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, mode, str(directory), json.dumps(QUICK), str(user)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        owners.append(Owner(process))
        return owners[-1]

    yield start
    for owner in owners:
        if owner.process.poll() is None:
            owner.process.kill()
        owner.process.wait(20)
        for stream in (owner.process.stdin, owner.process.stdout, owner.process.stderr):
            if stream is not None:
                stream.close()
        if owner.said.get("postmaster"):
            eventually(lambda pid=owner.postmaster: not alive(pid))


@pytest.fixture(scope="session")
def made_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped data directory with one table, to be copied: initdb is what costs time."""
    directory = tmp_path_factory.mktemp("made") / "data"
    with EmbeddedPostgres(directory, settings={"fsync": "off"}):
        pass
    return directory


@pytest.fixture(scope="module")
def data_directory(made_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stopped data directory for the tests of a module: each leaves it stopped, whole, and where it is."""
    directory = copied(made_directory, tmp_path_factory.mktemp("module") / "data")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def own_directory(made_directory: Path, tmp_path: Path) -> Iterator[Path]:
    """A stopped data directory of this test alone."""
    directory = copied(made_directory, tmp_path / "data")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def ordinary_directory(made_directory: Path, open_place: Path, ordinary_uid: int | None) -> Path:
    """A stopped data directory of this test alone that belongs to an ordinary user, who can reach it."""
    directory = copied(made_directory, open_place / "data")
    if ordinary_uid is not None:
        subprocess.run(["chown", "-R", f"{ordinary_uid}:{ordinary_uid}", str(directory)], check=True)
    return directory


@pytest.fixture
def open_place() -> Iterator[Path]:
    """An empty directory that every user can reach and write to; pytest's own are closed to other users."""
    place = Path(tempfile.mkdtemp(prefix="caudal-test-"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def ordinary_uid() -> int | None:
    """For `start_owner(uid=…)`: another user where the tests run as root, else the user that they run as."""
    return ORDINARY_UID if os.geteuid() == 0 else None
