"""What an operator is told about an exception, and with which exit code."""

import os
import sys
import traceback
from typing import Any, Final

import psycopg
import psycopg_pool

from caudal.cli.exits import Exit
from caudal_base.backup import BackupError
from caudal_base.database import Failure, UnsupportedServer, classify, translate
from caudal_base.embedded import EmbeddedError
from caudal_base.errors import CaudalError
from caudal_base.migrate import MigrationRefused
from caudal_base.settings import InvalidSettings
from caudal_base.upgrade import UpgradeError

_DEBUG: Final = "CAUDAL_LOG_LEVEL"


def explain(error: Exception) -> tuple[Exit, dict[str, Any]]:
    """The exit code and the problem object of `error`. With CAUDAL_LOG_LEVEL=debug prints its traceback."""
    if os.environ.get(_DEBUG, "").lower() == "debug":
        traceback.print_exception(error, file=sys.stderr)
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    match error:
        case CaudalError():
            return _code_of(error), error.problem()
        case BackupError():
            return Exit.REFUSED, _problem("backup_refused", "The backup cannot do this", str(error))
        case UpgradeError():
            return Exit.REFUSED, _problem("upgrade_refused", "The data cannot be moved", str(error))
        case EmbeddedError():
            return Exit.UNAVAILABLE, _problem(
                "embedded_unavailable", "The embedded PostgreSQL cannot be used", str(error)
            )
        case psycopg.Error() | psycopg_pool.PoolTimeout():
            return _of_database(error)
        case OSError():
            return Exit.REFUSED, _problem("system_error", "The operating system refuses this", _said(error))
        case _:
            detail = (
                f"{type(error).__name__}: {error}. This is a bug of ours; "
                f"run it again with {_DEBUG}=debug to see where."
            )
            return Exit.BUG, _problem("internal_error", "Something went wrong on our side", detail)


def _code_of(error: CaudalError) -> Exit:
    if isinstance(error, InvalidSettings):
        return Exit.USAGE
    if isinstance(error, MigrationRefused | UnsupportedServer) or error.status == 503:
        return Exit.UNAVAILABLE
    if error.status == 400:
        return Exit.USAGE
    return Exit.REFUSED if error.status < 500 else Exit.BUG


def _of_database(error: Exception) -> tuple[Exit, dict[str, Any]]:
    if isinstance(error, psycopg.Error) and classify(error) not in {Failure.LOST, Failure.TRANSIENT}:
        refusal = translate(error)
        return _code_of(refusal), refusal.problem()
    if isinstance(error, psycopg.Error) and error.pgconn is not None:
        # It has a connection only where one could not be made.
        detail = f"PostgreSQL cannot be reached: {error}"
    else:
        detail = (
            "The database went away or is too busy. Repeat the command; if it is one that writes, see first "
            "whether it had its effect."
        )
    return Exit.UNAVAILABLE, _problem("unavailable", "Temporarily unavailable", detail)


def _said(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _problem(code: str, title: str, detail: str) -> dict[str, Any]:
    return {"code": code, "title": title, "detail": detail, "status": None}
