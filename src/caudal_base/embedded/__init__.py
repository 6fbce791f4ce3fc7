"""An embedded PostgreSQL: the same engine as in production, from a wheel, in a directory of its own."""

from caudal_base.embedded.errors import (
    DirectoryInUse,
    DirectoryUnusable,
    EmbeddedError,
    ServerFailed,
    VersionMismatch,
)
from caudal_base.embedded.server import EmbeddedPostgres, Role

__all__ = [
    "DirectoryInUse",
    "DirectoryUnusable",
    "EmbeddedError",
    "EmbeddedPostgres",
    "Role",
    "ServerFailed",
    "VersionMismatch",
]
