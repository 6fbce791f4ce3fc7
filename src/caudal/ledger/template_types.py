"""Templates: named sets of postings with parameters, and the words in which they are written.

    parameters:  price (amount), buyer, seller, house (accounts), order (text)
    amounts:     fee = 2.9 % of price + 0.30 EUR
    legs:        debit buyer the whole price; credit house the whole fee; credit seller the remainder

Amounts are integers of minor units, percentages exact decimals in text: nothing is ever a float.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from caudal.ledger.types import Metadata, OutcomeStatus, Side
from caudal_base.money import Money

MAX_PARAMETERS: Final = 50
MAX_AMOUNTS: Final = 50
MAX_LEGS: Final = 100
MAX_WEIGHT: Final = 1_000_000_000
MAX_TEXT: Final = 500
"""Characters of a text argument, and of what a `code`, `reference` or metadata value becomes."""


class ParameterType(enum.Enum):
    """What a caller gives for a parameter."""

    AMOUNT = "amount"
    """An amount of money, at least 0."""
    ACCOUNT = "account"
    """An account's id."""
    TEXT = "text"
    """For the code, the reference and metadata."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a template asks of its caller."""

    type: ParameterType
    currency: str | None = None
    """Of an amount: the one currency that is taken; None takes any."""


class Fixed(msgspec.Struct, frozen=True, tag_field="kind", tag="fixed", forbid_unknown_fields=True):
    """Always the same amount of minor units."""

    amount: int
    currency: str


class Whole(msgspec.Struct, frozen=True, tag_field="kind", tag="whole", forbid_unknown_fields=True):
    """All of an amount."""

    of: str


class Percent(msgspec.Struct, frozen=True, tag_field="kind", tag="percent", forbid_unknown_fields=True):
    """A percentage of an amount.

    The legs of one side that take percentages of one amount are rounded together, by largest remainder, with
    the part that none of them takes: each is within a minor unit of its exact value, and 100 % are all of it.
    """

    of: str
    percent: str
    """More than 0, at most 100, with at most six decimals: `2.9`, `33.333333`."""


class Weight(msgspec.Struct, frozen=True, tag_field="kind", tag="weight", forbid_unknown_fields=True):
    """A share, in proportion to its weight, of what percentages of the same amount and side leave of it.

    The shares are rounded together, by largest remainder: they are all of it.
    """

    of: str
    weight: int


class Rest(msgspec.Struct, frozen=True, tag_field="kind", tag="remainder", forbid_unknown_fields=True):
    """What the leg's side still lacks in a currency, so that the entry balances."""

    currency_of: str
    """The amount in whose currency it is."""


class Sum(msgspec.Struct, frozen=True, tag_field="kind", tag="sum", forbid_unknown_fields=True):
    """Several amounts of one currency together."""

    of: tuple[str, ...]


Derived: TypeAlias = Fixed | Percent | Sum
"""How an amount follows from others. A percentage here is rounded by itself, half up."""

Share: TypeAlias = Fixed | Whole | Percent | Weight | Rest
"""What a leg takes."""


class Leg(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One posting to be. Where its amount comes to zero, it is left out."""

    account: str
    """The name of an account parameter, or the id of an account (`acct_…`)."""
    side: Side
    amount: Share


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a template says.

    In `code`, `reference` and the values of metadata, `{name}` stands for a text parameter.
    """

    legs: tuple[Leg, ...]
    parameters: Mapping[str, Parameter] = {}
    amounts: Mapping[str, Derived] = {}
    """Named amounts that follow from parameters and from one another."""
    code: str | None = None
    reference: str | None = None
    metadata: Metadata = {}


class NewTemplate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep a definition under a name."""

    name: str
    """Lower-case letters, digits, `-` and `_`, beginning with a letter; at most 63 characters."""
    definition: Definition


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A definition that has been kept. A version never changes."""

    name: str
    version: int
    """Counted from 1."""
    definition: Definition
    created_at: dt.datetime

    @property
    def label(self) -> str:
        """What an entry made from it carries: `name@version`."""
        return f"{self.name}@{self.version}"


class KeptTemplate(msgspec.Struct, frozen=True):
    """What became of a `NewTemplate`: created, or found as it is."""

    status: OutcomeStatus
    template: Template


Argument: TypeAlias = Money | str
"""What a caller gives: money for an amount, an id for an account, words for a text."""
