"""Backups of an embedded PostgreSQL: whole copies, and the stream of WAL between and after them.

A place is a directory (another disk, a mounted share) that belongs to one data directory:

    PLACE/
      caudal-backup.json           the key that the place shares with its data directory
      lock                         held while a backup is made
      base/20261122T131500123Z/    one whole copy
        backup.json                when, from what, how large (`Backup`)
        passwords.json             0600: without them nobody could connect to what is restored
        cluster/                   PostgreSQL's files, with a manifest of their SHA-256
      wal/                         every change since the first copy, where it is delivered

A copy alone can be restored as it was when it ended; with the WAL, as it was at any time after that
(`caudal_base.restore`). All files are for their owner alone.
"""

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
from psycopg.rows import TupleRow

from caudal_base.embedded import EmbeddedError, EmbeddedPostgres, Session, tools
from caudal_base.embedded.archive import SLOT, Archive, read_archive, write_archive
from caudal_base.embedded.identity import installation
from caudal_base.embedded.layout import (
    Layout,
    explained,
    read_json,
    sync_directory,
    write_json,
    write_private,
)
from caudal_base.embedded.locks import POLL_S, FileLock

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many bytes of it are done, and how many there are (0: not known)."""

_DELIVERY_BEGINS_S = 5.0
"""How long a new delivery is waited for; its absence is reported, and the slot keeps the WAL."""

_PROGRESS = re.compile(r"(\d+)/(\d+) kB \(")
_START = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")


class BackupError(EmbeddedError):
    """A backup could not be made, found or restored; the message says why and what to do."""


class Backup(msgspec.Struct, frozen=True):
    """One whole copy in a place. Times are UTC; `first_wal` is the first segment that its recovery reads."""

    id: str
    started_at: datetime
    finished_at: datetime
    postgresql: str
    system_identifier: str
    first_wal: str
    size_bytes: int

    @property
    def major(self) -> int:
        """The major version of PostgreSQL that can read the copy."""
        return int(self.postgresql.split(".")[0])


class BackupReport(msgspec.Struct, frozen=True):
    """What `back_up` did. `delivering` tells whether WAL is on its way into the place by now."""

    backup: Backup
    path: str
    delivering: bool
    removed: list[str]


class DeliveryStatus(msgspec.Struct, frozen=True):
    """How the delivery of WAL fares.

    `behind_bytes` is what the place lacks by its last word, of which there is one a second; None where WAL
    was lost, so that only a new backup helps.
    """

    place: str
    delivering: bool
    behind_bytes: int | None


class Place:
    """A directory of backups, as `back_up` and `restore` see it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute().resolve()

    @property
    def mark(self) -> Path:
        """Makes the directory a place, and holds its key."""
        return self.path / "caudal-backup.json"

    @property
    def wal(self) -> Path:
        """The delivered WAL."""
        return self.path / "wal"

    def base(self, backup_id: str) -> Path:
        """The folder of one copy."""
        return self.path / "base" / backup_id

    def cluster(self, backup_id: str) -> Path:
        """PostgreSQL's files in one copy."""
        return self.base(backup_id) / "cluster"

    def passwords(self, backup_id: str) -> Path:
        """The passwords that belong to one copy."""
        return self.base(backup_id) / "passwords.json"

    def backups(self) -> list[Backup]:
        """The whole copies, oldest first. Raises BackupError where there is no place."""
        if not self.mark.is_file():
            raise BackupError(f"{self.path} holds no backups: it has no {self.mark.name}.")
        with explained(self.path, "read"):
            found = [read_json(path / "backup.json") for path in self.path.glob("base/[0-9]*")]
        kept = [msgspec.convert(item, Backup) for item in found if item is not None]
        return sorted(kept, key=lambda backup: backup.finished_at)


