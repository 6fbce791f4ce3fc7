"""What the simulated Stripe account remembers. Amounts in minor units, times in whole seconds since 1970.

Statuses are Stripe's own words, since they go into its answers as they are.
"""

from typing import Any, Literal

import msgspec

IntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
]
TransactionType = Literal[
    "charge", "payment", "refund", "refund_failure", "adjustment", "payout", "payout_failure"
]
CaptureMethod = Literal["automatic", "automatic_async", "manual"]


class Intent(msgspec.Struct, kw_only=True):
    """A PaymentIntent."""

    id: str
    amount: int
    currency: str
    created: int
    status: IntentStatus
    capture_method: CaptureMethod
    method_types: list[str]
    automatic_methods: bool
    allowed: list[str] = []
    """`allowed_payment_method_types` as they came."""
    redirects: bool = True
    """Whether methods that send the payer away are allowed."""
    multicapture: bool = False
    """Asked for `request_multicapture`."""
    incremental: bool = False
    """Asked for `request_incremental_authorization`."""
    options: dict[str, Any] = {}
    """`payment_method_options` as they came."""
    attempt_id: str | None = None
    """From the metadata with which it was created."""
    metadata: dict[str, str] = {}
    method: str | None = None
    customer: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    setup_future_usage: str | None = None
    transfer_group: str | None = None
    confirmation_method: str = "automatic"
    return_url: str | None = None
    client_secret: str = ""
    charge: str | None = None
    received: int = 0
    capturable: int = 0
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    error: dict[str, Any] | None = None
    """The last payment error, without the payment method, which is rendered anew."""
    action_url: str | None = None
    """The page of its 3-D Secure, while that is open."""
    increments: int = 0
    captures: int = 0


class Charge(msgspec.Struct, kw_only=True):
    """A Charge: one try to take money for an intent."""

    id: str
    intent: str
    amount: int
    currency: str
    created: int
    method: str
    status: Literal["succeeded", "pending", "failed"]
    captured: bool = False
    amount_captured: int = 0
    amount_refunded: int = 0
    released: bool = False
    """What was authorised and not captured has been let go, by cancellation or with time."""
    transaction: str | None = None
    shown_after: int = 0
    """From when on answers name the balance transaction: some captures book later than they answer."""
    dispute: str | None = None
    failure_code: str | None = None
    decline_code: str | None = None
    failure_message: str | None = None
    authenticated: bool = False
    capture_before: int | None = None
    metadata: dict[str, str] = {}
    description: str | None = None


class Refund(msgspec.Struct, kw_only=True):
    """A Refund."""

    id: str
    charge: str
    intent: str
    amount: int
    currency: str
    created: int
    status: Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
    reason: str | None
    metadata: dict[str, str]
    attempt_id: str | None
    transaction: str | None = None
    failure_reason: str | None = None
    failure_transaction: str | None = None


class Dispute(msgspec.Struct, kw_only=True):
    """A Dispute; an inquiry while its status begins with `warning_`."""

    id: str
    charge: str
    intent: str
    amount: int
    currency: str
    created: int
    status: str
    reason: str
    transactions: list[str] = []
    evidence: dict[str, str] = {}
    submissions: int = 0
    metadata: dict[str, str] = {}


class Payout(msgspec.Struct, kw_only=True):
    """A Payout: a settlement where `automatic`, else one that was asked for."""

    id: str
    amount: int
    currency: str
    created: int
    arrival: int
    status: Literal["pending", "in_transit", "paid", "failed", "canceled"]
    automatic: bool
    transaction: str | None = None
    metadata: dict[str, str] = {}
    description: str | None = None
    statement_descriptor: str | None = None
    failure_code: str | None = None
    failure_transaction: str | None = None


class Transaction(msgspec.Struct, kw_only=True):
    """A BalanceTransaction: one movement on the account's balance."""

    id: str
    type: TransactionType
    category: str
    """Stripe's `reporting_category`."""
    source: str
    amount: int
    fee: int
    currency: str
    created: int
    available_on: int
    description: str | None
    payout: str | None = None
    """What paid it out, once something has."""


class Event(msgspec.Struct):
    """An Event, written as it was sent."""

    id: str
    type: str
    created: int
    body: msgspec.Raw
