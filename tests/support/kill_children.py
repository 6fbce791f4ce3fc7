"""Processes to be killed: forked from one that has imported everything, so that each costs milliseconds."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

import msgspec

from caudal.simulation.nursery import Nursery
from support.kill_programs import Order, Result

_MODULES = (
    "support.kill_programs",
    "caudal.connectors.bank.connector",
    "caudal.connectors.meridian.connector",
    "caudal.connectors.stripe.sdk",
)
"""What a child would import by itself sooner or later."""

_LOOK_EVERY_S = 0.002


class Children:
    """Has orders carried out, each by a child of its own."""

    def __init__(self, nursery: Nursery, directory: Path) -> None:
        self._nursery = nursery
        self._result = directory / "result"
        self._log = directory / "log"

    async def carry_out(self, order: Order) -> Result | None:
        """What the child says that did; None: it was killed on the way."""
        arguments = [msgspec.json.encode(order).decode(), str(self._result)]
        child = self._nursery.start(
            [sys.executable, "-P", "-m", "support.kill_child", *arguments], dict(os.environ), self._log, ()
        )
        while (code := child.poll()) is None:
            await asyncio.sleep(_LOOK_EVERY_S)
        if code == -signal.SIGKILL:
            return None
        assert code == 0, self._log.read_text()
        result = msgspec.json.decode(self._result.read_bytes(), type=Result)
        assert result.error is None, result.error
        return result


@contextmanager
def children(directory: Path) -> Iterator[Children]:
    """They can be had while the block lasts; their log is in `directory`."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    with mock.patch.dict(os.environ, {"PYTHONPATH": os.pathsep.join(filter(None, paths))}):
        nursery = Nursery(_MODULES, (), directory / "log")
    with closing(nursery):
        yield Children(nursery, directory)
