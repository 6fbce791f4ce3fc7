"""One `caudal up` for all pages, and a book for each."""

from collections.abc import Iterator

import pytest

from support.processes import Up, running_up


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A `caudal up` in a directory of its own."""
    with running_up(tmp_path_factory.mktemp("docs") / "data") as started:
        yield started
