"""From what was seen of a day to its figures: exact."""

import datetime as dt
from typing import Any
from uuid import UUID

import msgspec
import pytest

from caudal.connectors import Operation
from caudal.demo import figures
from caudal.demo.callers import Sample
from caudal.demo.figures import Noted
from caudal.demo.schedule import Day
from caudal.demo.types import Backlog
from caudal.events import Event
from caudal.payments import AttemptState, PaymentState
from caudal.payments.types import Routed
from support import simulated as run

DAY = Day(seconds=95.0, rate=1.0)


def sample(payment_id: str = "pay_1", due: float = 0.0, **changes: Any) -> Sample:
    made = Sample(payment_id=payment_id, due=due, seconds=0.010, status=201, shed=0)
    return msgspec.structs.replace(made, **changes)


def event(type: str, second: float, object_id: str = "pay_1", object_type: str = "payment") -> Event:
    return Event(
        seq=1, id=UUID(int=1), type=type, version=1, object_type=object_type, object_id=object_id,
        at=run.NOW + dt.timedelta(seconds=second), data=msgspec.Raw(b"{}"),
    )  # fmt: skip


def test_percentiles_are_by_the_nearest_rank() -> None:
    found = figures.percentiles(place / 1000 for place in range(100, 0, -1))
    assert (found.count, found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (100, 51, 96, 100, 100)


def test_percentiles_of_nothing_are_zero() -> None:
    assert figures.percentiles([]).count == 0
    assert figures.percentiles([]).p99_ms == 0.0


def test_a_payment_ends_when_it_is_first_told_of_as_ended() -> None:
    told = [
        event("payment.created", 1.0),
        event("payment.succeeded", 2.5),
        event("payment.returned", 9.0),
        event("refund.succeeded", 3.0, object_id="re_1", object_type="refund"),
    ]
    assert figures.ends(told, run.NOW) == {"pay_1": 2.5}


def test_a_payment_counts_in_the_phase_in_which_it_was_due() -> None:
    samples = [
        sample("pay_1", due=9.9, seconds=3.0),
        sample("pay_2", due=50.0, seconds=0.5, shed=2),
        sample("pay_3", due=51.0, seconds=0.1, status=422),
    ]
    phases = {each.name: each for each in figures.phases(DAY, samples, {"pay_1": 20.0, "pay_2": 51.0})}

    assert phases["opening"].offered == 1
    assert phases["opening"].end.p50_ms == 10_100.0
    assert (phases["spike"].offered, phases["spike"].accepted, phases["spike"].shed) == (2, 1, 1)
    assert phases["spike"].offered_per_second == round(2 / 7.5, 1)
    assert phases["spike"].answer.max_ms == 500.0
    assert (phases["spike"].end.count, phases["spike"].end.p50_ms) == (1, 1_000.0)
    assert phases["morning"].answer.count == 0


def test_a_payment_was_taken_over_where_another_partner_had_begun_it() -> None:
    route = Routed(version=1, rule="cards", partners=("stripe", "meridian"))
    later = run.NOW + dt.timedelta(seconds=1)
    moved = run.payment(id="pay_1", partner="meridian", route=route)
    stayed = run.payment(id="pay_2", partner="meridian", route=route, state=PaymentState.FAILED)
    attempts = [
        run.attempt(
            "att_2", Operation.SUBMIT, 1_000, payment_id="pay_1", partner="meridian", created_at=later
        ),
        run.attempt("att_1", Operation.SUBMIT, 1_000, payment_id="pay_1", partner="stripe"),
        run.attempt("att_3", Operation.SUBMIT, 1_000, payment_id="pay_2", partner="meridian"),
    ]
    (found,) = figures.routes([moved, stayed], attempts)

    assert (found.rule, found.partner, found.payments, found.taken_over) == ("cards", "meridian", 2, 1)
    assert found.outcomes == {"succeeded": 1, "failed": 1}


def test_an_unknown_outcome_counts_from_its_first_note_to_the_attempt_s_end() -> None:
    def note(attempt: str, second: float, reason: str = "timeout") -> Noted:
        return Noted(attempt, "stripe", reason, run.NOW + dt.timedelta(seconds=second))

    attempts = {
        "att_1": run.attempt("att_1", Operation.SUBMIT, 1, updated_at=run.NOW + dt.timedelta(seconds=4)),
        "att_2": run.attempt("att_2", Operation.SUBMIT, 1, state=AttemptState.UNKNOWN),
    }
    noted = [note("att_1", 3.0, "not found"), note("att_1", 1.5), note("att_2", 1.0, "server_error")]
    found = figures.unknowns(noted, attempts)

    assert (found.count, found.resolved) == (2, 1)
    assert found.by_reason == {"timeout": 1, "server_error": 1}
    assert found.ended == {"succeeded": 1, "unknown": 1}
    assert found.took.max_ms == 2_500.0


def test_rates_are_counts_by_the_length_of_a_piece_and_nothing_falls_out() -> None:
    assert figures.rates([-0.1, 0.1, 0.49, 0.5, 1.4, 7.0], piece=0.5, count=3) == [6.0, 2.0, 4.0]


def test_the_curves_reach_to_the_last_end_and_have_gaps_where_nothing_was_due() -> None:
    day = Day(seconds=8.0, rate=1.0)
    look = Backlog(second=1.0, jobs=1, open=2, unknown=3, webhooks=4, health={"stripe": "up"})
    samples = [sample("pay_1", due=0.1), sample("pay_2", due=0.2, seconds=0.030), sample("pay_3", due=7.9)]
    payments = {"pay_1": run.payment(id="pay_1"), "pay_2": run.payment(id="pay_2", partner=None)}
    found = figures.series(day, samples, {"pay_1": 1.1, "pay_2": 9.9, "setup": 0.5}, payments, [look])

    assert found.bucket_s == figures.SHORTEST_PIECE_S
    assert len(found.offered) == 41
    assert (found.offered[0], found.offered[31], sum(found.offered)) == (8.0, 4.0, 12.0)
    assert (found.finished[4], found.finished[39], sum(found.finished)) == (4.0, 4.0, 8.0)
    assert (found.p50_ms[0], found.p50_ms[1]) == (30.0, None)
    assert (found.end_p50_ms[0], found.end_p99_ms[0]) == (9_700.0, 9_700.0)
    assert {name: sum(values) for name, values in found.routes.items()} == {"stripe": 4.0, "internal": 4.0}
    assert found.backlog == [look]


@pytest.mark.parametrize("seconds", [2.0, 60.0, 3_600.0])
def test_a_day_of_any_length_has_as_many_pieces(seconds: float) -> None:
    found = figures.series(Day(seconds=seconds, rate=1.0), [], {}, {}, [])
    assert len(found.offered) <= figures.PIECES + 1
