"""Operators' commands: `caudal <noun> <verb>`.

A command's module is imported when that command runs, and not before: `caudal version` must not wait for
the database's driver.
"""

import sys

from caudal.cli.root import run


def main() -> None:
    """The console script: runs the command of `sys.argv` and exits with its code."""
    sys.exit(run(sys.argv[1:]))


__all__ = ["main", "run"]
