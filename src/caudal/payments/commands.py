"""What may be asked of payments: by callers, by the clock, and by what partners say."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from caudal.connectors import Answer, CaptureMode, Found, Method, Settlement, Snapshot
from caudal.payments.types import PaymentKind
from caudal_base.decide import Context


class CreatePayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Begin a payment."""

    id: str
    kind: PaymentKind
    customer: str
    amount: int
    currency: str
    partner: str | None = None
    """None: the first partner of the book that can do it (and of internal payments nobody)."""
    method: Method | None = None
    """None: card for a pay-in, bank transfer for a payout."""
    instrument: str | None = None
    capture: CaptureMode = CaptureMode.AUTOMATIC
    destination: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    context: Context | None = None
    execute_at: dt.datetime | None = None
    return_url: str | None = None
    chosen: bool = False
    """The caller chose the id, so it may exist already."""


class CapturePayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Take what is authorised, or a part of it."""

    payment_id: str
    id: str
    """Of the capture."""
    amount: int | None = None
    """None is all that is left."""
    final: bool = True
    """Nothing is to follow: the rest is released."""


class IncrementPayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Raise what is authorised."""

    payment_id: str
    id: str
    """Of the attempt."""
    amount: int
    """The new total."""


class RefundPayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Pay back what was captured, or a part of it."""

    payment_id: str
    id: str
    """Of the refund."""
    amount: int | None = None
    """None is all that is left."""
    reason: str | None = None
    metadata: Mapping[str, str] | None = None


class CancelPayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Call it off, or void what is authorised."""

    payment_id: str
    id: str
    """Of the attempt, where the partner has to be told."""


class ConfirmPayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The customer has come back from the partner's page: ask the partner now."""

    payment_id: str


class ApprovePayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """End a review with yes."""

    payment_id: str


class DeclinePayment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """End a review with no."""

    payment_id: str


class TimeOut(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the payment waits for may have come or run out: its `execute_at` or `expires_at` is looked at."""

    payment_id: str


class Send(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Mark an attempt as submitting, to be committed before the call."""

    attempt_id: str


class Answered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The partner's answer to a call."""

    attempt_id: str
    answer: Answer


class Looked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a query found."""

    attempt_id: str
    found: Found


class Heard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a webhook, or a look at the partner's object, says."""

    partner: str
    snapshot: Snapshot


class Settle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A partner has paid out a batch."""

    partner: str
    settlement: Settlement


CallerCommand: TypeAlias = (
    CreatePayment
    | CapturePayment
    | IncrementPayment
    | RefundPayment
    | CancelPayment
    | ConfirmPayment
    | ApprovePayment
    | DeclinePayment
)
Command: TypeAlias = CallerCommand | TimeOut | Send | Answered | Looked | Heard | Settle
