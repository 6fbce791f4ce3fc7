"""Payments go where rules send them, and are begun again only where nothing came of it: what breaks that."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from caudal.connectors import Operation
from caudal.payments import Attempt, AttemptState, Failure, Retried, Routed
from caudal.routing import Lane, Outcome
from caudal.simulation import books, invariants, routed, routes
from caudal.simulation.operators import LATE, Acted
from caudal.simulation.plans import Action
from caudal.simulation.routes import Away, Drained, Publication
from support import simulated as run

OTHER = "att_other"
SECOND = dt.timedelta(seconds=1)


def broken(**changes: Any) -> list[str]:
    return [finding.invariant for finding in invariants.broken(run.evidence(**changes))]


def by_route(**changes: Any) -> dict[str, Any]:
    route = run.payment().route
    assert route is not None
    payment = run.payment(route=msgspec.structs.replace(route, **changes))
    return {"stored": run.stored(payments={run.PAYMENT: payment})}


def beginnings(*attempts: Attempt) -> dict[str, Any]:
    """The run with these attempts in the place of the first, of whose lanes the figures tell."""
    others = [each for each in run.ATTEMPTS if each.operation is not Operation.SUBMIT]
    figures = [run.FIGURES]
    if attempts[0].state is AttemptState.FAILED:
        lane = Lane("cards", attempts[0].partner, "EUR", "card")
        counts = {Outcome.SOFT_DECLINE: 1}
        figures.append(msgspec.structs.replace(run.FIGURES, lane=lane, counts=counts, cost=0))
    return {"stored": run.stored(attempts={a.id: a for a in (*attempts, *others)}, figures=figures)}


FIRST = run.attempt(
    OTHER, Operation.SUBMIT, 1_000, state=AttemptState.FAILED, partner="meridian", superseded=True,
    failure=Failure(code="51", class_="soft_decline"),
)  # fmt: skip
SECOND_TRY = run.attempt(
    run.SUBMIT, Operation.SUBMIT, 1_000, created_at=run.NOW + SECOND,
    retried=Retried(cause="soft_decline", reason="at meridian: 51"),
)  # fmt: skip


def test_a_payment_by_another_rule_than_the_one_that_holds() -> None:
    assert broken(**by_route(rule="default")) == ["routes_follow_rules", "figures_follow_attempts"]


def test_a_payment_by_a_version_that_was_never_published() -> None:
    assert broken(**by_route(version=2)) == ["routes_follow_rules"]
    draft = msgspec.structs.replace(run.VERSION, published_at=None)
    assert broken(stored=run.stored(versions={1: draft})) == ["routes_follow_rules"]


def test_a_payment_at_a_partner_that_its_rule_does_not_name() -> None:
    assert broken(**by_route(partners=("stripe", "bank"))) == ["routes_follow_rules"]


def test_a_payment_that_no_rule_was_asked_about() -> None:
    stored = run.stored(payments={run.PAYMENT: run.payment(route=None)})
    assert broken(stored=stored) == ["routes_follow_rules", "figures_follow_attempts"]


def test_a_soft_decline_that_another_partner_takes_breaks_nothing() -> None:
    assert broken(**beginnings(FIRST, SECOND_TRY)) == []
    assert routed.reroutes(run.evidence(**beginnings(FIRST, SECOND_TRY))) == 1


@pytest.mark.parametrize(
    "first",
    [
        msgspec.structs.replace(FIRST, superseded=False),
        msgspec.structs.replace(FIRST, updated_at=run.NOW + 2 * SECOND),
        msgspec.structs.replace(FIRST, failure=Failure(code="43", class_="hard_decline")),
    ],
)
def test_a_second_beginning_that_should_not_be(first: Attempt) -> None:
    assert "begun_once" in broken(**beginnings(first, SECOND_TRY))


@pytest.mark.parametrize("state", [AttemptState.UNKNOWN, AttemptState.ACCEPTED, AttemptState.SUCCEEDED])
def test_nothing_may_follow_what_may_still_come_to_something(state: AttemptState) -> None:
    assert "begun_once" in broken(**beginnings(msgspec.structs.replace(FIRST, state=state), SECOND_TRY))


@pytest.mark.parametrize("cause", ["hard_decline", "invalid", "conflict"])
def test_nothing_follows_what_is_final(cause: str) -> None:
    second = msgspec.structs.replace(SECOND_TRY, retried=Retried(cause=cause, reason="at meridian: 51"))
    first = msgspec.structs.replace(FIRST, failure=Failure(code="51", class_=cause))
    assert "begun_once" in broken(**beginnings(first, second))


def test_what_a_superseded_attempt_took_must_be_given_back() -> None:
    taken = run.effect("charge", 1_000, 1_000, OTHER, "MER_1")
    evidence = run.evidence(**beginnings(FIRST, SECOND_TRY), book=run.book([*run.EFFECTS, taken]))
    assert list(books.payments_differ(evidence)) == [
        f"{run.PAYMENT}: 1000 of an attempt that was superseded is still at the partner"
    ]


def test_figures_that_are_not_those_of_the_attempts() -> None:
    for changes in ({"counts": {Outcome.APPROVED: 2}}, {"counts": {Outcome.FAILED: 1}}, {"cost": 41}):
        figures = [msgspec.structs.replace(run.FIGURES, **changes)]
        assert broken(stored=run.stored(figures=figures)) == ["figures_follow_attempts"]


def published(*, seconds_ago: float) -> Acted:
    """The first version when all began, and the second so long before the payment."""
    again = run.NOW - seconds_ago * SECOND
    return Acted(published=[(run.NOW - 60 * SECOND, run.NOW - 59 * SECOND, 1), (again, again, 2)])


def test_a_publication_counts_for_all_that_is_asked_for_some_seconds_later() -> None:
    late = LATE / SECOND
    assert broken(acted=published(seconds_ago=late + 0.1)) == ["publications_take_effect"]
    assert broken(acted=published(seconds_ago=late)) == []
    assert broken(acted=Acted(published=[(run.NOW + SECOND, run.NOW + SECOND, 1)])) == []


def test_a_request_that_waited_may_go_by_what_counted_when_it_was_sent() -> None:
    first = run.asked(Action.CREATE, run.reply(), run.reply(replayed=True))
    first.first_sent_at = run.NOW - 10 * SECOND
    asked = [first, *run.ASKED[1:]]
    assert broken(acted=published(seconds_ago=9), asked=asked) == []
    first.first_sent_at = run.NOW - SECOND
    assert broken(acted=published(seconds_ago=9), asked=asked) == ["publications_take_effect"]


def test_who_is_drained_gets_nothing_new_some_seconds_later() -> None:
    span = (run.NOW - LATE, run.NOW + SECOND)
    assert broken(acted=Acted(drained=[(span, "stripe")])) == ["publications_take_effect"]
    assert broken(acted=Acted(drained=[(span, "meridian")])) == []
    assert broken(acted=Acted(drained=[((run.NOW - LATE, run.NOW), "stripe")])) == []


def many(to_stripe: int, to_meridian: int) -> dict[str, Any]:
    payments, attempts = {}, {}
    for number in range(to_stripe + to_meridian):
        partners = ("stripe", "meridian") if number < to_stripe else ("meridian", "stripe")
        id_ = f"pay_{number}"
        route = Routed(version=1, rule="cards", partners=partners)
        payments[id_] = run.payment(id=id_, partner=partners[0], route=route)
        made = run.attempt(f"att_{number}", Operation.SUBMIT, 1_000, partner=partners[0])
        attempts[made.id] = msgspec.structs.replace(made, payment_id=id_)
    return {"stored": run.stored(payments=payments, attempts=attempts)}


def test_shares_follow_weights_as_far_as_chance_does() -> None:
    assert list(routed.shares_off(run.evidence(**many(62, 38)))) == []
    assert len(list(routed.shares_off(run.evidence(**many(90, 10))))) == 2


def test_a_seed_draws_the_same_rules_and_acts_again() -> None:
    assert routes.rule_sets(7) == routes.rule_sets(7) != routes.rule_sets(8)
    assert routes.acts(7, 500, 1.0) == routes.acts(7, 500, 1.0)


def test_everything_that_can_be_done_to_routes_is_done_in_some_seeds() -> None:
    drawn = [act for seed in range(40) for act in routes.acts(seed, 500, 1.0)]
    assert {type(act) for act in drawn} == {Publication, Away, Drained}
    assert {act.fault for act in drawn if isinstance(act, Away)} == set(routes.Fault)
    assert {act.partner for act in drawn if isinstance(act, Away)} == {"stripe", "meridian", "bank"}
    assert [act.after for act in routes.acts(3, 500, 1.0)] == sorted(
        act.after for act in routes.acts(3, 500, 1.0)
    )


def test_the_longer_a_run_the_more_is_done_to_routes() -> None:
    acts = routes.acts(5, 20_000, 1.0)
    publications = [act.version for act in acts if isinstance(act, Publication)]
    assert publications == [2, 1] * 10
    assert sum(isinstance(act, Away) for act in acts) == 40
    assert sum(isinstance(act, Drained) for act in acts) == 10


def test_in_fair_weather_nobody_is_away() -> None:
    assert not any(isinstance(act, Away) for seed in range(20) for act in routes.acts(seed, 500, 0.0))
