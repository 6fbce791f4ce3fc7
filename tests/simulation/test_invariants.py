"""Each invariant is broken by what it is about, and by nothing else."""

from typing import Any

import msgspec
import pytest

from caudal import ledger
from caudal.connectors import Operation
from caudal.payments import Attempt, AttemptState, PaymentState, ReviewDefault, ReviewReason
from caudal.simulation import INVARIANTS, arrivals, books, invariants
from caudal.simulation.plans import Action
from caudal.simulation.store import Balance, Job, Unsettled
from support import simulated as run


def broken(**changes: Any) -> list[str]:
    """The names of the invariants that a run with these changes breaks."""
    return [finding.invariant for finding in invariants.broken(run.evidence(**changes))]


def stored(**changes: Any) -> dict[str, Any]:
    return {"stored": run.stored(**changes)}


def of_payment(**changes: Any) -> dict[str, Any]:
    payment = run.payment(**changes)
    return {**stored(payments={run.PAYMENT: payment}), "events_last": {run.PAYMENT: payment.state.value}}


def with_attempt(id: str, **changes: Any) -> dict[str, Any]:
    attempts = {each.id: each for each in run.ATTEMPTS}
    attempts[id] = msgspec.structs.replace(attempts[id], **changes)
    return stored(attempts=attempts)


def with_balance(reference: str, **changes: int) -> dict[str, Any]:
    balances = {each.reference: each for each in run.BALANCES}
    balances[reference] = msgspec.structs.replace(balances[reference], **changes)
    return stored(balances=balances)


def without_effect(kind: str) -> dict[str, Any]:
    return {"book": run.book([each for each in run.EFFECTS if each.kind != kind])}


def test_a_run_in_order_breaks_nothing() -> None:
    assert broken() == []


