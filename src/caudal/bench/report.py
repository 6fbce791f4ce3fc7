"""What every benchmark of the product answers: one shape, as JSON and as a table."""

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

Progress = Callable[[str, int, int], None]
"""Told what is being measured, how many cases are done, and how many there are."""


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measured case; None where a figure makes no sense."""

    case: str
    per_second: float | None
    p50_ms: float | None
    p99_ms: float | None
    ratio_to_floor: float | None
    figures: dict[str, float] = {}
    """What else was measured, by names that say the unit; not there where nothing else was."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark's figures, beside what the same machine does at the very least in the same run."""

    name: str
    machine: str
    floor: dict[str, float]
    cases: list[Case]


def machine() -> str:
    """This machine in a line: processor, cores, memory, Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2] for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the sorted values lie: nearest rank."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


class Measured(msgspec.Struct, frozen=True):
    """What was timed, before it is known what it is compared with."""

    case: str
    operations: int
    seconds: Sequence[float]
    """Of each call."""
    elapsed: float
    """Of all of it, in seconds."""

    @property
    def per_second(self) -> float:
        """Operations per second."""
        return self.operations / self.elapsed

    def compared(self, floor: float | None) -> Case:
        """The case, with its ratio to `floor` operations per second."""
        ordered = sorted(self.seconds)
        return Case(
            case=self.case,
            per_second=round(self.per_second, 1),
            p50_ms=round(percentile(ordered, 0.50) * 1e3, 3),
            p99_ms=round(percentile(ordered, 0.99) * 1e3, 3),
            ratio_to_floor=None if floor is None else round(self.per_second / floor, 3),
        )
