"""Customers and products as callers get them: in answers, and in the events that tell of changes."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from caudal.customers.types import Customer, CustomerStatus, CustomerType, Fee, Product, Review
from caudal.ledger import AccountId, Metadata
from caudal_base import ids
from caudal_base.decide import Limit

Time = Annotated[dt.datetime, Meta(tz=True)]


class CustomerView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A customer as it stands."""

    id: str
    type: CustomerType
    status: CustomerStatus
    jurisdiction: str
    """ISO 3166-1 alpha-2."""
    product: str
    product_version: int
    accounts: dict[str, AccountId]
    """The customer's ledger accounts, by currency."""
    created_at: Time
    updated_at: Time
    reference: str | None = None
    name_token: str | None = None
    email_token: str | None = None
    phone_token: str | None = None
    metadata: Metadata | None = None


def customer_view(customer: Customer) -> CustomerView:
    """`customer` for a caller."""
    return CustomerView(
        id=customer.id,
        type=customer.type,
        status=customer.status,
        jurisdiction=customer.jurisdiction,
        product=customer.product,
        product_version=customer.product_version,
        accounts=customer.accounts,
        created_at=customer.created_at,
        updated_at=customer.updated_at,
        reference=customer.reference,
        name_token=customer.name_token,
        email_token=customer.email_token,
        phone_token=customer.phone_token,
        metadata=customer.metadata,
    )


class ProductView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A version of a product; it never changes. Amounts are in minor units."""

    name: str
    version: int
    created_at: Time
    currencies: tuple[str, ...]
    limits: tuple[Limit, ...]
    fees: tuple[Fee, ...]
    review: Review


class ToldProductView(ProductView, frozen=True, kw_only=True):
    """A new version of a product as events tell of it."""

    id: str
    """Of the product, whichever version: it follows from the name."""


def product_view(product: Product) -> ProductView:
    """`product` for a caller."""
    return ProductView(
        name=product.name,
        version=product.version,
        created_at=product.created_at,
        currencies=product.currencies,
        limits=product.limits,
        fees=product.fees,
        review=product.review,
    )


def product_told(product: Product) -> ToldProductView:
    """What is told of a version of a product."""
    return ToldProductView(
        id=ids.of_names(ids.PRODUCT, product.name),
        name=product.name,
        version=product.version,
        created_at=product.created_at,
        currencies=product.currencies,
        limits=product.limits,
        fees=product.fees,
        review=product.review,
    )
