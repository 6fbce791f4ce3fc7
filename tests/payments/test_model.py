"""Every state that payments can reach in a small world, and everything that can happen in each.

The real machine runs on the ledger's own rules, without a database. What is held in every one of some
thousand states stands in `payment_models.problems`: money conserved, the ledger's balances equal to the
payment's own numbers, funds held as long as the payment is open and no longer, one attempt under way at most,
and something that moves on whatever has not ended.
"""

import collections
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from caudal.connectors import CaptureMode
from caudal.customers import ReviewDefault
from caudal.ledger import REASONS as LEDGER_REASONS
from caudal.payments import (
    BY_CODE,
    DISPUTES,
    REFUNDS,
    TABLE,
    DisputeState,
    OutcomeStatus,
    PartState,
    PaymentKind,
    PaymentState,
    Refusal,
    Row,
    guards,
    handling,
    machine,
)
from caudal.payments.part_rules import RefundEvent
from caudal.payments.rules import FINAL, ROWS
from caudal.payments.terms import Event, Guard
from caudal_base.decide import Verdict
from support.payment_events import abstracted, happenings
from support.payment_models import Node, Setup, beginning, creation, problems, step

CODES = {*BY_CODE, *(reason.code for reason in LEDGER_REASONS)}

K, V = PaymentKind, Verdict
BEFORE_PARTNERS = frozenset({PaymentState.SCHEDULED, PaymentState.REVIEW})


UNDECIDED = frozenset({PaymentState.PROCESSING, PaymentState.FAILED})
"""While it is open who carries a payment out: from there on it goes as without routes."""


class Look(NamedTuple):
    """Where an exploration starts, and how far it goes."""

    setup: Setup
    first: tuple[str, ...] = ()
    """What happens before it, by name."""
    parts: bool = False
    """With refunds and disputes."""
    within: frozenset[PaymentState] = frozenset(PaymentState)
    """States that are looked at further."""


LOOKS = {
    "card": Look(Setup(capture=CaptureMode.MANUAL, fee=2)),
    "money back": Look(
        Setup(fee=1, funds=0), ("submit is sent", "heard payment succeeded 4 EUR captured 4"), parts=True
    ),
    "payout": Look(Setup(K.PAYOUT, fee=1)),
    "internal": Look(Setup(K.INTERNAL, fee=1)),
    "elsewhere": Look(Setup(fee=1, elsewhere=True), within=UNDECIDED),
    "payout elsewhere": Look(Setup(K.PAYOUT, fee=1, funds=5, elsewhere=True), within=UNDECIDED),
    "declined": Look(Setup(verdict=V.DECLINE)),
    "review": Look(Setup(verdict=V.REVIEW), within=BEFORE_PARTNERS),
    "review, approved if nobody looks": Look(
        Setup(verdict=V.REVIEW, default=ReviewDefault.APPROVE), within=BEFORE_PARTNERS
    ),
    "review of an internal one": Look(Setup(K.INTERNAL, verdict=V.REVIEW, fee=1)),
    "review of an internal one, approved": Look(
        Setup(K.INTERNAL, verdict=V.REVIEW, default=ReviewDefault.APPROVE)
    ),
    "scheduled": Look(Setup(scheduled=True), within=BEFORE_PARTNERS),
    "scheduled internal one": Look(Setup(K.INTERNAL, scheduled=True)),
    "scheduled, declined": Look(Setup(scheduled=True, verdict=V.DECLINE)),
    "scheduled, reviewed": Look(Setup(scheduled=True, verdict=V.REVIEW), within=BEFORE_PARTNERS),
    "scheduled, without funds": Look(Setup(K.PAYOUT, scheduled=True, funds=3)),
}


class Found(NamedTuple):
    """What an exploration came upon."""

    states: frozenset[Any]
    dead_ends: int
    wrong: dict[str, tuple[str, ...]]
    """What is wrong, with a shortest way there."""
    rows: frozenset[Row]


class _Spy:
    """Sees which rows are taken."""

    def __init__(self) -> None:
        self.rows: set[Row] = set()

    def choose(self, situation: Any, state: PaymentState | None, event: Event) -> Row | Refusal:
        chosen = guards.choose(situation, state, event)
        if isinstance(chosen, Row):
            self.rows.add(chosen)
        return chosen


