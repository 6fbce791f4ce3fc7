"""One database for all tests of objectives; each has a book to itself."""

import pytest

from caudal_base.database import Database
from support.objective_worlds import ObjectiveWorld


@pytest.fixture
async def world(shared_database: Database) -> ObjectiveWorld:
    """A book, on a clock that a test moves."""
    return await ObjectiveWorld.make(shared_database)
