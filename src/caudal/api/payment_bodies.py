"""What callers send about payments: bodies and query parameters.

Free text is looked through for personal data before anything is kept: see `caudal_base.personal`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal.api.bodies import RequestBody
from caudal.api.fields import Amount, Currency, Cursor, Limit, Metadata, Moment, Reference
from caudal.api.payment_fields import (
    CardToken,
    Country,
    CustomerIdText,
    Description,
    Device,
    Instrument,
    Ip,
    Merchant,
    PartnerName,
    PaymentIdText,
    Reason,
    ReturnUrl,
    require_country_code,
    require_instrument,
    require_ip,
    require_url,
)
from caudal.connectors import CaptureMode, Method
from caudal.payments import DisputeState, PaymentKind, PaymentState, WaitingFor
from caudal_base.decide import Context
from caudal_base.money import MAX_AMOUNT
from caudal_base.personal import refuse_personal, refuse_personal_in
from caudal_base.vault import require_token


class PaymentContext(RequestBody, frozen=True, kw_only=True):
    """Where a payment comes from, for the decision on it. Tokens and codes only."""

    device: Device | None = None
    ip: Ip | None = None
    merchant: Merchant | None = None
    card_token: CardToken | None = None
    country: Country | None = None

    def checked(self) -> Context:
        """As decisions have it. Raises `PersonalDataRefused`, and for each field what it must be."""
        refuse_personal(self.device, "context.device")
        refuse_personal(self.merchant, "context.merchant")
        refuse_personal(self.card_token, "context.card_token")
        require_ip(self.ip, "context.ip")
        require_country_code(self.country, "context.country")
        if self.card_token is not None:
            require_token(self.card_token, "context.card_token")
        return Context(
            device=self.device,
            ip=self.ip,
            merchant=self.merchant,
            card_token=self.card_token,
            country=self.country,
        )


class _Asked(RequestBody, frozen=True, kw_only=True):
    """What all kinds of payments have in common."""

    customer: CustomerIdText
    amount: Amount
    currency: Currency
    id: PaymentIdText | None = None
    """Of your own: a UUIDv7 whose time is within a day of now. Repeats of the request find the first."""
    method: Method | None = None
    """By which rail; by default `card` for a pay-in and `bank_transfer` for a payout."""
    partner: PartnerName | None = None
    """By default the book's first that can do it."""
    instrument: Instrument | None = None
    reference: Reference | None = None
    description: Description | None = None
    metadata: Metadata | None = None
    context: PaymentContext | None = None
    execute_at: Annotated[
        Moment | None, Meta(description="When it is to begin; at once if it is not given.")
    ] = None

    def refuse_personal_data(self) -> None:
        """Raise `PersonalDataRefused` for what looks like it, `InvalidField` for other forms."""
        refuse_personal(self.instrument, "instrument")
        require_instrument(self.instrument)
        refuse_personal(self.reference, "reference")
        refuse_personal(self.description, "description")
        refuse_personal_in(self.metadata, "metadata")


class NewPayment(_Asked, frozen=True, kw_only=True):
    """A payment: from a card or bank account in, to a bank account out, or from customer to customer."""

    kind: PaymentKind
    capture: Annotated[
        CaptureMode,
        Meta(description="`manual`: only authorise it, and capture it by a call of its own."),
    ] = CaptureMode.AUTOMATIC
    destination: CustomerIdText | None = None
    """Of an internal payment: the customer who receives."""
    return_url: ReturnUrl | None = None

    def refuse_personal_data(self) -> None:
        """As of every kind, and of the return address."""
        super().refuse_personal_data()
        refuse_personal(self.return_url, "return_url")
        require_url(self.return_url, "return_url")


class NewPayout(_Asked, frozen=True, kw_only=True):
    """A payment out, from the customer's balance to a bank account."""


class CaptureBody(RequestBody, frozen=True, kw_only=True):
    """Take what is authorised."""

    amount: Amount | None = None
    """All that is left if it is not given."""
    final: Annotated[bool, Meta(description="No capture is to follow: the rest is released.")] = True


class IncrementBody(RequestBody, frozen=True, kw_only=True):
    """Raise what is authorised."""

    amount: Annotated[Amount, Meta(description="The new total, in minor units of the currency.")]


class NewRefund(RequestBody, frozen=True, kw_only=True):
    """Pay back what was captured."""

    amount: Amount | None = None
    """All that is left if it is not given."""
    reason: Reason | None = None
    metadata: Metadata | None = None

    def refuse_personal_data(self) -> None:
        """Raise `PersonalDataRefused` where a text holds what looks like it."""
        refuse_personal(self.reason, "reason")
        refuse_personal_in(self.metadata, "metadata")


FilterAmount = Annotated[
    int, Meta(description="Exactly so many minor units were asked for.", ge=1, le=MAX_AMOUNT)
]


Waiting = Annotated[
    WaitingFor,
    Meta(
        description="Those that go on when somebody approves or declines: in review, or with a refund "
        "of which the partner cannot be asked how it ended."
    ),
]


class PayoutsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which payouts: those that meet every condition."""

    customer: CustomerIdText | None = None
    reference: Reference | None = None
    state: PaymentState | None = None
    amount: FilterAmount | None = None
    currency: Currency | None = None
    partner: PartnerName | None = None
    created_from: Moment | None = None
    created_before: Moment | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class PaymentsQuery(PayoutsQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which payments: those that meet every condition."""

    kind: PaymentKind | None = None
    waiting: Waiting | None = None


class DisputesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which disputes: those that meet every condition."""

    payment: PaymentIdText | None = None
    state: DisputeState | None = None
    cursor: Cursor | None = None
    limit: Limit = 100
