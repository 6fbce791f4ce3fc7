"""Models that are left alone for a while, since a book would wait for each of their scores."""

from time import perf_counter_ns
from typing import Final

import structlog

PATIENCE: Final = 3
"""So many scores in a row that took too long: fewer may be the machine's doing."""
REST_S: Final = 30.0
"""Then the model is asked once more; it rests again where that takes too long too."""

log = structlog.get_logger(__name__)


class Resting:
    """Which models of a book rest, by name and version. What they should have said is late."""

    def __init__(self) -> None:
        """None does."""
        self._in_a_row: dict[str, int] = {}
        self._until: dict[str, int] = {}

    def is_resting(self, ref: str) -> bool:
        """Whether it is not to be asked now."""
        until = self._until.get(ref)
        return until is not None and perf_counter_ns() < until

    def took(self, ref: str, *, too_long: bool) -> None:
        """It was asked, and took its time."""
        if not too_long:
            if ref in self._in_a_row:
                del self._in_a_row[ref]
                self._until.pop(ref, None)
            return
        count = self._in_a_row[ref] = self._in_a_row.get(ref, 0) + 1
        if count >= PATIENCE:
            self._until[ref] = perf_counter_ns() + int(REST_S * 1e9)
            log.warning("model_rests", model=ref, seconds=REST_S, in_a_row=count)
