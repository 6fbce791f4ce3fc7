"""Money: integers of minor units with an ISO 4217 currency; never a float.

How many minor units make one unit (the exponent) comes from the `iso4217` library, which carries the
standard's own table. Codes without an exponent (gold, the SDR, the test code) are no currencies here.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final

import iso4217
import msgspec

from caudal_base.check import check
from caudal_base.errors import InvalidRequest, Unprocessable

MAX_AMOUNT: Final = 2**53 - 1
"""The largest amount, in minor units: what every JSON reader keeps exactly (RFC 8259 section 6)."""

_EXPONENTS: Final[dict[str, int]] = {
    entry.code: entry.exponent for entry in iso4217.Currency if entry.exponent is not None
}
_DECIMAL = re.compile(r"(-?)([0-9]{1,32})(?:\.([0-9]{1,32}))?", re.ASCII)


class UnknownCurrency(Unprocessable):
    """No ISO 4217 currency with minor units has this code."""

    code = "unknown_currency"
    title = "This currency is not known"


class InvalidAmount(InvalidRequest):
    """A text that is not an exact amount of its currency."""

    code = "invalid_amount"
    title = "This is not an amount"


class AllocationImpossible(Unprocessable):
    """Weights that sum to zero divide nothing."""

    code = "allocation_impossible"
    title = "These weights cannot divide an amount"


def currencies() -> frozenset[str]:
    """Every currency code that `exponent` knows."""
    return frozenset(_EXPONENTS)


def exponent(currency: str, *, field: str = "currency") -> int:
    """How many decimal places the minor unit of `currency` has: USD 2, JPY 0, KWD 3.

    Raises `UnknownCurrency` naming `field` for anything else than an ISO 4217 code with minor units.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(f"{currency!r} is no currency with minor units", field=field) from None


class Money(msgspec.Struct, frozen=True):
    """An amount of minor units of one currency: `{"amount": 1050, "currency": "USD"}` is USD 10.50."""

    amount: Annotated[int, msgspec.Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    currency: Annotated[str, msgspec.Meta(min_length=3, max_length=3)]

    def __post_init__(self) -> None:
        check(type(self.amount) is int, "an amount of money is an integer of minor units")
        check(-MAX_AMOUNT <= self.amount <= MAX_AMOUNT, "an amount of money is at most 2^53 - 1")
        exponent(self.currency)

    def __str__(self) -> str:
        return format_money(self.amount, self.currency)


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide `amount` (minor units) in proportion to `weights`, exactly, by largest remainder.

    The parts sum to `amount`; each is within one minor unit of its exact share; a zero weight gets zero;
    equal remainders are served in the order given; dividing a negative amount mirrors the positive one,
    so a refund splits as its charge did. Weights are any integers with a sum that is not zero, or
    `AllocationImpossible` is raised.
    """
    total = sum(weights)
    if total == 0:
        raise AllocationImpossible("the weights sum to zero", field="weights")
    if total < 0:
        weights = [-weight for weight in weights]
        total = -total
    size = abs(amount)
    parts = []
    remainders = []
    for weight in weights:
        part, remainder = divmod(size * weight, total)
        parts.append(part)
        remainders.append(remainder)
    missing = size - sum(parts)
    # sorted() is stable, so that ties go to the earlier part.
    for index in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:missing]:
        parts[index] += 1
    return parts if amount >= 0 else [-part for part in parts]


def format_decimal(amount: int, currency: str) -> str:
    """`amount` minor units in units: 1050 USD is `10.50`, 1050 JPY is `1050`. `parse_decimal` reads it."""
    places = exponent(currency)
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def format_money(amount: int, currency: str) -> str:
    """`amount` minor units for people: `10.50 USD`."""
    return f"{format_decimal(amount, currency)} {currency}"


def parse_decimal(text: str, currency: str, *, field: str = "amount") -> int:
    """The minor units that `text` says in units: `10.5` USD is 1050. Exact, or `InvalidAmount`.

    Plain ASCII digits with at most one point and a leading minus; no plus, separators, exponents or
    spaces. Decimals past the currency's places must be zeros.
    """
    places = exponent(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidAmount("expected digits with at most one decimal point", field=field)
    sign, units, decimals = match.group(1), match.group(2), match.group(3) or ""
    if decimals[places:].strip("0"):
        raise InvalidAmount(f"{currency} has {places} decimal places", field=field)
    amount = int(units + decimals[:places].ljust(places, "0"))
    if amount > MAX_AMOUNT:
        raise InvalidAmount("an amount is at most 2^53 - 1 minor units", field=field)
    return -amount if sign else amount
