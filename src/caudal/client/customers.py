"""`caudal.customers` and `caudal.products`"""

from collections.abc import Mapping, Sequence

from caudal.client.bodies import Body, ListQuery, Write
from caudal.client.customer_types import (
    Customer,
    CustomerStatus,
    CustomerType,
    Fee,
    Product,
    ProductLimit,
    Review,
)
from caudal.client.ids import CUSTOMER, identify, new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_CUSTOMERS = "/v1/customers"
_PRODUCTS = "/v1/products"


class NewCustomer(Body, frozen=True, kw_only=True):
    """POST /v1/customers"""

    type: CustomerType
    product: str
    jurisdiction: str
    id: str | None = None
    reference: str | None = None
    name_token: str | None = None
    email_token: str | None = None
    phone_token: str | None = None
    metadata: Mapping[str, str] | None = None


class NewCustomerProduct(Body, frozen=True, kw_only=True):
    """POST /v1/customers/{id}/product"""

    product: str
    version: int | None = None


class NewProduct(Body, frozen=True, kw_only=True):
    """POST /v1/products"""

    name: str
    currencies: Sequence[str]
    limits: Sequence[ProductLimit] = ()
    fees: Sequence[Fee] = ()
    review: Review | None = None


class CustomersQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/customers"""

    reference: str | None = None
    status: CustomerStatus | None = None
    product: str | None = None
    jurisdiction: str | None = None


class ProductQuery(Body, frozen=True, kw_only=True):
    """GET /v1/products/{name}"""

    version: int | None = None


class Customers:
    """People and businesses. What is known of them by name is the vault's: here are tokens."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        *,
        type: CustomerType,
        product: str,
        jurisdiction: str,
        reference: str | None = None,
        name_token: str | None = None,
        email_token: str | None = None,
        phone_token: str | None = None,
        metadata: Mapping[str, str] | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Customer:
        """Take a customer on, with an account in each of the product's currencies.

        `reference` is your own name for it, unique in the book. Raises `Unprocessable` for a product that
        does not exist and for what looks like personal data (`personal_data_refused`), `Conflict` for a
        reference that is taken, or an id with other content.
        """
        identity = identify(CUSTOMER, id, idempotency_key)
        body = NewCustomer(
            type=type,
            product=product,
            jurisdiction=jurisdiction,
            id=identity.id,
            reference=reference,
            name_token=name_token,
            email_token=email_token,
            phone_token=phone_token,
            metadata=metadata,
        )
        query = Write(dry_run=dry_run)
        return await self._sender.write(Customer, _CUSTOMERS, body, key=identity.key, query=query)

    async def get(self, id: str) -> Customer:
        """A customer as it stands. Raises `NotFound`."""
        return await self._sender.read(Customer, f"{_CUSTOMERS}/{segment(id)}")

    def list(
        self,
        *,
        reference: str | None = None,
        status: CustomerStatus | None = None,
        product: str | None = None,
        jurisdiction: str | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[Customer]:
        """The customers that meet every condition, in the order of their ids; pages of at most 1,000."""
        query = CustomersQuery(
            reference=reference,
            status=status,
            product=product,
            jurisdiction=jurisdiction,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[Customer], _CUSTOMERS, query)

    async def block(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Customer:
        """Let a customer make no new payments; those under way go on. Raises `Conflict` if it is closed."""
        return await self._change(id, "block", None, idempotency_key, dry_run=dry_run)

    async def unblock(
        self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Customer:
        """Let a blocked customer make payments again. Raises `Conflict` if it is closed."""
        return await self._change(id, "unblock", None, idempotency_key, dry_run=dry_run)

    async def close(self, id: str, *, idempotency_key: str | None = None, dry_run: bool = False) -> Customer:
        """Close a customer with its accounts, for good. Raises `Conflict` unless all are at zero."""
        return await self._change(id, "close", None, idempotency_key, dry_run=dry_run)

    async def change_product(
        self,
        id: str,
        product: str,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Customer:
        """Give a customer another product, or another version (None: the newest).

        Accounts that are missing are opened, the others stay. Raises `Unprocessable` for a product that does
        not exist.
        """
        body = NewCustomerProduct(product=product, version=version)
        return await self._change(id, "product", body, idempotency_key, dry_run=dry_run)

    async def _change(
        self,
        id: str,
        action: str,
        body: NewCustomerProduct | None,
        idempotency_key: str | None,
        *,
        dry_run: bool,
    ) -> Customer:
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        path = f"{_CUSTOMERS}/{segment(id)}/{action}"
        return await self._sender.write(Customer, path, body, key=key, query=Write(dry_run=dry_run))


class Products:
    """What customers are given: currencies, limits, fees. In versions that never change."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def create(
        self,
        name: str,
        *,
        currencies: Sequence[str],
        limits: Sequence[ProductLimit] = (),
        fees: Sequence[Fee] = (),
        review: Review | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Product:
        """Keep a product as the next version of its name. `Unprocessable` names the field at fault."""
        key = new_idempotency_key() if idempotency_key is None else idempotency_key
        body = NewProduct(name=name, currencies=currencies, limits=limits, fees=fees, review=review)
        return await self._sender.write(Product, _PRODUCTS, body, key=key, query=Write(dry_run=dry_run))

    async def get(self, name: str, *, version: int | None = None) -> Product:
        """A product by its name, in a version or the newest. Raises `NotFound`."""
        return await self._sender.read(Product, f"{_PRODUCTS}/{segment(name)}", ProductQuery(version=version))

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[Product]:
        """Every version of every product, by name and version."""
        return Rows(self._sender, Page[Product], _PRODUCTS, ListQuery(cursor=cursor, limit=page_size))
