"""Fixtures of the sandbox's tests."""

from collections.abc import AsyncIterator

import pytest

from support.sandboxes import StripeWorld, stripe_world


@pytest.fixture
async def world() -> AsyncIterator[StripeWorld]:
    """A sandbox whose Stripe has seen nothing yet."""
    async with stripe_world() as running:
        yield running
