"""What is simulated, and what comes of it."""

import dataclasses
import datetime as dt
import enum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

CURRENCY: Final = "EUR"

COUNTRIES: Final = ("ES", "FR", "DE", "IT", "PT", "NL", "US", "BR", "NG", "VN")
"""The first six are customers' homes; criminals are in the others too."""

HOMES: Final = 6

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Scenario(enum.IntEnum):
    """Why a payment is fraudulent."""

    NONE = 0
    TERMINAL = 1
    """A terminal is in wrong hands for some days: much of what is paid there is not what it seems."""
    CARD = 2
    """A card's data was stolen, online or at a compromised terminal: small tries, then large amounts."""
    TAKEOVER = 3
    """Somebody else pays in the customer's name, where the customer does, from another device, and more."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What decides everything that is drawn."""

    days: int = 90
    customers: int = 1_000
    terminals: int = 200
    seed: int = 1
    begun: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    fraud: float = 1.0
    """Multiplies how often terminals, cards and accounts fall into wrong hands; 0: there is no fraud."""
    drift: float = 0.5
    """How much the ways of fraud have changed by the end: 0 not at all, 1 thoroughly."""
    report_days: float = 4.0
    """After so many days half of the frauds that are ever reported have been."""
    unreported: float = 0.05
    """The share of frauds that nobody ever reports."""


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """Payments in the order of time: arrays of one length. What is not there is -1."""

    world: World
    at_us: Integers
    """Microseconds since 1970."""
    customer: Integers
    terminal: Integers
    card: Integers
    """Twice the customer's number, and one more for a second card."""
    device: Integers
    """Online only."""
    country: Integers
    """Where the payer seems to be, a place in `COUNTRIES`."""
    online: Flags
    amount: Integers
    """Minor units."""
    scenario: Integers
    labelled_us: Integers
    """When the fraud was reported; -1 for what is none, or never was."""

    def __len__(self) -> int:
        """How many payments."""
        return len(self.at_us)

    @property
    def fraud(self) -> Flags:
        """The truth, reported or not."""
        found: Flags = self.scenario != int(Scenario.NONE)
        return found
