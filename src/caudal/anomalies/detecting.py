"""Detection, event by event. Pure: the same events in the same order give the same anomalies, to the bit.

Sources:
- level: the modified z-score over a moving window of the entity's own periods, its median and its median
  absolute deviation times 1.4826 (where that is 0, the mean absolute deviation times 1.2533): B. Iglewicz and
  D. C. Hoaglin, How to Detect and Handle Outliers, ASQC Basic References in Quality Control 16, 1993; the
  moving window is the filter of F. R. Hampel, The influence curve and its role in robust estimation, JASA 69,
  1974. Of counts the root is taken under which a Poisson count has a spread of 1 (F. J. Anscombe, The
  transformation of Poisson, binomial and negative-binomial data, Biometrika 35, 1948), and never less; of
  sums the logarithm.
- bursts: the probability of so many events under a negative binomial whose mean and dispersion are the
  entity's own by the method of moments (a gamma-mixed Poisson rate: A. C. Cameron and P. K. Trivedi,
  Regression Analysis of Count Data, chapter 4).
- seasonality: the ratio of each place in the week to the average, drawn to 1 while little is known of it
  (classical ratio decomposition, with exponential forgetting).
"""

import bisect
import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

from caudal.anomalies.types import (
    RING,
    SIZES,
    SLOTS,
    AnomalyCounterparty,
    AnomalyDetector,
    AnomalyLevel,
    AnomalyPeriod,
    AnomalyStream,
    Found,
    History,
    Profile,
)
from caudal.features import Event, seconds_of
from caudal_base import money

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_US: Final = dt.timedelta(microseconds=1)
LENGTH_S: Final = {AnomalyPeriod.HOUR: 3_600, AnomalyPeriod.DAY: 86_400}
_MILLION: Final = 1_000_000

_FORGET: Final = 0.9
"""What a week weighs of the next one: half of what is known is seven weeks old at most."""

_WEEKS_OF_DOUBT: Final = 2.0
_FACTORS: Final = (0.1, 10.0)
_LEAST_LOG_SPREAD: Final = 0.35
"""Of logarithms: amounts that vary less than by 40 % are as if they varied so."""

_ANSCOMBE: Final = 0.375

_RECENT: Final = 500
"""Events of a burst that are remembered; more are a burst by any count."""


