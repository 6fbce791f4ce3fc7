"""Payments as they are drawn, not yet in order."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from caudal.fraud_simulation.types import Integers

DAY_S: Final = 86_400
US: Final = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Arrays of one length; `second` counts from the beginning of the world."""

    second: NDArray[np.float64]
    customer: Integers
    terminal: Integers
    card: Integers
    device: Integers
    country: Integers
    amount: Integers
    scenario: Integers

    def of(self, chosen: NDArray[Any]) -> "Rows":
        """These rows: a mask, or places in an order."""
        return Rows(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))

    def within(self, days: int) -> "Rows":
        """What happens before the end of the world."""
        return self.of((self.second >= 0) & (self.second < days * DAY_S))


def together(parts: Sequence[Rows]) -> Rows:
    """All of them, one after the other."""
    names = [field.name for field in dataclasses.fields(Rows)]
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
