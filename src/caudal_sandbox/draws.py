"""Chance that can be repeated: what is drawn depends on the seed and on what it is drawn for, nothing else.

One stream of random numbers would give every call other luck as soon as two calls change places. Here each
question (`the fourth call with this key`) has numbers of its own.
"""

from hashlib import blake2b
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SCALE: Final = 1 << 32


class Draw:
    """The numbers of one question, in order: ask for them always in the same order."""

    __slots__ = ("_digest", "_next")

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._next = 0

    def fraction(self) -> float:
        """A number in [0, 1)."""
        at = self._next
        if at + 4 > len(self._digest):
            self._digest, at = blake2b(self._digest).digest(), 0
        self._next = at + 4
        return int.from_bytes(self._digest[at : at + 4], "big") / _SCALE

    def happens(self, rate: float) -> bool:
        """True in `rate` of all cases."""
        return self.fraction() < rate

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.fraction()

    def token(self) -> str:
        """Sixteen hexadecimal digits."""
        return f"{int(self.fraction() * _SCALE):08x}{int(self.fraction() * _SCALE):08x}"


class Draws:
    """All chance and all ids of a sandbox, from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._prefix = f"{seed}|".encode()
        self._start = 0
        self._made = 0
        self._counts: dict[str, int] = {}

    def of(self, *what: str) -> Draw:
        """The numbers for `what`; the same texts always have the same."""
        return Draw(blake2b(self._prefix + "|".join(what).encode()).digest())

    def of_next(self, *what: str) -> Draw:
        """The numbers for the first, second, third … time that `what` is asked."""
        text = "|".join(what)
        count = self._counts.get(text, 0)
        self._counts[text] = count + 1
        return self.of(text, str(count))

    def forget(self) -> None:
        """Begin all counts again; ids go on, so that none is given twice."""
        self._counts.clear()

    def id(self, prefix: str, length: int = 24) -> str:
        """A new id: `prefix`, `_` and `length` letters and digits."""
        self._made += 1
        what = b"id|%d|%d" % (self._start, self._made)
        number = int.from_bytes(blake2b(self._prefix + what, digest_size=32).digest(), "big")
        letters = []
        for _ in range(length):
            number, digit = divmod(number, 62)
            letters.append(_DIGITS[digit])
        return f"{prefix}_{''.join(letters)}"

    def begin(self, start: int) -> None:
        """Make other ids than in all earlier starts of a sandbox that goes on with old state."""
        self._start = start
