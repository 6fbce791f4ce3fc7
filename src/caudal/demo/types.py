"""What a trading day is made of, what is seen of it while it runs, and what is told at its end.

Seconds are those of the run, from the opening; amounts are minor units of `CURRENCY`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

CURRENCY: Final = "EUR"
SHOP: Final = "shop"
"""The hot account that cards pay into."""
MARKET: Final = "marketplace"
"""The hot account that the shop pays into, and that pays out to banks."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a day, as far as it can be decided."""

    seconds: float = 60.0
    """How long the day takes, from its opening to its closing."""
    rate: float = 12.0
    """Payments a second at base load; the spike is ten times as many."""
    processes: int = 2
    """So many serve the API, and so many work."""
    seed: int = 1


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands at a moment of the day."""

    second: float
    of: float
    clock: str
    """Of the day: `13:45`."""
    phase: str
    offered_per_second: float
    accepted_per_second: float
    finished_per_second: float
    p50_ms: float
    """Of the last seconds, from when a request was due to its answer; so is `p99_ms`."""
    p99_ms: float
    jobs: int
    """That could run now, or do."""
    open: int
    """Payments that were accepted and have not ended."""
    unknown: int
    """Attempts of which nobody knows what became."""
    health: Mapping[str, str]
    """Of each partner, as routing sees it."""
    webhooks: int
    """Events that have arrived."""
    webhooks_waiting: int
    shed: int
    repeated: int
    """Requests that were sent more than once, on purpose."""
    offered: int
    accepted: int
    curve: Sequence[float]
    """Accepted payments a second, in pieces of the day so far."""


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of a number of durations."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class PhaseFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A phase of the day: what came, and how long it took."""

    name: str
    begins: str
    ends: str
    """Times of the day."""
    offered: int
    offered_per_second: float
    accepted: int
    shed: int
    """Requests that were turned away at first, and sent again."""
    answer: Percentiles
    """From when a request was due to its final answer: what it waited for after being shed included."""
    end: Percentiles
    """From when it was due to the end of its payment."""


class RouteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Payments that ended with one partner by one rule."""

    rule: str
    partner: str
    payments: int
    outcomes: Mapping[str, int]
    """By the payment's last state."""
    taken_over: int
    """That had been begun with another partner."""


class LaneFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts to begin payments with a partner, as routing counts them."""

    rule: str
    partner: str
    outcomes: Mapping[str, int]
    approval_basis_points: int | None
    approved_amount: int
    cost: int
    """The partner's fees."""


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that callers sent again though they need not have."""

    sent: int
    replayed: int
    """Answered with the first answer, byte for byte."""
    refused: Mapping[str, int]
    """By the code of the refusal: the same key or the same id for something else."""


class Shed(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were turned away with 429 or 503, and what became of them."""

    answers: int
    requests: int
    accepted_later: int
    without_retry_after: int


class Unknowns(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to partners of which nobody knew what had become."""

    count: int
    resolved: int
    by_partner: Mapping[str, int]
    by_reason: Mapping[str, int]
    ended: Mapping[str, int]
    """By the attempt's last state."""
    took: Percentiles
    """From the moment when it was unknown until it was known."""


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent to the endpoint of the day."""

    events: int
    arrived: int
    """Distinct ones, verified."""
    attempts: int
    retried: int
    """Events that took more than one attempt."""
    refused: int
    """With a signature that was not good."""
    delay: Percentiles
    """From the event to its arrival."""


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two hot accounts."""

    name: str
    reference: str
    transfers: int
    debits: int
    credits: int
    balance: int


class InvariantFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must hold, and whether it does."""

    name: str
    meaning: str
    holds: bool
    count: int
    """How many break it."""
    examples: Sequence[str] = ()


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waited at a moment."""

    second: float
    jobs: int
    open: int
    unknown: int
    webhooks: int
    health: Mapping[str, str]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """The day in pieces of `bucket_s` seconds."""

    bucket_s: float
    offered: Sequence[float]
    """A second; so are `accepted` and `finished`."""
    accepted: Sequence[float]
    finished: Sequence[float]
    p50_ms: Sequence[float | None]
    """None where nothing was due; so are the other latencies."""
    p99_ms: Sequence[float | None]
    end_p50_ms: Sequence[float | None]
    end_p99_ms: Sequence[float | None]
    routes: Mapping[str, Sequence[float]]
    """Payments a second that came, by the partner with whom they ended."""
    backlog: Sequence[Backlog]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a day."""

    parameters: Parameters
    machine: str
    payments: int
    outcomes: Mapping[str, int]
    phases: Sequence[PhaseFigures]
    routes: Sequence[RouteFigures]
    lanes: Sequence[LaneFigures]
    retries: Mapping[str, int]
    """Attempts to begin a payment once more, by cause."""
    sent_again: int
    """Calls that were sent again under their key, once it was certain that they had not been received."""
    duplicates: Duplicates
    shed: Shed
    unanswered: int
    """Times that no answer came, or one that left the outcome open, and the caller asked again."""
    unknowns: Unknowns
    webhooks: Webhooks
    partner_webhooks: Mapping[str, int]
    """What the partners' webhooks went through on their way to us."""
    faults: Mapping[str, int]
    """What went wrong with calls to partners."""
    accounts: Sequence[AccountFigures]
    invariants: Sequence[InvariantFigures]
    after_s: float
    """After the closing, until everything had ended."""
    seconds: float
    """Of all of it, the setting up and the checks included."""
    cpu: Mapping[str, float]
    """Seconds of CPU of the day, by program."""
    series: Series

    @property
    def holds(self) -> bool:
        """Whether every invariant does."""
        return all(each.holds for each in self.invariants)
