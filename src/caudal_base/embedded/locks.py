"""Advisory file locks: the kernel drops them when their process dies, however it dies."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from caudal_base.embedded.layout import open_private

POLL_S = 0.01
"""How often a lock or a process is looked at while waiting; nothing here can be waited for in the kernel."""


class FileLock:
    """One flock on one file. Not inherited by programs that are started; dropped by the kernel at death."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Takes the lock if nobody is in the way. Raises OSError where the file cannot be written.

        An exclusive holder leaves its pid in the file, for those who find it locked.
        """
        descriptor = open_private(self._path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if not shared:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def acquire(self, *, shared: bool = False, wait_seconds: float | None) -> bool:
        """Takes the lock, waiting up to `wait_seconds` (None: for ever). False where the time ran out."""
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        while not self.try_acquire(shared=shared):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True

    def holder(self) -> int | None:
        """The process that holds the lock exclusively (or was the last to), None where untold."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._path.read_text())
        return None

    def release(self) -> None:
        """Gives the lock back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
