"""The client before the whole application, on a database of the file's own; a book for each test."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server as GranianServer

from caudal.api import Services
from caudal.app import create_app
from caudal.client import Caudal, Limit, Side
from caudal_base.settings import Settings
from support.client_settings import Pair, Setting
from support.deliveries import SEALING_KEY
from support.documented import Contract
from support.unreliable import Network
from support.worlds import new_book, new_key

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The OpenAPI document."""
    return Contract()


@pytest.fixture(scope="module")
async def application(
    server: "Server", migrated_template: str
) -> AsyncIterator[tuple[httpx.ASGITransport, Services]]:
    """The running application, and its objects."""
    name = server.create_database(template=migrated_template)
    application = create_app(Settings(sealing_key=SEALING_KEY), dsn=server.dsn(name))
    async with application.running() as services:
        yield httpx.ASGITransport(app=application, raise_app_exceptions=True), services
    server.drop_database(name)


@pytest.fixture
async def setting(application: tuple[httpx.ASGITransport, Services], contract: Contract) -> Setting:
    """A fresh book, and a key that is bound to it."""
    transport, services = application
    book = await new_book(services)
    key = await new_key(services, frozenset({book.book_id}))
    return Setting(services, Network(transport, contract), key)


@pytest.fixture
async def caudal(setting: Setting) -> AsyncIterator[Caudal]:
    """A client of the test's book."""
    async with setting.client() as client:
        yield client


@pytest.fixture
async def pair(caudal: Caudal) -> Pair:
    """Two new accounts."""
    cash = await caudal.accounts.open(currency="USD", normal_side=Side.DEBIT, code="cash")
    limit = Limit.DEBITS_MUST_NOT_EXCEED_CREDITS
    ana = await caudal.accounts.open(currency="USD", normal_side=Side.CREDIT, reference="ana", limit=limit)
    return Pair(cash, ana)


@pytest.fixture(scope="module")
async def url(application: tuple[httpx.ASGITransport, Services]) -> AsyncIterator[str]:
    """Where the same application is served over real sockets."""
    transport, _ = application
    with socket.socket() as reserved:
        # Bound and not listening: it keeps the port for granian, which binds beside it.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        server = GranianServer(
            transport.app, port=port, interface=Interfaces.ASGINL, websockets=False, log_enabled=False
        )
        serving = asyncio.create_task(server.serve())
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.ConnectError):
                    await http.get(f"{url}/health/live")
                    break
        yield url
        server.stop()
        await serving
