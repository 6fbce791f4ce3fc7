"""Room for so many calls at once, in which those that somebody waits for go first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Room for `at_once` calls. Belongs to one event loop.

    Prompt calls may take all of it. Background calls have a quarter of it at most, one place at least; and
    where they have none, the next place that is given back is theirs. So neither kind ever stands still.
    """

    def __init__(self, at_once: int) -> None:
        """Empty."""
        self._free = at_once
        self._most_background = max(1, at_once // 4)
        self._background = 0
        self._prompt_was_last = True
        self._prompt_line: deque[asyncio.Future[None]] = deque()
        self._background_line: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def place(self, *, background: bool) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        line = self._background_line if background else self._prompt_line
        mine = asyncio.get_running_loop().create_future()
        line.append(mine)
        self._give()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._leave(background)  # it was given to us in the very moment
            raise
        try:
            yield
        finally:
            self._leave(background)

    def _leave(self, background: bool) -> None:
        self._free += 1
        self._background -= background
        self._give()

    def _give(self) -> None:
        """Give free places to those whose turn it is."""
        for line in (self._prompt_line, self._background_line):
            while line and line[0].done():
                line.popleft()  # it left before its turn came
        while self._free and (chosen := self._next()) is not None:
            mine = chosen.popleft()
            if mine.done():
                continue
            background = chosen is self._background_line
            self._free -= 1
            self._background += background
            self._prompt_was_last = not background
            mine.set_result(None)

    def _next(self) -> "deque[asyncio.Future[None]] | None":
        none_yet = not self._background and self._prompt_was_last
        if self._background_line and (none_yet or not self._prompt_line):
            return self._background_line if self._background < self._most_background else None
        return self._prompt_line or None
