"""Restoring a backup into a new data directory: all that was delivered, or the state at a point in time.

Everything is made and checked in a folder `.restoring` of the new directory; renaming the cluster out of it
is the last step. A restore that was killed leaves only that folder, and is begun anew by the next.
"""

import itertools
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from caudal_base.backup import Backup, BackupError, Place, Progress, verify
from caudal_base.embedded import EmbeddedPostgres, ServerFailed, VersionMismatch, process
from caudal_base.embedded.identity import Identity, binaries_for, identity_for, server_major
from caudal_base.embedded.layout import (
    RESTORING,
    Layout,
    explained,
    give_to_owner_of,
    sync_directory,
    write_private,
)
from caudal_base.embedded.locks import FileLock
from caudal_base.embedded.server import in_use, prepare

SEGMENT_BYTES = 16 * 1024 * 1024
"""initdb's default, which our clusters keep."""
_SEGMENTS_PER_FILE_ID = 0x1_0000_0000 // SEGMENT_BYTES

_SEGMENT = re.compile(r"[0-9A-F]{24}(\.partial)?")
_LAST_TRANSACTION = re.compile(r"last completed transaction was at log time (\S+ [0-9:.]+)\+00")
_TARGET_NOT_REACHED = "recovery ended before configured recovery target was reached"


class RestoreReport(msgspec.Struct, frozen=True):
    """What `restore` made. `last_transaction_at` is the commit time of the last one that was replayed.

    It is None where nothing was committed between the copy and the point that was asked for.
    """

    directory: str
    backup: Backup
    last_transaction_at: datetime | None


def restore(
    place: Path, directory: Path, *, at: datetime | None = None, progress: Progress | None = None
) -> RestoreReport:
    """Restores into a new or empty directory: up to and including `at`, or all that was delivered.

    The result has been started, its pages' checksums have been read, and it is on disk. Its history has
    parted from the original's, so it is backed up to a place of its own. Raises BackupError,
    DirectoryUnusable, DirectoryInUse or VersionMismatch, and then leaves the directory without a database.
    """
    if at is not None and at.tzinfo is None:
        raise ValueError("a point in time needs its offset from UTC")
    home = Place(place)
    backup = _choose(home, at)
    layout = Layout.of(directory)
    _refuse_what_is_there(layout)
    prepare(layout)
    lock = FileLock(layout.lock)
    with explained(layout.root, "restore into"):
        if not lock.try_acquire():
            raise in_use(layout, lock)
        try:
            process.remove_leftovers(layout.root / RESTORING)
            return _restore(home, backup, layout, at=at, progress=progress or _silent)
        finally:
            process.remove_leftovers(layout.root / RESTORING)
            lock.release()


def _silent(_what: str, _done: int, _total: int) -> None:
    """For callers who do not look."""


def _choose(home: Place, at: datetime | None) -> Backup:
    backups = home.backups()
    if not backups:
        raise BackupError(f"{home.path} holds no finished backup.")
    usable = [backup for backup in backups if at is None or backup.finished_at <= at]
    if not usable:
        first = backups[0].finished_at.isoformat()
        raise BackupError(f"The oldest backup in {home.path} ended at {first}: nothing earlier can be had.")
    chosen = usable[-1]
    if chosen.major != server_major():
        raise VersionMismatch(
            f"The backup {chosen.id} is of PostgreSQL {chosen.major}; this Caudal brings PostgreSQL "
            f"{server_major()}. Restore it with a Caudal that brings that one, then `caudal db upgrade`.",
            found=chosen.major,
            expected=server_major(),
        )
    return chosen


def _refuse_what_is_there(layout: Layout) -> None:
    """A restore never replaces anything: a mistaken path must not cost a database."""
    with explained(layout.root, "read"):
        names = {path.name for path in layout.root.iterdir()} if layout.root.exists() else set()
    begun = {"passwords.json", RESTORING} if RESTORING in names else set()
    if names - begun - {"lost+found", layout.lock.name}:
        raise BackupError(f"{layout.root} is not empty. Restore into a new directory.")


def _restore(
    home: Place, backup: Backup, layout: Layout, *, at: datetime | None, progress: Progress
) -> RestoreReport:
    work = Layout(layout.root / RESTORING)
    identity = identity_for(layout)
    work.root.mkdir(mode=0o711 if identity.dropped else 0o700)
    give_to_owner_of(layout.root, work.root)
    cluster = work.cluster(backup.major)
    segments = _segments(home, backup)
    if at is None:
        _refuse_gaps(segments, home.cluster(backup.id) / "pg_wal")
    _copy(home.cluster(backup.id), cluster, identity, total=backup.size_bytes, progress=progress)
    progress("checking the copy", 0, 0)
    verify(cluster)
    for done, segment in enumerate(segments):
        progress("copying changes", done * SEGMENT_BYTES, len(segments) * SEGMENT_BYTES)
        _place_segment(segment, cluster / "pg_wal", identity)
    write_private(work.passwords, home.passwords(backup.id).read_bytes())
    progress("replaying changes", 0, 0)
    last = _recover(work, cluster, identity, at=at)
    progress("checking the pages", 0, 0)
    _check_pages(cluster, identity)
    work.passwords.replace(layout.passwords)
    work.log.replace(layout.log)
    cluster.rename(layout.cluster(backup.major))
    sync_directory(layout.root)
    return RestoreReport(str(layout.root), backup, last)


