"""The database of a command: the one that `caudal up` runs, the command's own, or one by DSN."""

import contextlib
from collections.abc import Iterator

from caudal.cli.frame import Call
from caudal.cli.setup import prepare
from caudal.migrations import MIGRATIONS
from caudal_base.clock import SystemClock
from caudal_base.embedded import EmbeddedPostgres, Session, attach_or_start
from caudal_base.embedded.layout import Layout
from caudal_base.errors import CaudalError
from caudal_base.migrate import inspect


class SchemaBehind(CaudalError):
    """The database lacks migrations that this version of the code needs."""

    code = "schema_behind"
    status = 503
    title = "The database's schema is too old"


def require_partners(call: Call) -> None:
    """Raise `PartnerMisconfigured` unless there is a connector that fits the settings of each partner.

    For what serves or works until it is stopped: it ends here, instead of in a process that is started again
    and again.
    """
    if call.settings.partners:
        # Here, since the process that only watches over others need not wait for the connectors to be loaded.
        from caudal.connectors import Registry

        Registry.from_settings(call.settings.partners, SystemClock())


@contextlib.contextmanager
def session(call: Call) -> Iterator[Session]:
    """The embedded server of `--data`: joined, or run until the block ends and then migrated first.

    Raises what `attach_or_start` raises, and what migrations do.
    """
    directory = call.settings.data_dir
    new = not Layout.of(directory).clusters()
    with attach_or_start(directory) as found:
        if isinstance(found, EmbeddedPostgres):
            if new:
                call.terminal.note(f"Made a new, empty data directory: {found.directory}")
            prepare(found.dsn())
        yield found


@contextlib.contextmanager
def dsn(call: Call) -> Iterator[str]:
    """The connection string of the command's database, whose schema fits this version of the code.

    A database by DSN is migrated by `caudal db migrate` alone. Raises `SchemaBehind`, `Unavailable`, and
    what `session` raises.
    """
    if call.settings.database_url is not None:
        found = call.settings.database_url.reveal()
        _require_schema(call, found)
        yield found
        return
    with session(call) as joined:
        if not isinstance(joined, EmbeddedPostgres):
            _require_schema(call, joined.dsn())
        yield joined.dsn()


def _require_schema(call: Call, found: str) -> None:
    standing = inspect(found, MIGRATIONS)
    if standing.missing:
        remedy = (
            "Run `caudal db migrate`."
            if call.settings.database_url is not None
            else "Stop the `caudal up` of this directory and start it again with this version."
        )
        raise SchemaBehind(f"The database lacks {', '.join(standing.missing)}. {remedy}")
    if standing.ahead:
        call.terminal.note(
            f"A newer Caudal has migrated this database further ({', '.join(standing.ahead)}). This version "
            "still works on it, and lacks what is new: upgrade it when you can."
        )
