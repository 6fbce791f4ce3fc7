"""Accepting payments over HTTP: how many a second, what happens beyond that, and how soon it is over."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from caudal.bench.climbing import BUDGET_S, Climb, Named, Rate, Tell, latency
from caudal.bench.open_load import Generator, Sample
from caudal.bench.payments_world import HOT, PaymentsWorld, reference_of
from caudal.bench.report import Case
from caudal_base.check import check

OVERLOAD: Final = 3
"""The load beyond what is sustained, as a multiple of it."""

WINDOW_S: Final = 0.25
"""In such pieces of time it is looked when a server has recovered."""

_REPEATED: Final = 200
"""Of the requests that were shed, how many are sent again."""

_SHED: Final = frozenset({429, 503})


class Accepting(Climb):
    """Measures one server that accepts payments of one book."""

    def __init__(
        self, world: PaymentsWorld, generator: Generator, floor: float, step: float, tell: Tell
    ) -> None:
        """As of `Climb`."""
        super().__init__(generator, floor, step, tell)
        self._world = world

    def through(self, each: Sequence[tuple[str, str]]) -> Named:
        """Payments through these instruments and currencies, by turns."""
        return partial(self._world.requests, each)

    async def sustained(
        self, name: str, through: Sequence[tuple[str, str]], rate: float, seconds: float,
        figures: dict[str, float],
    ) -> tuple[float, Case]:  # fmt: skip
        """Offer for longer what the climb found; a step less where that does not hold. The rate that held."""
        for _ in range(4):
            seen = await self.at(self.through(through), rate, seconds)
            if seen.held:
                break
            rate /= self._step
        accepted = sum(1 for s in seen.offered.samples if s.status == 201)
        case = self.case(
            name, accepted / seen.offered.elapsed, seen.p50_s, seen.p99_s,
            {"offered_per_second": round(seen.offered.rate, 1), "held": float(seen.held), **_of_cpu(seen),
             **figures},
        )  # fmt: skip
        return seen.offered.rate, case

    async def overload(self, rate: float, seconds: float, recovery_seconds: float) -> tuple[Case, Case]:
        """Three times the rate, then at once the rate again; and what became of every single request."""
        self.tell(f"{OVERLOAD * rate:.0f} payments a second")
        hard = await self._generator.offer(OVERLOAD * rate, seconds, self._world.requests(HOT, "overload"))
        self.tell(f"{rate:.0f} payments a second again")
        again = await self._generator.offer(rate, recovery_seconds, self._world.requests(HOT, "recovery"))
        self.tell("what became of each")
        accepted = [s for s in hard.samples if s.status == 201]
        shed = [s for s in hard.samples if s.status in _SHED]
        check(len(accepted) + len(shed) == len(hard.samples), "an overloaded server accepts or sheds")
        figures = {
            "offered_per_second": round(hard.rate, 1),
            "shed_per_second": round(len(shed) / hard.elapsed, 1),
            "shed_p99_ms": round(latency(shed, 0.99) * 1e3, 1),
            "shed_without_retry_after": float(sum(1 for s in shed if not s.says_when)),
            "generator_cores": round(hard.cpu / hard.elapsed, 2),
            **await self._accounted(accepted, shed),
        }
        overload = self.case(
            "overload",
            len(accepted) / hard.elapsed,
            latency(accepted, 0.5),
            latency(accepted, 0.99),
            figures,
        )
        after = recovered_at(again.samples, recovery_seconds)
        late = [s for s in again.samples if s.due >= after]
        figures = {
            "recovered_after_s": after,
            "shed_after_that": float(sum(1 for s in late if s.status != 201)),
            "generator_cores": round(again.cpu / again.elapsed, 2),
            **await self._lost("recovery", [s for s in again.samples if s.status == 201]),
        }
        recovery = self.case(
            "recovery",
            len(late) / max(again.elapsed - after, 1e-9),
            latency(late, 0.5),
            latency(late, 0.99),
            figures,
        )
        return overload, recovery

    async def _accounted(self, accepted: Sequence[Sample], shed: Sequence[Sample]) -> dict[str, float]:
        """Every accepted payment is there once, a shed one is not, and can be made with the same key."""
        lost = await self._lost("overload", accepted)
        there = await self._world.counts([reference_of("overload", s.number) for s in shed])
        again = shed[:_REPEATED]
        if again:
            numbers = [s.number for s in again]
            by_number = self._world.requests(HOT, "overload")
            repeated = await self._generator.offer(
                200.0, len(numbers) / 200.0, lambda place: by_number(numbers[place % len(numbers)])
            )
            sent = {numbers[s.number % len(numbers)] for s in repeated.samples}
            counts = await self._world.counts([reference_of("overload", number) for number in sent])
            made = all(s.status == 201 for s in repeated.samples) and all(
                counts.get(reference_of("overload", number)) == 1 for number in sent
            )
            check(made, "a request that was shed can be repeated with its key")
        return {**lost, "shed_and_made": float(len(there)), "shed_and_repeated": float(len(again))}

    async def _lost(self, name: str, accepted: Sequence[Sample]) -> dict[str, float]:
        """How many of the accepted payments are not in the book exactly once."""
        counts = await self._world.counts([reference_of(name, s.number) for s in accepted])
        times = [counts.get(reference_of(name, s.number), 0) for s in accepted]
        return {
            "accepted": float(len(accepted)),
            "lost": float(times.count(0)),
            "double": float(sum(1 for n in times if n > 1)),
        }


def recovered_at(samples: Sequence[Sample], seconds: float) -> float:
    """From when on nothing was shed and p99 was within its budget, for two windows in a row; else the end."""
    windows = [WINDOW_S * place for place in range(int(seconds / WINDOW_S))]
    good = []
    for start in windows:
        inside = [s for s in samples if start <= s.due < start + WINDOW_S]
        good.append(all(s.status == 201 for s in inside) and latency(inside, 0.99) < BUDGET_S)
    for place in range(len(good) - 1):
        if good[place] and good[place + 1]:
            return windows[place]
    return seconds


def _of_cpu(seen: Rate) -> dict[str, float]:
    """What a payment took of each program's CPU, and how many cores the generator was worth."""
    return {
        **{f"{name}_cpu_us": round(each, 1) for name, each in sorted(seen.cpu.items())},
        "generator_cores": round(seen.offered.cpu / seen.offered.elapsed, 2),
    }
