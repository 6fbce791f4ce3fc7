"""What the tests of connectors share."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from caudal.connectors import Drift
from caudal_base.clock import ManualClock
from support.http_stub import Stub, http_stub


@pytest.fixture
def drift() -> Drift:
    return Drift("stripe", ManualClock(dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)))


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with http_stub() as stub:
        yield stub
