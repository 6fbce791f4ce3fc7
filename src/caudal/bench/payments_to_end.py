"""Payments to their end: accepted, sent to a partner's sandbox by the worker, and told of by webhooks."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec

from caudal.bench import processes
from caudal.bench.open_load import Generator, Offered
from caudal.bench.payments_world import HOT, PaymentsWorld, reference_of
from caudal.bench.report import Case, percentile

END_WITHIN_S: Final = 10.0
"""After the load, by when all payments must have ended."""

GIVE_UP_AFTER_S: Final = 60.0
"""After a rate that was too high, what is left is worked off before the next one is tried."""

_LOOK_EVERY_S: Final = 0.25

Tell = Callable[[str], None]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one rate of arrivals gave."""

    name: str
    seconds: float
    """How long payments came."""
    offered: Offered
    ages_s: list[float]
    """Of the job that had waited longest, at even intervals during the load."""
    ended_after_s: float
    """After the load, until the last payment had ended."""
    cpu: dict[str, float]
    """Microseconds a payment, by program."""

    @property
    def held(self) -> bool:
        """All were accepted, jobs did not grow older, and all payments ended in time."""
        accepted = all(s.status == 201 for s in self.offered.samples)
        return accepted and not self.grows and self.ended_after_s < END_WITHIN_S

    @property
    def grows(self) -> bool:
        """Whether jobs were older in the last third of the load than in the first: by a tenth of its length.

        Where a tenth more comes than goes, their age grows so.
        """
        third = max(1, len(self.ages_s) // 3)
        older = max(self.ages_s[-third:], default=0.0) - max(self.ages_s[:third], default=0.0)
        return older > max(_LOOK_EVERY_S, 0.1 * self.seconds)


class ToEnd:
    """Measures API, worker and sandbox together."""

    def __init__(self, world: PaymentsWorld, generator: Generator, step: float, tell: Tell) -> None:
        """`step` leads from one rate to the next; `tell` is told of progress."""
        self._step = step
        self._world = world
        self._generator = generator
        self._tell = tell
        self._names = 0

    async def climb(self, start: float, seconds: float, most: int) -> Run:
        """The run with the highest rate that held, from `start` upwards, else downwards; of `most` rates."""
        rate = start
        seen = await self.at(rate, seconds)
        best = seen if seen.held else None
        for _ in range(most - 1):
            if best is not None and (rate < start or not seen.held):
                break
            rate = rate * self._step if seen.held else rate / self._step
            seen = await self.at(rate, seconds)
            best = seen if seen.held else best
        return best or seen

    async def at(self, rate: float, seconds: float) -> Run:
        """Offer payments at one rate, and wait for their end."""
        self._tell(f"{rate:.0f} payments a second to their end")
        self._names += 1
        name = f"e{self._names}"
        before = processes.cpu()
        load = asyncio.create_task(self._generator.offer(rate, seconds, self._world.requests(HOT, name)))
        ages = []
        while not load.done():
            ages.append(await self._world.oldest_job_s())
            await asyncio.wait({load}, timeout=_LOOK_EVERY_S)
        offered = await load
        over = time.perf_counter()
        ended = await self._ended(over)
        after = processes.cpu()
        count = max(1, len(offered.samples))
        cpu = {name: (after[name] - before.get(name, 0.0)) / count * 1e6 for name in after}
        return Run(name=name, seconds=seconds, offered=offered, ages_s=ages, ended_after_s=ended, cpu=cpu)

    async def _ended(self, over: float) -> float:
        """Wait until all payments have ended; how many seconds after `over` that was."""
        while True:
            left = await self._world.still_open()
            seconds = time.perf_counter() - over
            if not left or seconds > GIVE_UP_AFTER_S:
                return seconds
            await asyncio.sleep(_LOOK_EVERY_S)

    async def case(self, run: Run, floor: float) -> Case:
        """The case of the report: latencies run from acceptance to the payment's end."""
        references = [reference_of(run.name, s.number) for s in run.offered.samples if s.status == 201]
        ends = sorted(await self._world.seconds_to_end(references))
        per_second = len(ends) / (run.offered.elapsed + (run.ended_after_s if not run.held else 0.0))
        return Case(
            case="end_to_end",
            per_second=round(per_second, 1),
            p50_ms=round(percentile(ends, 0.5) * 1e3, 3) if ends else None,
            p99_ms=round(percentile(ends, 0.99) * 1e3, 3) if ends else None,
            ratio_to_floor=round(per_second / floor, 3),
            figures={
                "offered_per_second": round(run.offered.rate, 1),
                "held": float(run.held),
                "succeeded": float(len(ends)),
                "oldest_job_s": round(max(run.ages_s, default=0.0), 2),
                "ended_after_s": round(run.ended_after_s, 2),
                **{f"{name}_cpu_us": round(each, 1) for name, each in sorted(run.cpu.items())},
                "generator_cores": round(run.offered.cpu / run.offered.elapsed, 2),
            },
        )
