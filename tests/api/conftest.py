"""The whole application in process, on a database of the file's own; each test has a book to itself."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

from caudal.api import Services
from caudal.app import create_app
from caudal.ledger import BookInfo
from caudal_base.settings import Settings
from support.deliveries import SEALING_KEY
from support.payment_api import SETTINGS, PaymentWorld
from support.worlds import World, new_book, new_key

if TYPE_CHECKING:
    from conftest import Server

ORIGIN = "http://testserver"


@pytest.fixture(scope="module")
async def application(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Services]]:
    """A client of the running application, and the application's objects."""
    name = server.create_database(template=migrated_template)
    application = create_app(Settings(sealing_key=SEALING_KEY), dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield http, services
    server.drop_database(name)


@pytest.fixture
async def world(application: tuple[httpx.AsyncClient, Services]) -> World:
    """A fresh book, and a key that is bound to it."""
    http, services = application
    book = await new_book(services)
    return World(http, services, book, await new_key(services, frozenset({book.book_id})))


@pytest.fixture(scope="module")
async def paying(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Services, BookInfo]]:
    """The same with partners that nobody ever calls, and the book that they serve."""
    name = server.create_database(template=migrated_template)
    application = create_app(SETTINGS, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield http, services, (await PaymentWorld.make(http, services)).book
    server.drop_database(name)


@pytest.fixture
async def payments(paying: tuple[httpx.AsyncClient, Services, BookInfo]) -> PaymentWorld:
    """A caller in that book. Its other callers' customers are not in the way of one's own."""
    return await PaymentWorld.enter(*paying)
