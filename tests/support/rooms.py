"""What the tests of a room share: a database in which each has a book to itself, and what is logged."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from caudal_base.database import Database

if TYPE_CHECKING:
    from conftest import Server


@contextlib.asynccontextmanager
async def room_database(server: "Server", template: str) -> AsyncIterator[Database]:
    """An open pool on a new database with all migrations, which is dropped at the end."""
    name = server.create_database(template=template)
    database = await Database.open(server.dsn(name), max_size=20)
    yield database
    await database.close()
    server.drop_database(name)
