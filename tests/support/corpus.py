"""Other people's test data, where it is at hand: named by CAUDAL_CORPUS, or beside the checkout."""

import os
from pathlib import Path

import pytest

BESIDE_THE_CHECKOUT = Path(__file__).parents[3] / "shared" / "corpus"


def corpus(folder: str) -> Path:
    """A folder of the corpus; skips the test where it is absent."""
    found = Path(os.environ.get("CAUDAL_CORPUS") or BESIDE_THE_CHECKOUT) / folder
    if not found.is_dir():
        pytest.skip("corpus absent: set CAUDAL_CORPUS")
    return found
