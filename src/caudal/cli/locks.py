"""Waiting for what an earlier, killed `caudal up` of the same directory has left behind."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from caudal_base.embedded import DirectoryInUse
from caudal_base.embedded.layout import explained, open_private

_NAME: Final = "programs.lock"

_ENDING_S: Final = 60.0
"""The children of a killed supervisor finish their requests, for up to half of this."""


@contextlib.contextmanager
def wait_for_earlier(directory: Path) -> Iterator[int]:
    """Hold `programs.lock` by a descriptor that all children inherit: it is held until the last is gone.

    So the children of an earlier supervisor, which end by themselves, have left the port and the database
    before new ones come. Raises `DirectoryInUse` where they do not.
    """
    descriptor = _open(directory)
    try:
        deadline = time.monotonic() + _ENDING_S
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise DirectoryInUse(
                    f"Processes of an earlier `caudal up` of {directory} do not end. Look for them with "
                    f"`fuser {directory / _NAME}`, end them, and start again.",
                    pid=None,
                )
            time.sleep(0.02)
        yield descriptor
    finally:
        os.close(descriptor)


def others_run(directory: Path) -> bool:
    """Whether the programs of a `caudal up` of this directory run."""
    descriptor = _open(directory)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _open(directory: Path) -> int:
    with explained(directory / _NAME, "lock"):
        return open_private(directory / _NAME, os.O_RDWR)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
