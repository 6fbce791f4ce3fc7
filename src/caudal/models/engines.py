"""What runs an artifact: one interface for all kinds."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from caudal_base.errors import CaudalError

Vector = Sequence[float]
"""One number for each of the card's inputs, in their order; a category is its place, missing is NaN."""


class EngineFailed(CaudalError):
    """The artifact gave no number for a vector. Scorers turn it into a score that says so."""

    code = "model_failed"
    title = "The model gave no score"


class Parts(msgspec.Struct, frozen=True, gc=False):
    """A raw output taken apart."""

    base: float
    """What the output would be of nobody in particular."""
    parts: tuple[float, ...]
    """What each term adds."""
    terms: tuple[tuple[int, ...], ...]
    """Of which inputs each term is, by their places."""


class Engine(Protocol):
    """A loaded artifact. Threads may use it at the same time."""

    additive: bool
    """Whether `parts` add up to the output."""
    quick: bool
    """Whether `parts` costs no more than a score does: then reasons are given on the hot path."""

    def raw(self, vector: Vector) -> float:
        """The output for one vector. Raises `EngineFailed`."""

    def raws(self, vectors: Sequence[Vector]) -> list[float]:
        """The outputs for many. Raises `EngineFailed`."""

    def parts(self, vector: Vector) -> Parts:
        """The output taken apart. Raises `EngineFailed`."""