FINDING = ledger.Finding(invariant="seq_without_gaps", book="book_1", rows=({"seq": "3"},))
PARKED = Unsettled("parked", "stripe", "charge.updated", "evt_1", "refused")
DEAD = Job("partner:stripe", "payments.attempt", "dead", run.NOW, {"attempt": run.SUBMIT}, "gave up")

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the ledger": ({"ledger": [FINDING]}, ["ledger_sound"]),
    "an audit record": ({"audit_changed": 1}, ["audit_unchanged"]),
    "an open attempt": (
        with_attempt(run.CAPTURE, state=AttemptState.UNKNOWN),
        ["attempts_resolved", "attempts_as_partners_say"],
    ),
    "a dead job": (stored(jobs=[DEAD]), ["jobs_alive"]),
    "a parked webhook": (stored(webhooks=[PARKED]), ["webhooks_applied"]),
    "a forgery that was taken": ({"sandbox_counts": {"forgeries_taken": 1}}, ["forgeries_refused"]),
    "a webhook nobody took": ({"sandbox_counts": {"given_up": 1}}, ["webhooks_taken"]),
    "a gap in the events": ({"events_missed": [7]}, ["events_complete"]),
    "an event that was not told": (
        {"events_last": {run.PAYMENT: "processing"}},
        ["events_complete"],
    ),
    "another answer": (
        {"asked": [*run.ASKED[1:], run.asked(Action.CREATE, run.reply(), run.reply(body=b'{"code": "y"}'))]},
        ["answers_repeat"],
    ),
    "no answer": (
        {"asked": [*run.ASKED, run.asked(Action.CANCEL)]},
        ["requests_answered"],
    ),
    "what cannot be": ({"wrongly_accepted": ["a capture above"]}, ["impossible_refused"]),
    "a program that died": ({"programs_died": ["worker"]}, ["programs_live"]),
    "an error of ours": ({"server_errors": ["500"]}, ["no_server_errors"]),
    "a refund that is not there": (
        {"asked": [*run.ASKED, run.asked(Action.REFUND, run.reply(), key="key_other")]},
        ["acknowledged_exists"],
    ),
    "a capture that is not there": (
        {"asked": [*run.ASKED, run.asked(Action.CAPTURE, run.reply(), key="key_other")]},
        ["acknowledged_exists"],
    ),
    "a refused creation that is there": (
        {"asked": [*run.ASKED, run.asked(Action.CREATE, run.reply(422), key="key_other")]},
        ["refusals_move_nothing"],
    ),
    "a capture that nobody was told of": (
        {"asked": [run.ASKED[0], *run.ASKED[2:]]},
        ["refusals_move_nothing"],
    ),
    "a refund still on its way": (of_payment(refunding_amount=5), ["parts_add_up"]),
    "a hold of an ended payment": (of_payment(hold_id="tr_1"), ["holds_resolved"]),
    "something pending": (with_balance(run.WALLET, credits_pending=9), ["holds_resolved"]),
    "a double effect": (
        {"book": run.book(run.EFFECTS, {run.SUBMIT: 1, run.CAPTURE: 2, run.REFUND: 1})},
        ["attempts_effective_once"],
    ),
    "an effect that we do not know": (
        with_attempt(run.REFUND, state=AttemptState.FAILED),
        ["attempts_as_partners_say"],
    ),
    "a refund of another amount": (with_attempt(run.REFUND, amount=299), ["attempts_as_partners_say"]),
    "a dispute that they do not know": (
        without_effect("dispute"),
        ["totals_as_partners_say", "payments_as_partners_say", "clearing_at_zero"],
    ),
    "another fee": (
        with_balance("partner:stripe:fees:EUR", debits=39),
        ["fees_as_partners_say", "figures_follow_attempts"],
    ),
    "another settlement": (
        with_balance("bank:settlement:EUR", debits=461),
        ["settlements_as_partners_say"],
    ),
    "an open clearing account": (
        with_balance("partner:stripe:clearing:EUR", debits=1_001),
        ["clearing_at_zero"],
    ),
    "a wallet with a cent more": (with_balance(run.WALLET, credits=1_001), ["wallets_follow_payments"]),
    "a secret in a log": ({"leaks": ["our API key in api.log"]}, ["nothing_leaked"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_invariant_is_broken_by_what_it_is_about(case: str) -> None:
    changes, expected = CASES[case]
    assert broken(**changes) == expected


def test_a_payment_in_flight_has_not_ended() -> None:
    assert "payments_ended_or_waiting" in broken(**of_payment(state=PaymentState.PROCESSING))


def test_a_payment_that_waits_needs_a_timer() -> None:
    waiting = run.payment(state=PaymentState.AUTHORISED)
    told = {"events_last": {run.PAYMENT: "authorised"}}
    without = run.stored(payments={run.PAYMENT: waiting})
    assert broken(stored=without, **told) == ["payments_ended_or_waiting"]
    assert broken(stored=msgspec.structs.replace(without, jobs=[run.timer()]), **told) == []


def test_a_review_without_a_default_needs_none() -> None:
    review = {"state": PaymentState.REVIEW, "review": ReviewReason.MISMATCH}
    assert broken(**of_payment(**review)) == []
    with_default = {**review, "review_default": ReviewDefault.APPROVE}
    assert broken(**of_payment(**with_default)) == ["payments_ended_or_waiting"]


def test_a_payment_that_was_acknowledged_and_is_gone_is_lost() -> None:
    gone = run.stored(payments={}, attempts={}, captures={}, refunds={}, disputes={}, balances={}, figures=[])
    evidence = run.evidence(stored=gone, book=run.book([], {}), events_last={})
    assert [finding.invariant for finding in invariants.broken(evidence)] == ["acknowledged_exists"]
    assert len(list(invariants.lost(evidence))) == 3  # the payment, its capture, its refund


def test_double_effects_are_counted_beyond_the_first() -> None:
    twice = run.book(run.EFFECTS, {run.SUBMIT: 1, run.CAPTURE: 3, run.REFUND: 2})
    assert books.double_effects(run.evidence(book=twice)) == 3


def mistaken(*attempts: Attempt) -> dict[str, Any]:
    """A run in which the partner took 999 and not 1,000, and a person declined that."""
    changes = of_payment(
        state=PaymentState.FAILED, captured_amount=0, refunded_amount=0, disputed_amount=0, fee_amount=0,
        reported_amount=999,
    )  # fmt: skip
    balances = [
        Balance("bank:settlement:EUR", "EUR", 999, 0, 0, 0),
        Balance("partner:stripe:clearing:EUR", "EUR", 0, 999, 0, 0),
    ]
    changes["stored"] = msgspec.structs.replace(
        changes["stored"], captures={}, refunds={}, disputes={},
        attempts={attempt.id: attempt for attempt in (run.ATTEMPTS[0], *attempts)},
        balances={balance.reference: balance for balance in balances},
        figures=[msgspec.structs.replace(run.FIGURES, cost=0)],
    )  # fmt: skip
    effects = [run.effect("charge", 999, 999, run.SUBMIT), run.effect("settlement", 999, -999, None)]
    return {**changes, "asked": run.ASKED[:1], "book": run.book(effects)}


def test_what_a_partner_took_by_mistake_must_come_back() -> None:
    assert broken(**mistaken()) == ["mistakes_given_back", "clearing_at_zero"]


def test_or_it_is_known_that_it_could_not_be_made_to() -> None:
    back = run.attempt(run.REFUND, Operation.REFUND, 999, state=AttemptState.FAILED)
    assert broken(**mistaken(back)) == []
    assert "mistakes_given_back" in broken(**mistaken(msgspec.structs.replace(back, part_id="re_1")))


def test_a_refund_that_came_back_is_no_contradiction() -> None:
    attempts = {each.id: each for each in run.ATTEMPTS}
    attempts[run.REFUND] = run.attempt(run.REFUND, Operation.REFUND, 300, state=AttemptState.FAILED)
    came_back = run.book([*run.EFFECTS, run.effect("refund_failure", 300, 300, None, "re_1")])
    evidence = run.evidence(stored=run.stored(attempts=attempts), book=came_back)
    assert list(books.attempts_differ(evidence)) == []


@pytest.mark.parametrize("ends_as", [PaymentState.EXPIRED, None])
def test_a_void_of_what_had_run_out_at_the_partner_needs_no_effect(ends_as: PaymentState | None) -> None:
    void = run.attempt("att_void", Operation.CANCEL, 200)
    stored = run.stored(
        payments={run.PAYMENT: run.payment(ends_as=ends_as)},
        attempts={each.id: each for each in (*run.ATTEMPTS, void)},
    )
    found = list(books.attempts_differ(run.evidence(stored=stored)))
    assert found == [] if ends_as is not None else len(found) == 1


def test_a_finding_shows_the_first_and_counts_them_all() -> None:
    (finding,) = invariants.broken(run.evidence(server_errors=[f"error {n}" for n in range(8)]))
    assert (finding.count, finding.examples) == (8, tuple(f"error {n}" for n in range(5)))


def test_every_invariant_is_broken_by_some_case() -> None:
    covered = {name for _, expected in CASES.values() for name in expected}
    routed = {  # test_routed.py
        "routes_follow_rules", "publications_take_effect", "begun_once", "shares_follow_weights",
        "figures_follow_attempts",
    }  # fmt: skip
    elsewhere = {*routed, *arrivals.INVARIANTS}
    assert covered | elsewhere | {"payments_ended_or_waiting", "mistakes_given_back"} == set(INVARIANTS)
