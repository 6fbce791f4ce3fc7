"""An embedded PostgreSQL: the same engine as in production, from a wheel, in a directory of its own."""

from caudal_base.embedded.errors import (
    DirectoryInUse,
    DirectoryUnusable,
    EmbeddedError,
    ServerFailed,
    VersionMismatch,
)
from caudal_base.embedded.server import EmbeddedPostgres, Role
from caudal_base.embedded.session import Session, attach, attach_or_start
from caudal_base.embedded.tuning import DEFAULTS

__all__ = [
    "DEFAULTS",
    "DirectoryInUse",
    "DirectoryUnusable",
    "EmbeddedError",
    "EmbeddedPostgres",
    "Role",
    "ServerFailed",
    "Session",
    "VersionMismatch",
    "attach",
    "attach_or_start",
]
