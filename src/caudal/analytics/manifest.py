"""How far an export is: the one file that says what counts, replaced whole.

A step of an export writes its files under names that no reader looks at, then replaces the manifest by one
that names them as pending, then gives them their names. Whatever is killed where: before the manifest was
replaced the files are thrown away, and afterwards they are given their names by whoever comes next. So each
row is there once.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from caudal.analytics.errors import ExportBusy, ExportDamaged, ExportMissing, ExportNewer, ExportOlder

FORMAT: Final = 2
"""Of the manifest and the directory. In 1 decisions and labels were found by time."""

NAME: Final = "manifest.json"
PART: Final = ".part"
_LOCK: Final = ".lock"


class BookManifest(msgspec.Struct, frozen=True, kw_only=True):
    """How far the export of a book is."""

    id: str
    """`book_…`, so that no other book of the same name is written on top of it."""
    positions: Mapping[str, int] = {}
    """By journal: the last `seq`, `ordinal` or version that is in the export."""
    rows: Mapping[str, int] = {}
    """By table."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds."""

    format: int = FORMAT
    step: int = 0
    """Counts what was written; in the names of files."""
    schema_versions: Mapping[str, int] = {}
    """By table: the newest version in its files."""
    books: Mapping[str, BookManifest] = {}
    """By name."""
    pending: tuple[str, ...] = ()
    """Files of the newest step, relative to the directory; they may still lack their names."""


def read(directory: Path) -> Manifest:
    """The manifest. Raises `ExportMissing`, `ExportDamaged`, `ExportNewer`, `ExportOlder`."""
    try:
        text = (directory / NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ExportMissing(f"{directory} has no {NAME}", field="directory") from None
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise ExportDamaged(f"{directory / NAME}: {error}", field="directory") from None
    if found.format > FORMAT:
        raise ExportNewer(f"format {found.format}; this version knows {FORMAT}", field="directory")
    if found.format < FORMAT:
        raise ExportOlder(f"format {found.format}: export into a new directory", field="directory")
    return found


def replace(directory: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the one before, in one step that outlives a power cut."""
    part = directory / f".{NAME}{PART}"
    with part.open("wb") as opened:
        opened.write(
            msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"
        )
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(directory / NAME)
    sync(directory)


def part_of(path: Path) -> Path:
    """Under which name a file is written until it counts."""
    return path.with_name(f".{path.name}{PART}")


def give_names(directory: Path, manifest: Manifest) -> None:
    """Give the pending files their names: those that have them already stay."""
    folders = set()
    for name in manifest.pending:
        path = directory / name
        part = part_of(path)
        if part.exists():
            part.replace(path)
            folders.add(path.parent)
        elif not path.exists():
            raise ExportDamaged(f"{name} is missing", field="directory")
    for folder in folders:
        sync(folder)


def clear(directory: Path) -> None:
    """Throw away what was written and never counted."""
    for part in directory.rglob(f".*{PART}"):
        part.unlink()


def sync(directory: Path) -> None:
    """Make the names in a directory outlive a power cut."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the directory for one writer; the lock goes with its process. Raises `ExportBusy`."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("wb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportBusy(f"{directory}", field="out") from None
        yield
