"""`/v1/products`: what customers are given, and what it costs."""

import re
from typing import Final

import msgspec

from caudal import customers
from caudal.api.bodies import Write
from caudal.api.customers import ProductVersion, caller_of
from caudal.api.endpoint import NoBody
from caudal.api.paging import bad_cursor, page_answer
from caudal.api.problems import problem
from caudal.api.queries import PageQuery
from caudal.api.request import Request
from caudal.api.views import json_answer
from caudal.customers import NewProduct, ProductNotFound
from caudal.idempotency import Answer
from caudal_base.database import Connection
from caudal_base.errors import CaudalError

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_CURSOR: Final = re.compile(r"([a-z][a-z0-9_-]{0,62})@([0-9]{1,9})", re.ASCII)


class ProductQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version."""

    version: ProductVersion | None = None


async def create_product(request: Request[Write, NewProduct]) -> Answer:
    """POST /v1/products"""
    services = request.services

    async def work(connection: Connection) -> Answer:
        (result,) = await customers.create_products(
            connection,
            request.book_id,
            [request.body],
            caller=caller_of(request),
            ledger=services.ledger,
            at=services.clock.now(),
        )
        if isinstance(result, CaudalError):
            # An answer, and no exception: the audit record of the refusal stays.
            return problem(result)
        location = ("Location", f"/v1/products/{result.name}?version={result.version}")
        return json_answer(201, customers.product_view(result), location)

    return await request.once(work, dry_run=request.query.dry_run)


async def find_products(request: Request[PageQuery, NoBody]) -> Answer:
    """GET /v1/products"""
    query = request.query
    after = ("", 0)
    if query.cursor is not None:
        match = _CURSOR.fullmatch(query.cursor)
        if match is None:
            raise bad_cursor()
        after = (match[1], int(match[2]))
    async with request.services.database.connection() as connection:
        found = await customers.list_products(connection, request.book_id, after=after, limit=query.limit)
    next_ = f"{found[-1].name}@{found[-1].version}" if len(found) == query.limit else None
    return page_answer([customers.product_view(product) for product in found], next_)


async def read_product(request: Request[ProductQuery, NoBody]) -> Answer:
    """GET /v1/products/{name}"""
    name = request.ids["name"]
    if not _NAME.fullmatch(name):
        raise ProductNotFound("no product has this name and version", field="name")
    async with request.services.database.connection() as connection:
        product = await customers.get_product(connection, request.book_id, name, request.query.version)
    return json_answer(200, customers.product_view(product))