def back_up(
    session: Session,
    place: Path,
    *,
    deliver: bool = True,
    keep: int | None = None,
    progress: Progress | None = None,
) -> BackupReport:
    """Copies the running database into the place, checks the copy, and begins the delivery of WAL to it.

    `deliver=False` makes the copy alone and ends a delivery. `keep` removes older copies beyond that many,
    and the WAL that only they needed. Raises BackupError or DirectoryUnusable; there is no new copy then.
    """
    if keep is not None and keep < 1:
        raise ValueError("at least one backup is kept")
    home = Place(place)
    layout = Layout(session.directory)
    if home.path.is_relative_to(layout.root) or layout.root.is_relative_to(home.path):
        raise BackupError(f"{home.path} and {layout.root} lie in one another: a backup belongs elsewhere.")
    if deliver and layout.root.stat().st_uid != os.geteuid():
        raise BackupError(
            f"{layout.root} belongs to another user, whose server delivers its WAL as that user: run the "
            "backup as that user too."
        )
    _, identifier, _ = _identify(session)
    with _claimed(home, layout, identifier, deliver=deliver):
        _set_delivery(session, deliver=deliver)
        if isinstance(session, EmbeddedPostgres):
            session.supervise()
        made = _copy(session, home, progress=progress)
        removed = [] if keep is None else _prune(home, keep)
    delivering = deliver and _await_delivery(session)
    return BackupReport(made, str(home.base(made.id)), delivering, removed)


def delivery_status(session: Session) -> DeliveryStatus | None:
    """How the delivery of WAL fares, or None where none is wanted."""
    archive = read_archive(Layout(session.directory))
    if archive is None or not archive.deliver:
        return None
    with _superuser(session) as connection:
        row = connection.execute(
            "select slot.active,"
            "       slot.wal_status,"
            "       pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(sent.write_lsn, slot.restart_lsn))::bigint"
            "  from pg_replication_slots as slot"
            "  left join pg_stat_replication as sent on sent.pid = slot.active_pid"
            " where slot.slot_name = %s",
            [SLOT],
        ).fetchone()
    if row is None or row[1] == "lost":
        return DeliveryStatus(archive.place, delivering=False, behind_bytes=None)
    return DeliveryStatus(archive.place, delivering=row[0], behind_bytes=row[2])


@contextlib.contextmanager
def _claimed(home: Place, layout: Layout, identifier: str, *, deliver: bool) -> Iterator[None]:
    """Makes the place this data directory's own, or checks that it is, and keeps other backups out."""
    with explained(home.path, "use"):
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = read_json(home.mark)
        if mark is None and any(path.name not in ("lost+found", "lock") for path in home.path.iterdir()):
            raise BackupError(f"{home.path} holds other files. Choose an empty directory, or a new one.")
        lock = FileLock(home.path / "lock")
        if not lock.try_acquire():
            raise BackupError(f"Another backup into {home.path} is being made.")
        try:
            archive = read_archive(layout)
            if mark is None:
                key = secrets.token_hex(16)
                write_json(home.mark, {"key": key, "system_identifier": identifier})
            elif archive is None or (archive.key, identifier) != (mark["key"], mark["system_identifier"]):
                raise BackupError(
                    f"{home.path} holds the backups of another data directory (or of this one before it was "
                    "restored or upgraded). Choose a new place; the old backups stay as they are."
                )
            else:
                key = archive.key
            home.wal.mkdir(mode=0o700, exist_ok=True)
            (home.path / "base").mkdir(mode=0o700, exist_ok=True)
            write_archive(layout, Archive(str(home.path), key, deliver))
            yield
        finally:
            lock.release()


def _set_delivery(session: Session, *, deliver: bool) -> None:
    """Makes the slot that keeps WAL back, anew where it has lost some; or removes it."""
    with _superuser(session) as connection:
        row = connection.execute(
            "select wal_status, active_pid from pg_replication_slots where slot_name = %s", [SLOT]
        ).fetchone()
        if row is not None and (row[0] == "lost" or not deliver):
            _drop_slot(connection)
            row = None
        if row is None and deliver:
            connection.execute("select pg_create_physical_replication_slot(%s, true)", [SLOT])