class Watch:
    """A stream at work: it learns from each event, and says what is unusual about it."""

    def __init__(self, stream: AnomalyStream, profile: Profile) -> None:
        """`profile` goes on from where it stands, and is changed."""
        self.stream = stream
        self.profile = profile
        self._period_us = LENGTH_S[stream.period] * _MILLION
        self._slots = SLOTS[stream.period]
        if not profile.sums:
            profile.sums = [0.0] * self._slots
            profile.weights = [0.0] * self._slots

    def see(self, event: Event, history: History, *, new: bool, tell: bool) -> list[Found]:
        """What is unusual about an event of the entity whose history it is; it is counted in both.

        `new`: it is the first with its counterparty. Not `tell`: learn only.
        """
        at_us = (event.event_at - _EPOCH) // _US
        number = at_us // self._period_us
        value = 1 if self.stream.value is None else event.values[self.stream.value]
        self._count(number, value)
        found: list[Found] = []
        if tell and new and self.stream.new_counterparty is not None:
            found += self._counterparty(self.stream.new_counterparty, event, history, value)
        history.events += 1
        history.sizes = [*history.sizes[1 - SIZES :], value] if self.stream.value is not None else []
        if history.open is not None and number < history.open:
            history.late += 1
            return self._told(found, history, at_us)
        self._move(history, number)
        history.total += value
        if self.stream.burst is not None:
            found += self._burst(event, history, at_us, tell=tell)
        if tell and self.stream.level is not None and history.seen >= self.stream.warm_up:
            found += self._level(self.stream.level, event, history, number)
        return self._told(found, history, at_us)

    def factor(self, number: int) -> float:
        """How busy the place in the week of a period is; 1: as the average."""
        total, weight = math.fsum(self.profile.sums), math.fsum(self.profile.weights)
        if not self.stream.seasonal or total <= 0.0 or weight <= 0.0:
            return 1.0
        slot, mean = self._slot(number), total / weight
        # A week of a slot weighs 1, of sums as many as it has events in the average.
        doubt = _WEEKS_OF_DOUBT * (1.0 if self.stream.value is None else max(weight / self._slots, 1.0))
        found = (self.profile.sums[slot] + doubt * mean) / ((self.profile.weights[slot] + doubt) * mean)
        return min(max(found, _FACTORS[0]), _FACTORS[1])

    def _slot(self, number: int) -> int:
        # 1970 began on a Thursday: place 0 is Monday's first.
        return (number + 3 * (self._slots // 7)) % self._slots

    def _count(self, number: int, value: int) -> None:
        profile = self.profile
        if profile.open is None:
            profile.open = number
        if number < profile.open:
            return
        if number > profile.open:
            self._close_slot(profile.open, profile.total, profile.events)
            # Of a long silence the last week says it all.
            if self.stream.value is None:
                for between in range(max(profile.open + 1, number - self._slots), number):
                    self._close_slot(between, 0, 0)
            profile.open, profile.total, profile.events = number, 0, 0
        profile.total += value
        profile.events += 1

    def _close_slot(self, number: int, total: int, events: int) -> None:
        slot = self._slot(number)
        weight = 1.0 if self.stream.value is None else float(events)
        self.profile.sums[slot] = self.profile.sums[slot] * _FORGET + total
        self.profile.weights[slot] = self.profile.weights[slot] * _FORGET + weight

    def _move(self, history: History, number: int) -> None:
        """Close the periods of an entity before this one."""
        if history.open is None:
            history.open = number
        if number == history.open:
            return
        size = RING[self.stream.period]
        ring = [*history.ring, self._observation(history, history.open)]
        history.seen += 1
        if self.stream.value is None:
            # Nothing happened in those between; of sums only periods with something in them are observed.
            quiet = number - history.open - 1
            ring += [0.0] * min(quiet, size)
            history.seen += quiet
        history.ring = ring[-size:]
        history.open, history.total = number, 0

    def _observation(self, history: History, number: int) -> float:
        """A period's, with the season taken out; what is told of teaches no more than what just is not."""
        factor = self.factor(number)
        observed = history.total / factor if self.stream.value is None else math.log1p(history.total / factor)
        if self.stream.level is None or history.seen < self.stream.warm_up:
            return round(observed, 6)
        median, spread = self._usual(history.ring, factor)
        most = median + self.stream.level.score * spread
        if self.stream.value is None:
            most = (most / 2) ** 2 - _ANSCOMBE
        return round(min(observed, most), 6)

    def _scaled(self, total: int, factor: float) -> float:
        """What is held against the median: of counts Anscombe's root, of sums the logarithm."""
        if self.stream.value is None:
            return 2 * math.sqrt(total / factor + _ANSCOMBE)
        return math.log1p(max(total, 0) / factor)

    def _usual(self, ring: Sequence[float], factor: float) -> tuple[float, float]:
        """Median and spread of what was observed, as `_scaled` has it."""
        if self.stream.value is not None:
            median, spread = centre(ring)
            return median, max(spread, _LEAST_LOG_SPREAD)
        median, spread = centre([2 * math.sqrt(one + _ANSCOMBE) for one in ring])
        # The root of a Poisson count has the spread 1, with the season taken out at this time of the week:
        return median, max(spread, 1 / math.sqrt(factor))

    def _level(self, level: AnomalyLevel, event: Event, history: History, number: int) -> list[Found]:
        if history.total < level.at_least:
            return []
        factor = self.factor(number)
        median, spread = self._usual(history.ring, factor)
        score = (self._scaled(history.total, factor) - median) / spread
        low, high = self._range(history.ring, factor)
        if score < level.score or history.total <= high:
            return []
        usual = f"{self._text(low, event)} to {self._text(high, event)}"
        what = f"{history.total:,} {self.stream.about}"
        if self.stream.value is not None:
            what = f"{self.stream.about} of {self._text(history.total, event)}"
        words = (
            f"{what} in the {self.stream.period.value}, usually {usual}{self._when()}: "
            f"{score:.1f} robust standard deviations above the median"
        )
        return [
            self._found(
                AnomalyDetector.LEVEL, score, history.total, low, high, words, event, factor=factor,
                median=median, spread=spread, past=tuple(history.ring),
            )
        ]  # fmt: skip

    def _burst(self, event: Event, history: History, at_us: int, *, tell: bool) -> list[Found]:
        burst = self.stream.burst
        if burst is None:
            return []
        window_s = seconds_of(burst.window)
        bisect.insort(history.recent, at_us)
        behind = bisect.bisect_right(history.recent, history.recent[-1] - window_s * _MILLION)
        history.recent = history.recent[behind:][-_RECENT:]
        count = bisect.bisect_right(history.recent, at_us)
        if not tell or history.seen < self.stream.warm_up or count < burst.at_least:
            return []
        number = at_us // self._period_us
        factor = self.factor(number)
        mean, size = moments(history.ring)
        expected = mean * factor * window_s / LENGTH_S[self.stream.period]
        chance = at_least_so_many(count, expected, size)
        if chance * burst.odds > 1.0:
            return []
        odds = 1.0 / max(chance, 1e-15)
        low, high = self._range(history.ring, factor)
        words = (
            f"{count:,} {self.stream.about} within {burst.window}, usually {low:,} to {high:,} in a whole "
            f"{self.stream.period.value}{self._when()}: chance does this in one window of {odds:,.0f}"
        )
        return [
            self._found(
                AnomalyDetector.BURST, math.log10(odds), count, low, high, words, event, factor=factor,
                median=mean, spread=size, past=tuple(history.ring),
            )
        ]  # fmt: skip

    def _counterparty(
        self, wanted: AnomalyCounterparty, event: Event, history: History, value: int
    ) -> list[Found]:
        if history.events < wanted.history or value < wanted.at_least or not history.sizes:
            return []
        ordered = sorted(history.sizes)
        low, high = _at(ordered, 0.05), _at(ordered, 0.95)
        score = value / max(high, 1)
        if score < wanted.times:
            return []
        kind = wanted.counterparty.value
        words = (
            f"the first with the {kind} {event.entities[kind]}, of {self._text(value, event)}; of "
            f"{history.events:,} {self.stream.about} before, 9 of 10 of the newest were of "
            f"{self._text(low, event)} to {self._text(high, event)}"
        )
        return [
            self._found(
                AnomalyDetector.NEW_COUNTERPARTY, score, value, low, high, words, event, median=float(high),
                past=tuple(map(float, history.sizes)),
            )
        ]  # fmt: skip

    def _told(self, found: list[Found], history: History, at_us: int) -> list[Found]:
        """What is not within the cool-down of the detector; it begins one."""
        told = []
        for one in found:
            name = one.detector.value
            if at_us < history.quiet.get(name, at_us):
                history.held_back += 1
                continue
            history.quiet = {**history.quiet, name: at_us + seconds_of(self.stream.cool_down) * _MILLION}
            told.append(one)
        return told

    def _range(self, ring: Sequence[float], factor: float) -> tuple[int, int]:
        ordered = sorted(ring)
        low, high = _place(ordered, 0.05), _place(ordered, 0.95)
        if self.stream.value is None:
            return math.floor(low * factor), math.ceil(high * factor)
        return round(math.expm1(low) * factor), round(math.expm1(high) * factor)

    def _when(self) -> str:
        return " at this time of the week" if self.stream.seasonal else ""

    def _text(self, value: int, event: Event) -> str:
        """A value as people write it: an amount, where the events of a currency are kept apart."""
        currency = event.tags.get("currency", "") if "currency" in self.stream.same else ""
        if self.stream.value is None or currency not in money.currencies():
            return f"{value:,}"
        return money.format_money(value, currency)

    def _found(
        self, detector: AnomalyDetector, score: float, observed: int, low: int, high: int, words: str,
        event: Event, *, factor: float = 1.0, median: float = 0.0, spread: float = 0.0,
        past: tuple[float, ...] = (),
    ) -> Found:  # fmt: skip
        return Found(
            detector=detector, score=round(score, 3), observed=observed, usual_low=low, usual_high=high,
            words=words, at=event.event_at, source=event.source, event=event.id, subjects=event.entities,
            tags={name: event.tags[name] for name in self.stream.same if name in event.tags},
            factor=round(factor, 6), median=round(median, 6), spread=round(spread, 6), past=past,
        )  # fmt: skip


def centre(observations: Sequence[float]) -> tuple[float, float]:
    """The median, and the spread about it in units of a standard deviation. Of none: 0 and 0."""
    if not observations:
        return 0.0, 0.0
    median = _median(sorted(observations))
    off = sorted(abs(one - median) for one in observations)
    spread = 1.4826 * _median(off)
    return median, spread or 1.2533 * math.fsum(off) / len(off)


def moments(observations: Sequence[float]) -> tuple[float, float]:
    """Mean of a count in a period, and the size of its negative binomial (large: it is Poisson).

    The size is bounded by what was counted: of an entity that was seen little the rate is not known well.
    """
    count = math.fsum(observations)
    mean = (count + 0.5) / max(len(observations), 1)
    variance = math.fsum((one - mean) ** 2 for one in observations) / max(len(observations) - 1, 1)
    size = mean * mean / (variance - mean) if variance > mean else math.inf
    return mean, min(size, count + 0.5)


def at_least_so_many(count: int, mean: float, size: float) -> float:
    """P(X >= count) of a negative binomial of this mean and size (variance mean + mean²/size)."""
    share = mean / (size + mean)
    # In logarithms up to the first term of the tail, which may be far below what a float can hold.
    term = size * math.log1p(-share)
    for number in range(count):
        term += math.log((size + number) / (number + 1) * share)
    first = math.exp(max(term, -700.0))
    tail, number = 0.0, count
    while first > tail * 1e-12 and number < count + 10_000:
        tail += first
        first *= (size + number) / (number + 1) * share
        number += 1
    return min(tail, 1.0)


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def _place(ordered: Sequence[float], share: float) -> float:
    """A percentile: the value that at least this share does not exceed."""
    if not ordered:
        return 0.0
    return ordered[min(max(math.ceil(share * len(ordered)) - 1, 0), len(ordered) - 1)]


def _at(ordered: Sequence[int], share: float) -> int:
    return ordered[min(max(math.ceil(share * len(ordered)) - 1, 0), len(ordered) - 1)]
