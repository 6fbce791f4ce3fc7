"""The words in which templates are written, and what the API says of those that it keeps.

    parameters:  price (amount), buyer, seller, house (accounts), order (text)
    amounts:     fee = 2.9 % of price + 0.30 EUR
    legs:        debit buyer the whole price; credit house the whole fee; credit seller the remainder

Amounts are integers of minor units, percentages exact decimals in text: nothing is ever a float.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from caudal.client.types import Answer, OpenEnum, Side


class Money(msgspec.Struct, frozen=True):
    """Minor units of an ISO 4217 currency: `Money(1050, "USD")` is 10.50 dollars."""

    amount: int
    currency: str


Argument: TypeAlias = Money | str
"""What a template's caller gives for a parameter: money, an account's id, or words."""


class ParameterType(OpenEnum):
    """What a caller gives for a parameter."""

    AMOUNT = "amount"
    """Money, at least 0."""
    ACCOUNT = "account"
    """An account's id."""
    TEXT = "text"
    """For the code, the reference and metadata."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a template asks of its caller."""

    type: ParameterType
    currency: str | None = None
    """Of an amount: the one currency that is taken; None takes any."""


class Fixed(msgspec.Struct, frozen=True, tag_field="kind", tag="fixed"):
    """Always the same amount of minor units."""

    amount: int
    currency: str


class Whole(msgspec.Struct, frozen=True, tag_field="kind", tag="whole"):
    """All of an amount."""

    of: str


class Percent(msgspec.Struct, frozen=True, tag_field="kind", tag="percent"):
    """A percentage of an amount; those of one side and amount are rounded together, by largest remainder."""

    of: str
    percent: str
    """More than 0, at most 100, with at most six decimals: `2.9`, `33.333333`."""


class Weight(msgspec.Struct, frozen=True, tag_field="kind", tag="weight"):
    """A share, by weight, of what percentages of the same amount and side leave of it."""

    of: str
    weight: int


class Rest(msgspec.Struct, frozen=True, tag_field="kind", tag="remainder"):
    """What the leg's side still lacks in a currency, so that the entry balances."""

    currency_of: str
    """The amount in whose currency it is."""


class Sum(msgspec.Struct, frozen=True, tag_field="kind", tag="sum"):
    """Several amounts of one currency together."""

    of: Sequence[str]


Derived: TypeAlias = Fixed | Percent | Sum
"""How a named amount follows from others. A percentage here is rounded by itself, half up."""

Share: TypeAlias = Fixed | Whole | Percent | Weight | Rest
"""What a leg takes."""


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One posting to be. Where its amount comes to zero, it is left out."""

    account: str
    """The name of an account parameter, or an account's id."""
    side: Side
    amount: Share


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a template says.

    In `code`, `reference` and the values of metadata, `{name}` stands for a text parameter.
    """

    legs: Sequence[Leg]
    parameters: Mapping[str, Parameter] = {}
    amounts: Mapping[str, Derived] = {}
    """Named amounts that follow from parameters and from one another."""
    code: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] = {}


class Template(Answer, frozen=True, kw_only=True):
    """A version of a template; it never changes."""

    name: str
    version: int
    """Counted from 1."""
    created_at: dt.datetime
    definition: Definition

    @property
    def label(self) -> str:
        """What `transactions.from_template` takes for exactly this version: `name@version`."""
        return f"{self.name}@{self.version}"
