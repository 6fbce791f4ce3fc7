"""A book with two customers and a partner."""

import pytest

from caudal_base.database import Database
from support.payment_worlds import PaymentWorld


@pytest.fixture
async def world(shared_database: Database) -> PaymentWorld:
    return await PaymentWorld.make(shared_database)
