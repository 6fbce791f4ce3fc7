"""`python -m caudal_sandbox serve`: partners on this machine."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from caudal_base.logs import configure
from caudal_base.parent import die_with_parent
from caudal_base.settings import LogFormat, LogLevel
from caudal_sandbox.control import BadBody
from caudal_sandbox.sandbox import Sandbox
from caudal_sandbox.serving import inherited, listen, serve
from caudal_sandbox.store import StateUnreadable

SETTINGS: Final = "CAUDAL_SANDBOX_SETTINGS"
"""The variable with `{"faults": {…}, "webhooks": {…}}`: secrets do not belong on a command line."""


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status: 2 for what cannot be served as it was asked for."""
    given = _parser().parse_args(arguments)
    configure(level=LogLevel(given.log_level), format=LogFormat(given.log_format))
    if given.parent is not None:
        die_with_parent(signal.SIGTERM, parent=given.parent)
    try:
        sandbox = Sandbox(
            seed=given.seed, state=given.state, settings=os.environ.get(SETTINGS, "{}").encode()
        )
        if given.listen_fd is not None:
            listening = inherited(given.listen_fd)
        else:
            listening = listen(given.host, given.port)
    except (OSError, StateUnreadable, BadBody) as error:
        sys.stderr.write(f"The sandbox could not be started: {error}\n")
        return 2
    serve(sandbox, listening)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="caudal-sandbox", description="Partners as they really behave.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help='serve until SIGTERM; prints {"url": …} when ready')
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    serve.add_argument("--port", type=int, default=0, help="0 takes a free one")
    serve.add_argument("--listen-fd", type=int, help="a listening socket that is open already")
    serve.add_argument("--state", type=Path, help="the journal to keep, and to go on with")
    serve.add_argument("--seed", type=int, default=0, help="decides all chance and all ids (%(default)s)")
    serve.add_argument("--parent", type=int, help="end with the process that has this id")
    levels, formats = [level.value for level in LogLevel], [format.value for format in LogFormat]
    serve.add_argument("--log-level", choices=levels, default=LogLevel.WARNING.value)
    serve.add_argument("--log-format", choices=formats, default=LogFormat.JSON.value)
    return parser


if __name__ == "__main__":
    main()
