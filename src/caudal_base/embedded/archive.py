"""The stream of WAL from a running server into the place of its backups, for recovery to a point in time.

PostgreSQL's own `pg_receivewal` writes it, as the user who runs the server's owner, so that the place need
not be open to the server's user. A replication slot keeps what could not be delivered yet (a place that is
away, a receiver that was killed), up to `max_slot_wal_keep_size`; so there is no gap, and no disk that fills
without end.
"""

import os
import subprocess
import time
from pathlib import Path

import msgspec

from caudal_base.embedded import tools
from caudal_base.embedded.errors import EmbeddedError
from caudal_base.embedded.layout import Layout, open_private, read_json, write_json

SLOT = "caudal_backup"
"""The replication slot that holds WAL back until it is in the place."""

_RETRY_S = 5.0
"""How long after a receiver ended the next one may be tried."""
_DELIVERY_S = 30.0
"""How long a receiver may take to end after its server has: it has everything already."""


class Archive(msgspec.Struct, frozen=True):
    """Where a data directory's backups go. `key` is known to the directory and the place alone."""

    place: str
    key: str
    deliver: bool
    """Whether WAL goes there too."""

    @property
    def wal(self) -> Path:
        """The folder of the WAL segments."""
        return Path(self.place) / "wal"


def read_archive(layout: Layout) -> Archive | None:
    """The directory's archive, or None where it has none. Raises EmbeddedError for a damaged one."""
    found = read_json(layout.archive)
    try:
        return None if found is None else msgspec.convert(found, Archive)
    except msgspec.ValidationError as error:
        raise EmbeddedError(
            f"{layout.archive} is damaged ({error}). Remove it, and back up to a new place."
        ) from error


def write_archive(layout: Layout, archive: Archive) -> None:
    """From its next look on, the server's owner delivers WAL there. Raises OSError."""
    write_json(layout.archive, msgspec.to_builtins(archive))


class WalReceiver:
    """Keeps one `pg_receivewal` running as long as its directory has an archive and its server runs."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._process: subprocess.Popen[bytes] | None = None
        self._serving: Archive | None = None
        self._retry_at = 0.0

    @property
    def pid(self) -> int | None:
        """The receiver's process id while it runs, else None."""
        running = self._process
        return running.pid if running is not None and running.poll() is None else None

    def tend(self, dsn: str) -> None:
        """Starts, replaces or ends the receiver as the directory's archive demands; cheap where all is well.

        `dsn` is the superuser's. A place that is away is tried again by later calls.
        """
        archive = read_archive(self._layout)
        if self.pid is not None and archive == self._serving:
            return
        if archive != self._serving:
            self.stop()
        if archive is None or not archive.deliver or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + _RETRY_S
        self._serving = archive
        if archive.wal.is_dir():
            self._process = self._launch(archive, dsn)

    def finish(self) -> None:
        """Waits for the end that follows the server's; what it had sent is then in the place."""
        self._retry_at = 0.0
        if self._process is not None:
            try:
                self._process.wait(_DELIVERY_S)
            except subprocess.TimeoutExpired:
                self.stop()
        self._process = None

    def stop(self) -> None:
        """Ends the receiver now; the slot keeps what it did not get."""
        self._retry_at = 0.0
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_DELIVERY_S)
            except subprocess.TimeoutExpired:  # it hangs in the file system of the place
                self._process.kill()
                self._process.wait()
        self._process = None

    def _launch(self, archive: Archive, dsn: str) -> subprocess.Popen[bytes]:
        log = open_private(self._layout.archive_log, os.O_WRONLY | os.O_APPEND)
        try:
            # It has no PDEATHSIG: when our process is killed, the server shuts down cleanly and sends its
            # last WAL, and with --no-loop the receiver ends when the server has gone.
            return subprocess.Popen(  # noqa: S603
                tools.command(
                    "pg_receivewal",
                    dsn,
                    f"--directory={archive.wal}",
                    f"--slot={SLOT}",
                    "--no-loop",
                    "--status-interval=1",
                ),
                cwd="/",
                env=tools.environment(dsn),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
