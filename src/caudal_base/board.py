"""A board on which the processes of a service pin what the others are to read: memory made before they fork.

Each process has a place of its own and is the only one that writes to it. What is pinned outlives its
process: the next one in its place finds it. Nothing is locked, and nobody waits for who does not answer.
"""

import mmap
import zlib
from typing import Final

PLACE_BYTES: Final = 16 << 20
"""What a place holds, packed. Memory that is never written to costs nothing."""

_WORD: Final = 8
_WORDS: Final = 4
_PINNED: Final = 0
_ANSWERED: Final = 1
_SIZES: Final = 2


class Board:
    """Texts by place, and a number that says how often somebody asked for new ones."""

    def __init__(self, places: int) -> None:
        """Empty. The memory is this process's own until it forks."""
        self.places: Final = places
        self._memory = memoryview(mmap.mmap(-1, (1 + _WORDS * places) * _WORD + 2 * PLACE_BYTES * places))
        heads = (1 + _WORDS * places) * _WORD
        self._heads = self._memory[:heads].cast("Q")
        self._bodies = self._memory[heads:]

    @property
    def asked(self) -> int:
        """The number of the latest question."""
        return self._heads[0]

    def ask(self) -> int:
        """Ask all places to pin anew; the question's number. Two that ask at once may share one."""
        self._heads[0] += 1
        return self._heads[0]

    def answered(self, place: int) -> int:
        """The latest question that `place` has answered."""
        return self._heads[self._head(place) + _ANSWERED]

    def pin(self, place: int, text: bytes, *, asked: int) -> bool:
        """Pin `text` in answer to question `asked`; False where it is too long, and the one before stays."""
        packed = zlib.compress(text, 1)
        head = self._head(place)
        fits = len(packed) <= PLACE_BYTES
        if fits:
            # Into the half that nobody is told of yet: who reads the other one is not disturbed.
            count = self._heads[head + _PINNED] + 1
            begin = self._half(place, count)
            self._bodies[begin : begin + len(packed)] = packed
            self._heads[head + _SIZES + count % 2] = len(packed)
            self._heads[head + _PINNED] = count
        self._heads[head + _ANSWERED] = asked
        return fits

    def read(self, place: int) -> bytes | None:
        """What is pinned there; None: nothing yet."""
        head = self._head(place)
        while True:
            count = self._heads[head + _PINNED]
            if not count:
                return None
            begin = self._half(place, count)
            packed = bytes(self._bodies[begin : begin + self._heads[head + _SIZES + count % 2]])
            # While the count stands the other half is written to, not this one.
            if self._heads[head + _PINNED] == count:
                return zlib.decompress(packed)

    def _head(self, place: int) -> int:
        return 1 + _WORDS * place

    def _half(self, place: int, count: int) -> int:
        return (2 * place + count % 2) * PLACE_BYTES
