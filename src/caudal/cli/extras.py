"""Commands that need more than a bare installation has."""

import importlib.util
import os
from typing import Final

from caudal_base.errors import CaudalError

_MODELS: Final = ("numpy", "pyarrow", "duckdb", "matplotlib")


class ExtraMissing(CaudalError):
    """The libraries of `caudal[models]` are not installed."""

    code = "extra_missing"
    status = 400
    title = "This needs libraries that are not installed"


def require_models() -> None:
    """Raise `ExtraMissing` where the libraries of analysis are not there."""
    missing = [name for name in _MODELS if importlib.util.find_spec(name) is None]
    if missing:
        raise ExtraMissing(f"{', '.join(missing)}: pip install 'caudal[models]', or make setup")
    # Threads that wait for one another sleep: where others compute too, spinning costs four times as much.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
