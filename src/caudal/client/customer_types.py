"""Customers and products, as the API answers and takes them. Amounts are integers of minor units."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from caudal.client.types import Answer, OpenEnum


class CustomerType(OpenEnum):
    """Whether a customer is a human being."""

    PERSON = "person"
    BUSINESS = "business"


class CustomerStatus(OpenEnum):
    """Whether a customer may make payments."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """No new payments; those under way go on."""
    CLOSED = "closed"
    """For good, with its accounts."""


class ReviewDefault(OpenEnum):
    """What becomes of a payment in review that nobody decides on."""

    APPROVE = "approve"
    DECLINE = "decline"


class Customer(Answer, frozen=True, kw_only=True):
    """A customer as it stands. Tokens name what the vault keeps."""

    id: str
    type: CustomerType
    status: CustomerStatus
    jurisdiction: str
    """ISO 3166-1 alpha-2."""
    product: str
    product_version: int
    accounts: Mapping[str, str]
    """The customer's ledger accounts, by currency."""
    created_at: dt.datetime
    updated_at: dt.datetime
    reference: str | None = None
    name_token: str | None = None
    email_token: str | None = None
    phone_token: str | None = None
    metadata: Mapping[str, str] | None = None


class ProductLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bound on a customer's payments in one currency; None is no bound, or whatever kind or country."""

    currency: str
    kind: str | None = None
    """`pay_in`, `payout` or `internal`; None is each of them for itself."""
    country: str | None = None
    """Only payments whose context names this country."""
    per_payment: int | None = None
    per_day: int | None = None
    """Sum of a UTC day."""


class Fee(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a payment costs the customer: `flat` plus a share of the amount, within bounds."""

    kind: str
    method: str | None = None
    """`card`, `bank_debit` or `bank_transfer`; None is any, and none."""
    currency: str | None = None
    flat: int = 0
    basis_points: int = 0
    """Hundredths of a percent of the amount."""
    minimum: int | None = None
    maximum: int | None = None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """How long payments wait in review, and what then."""

    timeout_s: int = 86_400
    default: ReviewDefault = ReviewDefault.DECLINE


class Product(Answer, frozen=True, kw_only=True):
    """A version of a product; it never changes."""

    name: str
    version: int
    created_at: dt.datetime
    currencies: Sequence[str]
    limits: Sequence[ProductLimit]
    fees: Sequence[Fee]
    """The first that fits a payment is its price; none fits: it is free."""
    review: Review