def explore(look: Look, spy: _Spy) -> Found:
    """Breadth first, so that the first way to a state is a shortest one."""
    start = step(beginning(look.setup), creation(look.setup)).node
    for name in look.first:
        (command,) = [h.command for h in happenings(start) if h.name == name]
        start = step(start, command).node
    wrong: dict[str, tuple[str, ...]] = dict.fromkeys(problems(start), ())
    seen = {abstracted(start)}
    before: dict[Any, set[Any]] = collections.defaultdict(set)
    waiting: collections.deque[tuple[Node, tuple[str, ...]]] = collections.deque([(start, ())])
    ends = set()
    while waiting:
        node, way = waiting.popleft()
        here = abstracted(node)
        if node.payment.state in FINAL or node.payment.state not in look.within:
            ends.add(here)
        if node.payment.state not in look.within:
            continue
        for name, there, after in _next(node, look, way, wrong):
            before[there].add(here)
            if there not in seen:
                seen.add(there)
                for problem in problems(after):
                    wrong.setdefault(problem, (*way, name))
                waiting.append((after, (*way, name)))
    return Found(frozenset(seen), len(seen - _reaching(ends, before)), wrong, frozenset(spy.rows))


def _next(
    node: Node, look: Look, way: tuple[str, ...], wrong: dict[str, tuple[str, ...]]
) -> Iterator[tuple[str, Any, Node]]:
    here = abstracted(node)
    for happening in happenings(node, parts=look.parts):
        path = (*way, happening.name)
        try:
            after, outcome, _ = step(node, happening.command, at=happening.at)
        except Exception as error:
            # Collected, to be shown with the way that led there.
            wrong.setdefault(f"{type(error).__name__}: {error}", path)
            continue
        there = abstracted(after)
        if outcome.status is OutcomeStatus.REFUSED:
            if outcome.refusal is None or outcome.refusal.code not in CODES:
                wrong.setdefault(f"refused with {outcome.refusal}", path)
            if there != here or after.book.seq != node.book.seq:
                wrong.setdefault("a refusal changed something", path)
            continue
        yield happening.name, there, after


def _reaching(ends: set[Any], before: dict[Any, set[Any]]) -> set[Any]:
    """The states from which one of `ends` can be reached."""
    found, waiting = set(ends), list(ends)
    while waiting:
        for state in before[waiting.pop()]:
            if state not in found:
                found.add(state)
                waiting.append(state)
    return found


@pytest.fixture(scope="module")
def explored() -> dict[str, Found]:
    spy = _Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "choose", spy.choose)
        patch.setattr(handling, "choose", spy.choose)
        return {name: explore(look, spy) for name, look in LOOKS.items()}


@pytest.mark.parametrize("name", LOOKS)
def test_whatever_happens_is_a_transition_or_a_typed_refusal_and_breaks_no_law(
    explored: dict[str, Found], name: str
) -> None:
    assert explored[name].wrong == {}


@pytest.mark.parametrize("name", LOOKS)
def test_from_every_state_there_is_a_way_to_an_end(explored: dict[str, Found], name: str) -> None:
    assert explored[name].dead_ends == 0


def test_the_exploration_comes_to_every_state_of_payments(explored: dict[str, Found]) -> None:
    reached = {state[0] for found in explored.values() for state in found.states}
    assert reached == set(PaymentState)


def test_every_row_of_the_table_can_be_taken(explored: dict[str, Found]) -> None:
    taken = {row for found in explored.values() for row in found.rows}
    assert [row for row in TABLE if row not in taken] == []


def test_every_guard_is_used_by_some_row_and_says_what_it_means() -> None:
    used = {guard for row in TABLE for guard in row.guards}
    assert used == set(Guard) == set(guards.GUARDS)


def test_every_state_and_event_has_its_rows_and_all_but_the_last_are_guarded() -> None:
    assert set(ROWS) == {(state, event) for state in (None, *PaymentState) for event in Event}
    for rows in ROWS.values():
        assert all(row.guards for row in rows[:-1]), rows


def test_states_that_have_ended_are_left_only_by_what_the_partner_says() -> None:
    left = {row.event for row in TABLE if row.state in FINAL and row.to is not row.state}
    assert left == {
        Event.PARTNER_SUCCEEDED, Event.PARTNER_RETURNED, Event.PARTNER_AUTHORISED, Event.PARTNER_ACCEPTED,
        Event.PARTNER_ACTION_REQUIRED,
    }  # fmt: skip


def test_the_tables_of_refunds_and_disputes_are_total() -> None:
    assert set(REFUNDS) == {(state, event) for state in (None, *PartState) for event in RefundEvent}
    assert set(DISPUTES) == {(state, said) for state in (None, *DisputeState) for said in DisputeState}
