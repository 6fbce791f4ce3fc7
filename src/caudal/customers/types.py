"""Customers, the products that they have, and what may be asked of them."""

import datetime as dt
import enum
from typing import Final, NewType, TypeAlias

import msgspec

from caudal.ledger import AccountId, Metadata, derived_id
from caudal_base import ids
from caudal_base.decide import Limit

CustomerId = NewType("CustomerId", str)

KINDS: Final = ("pay_in", "payout", "internal")
"""The kinds of payments, as limits and fees name them."""

METHODS: Final = ("card", "bank_debit", "bank_transfer")
"""The ways by which a partner moves money, as fees name them."""


class CustomerType(enum.Enum):
    """Whether the customer is a human being."""

    PERSON = "person"
    BUSINESS = "business"


class CustomerStatus(enum.Enum):
    """Whether a customer may make payments."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    """Takes no new payments; those under way go on."""
    CLOSED = "closed"
    """Has closed accounts, at zero; for good."""


class ReviewDefault(enum.Enum):
    """What becomes of a payment in review that nobody decides on."""

    APPROVE = "approve"
    DECLINE = "decline"


class Fee(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a payment costs the customer: `flat` plus a share of the amount, within bounds.

    Amounts are in minor units of the payment's currency.
    """

    kind: str
    """`pay_in`, `payout` or `internal`."""
    method: str | None = None
    """`card`, `bank_debit` or `bank_transfer`; None is any, and none."""
    currency: str | None = None
    """None is any."""
    flat: int = 0
    basis_points: int = 0
    """Hundredths of a percent of the amount."""
    minimum: int | None = None
    maximum: int | None = None


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long payments wait in review, and what then."""

    timeout_s: int = 86_400
    default: ReviewDefault = ReviewDefault.DECLINE


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a product gives and takes. No product has an overdraft."""

    currencies: tuple[str, ...]
    """In each the customer gets an account."""
    limits: tuple[Limit, ...] = ()
    fees: tuple[Fee, ...] = ()
    """The first that fits a payment is its price; none fits: it is free."""
    review: Review = Review()


class NewProduct(Definition, frozen=True, kw_only=True):
    """A definition to be kept under a name, as its next version."""

    name: str


class Product(NewProduct, frozen=True, kw_only=True):
    """A version of a product. Never changes."""

    version: int
    created_at: dt.datetime


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as it stands. Tokens name what the vault keeps; there is no personal data here."""

    id: CustomerId
    type: CustomerType
    status: CustomerStatus
    jurisdiction: str
    """ISO 3166-1 alpha-2: whose law applies."""
    product: str
    product_version: int
    currencies: tuple[str, ...]
    """Those in which it has an account."""
    created_at: dt.datetime
    updated_at: dt.datetime
    reference: str | None = None
    """The caller's own name for it, unique in the book."""
    name_token: str | None = None
    email_token: str | None = None
    phone_token: str | None = None
    metadata: Metadata | None = None

    @property
    def accounts(self) -> dict[str, AccountId]:
        """The customer's ledger accounts, by currency."""
        return {currency: account_of(self.id, currency) for currency in self.currencies}


class CustomerRow(msgspec.Struct, frozen=True, gc=False):
    """Of a customer what a payment asks."""

    id: CustomerId
    status: CustomerStatus
    jurisdiction: str
    product: str
    product_version: int


class CreateCustomer(msgspec.Struct, frozen=True, kw_only=True):
    """Take a customer on, with an account in each of the product's currencies."""

    id: CustomerId
    type: CustomerType
    product: str
    """By name: the newest version."""
    jurisdiction: str
    reference: str | None = None
    name_token: str | None = None
    email_token: str | None = None
    phone_token: str | None = None
    metadata: Metadata | None = None


class CustomerAction(enum.Enum):
    """What may be done to a customer's status."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    CLOSE = "close"


class ChangeCustomerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Block, unblock or close a customer. Closing closes the accounts, which must be at zero."""

    customer: CustomerId
    action: CustomerAction


class ChangeProduct(msgspec.Struct, frozen=True, kw_only=True):
    """Give a customer another product, or another version; opens what accounts are missing."""

    customer: CustomerId
    product: str
    version: int | None = None
    """None is the newest."""


CustomerCommand: TypeAlias = CreateCustomer | ChangeCustomerStatus | ChangeProduct


class Changed(msgspec.Struct, frozen=True):
    """What a command came to."""

    customer: Customer
    """After it."""
    changed: bool
    """False: it stood so already."""


class CustomerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which customers are wanted; None is any."""

    reference: str | None = None
    status: CustomerStatus | None = None
    product: str | None = None
    jurisdiction: str | None = None


def account_of(customer: str, currency: str) -> AccountId:
    """The ledger account of a customer in a currency; it follows from the two, without a look-up."""
    return AccountId(derived_id(ids.ACCOUNT, customer, currency))


def account_reference(customer: str, currency: str) -> str:
    """The reference of that account in the ledger."""
    return f"customer:{customer}:{currency}"