def _drop_slot(connection: psycopg.Connection[TupleRow]) -> None:
    deadline = time.monotonic() + _DELIVERY_BEGINS_S
    while True:
        connection.execute(
            "select pg_terminate_backend(active_pid)"
            "  from pg_replication_slots where slot_name = %s and active_pid is not null",
            [SLOT],
        )
        try:
            connection.execute("select pg_drop_replication_slot(%s)", [SLOT])
        except psycopg.errors.ObjectInUse:
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _copy(session: Session, home: Place, *, progress: Progress | None) -> Backup:
    started = datetime.now(UTC)
    backup_id = started.strftime("%Y%m%dT%H%M%S") + f"{started.microsecond // 1000:03}Z"
    with explained(home.path, "write to"):
        for left in home.path.glob("base/.making-*"):
            shutil.rmtree(left)
        work = home.path / "base" / f".making-{backup_id}"
        work.mkdir(mode=0o700)
        try:
            cluster = work / "cluster"
            _base_backup(session, cluster, progress=progress)
            verify(cluster)
            version, identifier, finished = _identify(session)
            made = Backup(
                id=backup_id,
                started_at=started,
                finished_at=finished,
                postgresql=version,
                system_identifier=identifier,
                first_wal=_first_wal(cluster),
                size_bytes=size_of(cluster),
            )
            write_private(work / "passwords.json", Layout(session.directory).passwords.read_bytes())
            write_json(work / "backup.json", msgspec.to_builtins(made))
            work.rename(home.base(backup_id))
            sync_directory(home.path / "base")
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return made


def _base_backup(session: Session, cluster: Path, *, progress: Progress | None) -> None:
    """`pg_basebackup` with the WAL that the copy needs, fsynced, and with a manifest."""
    dsn = session.dsn("postgres", role="postgres")
    command = tools.command(
        "pg_basebackup",
        dsn,
        f"--pgdata={cluster}",
        "--format=plain",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--progress",
    )
    with tools.running(command, dsn, stderr=subprocess.PIPE) as running:
        said = []
        for line in running.stderr or ():
            if (seen := _PROGRESS.search(line)) is None:
                said.append(line)
            elif progress is not None:
                progress("copying", int(seen[1]) * 1024, int(seen[2]) * 1024)
    if running.returncode != 0:
        raise BackupError(f"The copy failed:\n{''.join(said).strip()}")


def verify(cluster: Path) -> None:
    """Compares a copy with its manifest, and reads its WAL. Raises BackupError where they differ."""
    done = subprocess.run(  # noqa: S603
        [installation() / "bin" / "pg_verifybackup", "--quiet", cluster],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupError(f"The copy {cluster} is damaged:\n{done.stderr.strip() or done.stdout.strip()}")


def _identify(session: Session) -> tuple[str, str, datetime]:
    """The server's version and identity, and its clock."""
    with _superuser(session) as connection:
        row = connection.execute(
            "select current_setting('server_version'), system_identifier::text, clock_timestamp()"
            "  from pg_control_system()"
        ).fetchone()
    if row is None:
        raise BackupError("The server does not say who it is.")
    return row[0], row[1], row[2].astimezone(UTC)


def _first_wal(cluster: Path) -> str:
    found = _START.search((cluster / "backup_label").read_text())
    if found is None:
        raise BackupError(f"{cluster / 'backup_label'} names no first WAL segment.")
    return found[1]


def size_of(folder: Path) -> int:
    """The bytes in all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _prune(home: Place, keep: int) -> list[str]:
    """Removes all but the newest copies, and the WAL from before the oldest that stays."""
    backups = home.backups()
    removed, kept = backups[:-keep], backups[-keep:]
    with explained(home.path, "remove old backups from"):
        for backup in removed:
            gone = home.path / "base" / f".making-{backup.id}"
            home.base(backup.id).rename(gone)
            shutil.rmtree(gone)
        for segment in home.wal.iterdir():
            if segment.name[8:24] < kept[0].first_wal[8:]:
                segment.unlink()
    return [backup.id for backup in removed]


def _await_delivery(session: Session) -> bool:
    deadline = time.monotonic() + _DELIVERY_BEGINS_S
    while True:
        status = delivery_status(session)
        if status is None or status.delivering or time.monotonic() >= deadline:
            return status is not None and status.delivering
        time.sleep(POLL_S)


@contextlib.contextmanager
def _superuser(session: Session) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(session.dsn("postgres", role="postgres"), autocommit=True) as connection:
        yield connection
