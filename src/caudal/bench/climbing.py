"""The highest rate of requests that one server answers in time."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from caudal.bench import processes
from caudal.bench.open_load import Generator, Offered, Sample
from caudal.bench.report import Case, percentile

BUDGET_S: Final = 0.100
"""Beyond this at p99 a rate is not sustained."""

Tell = Callable[[str], None]

Named = Callable[[str], Callable[[int], bytes]]
"""Makes the requests of a load by its name, each by its number."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What one rate of arrivals gave."""

    offered: Offered
    p50_s: float
    p99_s: float
    held: bool
    """All were accepted, in time, and no queue grew."""
    cpu: dict[str, float]
    """Microseconds a request, by program."""


class Climb:
    """Looks for the highest rate of requests that one server answers in time."""

    def __init__(self, generator: Generator, floor: float, step: float, tell: Tell) -> None:
        """`floor` is how many requests a second do nothing, `step` leads from one rate to the next.

        `tell` is told of progress.
        """
        self.tell = tell
        self._step = step
        self._generator = generator
        self._floor = floor
        self._names = 0

    async def climb(
        self, named: Named, start: float, seconds: float, most: int
    ) -> tuple[float, dict[str, float]]:
        """The highest rate that holds, from `start` upwards, else downwards; and the latencies at each.

        At most `most` rates are tried.
        """
        figures: dict[str, float] = {}
        best = 0.0
        rate = start
        for _ in range(most):
            # What others do on the machine may spoil one attempt; a server that is saturated fails both.
            seen = await self.at(named, rate, seconds)
            if not seen.held:
                seen = await self.at(named, rate, seconds)
            figures[f"p50_ms_at_{rate:.0f}"] = round(seen.p50_s * 1e3, 1)
            figures[f"p99_ms_at_{rate:.0f}"] = round(seen.p99_s * 1e3, 1)
            best = rate if seen.held else best
            if best and (rate < start or not seen.held):
                break
            rate = rate * self._step if seen.held else rate / self._step
        return best or rate, figures

    async def at(self, named: Named, rate: float, seconds: float) -> Rate:
        """Offer requests at one rate."""
        self.tell(f"{rate:.0f} a second")
        self._names += 1
        before = processes.cpu()
        offered = await self._generator.offer(rate, seconds, named(f"r{self._names}"))
        after = processes.cpu()
        count = max(1, len(offered.samples))
        ordered = sorted(sample.seconds for sample in offered.samples) or [0.0]
        p99 = percentile(ordered, 0.99)
        return Rate(
            offered=offered,
            p50_s=percentile(ordered, 0.5),
            p99_s=p99,
            held=p99 < BUDGET_S and all(s.status == 201 for s in offered.samples) and not grows(offered),
            cpu={name: (after[name] - before.get(name, 0.0)) / count * 1e6 for name in after},
        )

    def case(
        self, name: str, per_second: float, p50_s: float, p99_s: float, figures: dict[str, float]
    ) -> Case:
        """A case of the report."""
        return Case(
            case=name,
            per_second=round(per_second, 1),
            p50_ms=round(p50_s * 1e3, 3),
            p99_ms=round(p99_s * 1e3, 3),
            ratio_to_floor=round(per_second / self._floor, 3),
            figures=figures,
        )


def grows(offered: Offered) -> bool:
    """Whether requests waited longer and longer: the last third of them against the first."""
    by_due = sorted(offered.samples, key=lambda sample: sample.due)
    third = len(by_due) // 3
    if third == 0:
        return False
    return latency(by_due[-third:], 0.5) > 2 * latency(by_due[:third], 0.5) + 0.020


def latency(samples: Sequence[Sample], share: float) -> float:
    """The latency that a share of the requests stays below, in seconds."""
    ordered = sorted(sample.seconds for sample in samples)
    return percentile(ordered, share) if ordered else 0.0
