"""What Meridian keeps. Amounts are in minor units here, and decimal texts wherever it shows them."""

import enum
from typing import Any, Final

import msgspec

from caudal_base.money import exponent

CURRENCIES: Final = frozenset({"EUR", "GBP", "SEK"})


class Status(enum.Enum):
    """Where a payment stands."""

    PENDING = "PENDING"
    """The issuer takes its time."""
    REDIRECT = "REDIRECT"
    """The payer has to prove who they are."""
    AUTHORISED = "AUTHORISED"
    CAPTURED = "CAPTURED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Intent(enum.Enum):
    """What a payment is to be."""

    SALE = "SALE"
    """Captured as soon as it is authorised."""
    AUTHORISE = "AUTHORISE"


class Kind(enum.Enum):
    """What is asked of a payment later."""

    CAPTURE = "CAPTURE"
    CANCELLATION = "CANCELLATION"
    REFUND = "REFUND"


class Progress(enum.Enum):
    """How far a modification is."""

    RECEIVED = "RECEIVED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Payment(msgspec.Struct, kw_only=True):
    """One payment."""

    id: str
    """The PSP reference."""
    reference: str
    """The merchant's; Meridian does not look whether it has seen it before."""
    intent: Intent
    amount: int
    currency: str
    card: str
    status: Status
    captured: int = 0
    refunded: int = 0
    """Paid back, or on its way back."""
    disputed: int = 0
    refusal: str | None = None
    return_url: str | None = None
    action_url: str | None = None
    secret: str = ""
    """In the address of the payer's page."""
    shown: str | None = None
    """A result code that stands in the place of the true one."""
    created_at: float
    expires_at: float | None = None


class Modification(msgspec.Struct, kw_only=True):
    """A capture, a cancellation or a refund: taken at once, carried out later."""

    id: str
    kind: Kind
    payment: str
    reference: str
    amount: int
    currency: str
    progress: Progress = Progress.RECEIVED
    reason: str | None = None
    created_at: float


class Dispute(msgspec.Struct, kw_only=True):
    """A chargeback."""

    id: str
    payment: str
    amount: int
    is_open: bool = True


class Entry(msgspec.Struct, kw_only=True):
    """A movement on the merchant's balance: a line of the report that will hold it."""

    id: str
    type: str
    source: str
    """The PSP reference of what moved."""
    payment: str
    reference: str
    gross: int
    """Signed: positive is to the merchant's credit."""
    commission: int
    currency: str
    report: str | None = None


class Report(msgspec.Struct, kw_only=True):
    """A settlement: what is paid out to the merchant's bank, as a file."""

    id: str
    currency: str
    net: int
    created_at: float
    value_at: float
    """When it is booked at the merchant's bank."""
    is_paid: bool = False


class Item(msgspec.Struct, kw_only=True):
    """A notification that waits to be sent together with others."""

    id: str
    fields: dict[str, Any]


def decimal(amount: int, currency: str) -> str:
    """Minor units as a text in major units: `10.50`."""
    places = exponent(currency)
    sign, digits = "-" if amount < 0 else "", f"{abs(amount):0{places + 1}d}"
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def money(amount: int, currency: str) -> dict[str, Any]:
    """An amount as Meridian shows it."""
    return {"value": decimal(amount, currency), "currency": currency, "exponent": exponent(currency)}
