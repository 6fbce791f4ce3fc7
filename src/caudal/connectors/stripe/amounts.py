"""Stripe's smallest units against ISO 4217's minor units: the same but for a few currencies.

Source: Stripe, "Supported currencies", sections "Zero-decimal", "Three-decimal" and "Special cases".
"""

from typing import Final

from caudal_base.money import exponent

_PLACES: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Decimal places at Stripe where they differ from ISO 4217's."""

_ROUND_TO: Final = {"BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10, "ISK": 100, "UGX": 100}
"""Stripe takes multiples of so many of its units only."""


def to_stripe(amount: int, currency: str) -> int | None:
    """`amount` minor units in Stripe's units, or None where Stripe has no such amount."""
    places = exponent(currency)
    converted = _shift(amount, _PLACES.get(currency, places) - places)
    if converted is None or converted % _ROUND_TO.get(currency, 1):
        return None
    return converted


def from_stripe(amount: int, currency: str) -> int | None:
    """Stripe's `amount` in minor units, or None where ISO 4217 has no such amount."""
    if currency not in _PLACES:
        return amount
    return _shift(amount, exponent(currency) - _PLACES[currency])


def _shift(amount: int, places: int) -> int | None:
    if places >= 0:
        return int(amount * 10**places)
    quotient, rest = divmod(amount, 10**-places)
    return None if rest else int(quotient)
