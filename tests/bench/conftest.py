"""Models as small as they go, trained once for the tests of the process."""

from collections.abc import Sequence

import pytest

from caudal.bench import risk_model
from caudal.bench.risk_world import FEATURES
from caudal.models import Prepared


@pytest.fixture(scope="session")
def small_models() -> Sequence[Prepared]:
    """A champion and a shadow of 20 trees."""
    return risk_model.prepare(FEATURES, trees=20)
