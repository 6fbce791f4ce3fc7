"""From what was seen of a day to its figures. Pure."""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from caudal.bench import percentile
from caudal.connectors import Operation
from caudal.demo.callers import Sample
from caudal.demo.schedule import PHASES, Day
from caudal.demo.types import (
    Backlog,
    LaneFigures,
    Percentiles,
    PhaseFigures,
    RouteFigures,
    Series,
    Unknowns,
)
from caudal.events import Event
from caudal.payments import Attempt, AttemptState, Payment
from caudal.routing import Figures

PIECES: Final = 80
"""In how many pieces a day is cut for its curves."""

SHORTEST_PIECE_S: Final = 0.25

INTERNAL: Final = "internal"
"""In the place of a partner's name, where none is needed."""

_LIVE: Final = frozenset({AttemptState.CREATED, AttemptState.SUBMITTING, AttemptState.UNKNOWN})
_ENDED: Final = frozenset({"succeeded", "declined", "failed", "cancelled", "expired", "returned"})


class Noted(msgspec.Struct, frozen=True):
    """A worker's note that it does not know what became of a call."""

    attempt: str
    partner: str
    reason: str
    at: dt.datetime


def percentiles(seconds: Iterable[float]) -> Percentiles:
    """Of durations in seconds; zeros where there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return Percentiles(count=0, p50_ms=0.0, p95_ms=0.0, p99_ms=0.0, max_ms=0.0)
    p50, p95, p99 = (round(percentile(ordered, share) * 1e3, 1) for share in (0.50, 0.95, 0.99))
    return Percentiles(
        count=len(ordered), p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=round(ordered[-1] * 1e3, 1)
    )


def ends(events: Sequence[Event], opened_at: dt.datetime) -> dict[str, float]:
    """At which second each payment came to its end, for the first time."""
    found: dict[str, float] = {}
    for event in events:
        if event.object_type == "payment" and event.type.removeprefix("payment.") in _ENDED:
            found.setdefault(event.object_id, (event.at - opened_at).total_seconds())
    return found


def phases(day: Day, samples: Sequence[Sample], ended: Mapping[str, float]) -> list[PhaseFigures]:
    """The figures of each phase, of the payments that were due in it."""
    due: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        phase = day.phase(sample.due)
        if phase is not None:
            due[phase.name].append(sample)
    found = []
    for phase in PHASES:
        inside = due[phase.name]
        seconds = day.second(phase.ends) - day.second(phase.begins)
        accepted = [sample for sample in inside if sample.status == 201]
        found.append(
            PhaseFigures(
                name=phase.name,
                begins=day.clock(day.second(phase.begins)),
                ends=day.clock(day.second(phase.ends)),
                offered=len(inside),
                offered_per_second=round(len(inside) / seconds, 1),
                accepted=len(accepted),
                shed=sum(1 for sample in inside if sample.shed),
                answer=percentiles(sample.seconds for sample in inside),
                end=percentiles(
                    ended[sample.payment_id] - sample.due for sample in accepted if sample.payment_id in ended
                ),
            )
        )
    return found


def partner_of(payment: Payment) -> str:
    """With whom it ended."""
    return payment.partner or INTERNAL


def routes(payments: Iterable[Payment], attempts: Iterable[Attempt]) -> list[RouteFigures]:
    """Payments by the rule that they went by and by the partner with whom they ended."""
    first: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.operation is Operation.SUBMIT:
            known = first.get(attempt.payment_id)
            if known is None or (attempt.created_at, attempt.id) < (known.created_at, known.id):
                first[attempt.payment_id] = attempt
    outcomes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    taken_over: Counter[tuple[str, str]] = Counter()
    for payment in payments:
        rule = "" if payment.route is None else payment.route.rule
        lane = (rule, partner_of(payment))
        outcomes[lane][payment.state.value] += 1
        begun = first.get(payment.id)
        taken_over[lane] += begun is not None and begun.partner != payment.partner
    return [
        RouteFigures(
            rule=rule,
            partner=partner,
            payments=counts.total(),
            outcomes=dict(counts.most_common()),
            taken_over=taken_over[rule, partner],
        )
        for (rule, partner), counts in sorted(outcomes.items())
    ]


def lanes(figures: Iterable[Figures]) -> list[LaneFigures]:
    """What routing has counted of attempts."""
    return [
        LaneFigures(
            rule=each.lane.rule,
            partner=each.lane.partner,
            outcomes={outcome.value: count for outcome, count in each.counts.items()},
            approval_basis_points=each.approval_basis_points,
            approved_amount=each.approved_amount,
            cost=each.cost,
        )
        for each in sorted(figures, key=lambda each: each.lane)
    ]


def unknowns(noted: Iterable[Noted], attempts: Mapping[str, Attempt]) -> Unknowns:
    """What was not known of calls, and how long it took until it was."""
    first: dict[str, Noted] = {}
    for note in noted:
        known = first.get(note.attempt)
        if known is None or note.at < known.at:
            first[note.attempt] = note
    ended = {name: attempts[name] for name in first if name in attempts}
    resolved = {name: each for name, each in ended.items() if each.state not in _LIVE}
    return Unknowns(
        count=len(first),
        resolved=len(resolved),
        by_partner=dict(Counter(note.partner for note in first.values()).most_common()),
        by_reason=dict(Counter(note.reason for note in first.values()).most_common()),
        ended=dict(Counter(each.state.value for each in ended.values()).most_common()),
        took=percentiles(
            max(0.0, (each.updated_at - first[name].at).total_seconds()) for name, each in resolved.items()
        ),
    )


def series(
    day: Day,
    samples: Sequence[Sample],
    ended: Mapping[str, float],
    payments: Mapping[str, Payment],
    backlog: Sequence[Backlog],
) -> Series:
    """The curves of the day, and of what came after it until the last payment had ended."""
    piece = max(SHORTEST_PIECE_S, day.seconds / PIECES)
    known = {sample.payment_id: sample for sample in samples}
    finished = [second for name, second in ended.items() if name in known]
    count = math.ceil(max([day.seconds, *finished]) / piece) + 1
    accepted = [sample.due + sample.seconds for sample in samples if sample.status == 201]
    by_partner: defaultdict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.payment_id in payments:
            by_partner[partner_of(payments[sample.payment_id])].append(sample.due)
    answers = _pieces([(sample.due, sample.seconds) for sample in samples], piece, count)
    to_end = _pieces(
        [(known[name].due, second - known[name].due) for name, second in ended.items() if name in known],
        piece, count,
    )  # fmt: skip
    return Series(
        bucket_s=piece,
        offered=rates([sample.due for sample in samples], piece, count),
        accepted=rates(accepted, piece, count),
        finished=rates(finished, piece, count),
        p50_ms=[_ms(each, 0.5) for each in answers],
        p99_ms=[_ms(each, 0.99) for each in answers],
        end_p50_ms=[_ms(each, 0.5) for each in to_end],
        end_p99_ms=[_ms(each, 0.99) for each in to_end],
        routes={name: rates(due, piece, count) for name, due in sorted(by_partner.items())},
        backlog=[each for each in backlog if each.second <= count * piece],
    )


def rates(seconds: Iterable[float], piece: float, count: int) -> list[float]:
    """How much happened a second, in each of `count` pieces of so many seconds."""
    found = [0] * count
    for second in seconds:
        found[min(count - 1, max(0, int(second / piece)))] += 1
    return [each / piece for each in found]


def _pieces(values: Iterable[tuple[float, float]], piece: float, count: int) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in range(count)]
    for second, value in values:
        found[min(count - 1, max(0, int(second / piece)))].append(value)
    return found


def _ms(seconds: Sequence[float], share: float) -> float | None:
    return round(percentile(sorted(seconds), share) * 1e3, 1) if seconds else None
