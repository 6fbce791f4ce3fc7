"""One database for all tests of delivery; each has a book to itself."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from caudal_base.database import Database
from support.deliveries import Listener, Outbox, new_outbox
from support.rooms import room_database

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="session")
async def delivery_database(server: "Server", migrated_template: str) -> AsyncIterator[Database]:
    """An open pool on the tests' database."""
    async with room_database(server, migrated_template) as database:
        yield database


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged during the test: printing tracebacks would take most of its time."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
async def outbox(delivery_database: Database) -> Outbox:
    """A book whose events are delivered."""
    return await new_outbox(delivery_database)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A server that answers 200 to everything, unless told otherwise."""
    async with Listener().serving() as listener:
        yield listener
