"""A customer as callers get it: in answers, and in the events that tell of changes."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from caudal.customers.types import Customer, CustomerStatus, CustomerType
from caudal.ledger import AccountId, Metadata


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
    created_at: Annotated[dt.datetime, Meta(tz=True)]
    updated_at: Annotated[dt.datetime, Meta(tz=True)]
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
