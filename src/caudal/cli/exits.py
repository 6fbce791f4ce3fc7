"""What a command's exit code means."""

import enum
from typing import Final


class Exit(enum.IntEnum):
    """A command's exit code."""

    DONE = 0
    REFUSED = 1
    """A rule refuses it, there is no such thing, or a check found something."""
    USAGE = 2
    """The command line or the settings are wrong: repeat it changed."""
    UNAVAILABLE = 3
    """The database or its directory cannot be used; of a write the outcome may be unknown."""
    BUG = 4
    """A bug of ours."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it: 128 and the signal's number."""


EXPLAINED: Final = (
    "Exit codes: 0 done; 1 refused, not found, or a check found something; 2 wrong usage or settings; "
    "3 the database or its directory cannot be used; 4 a bug of ours; 130 interrupted."
)
"""For `--help`."""
