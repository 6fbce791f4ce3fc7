"""Which products can work, and what a payment costs under one. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from caudal.customers.errors import ProductInvalid
from caudal.customers.types import KINDS, METHODS, Definition, Fee, NewProduct
from caudal_base import money
from caudal_base.countries import UnknownCountry, require_country
from caudal_base.decide import Limit
from caudal_base.money import MAX_AMOUNT, UnknownCurrency

MAX_CURRENCIES: Final = 20
MAX_LIMITS: Final = 100
MAX_FEES: Final = 100
MAX_BASIS_POINTS: Final = 10_000
MAX_REVIEW_S: Final = 30 * 86_400

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_HALF: Final = 5_000
_WHOLE: Final = 10_000


def price(fees: Sequence[Fee], kind: str, method: str | None, currency: str, amount: int) -> int:
    """What a payment costs, in minor units: by the first of `fees` that fits it, or nothing.

    `flat` plus `basis_points` of the amount, that share rounded to the minor unit with halves up; then at
    least `minimum` and at most `maximum`. May be more than the amount.
    """
    for fee in fees:
        if (
            fee.kind == kind
            and (fee.method is None or fee.method == method)
            and (fee.currency is None or fee.currency == currency)
        ):
            cost = fee.flat + (amount * fee.basis_points + _HALF) // _WHOLE
            if fee.minimum is not None:
                cost = max(cost, fee.minimum)
            if fee.maximum is not None:
                cost = min(cost, fee.maximum)
            return cost
    return 0


def refuse_invalid(product: NewProduct) -> None:
    """Raise `ProductInvalid` for a product that can never work; `field` is a path: `fees[1].minimum`."""
    if not _NAME.fullmatch(product.name):
        raise ProductInvalid("lower-case letters, digits, - and _, a letter first, at most 63", field="name")
    _refuse_currencies(product.currencies)
    _refuse_sizes(product)
    for index, limit in enumerate(product.limits):
        _refuse_limit(product, limit, f"limits[{index}]")
    for index, fee in enumerate(product.fees):
        _refuse_fee(product, fee, f"fees[{index}]")
    if not 1 <= product.review.timeout_s <= MAX_REVIEW_S:
        raise ProductInvalid(f"a review takes 1 to {MAX_REVIEW_S} seconds", field="review.timeout_s")


def _refuse_currencies(currencies: Sequence[str]) -> None:
    if not 1 <= len(currencies) <= MAX_CURRENCIES:
        raise ProductInvalid(f"a product has 1 to {MAX_CURRENCIES} currencies", field="currencies")
    if len(set(currencies)) != len(currencies):
        raise ProductInvalid("a currency stands twice", field="currencies")
    for index, currency in enumerate(currencies):
        try:
            money.exponent(currency)
        except UnknownCurrency as error:
            raise ProductInvalid(error.detail, field=f"currencies[{index}]") from None


def _refuse_sizes(product: Definition) -> None:
    if len(product.limits) > MAX_LIMITS:
        raise ProductInvalid(f"a product has at most {MAX_LIMITS} limits", field="limits")
    if len(product.fees) > MAX_FEES:
        raise ProductInvalid(f"a product has at most {MAX_FEES} fees", field="fees")


def _refuse_limit(product: Definition, limit: Limit, field: str) -> None:
    _refuse_other("kind", limit.kind, KINDS, field)
    _refuse_other("currency", limit.currency, product.currencies, field)
    if limit.country is not None:
        try:
            require_country(limit.country, "country")
        except UnknownCountry as error:
            raise ProductInvalid(error.detail, field=f"{field}.country") from None
    _refuse_amounts(field, per_payment=limit.per_payment, per_day=limit.per_day)
    if limit.per_payment is None and limit.per_day is None:
        raise ProductInvalid("a limit bounds a payment, a day, or both", field=field)


def _refuse_fee(product: Definition, fee: Fee, field: str) -> None:
    _refuse_other("kind", fee.kind, KINDS, field)
    _refuse_other("method", fee.method, METHODS, field)
    _refuse_other("currency", fee.currency, product.currencies, field)
    _refuse_amounts(field, flat=fee.flat, minimum=fee.minimum, maximum=fee.maximum)
    if not 0 <= fee.basis_points <= MAX_BASIS_POINTS:
        raise ProductInvalid(f"0 to {MAX_BASIS_POINTS}", field=f"{field}.basis_points")
    if fee.minimum is not None and fee.maximum is not None and fee.minimum > fee.maximum:
        raise ProductInvalid("the minimum is above the maximum", field=f"{field}.minimum")
    counts = fee.flat or fee.minimum is not None or fee.maximum is not None
    if counts and fee.currency is None and len(product.currencies) > 1:
        # 30 minor units are 30 cents, or 30 yen.
        raise ProductInvalid(
            "an amount needs its currency, as the product has several", field=f"{field}.currency"
        )


def _refuse_other(name: str, value: str | None, known: Iterable[str], field: str) -> None:
    if value is not None and value not in known:
        raise ProductInvalid(f"one of {', '.join(known)}", field=f"{field}.{name}")


def _refuse_amounts(field: str, **amounts: int | None) -> None:
    for name, amount in amounts.items():
        if amount is not None and not 0 <= amount <= MAX_AMOUNT:
            raise ProductInvalid("minor units, from 0 to 2^53 - 1", field=f"{field}.{name}")
