"""What can go wrong with an embedded PostgreSQL, named for what its operator can do about it.

    EmbeddedError
    ├── DirectoryUnusable       the path cannot hold the data: permissions, read-only, full, foreign
    ├── DirectoryInUse          another live process owns it: attach to that one, or wait
    ├── VersionMismatch         the data belongs to another major version of PostgreSQL
    └── ServerFailed            PostgreSQL itself did not start, stop or answer; the message quotes its log

These are for operators: the message says what is wrong and what to do next, and holds no secret.
"""


class EmbeddedError(Exception):
    """An embedded PostgreSQL cannot do what was asked; the message says why and what to do."""


class DirectoryUnusable(EmbeddedError):
    """The directory cannot hold the data: not ours, not writable, not reachable, or no space left."""


class DirectoryInUse(EmbeddedError):
    """A live process owns the data directory. `pid` is that process, or None where it could not be told."""

    def __init__(self, message: str, *, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class VersionMismatch(EmbeddedError):
    """The data was written by another major version: `found` in the directory, `expected` by our binaries."""

    def __init__(self, message: str, *, found: int, expected: int) -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected


class ServerFailed(EmbeddedError):
    """PostgreSQL did not start, stop or answer; the message quotes the end of its log."""
