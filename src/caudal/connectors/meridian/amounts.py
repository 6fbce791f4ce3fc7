"""Meridian's decimal texts against minor units: `"10.50"` with `"exponent": 2` is 1050. Never a float."""

import re
from typing import Final

from caudal.connectors.drift import NO_CURRENCY, Drift, Reading
from caudal_base.money import MAX_AMOUNT, exponent

_VALUE: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,6}))?", re.ASCII)


def to_decimal(amount: int, currency: str) -> str:
    """Minor units of `currency` (of ISO 4217) as a text in major units."""
    places = exponent(currency)
    whole, rest = divmod(abs(amount), 10**places)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{places}d}" if places else str(amount)


def from_decimal(value: str, currency: str) -> int | None:
    """A text in major units in minor ones; None where it has not just as many places as the currency."""
    matched, places = _VALUE.fullmatch(value), exponent(currency)
    if matched is None or len(matched[3] or "") != places:
        return None
    amount = int(f"{matched[2]}{matched[3] or ''}")
    if amount > MAX_AMOUNT:
        return None
    return -amount if matched[1] else amount


def read(reading: Reading, field: str, drift: Drift, *, least: int | None = 0) -> tuple[int, str]:
    """An amount within an object; 0 of no currency, and `reading` is broken, where it cannot be true."""
    inner = reading.optional_object(field) or Reading(drift, field, {})
    currency, value, places = inner.currency(), inner.text("value"), inner.integer("exponent")
    if not inner.broken and currency != NO_CURRENCY:
        # An exponent of Meridian's own would make another amount of the same digits.
        amount = from_decimal(value, currency) if places == exponent(currency) else None
        if amount is not None and (least is None or amount >= least):
            return amount, currency
    reading.contradiction(field)
    return 0, NO_CURRENCY
