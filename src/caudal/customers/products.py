"""Products: kept under a name, in versions that never change."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

from caudal import audit, events
from caudal.access import Caller
from caudal.customers import product_rules, product_store
from caudal.customers.errors import ProductNotFound
from caudal.customers.product_store import Named
from caudal.customers.types import NewProduct, Product
from caudal.customers.views import product_told
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal_base.clock import ManualClock
from caudal_base.database import Connection
from caudal_base.errors import CaudalError, InvalidRequest
from caudal_base.ids import IdSource

MAX_PAGE: Final = 1_000


class ProductDirectory:
    """Versions of products, remembered in this process. They never change: nothing is to be invalidated."""

    def __init__(self, capacity: int = 10_000) -> None:
        """Keep at most `capacity` versions; the oldest known leave first."""
        self._capacity = capacity
        self._known: dict[tuple[int, str, int], Product] = {}

    def get(self, book_id: int, name: str, version: int) -> Product | None:
        """A version, if this process has seen it."""
        return self._known.get((book_id, name, version))

    async def load(
        self, connection: Connection, book_id: int, wanted: Iterable[Named]
    ) -> dict[Named, Product]:
        """The versions `wanted`, by (name, version); asks the database, once, only for those not yet seen.

        What does not exist is left out. Not for use inside a pipeline whose answers others still wait for.
        """
        found: dict[Named, Product] = {}
        missing: list[Named] = []
        for named in set(wanted):
            known = self._known.get((book_id, *named))
            if known is None:
                missing.append(named)
            else:
                found[named] = known
        if missing:
            cursor = await product_store.queue_versions(connection, book_id, missing)
            for product in await product_store.products_of(cursor):
                found[product.name, product.version] = product
                # A version that this transaction itself has made may yet be taken back, and its number
                # given to another: versions are remembered on their way to payments, never when made.
                self._known[book_id, product.name, product.version] = product
            while len(self._known) > self._capacity:
                del self._known[next(iter(self._known))]
        return found


async def create_products(
    connection: Connection,
    book_id: int,
    products: Sequence[NewProduct],
    *,
    caller: Caller,
    ledger: Ledger,
    at: dt.datetime,
) -> list[Product | CaudalError]:
    """Keep each product as the next version of its name, under the book's lock; one result each, in order.

    Those that are kept are told of. Results: `ProductInvalid`, naming the field at fault. Raises
    `BookNotFound`.
    """
    results = [_refusal(product) for product in products]
    valid = [product for product, refusal in zip(products, results, strict=True) if refusal is None]
    recorded_at = await ledger.lock(connection, book_id)
    kept = iter(await product_store.insert(connection, book_id, valid, at) if valid else ())
    done = [next(kept) if refusal is None else refusal for refusal in results]
    await audit.append(connection, [_record(book_id, result, caller, at) for result in done])
    told = [_told(result, max(at, recorded_at)) for result in done if isinstance(result, Product)]
    await events.append(connection, book_id, told, IdSource(ManualClock(max(at, recorded_at))))
    return done


async def get_product(connection: Connection, book_id: int, name: str, version: int | None = None) -> Product:
    """A product by name, in the version named or the newest. Raises `ProductNotFound`."""
    cursor = (
        await product_store.queue_newest(connection, book_id, [name])
        if version is None
        else await product_store.queue_versions(connection, book_id, [(name, version)])
    )
    found = await product_store.products_of(cursor)
    if not found:
        raise ProductNotFound("no product has this name and version", field="name")
    return found[0]


async def list_products(
    connection: Connection, book_id: int, *, after: Named = ("", 0), limit: int = 50
) -> list[Product]:
    """Every version of every product, by name and version: the first `limit` behind `after`.

    `InvalidRequest` for a limit outside 1 to 1,000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"a page has 1 to {MAX_PAGE} products", field="limit")
    return await product_store.find(connection, book_id, after=after, limit=limit)


def _refusal(product: NewProduct) -> CaudalError | None:
    try:
        product_rules.refuse_invalid(product)
    except CaudalError as refusal:
        return refusal
    return None


def _told(product: Product, at: dt.datetime) -> NewEvent:
    view = product_told(product)
    return NewEvent(type="product.created", object_type="product", object_id=view.id, at=at, data=view)


def _record(book_id: int, result: Product | CaudalError, caller: Caller, at: dt.datetime) -> audit.Record:
    return audit.Record(
        book_id=book_id,
        at=at,
        principal=caller.principal.actor,
        action="product.create",
        # A refused product may be refused for its name.
        object_id=f"{result.name}@{result.version}" if isinstance(result, Product) else "product",
        request_id=caller.request_id,
        result="created" if isinstance(result, Product) else result.code,
        origin=caller.origin,
    )
