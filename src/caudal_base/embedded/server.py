"""One embedded PostgreSQL: a data directory, its lock, its passwords and its postmaster."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from caudal_base.embedded import process
from caudal_base.embedded.archive import WalReceiver
from caudal_base.embedded.errors import DirectoryInUse, DirectoryUnusable, EmbeddedError, VersionMismatch
from caudal_base.embedded.identity import Identity, binaries_for, identity_for, server_major
from caudal_base.embedded.layout import (
    CLUSTER_PREFIX,
    CREATING,
    RESTORING,
    UPGRADING,
    Layout,
    explained,
    give_to_owner_of,
    read_json,
    sync_directory,
    write_json,
    write_private,
)
from caudal_base.embedded.locks import FileLock
from caudal_base.embedded.tuning import DEFAULTS, PORT

Role = Literal["caudal", "postgres"]
"""`caudal` owns the database of that name and nothing else; `postgres` is the superuser, for maintenance."""

_SOCKET_PATH_LIMIT_BYTES = 100
"""Linux allows 107 bytes, other systems 103; libpq appends a suffix for its lock file."""

_HBA = """\
# Written by Caudal. Unix socket only; every role proves its password.
local   all          postgres              scram-sha-256
local   replication  postgres              scram-sha-256
local   all          caudal                scram-sha-256
"""

HARDENING = "revoke connect, temporary on database postgres, template1 from public"
"""So that the service reaches its own database alone."""


class EmbeddedPostgres:
    """A PostgreSQL of our own in one directory, on a unix socket, for as long as this object wants it.

    It ends with the process that started it, also if that is killed. `settings` go over the defaults of
    `caudal_base.embedded.tuning`.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.layout = Layout.of(directory)
        self._settings = {**DEFAULTS, **(settings or {})}
        self._lock = FileLock(self.layout.lock)
        self._server: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None
        self._receiver = WalReceiver(self.layout)

    @property
    def directory(self) -> Path:
        """The data directory, absolute and without links."""
        return self.layout.root

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs, else None."""
        server = self._server
        return server.pid if server is not None and server.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, wait_seconds: float = 0.0) -> None:
        """Returns when the server accepts connections; makes the directory and the database if need be.

        Call it from the main thread. `wait_seconds` is how long to wait for another owner to leave. Raises
        DirectoryInUse, DirectoryUnusable, VersionMismatch or ServerFailed; then nothing is left running.
        """
        if self._lock.held:
            raise EmbeddedError(f"This process already runs the server of {self.directory}")
        prepare(self.layout)
        with explained(self.layout.lock, "lock"):
            if not self._lock.acquire(wait_seconds=wait_seconds):
                raise in_use(self.layout, self._lock)
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def supervise(self) -> bool:
        """Starts what has died: the server, the delivery of WAL to the backups. True if it was the server.

        Call it every second or so while running, from the main thread. Raises what `start` raises.
        """
        if not self._lock.held:
            return False
        with explained(self.layout.root, "write to"):
            process.bound_log(self.layout.log)
            process.bound_log(self.layout.archive_log)
            if self.pid is not None:
                self._receiver.tend(self.dsn("postgres", role="postgres"))
                return False
            self.layout.state.unlink(missing_ok=True)
        self._receiver.stop()
        self._launch()
        return True

    def stop(self) -> None:
        """Shuts the server down: open transactions are rolled back, the rest is on disk. Safe to repeat."""
        if not self._lock.held:
            return
        try:
            self.layout.state.unlink(missing_ok=True)
            if self._server is not None:
                process.stop(self._server)
                self._server = None
            self._receiver.finish()
            if self._socket_dir is not None:
                remove_socket_dir(self.layout, self._socket_dir)
        finally:
            self._lock.release()

    def dsn(self, dbname: str = "caudal", *, role: Role = "caudal") -> str:
        """The connection string of a role, with its password. Raises EmbeddedError if stopped."""
        if self._socket_dir is None or not self._lock.held:
            raise EmbeddedError(f"The server of {self.directory} is not running")
        return connection_string(self.layout, self._socket_dir, dbname=dbname, role=role)

    def _launch(self) -> None:
        layout = self.layout
        with explained(layout.root, "use"):
            identity = identity_for(layout)
            process.remove_leftovers(layout.root / CREATING)
            cluster = find_cluster(layout)
            if cluster is not None:  # then what a restore or an upgrade left has served
                for left in (RESTORING, UPGRADING):
                    process.remove_leftovers(layout.root / left)
            self._socket_dir = make_socket_dir(layout, identity)
            binaries = binaries_for(identity)
            if cluster is None:
                cluster = create_cluster(layout, binaries, identity, durable=self._settings["fsync"] == "on")
            log_start = layout.log.stat().st_size if layout.log.exists() else 0
            self._server = process.launch(
                binaries,
                cluster,
                socket_dir=self._socket_dir,
                identity=identity,
                settings=self._settings,
                log=layout.log,
            )
        process.await_ready(self._server, cluster, log=layout.log, log_start=log_start)
        self._ensure_database()
        with explained(layout.state, "write"):
            self._receiver.tend(self.dsn("postgres", role="postgres"))
            write_json(layout.state, self._state())

    def _ensure_database(self) -> None:
        """Makes the service's role and database; the next start completes one that was killed."""
        try:
            self._ensure_role_and_database()
        except psycopg.OperationalError as error:
            raise process.failure("PostgreSQL runs, but refuses its superuser", str(error)) from error

    def _ensure_role_and_database(self) -> None:
        password = passwords(self.layout)["caudal"]
        with psycopg.connect(self.dsn("postgres", role="postgres"), autocommit=True) as connection:
            if connection.execute("select from pg_roles where rolname = 'caudal'").rowcount == 0:
                connection.execute(
                    sql.SQL("create role caudal login password {}").format(sql.Literal(password))
                )
            if connection.execute("select from pg_database where datname = 'caudal'").rowcount == 0:
                connection.execute(HARDENING)
                connection.execute("create database caudal owner caudal template template0")

    def _state(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "postmaster_pid": self.pid,
            "socket_directory": str(self._socket_dir),
            "port": PORT,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def prepare(layout: Layout) -> None:
    """Makes the data directory, or checks that it is ours to use. Raises DirectoryUnusable."""
    root = layout.root
    with explained(root, "use"):
        root.mkdir(parents=True, exist_ok=True)
        if (root / "PG_VERSION").exists():
            raise DirectoryUnusable(
                f"{root} is a PostgreSQL data directory itself, not one of Caudal's, which holds one in a "
                f"folder {layout.cluster(server_major()).name}. Choose another directory."
            )
        if layout.is_foreign():
            raise DirectoryUnusable(
                f"{root} holds other files. Choose an empty directory, or one that does not exist yet."
            )
        if not any(root.iterdir()):
            # Root's server runs as another user, who must pass through but not look around.
            root.chmod(0o711 if os.geteuid() == 0 else 0o700)


def find_cluster(layout: Layout) -> Path | None:
    """The cluster that our binaries can run, or None in a new directory.

    Raises VersionMismatch for one of another major version, DirectoryUnusable after an unfinished restore.
    """
    major = server_major()
    clusters = layout.clusters()
    newer = [found for found in clusters if found > major]
    if newer:
        raise VersionMismatch(
            f"{layout.root} was written by PostgreSQL {max(newer)}; this Caudal brings PostgreSQL {major}. "
            "Use the newer Caudal that wrote it, or restore a backup that this one made.",
            found=max(newer),
            expected=major,
        )
    if major in clusters:
        return clusters[major]
    if clusters:
        found = max(clusters)
        raise VersionMismatch(
            f"{layout.root} was written by PostgreSQL {found}; this Caudal brings PostgreSQL {major}. "
            f"Move it with `caudal db upgrade --data {layout.root} --old-bin DIR`, where DIR has the "
            f"programs of PostgreSQL {found} (Debian: /usr/lib/postgresql/{found}/bin). The old one stays.",
            found=found,
            expected=major,
        )
    if any(layout.root.glob(f"{CLUSTER_PREFIX}*")):
        raise DirectoryUnusable(
            f"{layout.root} holds a damaged database: its PG_VERSION is missing. Restore a backup into a new "
            "directory."
        )
    for name, command in ((RESTORING, "restore"), (UPGRADING, "db upgrade")):
        if (layout.root / name).exists():
            raise DirectoryUnusable(
                f"A `caudal {command}` into {layout.root} was interrupted. Run it again, or empty it."
            )
    return None


def create_cluster(layout: Layout, binaries: Path, identity: Identity, *, durable: bool) -> Path:
    """A new, empty cluster with checksums; whole or not at all. Raises DirectoryUnusable or ServerFailed.

    `durable=False` leaves it to the system when the files reach the disk: for tests.
    """
    if not layout.passwords.exists():
        write_json(layout.passwords, {role: secrets.token_urlsafe(32) for role in ("postgres", "caudal")})
    work = layout.root / CREATING
    work.mkdir(mode=0o711)
    give_to_owner_of(layout.root, work)
    cluster = work / "cluster"
    cluster.mkdir(mode=0o700)
    identity.own(cluster)
    password_file = work / "password"
    password_file.touch(mode=0o600)
    identity.own(password_file)
    password_file.write_text(passwords(layout)["postgres"] + "\n")
    try:
        process.run(
            [
                *(binaries / "initdb", "-D", "/proc/self/cwd" if identity.dropped else cluster),
                *("--username=postgres", "--pwfile=../password", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                *("--data-checksums", "--auth-local=scram-sha-256", "--auth-host=reject"),
                *(() if durable else ("--no-sync",)),
            ],
            cluster=cluster,
            identity=identity,
        )
        write_private(cluster / "pg_hba.conf", _HBA.encode())
        target = layout.cluster(server_major())
        cluster.rename(target)
        sync_directory(layout.root)
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_socket_dir(layout: Layout, identity: Identity) -> Path:
    """The directory of the unix socket, for the server's user alone; elsewhere if the path does not suit."""
    name = f"caudal-{identity.uid}-{sha256(os.fsencode(layout.root)).hexdigest()[:16]}"
    fallback = Path("/tmp") / name  # noqa: S108
    candidates = (layout.sockets, Path(tempfile.gettempdir()) / name)
    path = next((candidate for candidate in candidates if _suits_a_socket(candidate)), fallback)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.lstat().st_uid not in (identity.uid, os.geteuid()):
        raise DirectoryUnusable(
            f"{path} is where the server's socket belongs, and another user's. Remove it and start again."
        )
    path.chmod(0o700)
    identity.own(path)
    return path


def remove_socket_dir(layout: Layout, socket_dir: Path) -> None:
    """Removes what `make_socket_dir` made elsewhere, once its server has stopped."""
    if socket_dir != layout.sockets:
        shutil.rmtree(socket_dir, ignore_errors=True)


def _suits_a_socket(directory: Path) -> bool:
    """Short enough for the kernel, and without what separates hosts in a connection string."""
    path = os.fsencode(directory / f".s.PGSQL.{PORT}")
    return len(path) <= _SOCKET_PATH_LIMIT_BYTES and not set(path) & set(b',"')


def passwords(layout: Layout) -> dict[str, str]:
    """The generated passwords by role. Raises DirectoryUnusable where they are missing or not readable."""
    with explained(layout.passwords, "read"):
        found = read_json(layout.passwords)
    if found is None:
        raise DirectoryUnusable(
            f"{layout.passwords} is missing or damaged, so nobody can connect. Put it back from a backup "
            "of this directory (every `caudal backup` holds it)."
        )
    return found


def connection_string(layout: Layout, socket_dir: Path, *, dbname: str, role: Role) -> str:
    """What libpq connects with; holds the role's password."""
    return make_conninfo(
        host=str(socket_dir), port=PORT, dbname=dbname, user=role, password=passwords(layout)[role]
    )


def in_use(layout: Layout, lock: FileLock) -> DirectoryInUse:
    """The error for a directory whose lock another process holds."""
    pid = lock.holder()
    who = f"process {pid}" if pid is not None else "another process"
    return DirectoryInUse(
        f"{layout.root} is in use by {who}. Stop that one first, or use another directory.", pid=pid
    )
