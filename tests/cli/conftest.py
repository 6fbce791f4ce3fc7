"""One `caudal up` that most tests share."""

from collections.abc import Iterator

import pytest

from support.processes import Up, running_up


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `caudal up` for all tests that do not break it."""
    with running_up(tmp_path_factory.mktemp("up") / "data") as started:
        yield started
