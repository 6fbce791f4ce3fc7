"""Rules and partners to try them on."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec

from caudal.connectors import Capabilities, CaptureMode, Direction, Method, Supported
from caudal.routing import Facts, Rules

CUSTOMER = "cus_" + "a" * 32


def partner(*supported: Supported) -> Capabilities:
    """What a partner can do."""
    return Capabilities(
        supported=supported, key_lifetime=dt.timedelta(hours=24), search_horizon=dt.timedelta(minutes=1)
    )


def cards(currencies: frozenset[str] | None = None, *, minimum: int = 1, manual: bool = True) -> Supported:
    """Card pay-ins."""
    modes = frozenset(CaptureMode) if manual else frozenset({CaptureMode.AUTOMATIC})
    return Supported(
        direction=Direction.PAY_IN, method=Method.CARD, currencies=currencies, capture_modes=modes,
        minimum_amount=minimum,
    )  # fmt: skip


TRANSFERS = Supported(
    direction=Direction.PAYOUT, method=Method.BANK_TRANSFER, currencies=frozenset({"EUR", "USD"})
)

PARTNERS = {
    "alpha": partner(cards()),
    "beta": partner(cards(frozenset({"EUR", "USD"}))),
    "gamma": partner(cards(manual=False, minimum=50)),
    "bank": partner(TRANSFERS),
}


def rules(*written: dict[str, Any], **more: Any) -> Rules:
    """Rules, as JSON has them."""
    return msgspec.convert({"rules": list(written), **more}, Rules)


def default(*partners: str, name: str = "default") -> dict[str, Any]:
    """The rule that holds for everything."""
    first, *others = partners
    return {"name": name, "to": {"partner": first}, "next": [{"partner": other} for other in others]}


def facts(number: int = 1, **changes: Any) -> Facts:
    """A payment: by default 10.00 EUR by card."""
    fields: dict[str, Any] = {
        "payment_id": f"pay_{UUID(int=number).hex}", "direction": Direction.PAY_IN, "method": Method.CARD,
        "currency": "EUR", "amount": 1_000, "capture": CaptureMode.AUTOMATIC, "customer": CUSTOMER,
        "instrument": "pm_card_visa",
    }  # fmt: skip
    return Facts(**{**fields, **changes})
