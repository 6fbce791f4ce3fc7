"""What the bank keeps, in the very shape in which its API shows it. Amounts are in minor units."""

import datetime as dt
import enum

import msgspec
from msgspec import UNSET, UnsetType


class Kind(enum.Enum):
    """What was ordered."""

    TRANSFER = "transfer"
    """A credit transfer: money leaves our account."""
    DIRECT_DEBIT = "direct_debit"
    """Money is drawn from a customer's account into ours."""
    REFUND = "refund"
    """Of a direct debit: a credit transfer back to where the money came from."""


class Status(enum.Enum):
    """Where an order stands."""

    PENDING = "pending"
    """Accepted, and not carried out yet: it may be called off."""
    SETTLED = "settled"
    """Of a transfer or refund: the money has left."""
    COLLECTED = "collected"
    """Of a direct debit: the money is ours until it is returned."""
    REJECTED = "rejected"
    """Of a transfer: refused by this bank or the other one; no money has moved."""
    FAILED = "failed"
    """Of a direct debit or refund: no money has moved."""
    CANCELLED = "cancelled"
    RETURNED = "returned"
    """It had been carried out, and the money went back."""


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units."""

    amount: int
    currency: str


class Reason(msgspec.Struct, frozen=True):
    """Why something was rejected, failed or returned: an ISO 20022 external code, and its meaning."""

    code: str
    message: str


class Fee(msgspec.Struct, frozen=True):
    """What the bank took for a movement."""

    entry: str
    """The id of the entry on our account that it belongs to."""
    amount: Money


class Order(msgspec.Struct, kw_only=True):
    """A transfer, a direct debit or a refund."""

    id: str
    object: Kind
    reference: str
    """Whatever the caller chose; the bank does not look whether it has seen it before."""
    amount: Money
    account: str
    """The token of the other account."""
    remittance: str | None = None
    status: Status = Status.PENDING
    reason: Reason | None = None
    fees: list[Fee] = []
    refunded: Money | UnsetType = UNSET
    """Of a direct debit: what has been given back, or is on its way."""
    direct_debit: str | UnsetType = UNSET
    """Of a refund: what it gives back."""
    created_at: dt.datetime
    updated_at: dt.datetime


class Entry(msgspec.Struct, kw_only=True):
    """One movement on our account with the bank: a line of the settlement that will hold it."""

    id: str
    kind: str
    """`transfer`, `transfer_return`, `direct_debit`, `direct_debit_return` or `refund`."""
    source: str
    """The id of the order that moved."""
    direct_debit: str | None
    """Of a refund: what it gives back."""
    reference: str
    amount: Money
    """Signed: positive is to our credit."""
    fee: Money
    """Positive; the entry's net is amount less fee."""
    settlement: str | None = None
    """The id of the settlement that holds it; None while it is open."""
    created_at: dt.datetime


class Settlement(msgspec.Struct, kw_only=True):
    """A batch of entries, booked to our account as one net amount."""

    id: str
    object: str = "settlement"
    amount: Money
    """Net: negative where the bank has drawn on our account."""
    status: str
    """`posted`: the bank announces none."""
    lines: int
    created_at: dt.datetime
    posted_at: dt.datetime
