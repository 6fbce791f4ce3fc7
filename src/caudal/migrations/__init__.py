"""The core's schema: `NNNN_name.sql`, forward only."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

MIGRATIONS: Final[Traversable] = files(__name__)
"""The folder of SQL files, for `caudal_base.migrate.migrate`."""