def _copy(source: Path, target: Path, identity: Identity, *, total: int, progress: Progress) -> None:
    done = 0

    def copy(from_path: str, to_path: str) -> str:
        nonlocal done
        shutil.copyfile(from_path, to_path)
        path = Path(to_path)
        path.chmod(0o600)
        identity.own(path)
        done += path.stat().st_size
        progress("copying", done, total)
        return to_path

    shutil.copytree(source, target, copy_function=copy)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
        identity.own(folder)


def _segments(home: Place, backup: Backup) -> list[Path]:
    """The delivered WAL from the copy on, in order; the last one may be partial."""
    found: dict[str, Path] = {}
    for path in sorted(home.wal.glob("*")):
        name = path.name[:24]
        if _SEGMENT.fullmatch(path.name) and name >= backup.first_wal:
            found.setdefault(name, path)  # whole ones sort before partial ones
    return [found[name] for name in sorted(found)]


def _refuse_gaps(delivered: list[Path], copied: Path) -> None:
    """Behind a gap nothing can be replayed, and recovery would take it for the end."""
    paths = {
        path.name[:24]: path for path in (*copied.glob("*"), *delivered) if _SEGMENT.fullmatch(path.name)
    }
    ordered = [paths[name] for name in sorted(paths)]
    for before, after in itertools.pairwise(ordered):
        if _number(after) != _number(before) + 1:
            until = datetime.fromtimestamp(before.stat().st_mtime, UTC).isoformat(timespec="seconds")
            raise BackupError(
                f"The delivered WAL has a gap after {before.name}, written at {until}. Restore to a time "
                "before that with --to; what came after the gap needs a newer backup."
            )


def _number(segment: Path) -> int:
    name = segment.name
    return int(name[8:16], 16) * _SEGMENTS_PER_FILE_ID + int(name[16:24], 16)


def _place_segment(segment: Path, folder: Path, identity: Identity) -> None:
    """Puts one segment where recovery finds it. Of a segment that the copy has too, the fuller one counts."""
    target = folder / segment.name[:24]
    content = segment.read_bytes()
    if target.exists() and len(target.read_bytes().rstrip(b"\0")) > len(content.rstrip(b"\0")):
        return
    target.write_bytes(content)
    target.chmod(0o600)
    identity.own(target)


def _recover(work: Layout, cluster: Path, identity: Identity, *, at: datetime | None) -> datetime | None:
    """Runs the server until it has replayed what it should and begun a timeline of its own; stops it."""
    signal_file = cluster / "recovery.signal"
    signal_file.touch(mode=0o600)
    identity.own(signal_file)
    settings = {
        "restore_command": "false",  # all that there is lies in pg_wal
        "recovery_target_timeline": "current",
        "recovery_target_action": "promote",
        "recovery_target_time": "" if at is None else at.astimezone(UTC).isoformat(),
        "hot_standby": "off",
    }
    try:
        with EmbeddedPostgres(work.root, settings=settings):
            pass
    except ServerFailed as error:
        if _TARGET_NOT_REACHED not in str(error) or at is None:
            raise
        last = _last_transaction(work.log)
        until = "the backup's own end" if last is None else last.isoformat()
        raise BackupError(
            f"The delivered WAL ends before {at.isoformat()}: its last transaction is of {until}. "
            "Without --to all of it is restored."
        ) from error
    return _last_transaction(work.log)


def _last_transaction(log: Path) -> datetime | None:
    found = _LAST_TRANSACTION.findall(log.read_text(errors="replace"))
    return datetime.fromisoformat(found[-1]).replace(tzinfo=UTC) if found else None


def _check_pages(cluster: Path, identity: Identity) -> None:
    """Reads every page of the stopped cluster against its checksum, and makes sure all of it is on disk."""
    binaries = binaries_for(identity)
    where = "/proc/self/cwd" if identity.dropped else str(cluster)
    process.run([binaries / "pg_checksums", "--check", "-D", where], cluster=cluster, identity=identity)
    process.run([binaries / "initdb", "--sync-only", "-D", where], cluster=cluster, identity=identity)
