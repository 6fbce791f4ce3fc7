"""`/v1/customers`: people and businesses, their accounts and products."""

from typing import Annotated

import msgspec
from msgspec import Meta

from caudal import customers
from caudal.access import Caller
from caudal.api.bodies import RequestBody, Write
from caudal.api.endpoint import B, NoBody, NoQuery, Q
from caudal.api.fields import Cursor, Limit, Metadata, Reference
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.problems import problem
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.customers import (
    ChangeCustomerStatus,
    ChangeProduct,
    CreateCustomer,
    CustomerAction,
    CustomerCommand,
    CustomerFilter,
    CustomerId,
    Customers,
    CustomerStatus,
    CustomerType,
    customer_view,
)
from caudal.idempotency import Answer
from caudal_base import ids
from caudal_base.database import Connection
from caudal_base.errors import CaudalError
from caudal_base.ids import InvalidId

Jurisdiction = Annotated[
    str,
    Meta(
        description="Whose law applies: a country of ISO 3166-1, alpha-2.",
        min_length=2,
        max_length=2,
        extra_json_schema={"pattern": "^[A-Z]{2}$", "examples": ["DE"]},
    ),
]
ProductName = Annotated[
    str,
    Meta(
        description="A product's name.",
        min_length=1,
        max_length=63,
        extra_json_schema={"pattern": "^[a-z][a-z0-9_-]{0,62}$", "examples": ["basic"]},
    ),
]
ProductVersion = Annotated[int, Meta(description="Of a product; the newest by default.", ge=1, le=2**31 - 1)]
Token = Annotated[
    str,
    Meta(
        description="A vault token. What it stands for never comes here: it is refused.",
        min_length=1,
        max_length=500,
        extra_json_schema={"pattern": "^tok_[a-z0-9_]{2,64}$", "examples": ["tok_name_4f9a"]},
    ),
]


# The length beside the pattern: `$` also matches before a line's end.
CustomerIdText = Annotated[
    str, Meta(pattern="^cus_[0-9a-f]{32}$", min_length=36, max_length=36, description="A customer's id.")
]
OwnName = Annotated[Reference, Meta(description="Your own name for it, unique in the book.")]


class NewCustomer(RequestBody, frozen=True, kw_only=True):
    """Take a customer on."""

    type: CustomerType
    product: Annotated[ProductName, Meta(description="A product, in its newest version.")]
    jurisdiction: Jurisdiction
    id: (
        Annotated[
            str,
            Meta(
                pattern="^cus_[0-9a-f]{32}$",
                min_length=36,
                max_length=36,
                description="An id of your making.",
            ),
        ]
        | None
    ) = None
    reference: Annotated[Reference, Meta(description="Your own name for it, unique in the book.")] | None = (
        None
    )
    name_token: Token | None = None
    email_token: Token | None = None
    phone_token: Token | None = None
    metadata: Metadata | None = None


class NewCustomerProduct(RequestBody, frozen=True, kw_only=True):
    """Give a customer another product, or another version of it."""

    product: ProductName
    version: ProductVersion | None = None


class CustomersQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which customers: those that meet every condition."""

    reference: Reference | None = None
    status: CustomerStatus | None = None
    product: ProductName | None = None
    jurisdiction: Jurisdiction | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


def caller_of(request: Request[Q, B]) -> Caller:
    """Who asks, for the audit log."""
    return Caller(principal=request.principal, request_id=request.request_id, origin=request.origin)


async def create_customer(request: Request[Write, NewCustomer]) -> Answer:
    """POST /v1/customers"""
    body = request.body
    command = CreateCustomer(
        id=CustomerId(body.id or request.new_id(ids.CUSTOMER)),
        type=body.type,
        product=body.product,
        jurisdiction=body.jurisdiction,
        reference=body.reference,
        name_token=body.name_token,
        email_token=body.email_token,
        phone_token=body.phone_token,
        metadata=body.metadata,
    )
    return await _apply(request, command)


async def find_customers(request: Request[CustomersQuery, NoBody]) -> Answer:
    """GET /v1/customers"""
    query = request.query
    wanted = CustomerFilter(
        reference=query.reference,
        status=query.status,
        product=query.product,
        jurisdiction=query.jurisdiction,
    )
    async with request.services.database.connection() as connection:
        found = await customers.list_customers(
            connection, request.book_id, wanted, after=_place(query.cursor), limit=query.limit
        )
    next_ = found[-1].id if len(found) == query.limit else None
    return page_answer([customer_view(customer) for customer in found], next_)


async def read_customer(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/customers/{id}"""
    async with request.services.database.connection() as connection:
        customer = await customers.get_customer(connection, request.book_id, _of_path(request))
    return json_answer(200, customer_view(customer))


async def block(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/customers/{id}/block"""
    return await _change_status(request, CustomerAction.BLOCK)


async def unblock(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/customers/{id}/unblock"""
    return await _change_status(request, CustomerAction.UNBLOCK)


async def close(request: Request[Write, NoBody]) -> Answer:
    """POST /v1/customers/{id}/close"""
    return await _change_status(request, CustomerAction.CLOSE)


async def change_product(request: Request[Write, NewCustomerProduct]) -> Answer:
    """POST /v1/customers/{id}/product"""
    body = request.body
    return await _apply(
        request, ChangeProduct(customer=_of_path(request), product=body.product, version=body.version)
    )


async def _change_status(request: Request[Write, NoBody], action: CustomerAction) -> Answer:
    return await _apply(request, ChangeCustomerStatus(customer=_of_path(request), action=action))


async def _apply(request: Request[Write, B], command: CustomerCommand) -> Answer:
    services = request.services
    service = Customers(services.ledger, services.clock, services.ids)

    async def work(connection: Connection) -> Answer:
        (result,) = await service.apply(connection, request.book_id, [command], caller=caller_of(request))
        if isinstance(result, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays.
            return problem(result)
        customer = result.customer
        if not isinstance(command, CreateCustomer):
            return json_answer(200, customer_view(customer))
        location = ("Location", f"/v1/customers/{customer.id}")
        return json_answer(201 if result.changed else 200, customer_view(customer), location)

    return await request.once(work, dry_run=request.query.dry_run)


def _of_path(request: Request[Q, B]) -> CustomerId:
    """The customer that the path names. Raises `InvalidId`."""
    text = request.ids["id"]
    ids.decode(ids.CUSTOMER, text)
    return CustomerId(text)


def _place(cursor: str | None) -> CustomerId | None:
    if cursor is None:
        return None
    try:
        ids.decode(ids.CUSTOMER, cursor)
    except InvalidId:
        raise bad_cursor() from None
    return CustomerId(cursor)
