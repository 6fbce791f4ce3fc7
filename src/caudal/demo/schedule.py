"""The trading day: its phases, how much comes in each, and the order in which payments come. Pure."""

import random
from collections.abc import Iterator
from typing import Final

import msgspec

OPENS: Final = 8.0
"""O'clock."""
CLOSES: Final = 17.5

SPIKE: Final = 10.0
"""Times the base load."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the day, from `begins` to `ends` o'clock."""

    name: str
    begins: float
    ends: float
    load: tuple[float, float]
    """As multiples of the base load, at its beginning and at its end; evenly from one to the other."""
    outage: bool = False
    """The first card partner is down."""


PHASES: Final = (
    Phase(name="opening", begins=8.0, ends=9.0, load=(0.3, 1.0)),
    Phase(name="morning", begins=9.0, ends=12.0, load=(1.0, 1.0)),
    Phase(name="lunch", begins=12.0, ends=12.75, load=(0.5, 0.5)),
    Phase(name="spike", begins=12.75, ends=13.5, load=(SPIKE, SPIKE)),
    Phase(name="spike, outage", begins=13.5, ends=14.0, load=(SPIKE, SPIKE), outage=True),
    Phase(name="outage", begins=14.0, ends=15.0, load=(1.0, 1.0), outage=True),
    Phase(name="recovery", begins=15.0, ends=16.5, load=(1.0, 1.0)),
    Phase(name="closing", begins=16.5, ends=17.5, load=(1.0, 0.2)),
)
AFTER: Final = "after hours"
"""What comes after the last phase: nothing new, and what is left ends."""


class Day:
    """The phases laid over so many seconds."""

    def __init__(self, seconds: float, rate: float) -> None:
        """`rate` is the base load, in payments a second."""
        self.seconds = seconds
        self.rate = rate

    def second(self, hour: float) -> float:
        """At which second of the run it is so late."""
        return (hour - OPENS) / (CLOSES - OPENS) * self.seconds

    def hour(self, second: float) -> float:
        """How late it is; after the closing it gets no later."""
        return min(CLOSES, OPENS + second / self.seconds * (CLOSES - OPENS))

    def clock(self, second: float) -> str:
        """How late it is, as people say it: `13:45`."""
        return clock(self.hour(second))

    def phase(self, second: float) -> Phase | None:
        """In which phase a second lies; None after the closing."""
        hour = self.hour(second)
        return next((phase for phase in PHASES if hour < phase.ends), None)

    def load(self, second: float) -> float:
        """Payments a second that come then."""
        phase = self.phase(second)
        if phase is None:
            return 0.0
        share = (self.hour(second) - phase.begins) / (phase.ends - phase.begins)
        first, last = phase.load
        return self.rate * (first + (last - first) * share)

    def arrivals(self, draw: random.Random) -> Iterator[float]:
        """The seconds at which payments come: a Poisson process, as independent customers make one.

        By thinning (Lewis and Shedler, 1979): drawn at the highest rate, and kept in proportion.
        """
        highest = self.rate * max(max(phase.load) for phase in PHASES)
        second = draw.expovariate(highest)
        while second < self.seconds:
            if draw.random() * highest < self.load(second):
                yield second
            second += draw.expovariate(highest)


def clock(hour: float) -> str:
    """A time of the day: 13.75 is `13:45`."""
    minutes = round(hour * 60)
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"
