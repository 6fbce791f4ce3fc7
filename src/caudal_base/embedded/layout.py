"""What stands where in a data directory, and how files that matter are written to it.

DIR/
  caudal.lock         held (flock) by the process that runs the server
  sessions.lock       held shared by every process that is attached to it
  server.json         pid, socket and port while the server answers
  passwords.json      0600: the superuser's and the service's generated passwords
  server.log          what PostgreSQL says
  archive.json        where its WAL is delivered to, once `caudal backup` has been there
  archive.log         what the delivery says
  socket/             the unix socket, where the path is short enough
  postgres-18/        PostgreSQL's own data directory, named for its major version
"""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from caudal_base.embedded.errors import DirectoryUnusable

CLUSTER_PREFIX = "postgres-"
CREATING = ".creating"
"""A cluster that is being made; renamed when whole, so one that is found belongs to a start that died."""
RESTORING = ".restoring"
"""The same for a restore."""
UPGRADING = ".upgrading"
"""The same for an upgrade."""

# An API whose database is elsewhere may have kept its sealing key here before (`caudal_base.sealing`).
_HARMLESS = frozenset({"lost+found", "sealing.key"})
_OURS = frozenset({"caudal.lock", "passwords.json", CREATING, RESTORING, UPGRADING})


@dataclass(frozen=True)
class Layout:
    """The paths of one data directory."""

    root: Path

    @classmethod
    def of(cls, directory: Path) -> Self:
        """The layout of a directory as an operator names it."""
        return cls(directory.expanduser().absolute().resolve())

    @property
    def lock(self) -> Path:
        """Held exclusively by the process that runs the server."""
        return self.root / "caudal.lock"

    @property
    def sessions(self) -> Path:
        """Held shared by each process that is attached to a server of another process."""
        return self.root / "sessions.lock"

    @property
    def state(self) -> Path:
        """Exists only while the server answers (or after its owner was killed)."""
        return self.root / "server.json"

    @property
    def passwords(self) -> Path:
        """The generated passwords by role, mode 0600."""
        return self.root / "passwords.json"

    @property
    def log(self) -> Path:
        """PostgreSQL's log."""
        return self.root / "server.log"

    @property
    def archive(self) -> Path:
        """Where the directory's WAL is delivered to."""
        return self.root / "archive.json"

    @property
    def archive_log(self) -> Path:
        """What the delivery of WAL says."""
        return self.root / "archive.log"

    @property
    def sockets(self) -> Path:
        """The directory of the unix socket, unless its path is too long."""
        return self.root / "socket"

    def cluster(self, major: int) -> Path:
        """PostgreSQL's own directory for one major version."""
        return self.root / f"{CLUSTER_PREFIX}{major}"

    def clusters(self) -> dict[int, Path]:
        """The clusters that are there, by the major version that their files really have."""
        found: dict[int, Path] = {}
        for path in sorted(self.root.glob(f"{CLUSTER_PREFIX}*")):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
                found[int((path / "PG_VERSION").read_text().strip().split(".")[0])] = path
        return found

    def is_foreign(self) -> bool:
        """Whether the directory holds something, and nothing that we put there."""
        names = {path.name for path in self.root.iterdir()} - _HARMLESS
        return bool(names) and not (names & _OURS or any(name.startswith(CLUSTER_PREFIX) for name in names))


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turns the operating system's refusals into a DirectoryUnusable that says what to do."""
    try:
        yield
    except OSError as error:
        raise DirectoryUnusable(f"Cannot {doing} {path}: {advice(error)}") from error


def advice(error: OSError) -> str:
    """One sentence on what an operating system's error means here and what helps."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "no space is left on that disk. Free some, or choose another directory."
        case errno.EROFS:
            return "that file system is mounted read-only. Choose a directory on a writable one."
        case errno.EACCES | errno.EPERM:
            return "permission denied. Use a directory that this user may write to, or run as its owner."
        case errno.EINVAL:
            return (
                "the system does not let this user act for others. Where root is no real root (as in some "
                "containers), run Caudal as an ordinary user."
            )
        case errno.ENOTDIR | errno.EEXIST:
            return "a file stands in the way. Choose another directory."
        case errno.ENAMETOOLONG:
            return "the path is too long. Choose a shorter one."
        case _:
            return f"{error.strerror or error}."


def write_private(path: Path, content: bytes) -> None:
    """Writes a 0600 file so that after a crash there is the old one or the new one, whole.

    The file belongs to its directory's owner: where root works in a user's directory, the user keeps access.
    Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner_of(path.parent, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """`write_private` of one JSON object."""
    write_private(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file, or None where there is no (whole) one. Raises PermissionError."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a 0600 file made if missing; it belongs to the directory's owner, and is no link."""
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    give_to_owner_of(path.parent, descriptor)
    return descriptor


def give_to_owner_of(directory: Path, target: int | Path) -> None:
    """Root gives what it makes in a user's directory to that user; anybody else leaves it alone."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(target, owner.st_uid, owner.st_gid)


def sync_directory(path: Path) -> None:
    """Makes renames and new names inside the directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
