"""What must hold after a day: all that must after a run of the simulation, and what it promises besides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from caudal.demo.callers import Sample
from caudal.demo.types import InvariantFigures
from caudal.events import Event
from caudal.simulation import INVARIANTS, INVARIANTS_OF_DELIVERIES, Evidence, broken
from caudal_base import ids

EXAMPLES: Final = 5

NOT_HERE: Final = frozenset({"publications_take_effect", *INVARIANTS_OF_DELIVERIES})
"""Of the simulation's invariants those that say nothing of a day: its rules never change, and its endpoint is
none of the simulation's."""


class _Told(msgspec.Struct):
    """What events of a payment say of it, as far as it matters here."""

    state: str


_told = msgspec.json.Decoder(_Told).decode


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the day's own invariants are held against."""

    not_at_rest: str | None
    """What did not come to an end."""
    samples: Sequence[Sample]
    events: Sequence[Event]
    arrived: Mapping[str, float]
    """Events that the endpoint has got, verified, by id."""
    order: Sequence[tuple[str, int]]
    """Object and seq of what arrived, in order of arrival."""


def not_ended(seen: Seen) -> Iterator[str]:
    """What was begun in the day has come to its end, and partners have paid out what they owed."""
    if seen.not_at_rest is not None:
        yield seen.not_at_rest


def shed_and_lost(seen: Seen) -> Iterator[str]:
    """Whoever was turned away was served in the end."""
    for sample in seen.samples:
        if sample.shed and sample.status == 0:
            yield f"{sample.payment_id}: turned away {sample.shed} times, and never answered"


def webhooks_missing(seen: Seen) -> Iterator[str]:
    """Every event of a payment has arrived at the endpoint, with a good signature."""
    for event in seen.events:
        name = ids.encode(ids.EVENT, event.id)
        if event.type.startswith("payment.") and name not in seen.arrived:
            yield f"{name} {event.type}"


def webhooks_disordered(seen: Seen) -> Iterator[str]:
    """The events of each payment have arrived in their order."""
    last: dict[str, int] = {}
    for about, seq in seen.order:
        if seq < last.get(about, 0):
            yield f"{about}: {seq} arrived after {last[about]}"
        last[about] = seq


OF_THE_DAY: Final[Mapping[str, Callable[[Seen], Iterator[str]]]] = {
    "everything_ends": not_ended,
    "shed_is_not_lost": shed_and_lost,
    "webhooks_arrive": webhooks_missing,
    "webhooks_in_order": webhooks_disordered,
}


def invariants(seen: Seen, evidence: Evidence) -> list[InvariantFigures]:
    """Each of them, and whether it holds."""
    found = []
    for name, look in OF_THE_DAY.items():
        breaches = look(seen)
        examples = tuple(islice(breaches, EXAMPLES))
        count = len(examples) + sum(1 for _ in breaches)
        found.append(_figures(name, look.__doc__, count, examples))
    breaches_by_name = {finding.invariant: finding for finding in broken(evidence)}
    for name, check in INVARIANTS.items():
        if name in NOT_HERE:
            continue
        finding = breaches_by_name.get(name)
        count, examples = (0, ()) if finding is None else (finding.count, finding.examples)
        found.append(_figures(name, check.__doc__, count, examples))
    return found


def _figures(name: str, meaning: str | None, count: int, examples: tuple[str, ...]) -> InvariantFigures:
    first = " ".join((meaning or "").partition("\n\n")[0].split())
    return InvariantFigures(name=name, meaning=first, holds=count == 0, count=count, examples=examples)


def missed(events: Sequence[Event]) -> list[int]:
    """Events whose seq does not follow the one before."""
    return [event.seq for place, event in enumerate(events, start=1) if event.seq != place]


def last_states(events: Sequence[Event]) -> dict[str, str]:
    """The last state of each payment that the events tell of."""
    return {event.object_id: _told(event.data).state for event in events if event.object_type == "payment"}
