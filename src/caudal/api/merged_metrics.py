"""One answer of all processes that serve together: whichever is asked, it speaks for all of them.

The one that is asked asks the others, who pin what they have counted on the board; then it adds up counters
and histograms, and tells gauges apart by the label `process`. What a process has told outlives it: the next
one in its place goes on from there, so that no counter falls as long as the service runs.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
import structlog
from prometheus_client.core import Metric

from caudal_base.board import Board

LOOK_S: Final = 0.1
"""How often a process looks whether another one asks."""

PATIENCE_S: Final = 1.0
"""How long the others are waited for; of one that hangs what it told last is taken."""

_GAUGES: Final = frozenset({"gauge", "info", "stateset", "unknown"})
_CREATED: Final = "_created"

_log = structlog.get_logger("caudal.api")

Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct):
    """A measurement with its samples."""

    name: str
    type: str
    help: str
    samples: dict[tuple[str, Labels], float]
    """By the sample's name and labels."""


class Pinned(msgspec.Struct, array_like=True):
    """What a process pins."""

    families: list[tuple[str, str, str, list[tuple[str, Labels, float]]]]
    kept: bytes
    """What other parts of the process want the next one in its place, and the others, to know."""


_DECODER: Final = msgspec.msgpack.Decoder(Pinned)


class Processes:
    """The processes that serve together, as one of them sees them."""

    def __init__(self, board: Board, process: int, own: Callable[[], Iterable[Metric]]) -> None:
        """This one has the place `process`; `own` are its counts. What an earlier one left there is added."""
        self._board = board
        self._process = process
        self._own = own
        self._keep: Callable[[], bytes] = bytes
        left = self._read(process)
        self._left = {} if left is None else _counters(_families(left))

    def keep(self, keep: Callable[[], bytes]) -> None:
        """Pin what `keep` returns too."""
        self._keep = keep

    def kept(self) -> list[bytes]:
        """What all processes that ever served have last pinned so."""
        found = [self._read(place) for place in range(self._board.places)]
        return [one.kept for one in found if one is not None and one.kept]

    async def answer_others(self) -> None:
        """Pin what others ask for, until cancelled."""
        while self._board.places > 1:
            if self._board.answered(self._process) < self._board.asked:
                self.pin()
            await asyncio.sleep(LOOK_S)

    async def gather(self) -> None:
        """Have the others pin what they have, and wait for them; `pin` what this one has afterwards."""
        number = self._board.ask()
        until = time.monotonic() + PATIENCE_S
        others = {place for place in range(self._board.places) if place != self._process}
        while others and time.monotonic() < until:
            others = {place for place in others if self._board.answered(place) < number}
            if others:
                await asyncio.sleep(LOOK_S / 10)

    def pin(self) -> None:
        """Pin what this process has, and what earlier ones in its place had counted."""
        asked = self._board.asked
        families = {family.name: family for family in map(_family, self._own())}
        _add(families, self._left)
        rows = [(one.name, one.type, one.help, _rows(one)) for one in families.values()]
        if not self._board.pin(
            self._process, msgspec.msgpack.encode(Pinned(rows, self._keep())), asked=asked
        ):
            _log.warning("metrics_too_long", process=self._process)

    def families(self) -> list[Metric]:
        """What all have pinned, merged."""
        found: dict[str, Family] = {}
        for place in range(self._board.places):
            pinned = self._read(place)
            if pinned is None:
                continue
            families = _families(pinned)
            for one in families.values():
                if one.type in _GAUGES:
                    one.samples = {
                        (name, (*labels, ("process", str(place)))): value
                        for (name, labels), value in one.samples.items()
                    }
            _add(found, families)
        return [_metric(one) for one in found.values()]

    def _read(self, place: int) -> Pinned | None:
        text = self._board.read(place)
        return None if text is None else _DECODER.decode(text)


def _rows(family: Family) -> list[tuple[str, Labels, float]]:
    return [(name, labels, value) for (name, labels), value in family.samples.items()]


def _families(pinned: Pinned) -> dict[str, Family]:
    return {
        name: Family(name, type_, help_, {(sample, labels): value for sample, labels, value in samples})
        for name, type_, help_, samples in pinned.families
    }


def _counters(families: Mapping[str, Family]) -> dict[str, Family]:
    return {name: one for name, one in families.items() if one.type not in _GAUGES}


def _add(to: dict[str, Family], more: Mapping[str, Family]) -> None:
    """Add `more` sample by sample; a series was created when the first of its parts was."""
    for name, family in more.items():
        known = to.get(name)
        if known is None:
            to[name] = Family(name, family.type, family.help, dict(family.samples))
            continue
        for key, value in family.samples.items():
            before = known.samples.get(key)
            if before is None:
                known.samples[key] = value
            else:
                known.samples[key] = min(before, value) if key[0].endswith(_CREATED) else before + value


def _family(metric: Metric) -> Family:
    samples = {(sample.name, tuple(sample.labels.items())): float(sample.value) for sample in metric.samples}
    return Family(metric.name, metric.type, metric.documentation, samples)


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.help, family.type)
    for (name, labels), value in family.samples.items():
        metric.add_sample(name, dict(labels), value)
    return metric
