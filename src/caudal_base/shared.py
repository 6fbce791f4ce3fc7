"""Memory that the processes of one service have in common: made before they are forked, and inherited.

Nothing here is locked. What is kept must bear that two processes write at the same moment: a number is read
and written whole, and the last of two writes stays.
"""

import mmap
from typing import Final

from caudal_base.board import Board

SLOTS: Final = 16_384
"""Numbers that can be kept at once."""

PROBES: Final = 8
"""Places in which a key is looked for."""

_WORD: Final = 8
_PLACES: Final = SLOTS + PROBES
_MASK: Final = SLOTS - 1
_TAG: Final = (1 << 64) - 1


class Shared:
    """Moments by key, whether the service is being stopped, and a board.

    A moment that is past is as good as none: its place is given away. So the table needs no cleaning, holds
    what is busy, and never grows.
    """

    def __init__(self, processes: int = 1) -> None:
        """Nothing kept, for so many processes. The memory is this process's own until it forks."""
        self.process = 0
        """Which of them this one is, from 0: set before it is forked."""
        self.board: Final = Board(processes) if processes > 1 else None
        """On which they pin what the others are to read; None where there is one alone."""
        memory = memoryview(mmap.mmap(-1, (2 * _PLACES + 1) * _WORD))
        self._tags = memory[: _PLACES * _WORD].cast("Q")
        self._flags = memory[2 * _PLACES * _WORD :].cast("Q")
        self.moments: Final = memory[_PLACES * _WORD : 2 * _PLACES * _WORD].cast("d")
        """By place, in seconds of `time.monotonic`, which all processes of a machine share."""

    @property
    def stopping(self) -> bool:
        """Whether the service takes leave: what is in work is finished."""
        return self._flags[0] != 0

    def stop(self) -> None:
        """Tell all processes that the service takes leave."""
        self._flags[0] = 1

    def place(self, key: int, now: float) -> int | None:
        """The place of `key` in `moments`; None where all that it might have are taken by busier keys.

        `key` is a number whose last 63 bits are as good as random and not all zero. Two processes that give
        away one place at once may mix up two keys until both were silent.
        """
        tag = (key | 1) & _TAG
        first = (tag >> 1) & _MASK
        if self._tags[first] == tag:
            return first
        free = None
        for place in range(first, first + PROBES):
            if self._tags[place] == tag:
                return place
            if free is None and self.moments[place] <= now:
                free = place
        if free is not None:
            self._tags[free] = tag
        return free
