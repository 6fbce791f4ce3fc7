"""One database for all tests of webhooks; each has a book to itself."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from caudal_base.database import Database
from support.rooms import room_database
from support.webhooks import OLD_SECRET, SECRET, Post, new_post

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="session")
async def webhooks_database(server: "Server", migrated_template: str) -> AsyncIterator[Database]:
    """An open pool on the tests' database."""
    async with room_database(server, migrated_template) as database:
        yield database


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged during the test: printing tracebacks would take most of its time."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
async def post(webhooks_database: Database) -> AsyncIterator[Post]:
    """A book with an inbox whose partner is about to change its secret."""
    post = await new_post(webhooks_database, SECRET, OLD_SECRET)
    yield post
    await post.inbox.drain()
