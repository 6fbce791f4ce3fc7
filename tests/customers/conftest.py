"""A database for the many tests that each make a book of their own and mind nobody else's."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from caudal_base.database import Database

if TYPE_CHECKING:
    from conftest import Server


@pytest.fixture(scope="module")
async def shared_database(server: "Server", migrated_template: str) -> AsyncIterator[Database]:
    """An open pool on one freshly migrated database for all tests of the file."""
    name = server.create_database(template=migrated_template)
    opened = await Database.open(server.dsn(name))
    yield opened
    await opened.close()
    server.drop_database(name)
