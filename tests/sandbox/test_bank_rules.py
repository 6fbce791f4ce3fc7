"""The tables of the sandbox's bank hold together."""

import re
from pathlib import Path

import pytest

from caudal_sandbox.bank import rules
from caudal_sandbox.bank.types import Kind, Status

ORDERS = [(token, kind) for token in rules.PLANS for kind in Kind]


@pytest.mark.parametrize(("token", "kind"), ORDERS)
def test_a_plan_takes_only_moves_that_there_are_and_in_time(token: str, kind: Kind) -> None:
    plan = rules.plan_of(token)
    assert plan is not None
    at, status = 0.0, Status.PENDING
    for step in rules.steps(plan, kind):
        assert step.after_s >= at
        assert step.status in rules.MOVES[kind][status]
        assert step.reason is None or step.reason in rules.REASONS
        at, status = step.after_s, step.status


@pytest.mark.parametrize(("token", "kind"), ORDERS)
def test_whatever_ends_badly_says_why_and_what_ends_well_does_not(token: str, kind: Kind) -> None:
    plan = rules.plan_of(token)
    assert plan is not None
    bad = {Status.REJECTED, Status.FAILED, Status.RETURNED}
    for step in rules.steps(plan, kind):
        assert (step.reason is not None) == (step.status in bad)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_way_ends_and_no_order_becomes_pending_again(kind: Kind) -> None:
    def ends(status: Status, seen: frozenset[Status]) -> None:
        assert status not in seen
        for following in rules.MOVES[kind].get(status, ()):
            assert following is not Status.PENDING
            ends(following, seen | {status})

    ends(Status.PENDING, frozenset())


def test_money_moves_where_an_order_is_carried_out_or_comes_back_and_nowhere_else() -> None:
    moved = {Status.SETTLED, Status.COLLECTED, Status.RETURNED}
    reached = {(kind, to) for kind, moves in rules.MOVES.items() for tos in moves.values() for to in tos}
    assert {(kind, to) for kind, to in reached if to in moved} == set(rules.MOVEMENTS)
    out, back = (
        rules.MOVEMENTS[Kind.TRANSFER, Status.SETTLED],
        rules.MOVEMENTS[Kind.TRANSFER, Status.RETURNED],
    )
    assert (out.sign, back.sign) == (-1, +1)


def test_accounts_of_one_behaviour_are_told_apart_by_what_follows_two_underscores() -> None:
    assert rules.plan_of("tok_bank_ok__of_ana") is rules.plan_of("tok_bank_ok")
    assert rules.plan_of("tok_bank_okay") is None


def test_the_reference_names_every_account() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "sandbox-bank.md"
    assert re.findall(r"^\| `(tok_bank_\w+)` \|", page.read_text(), re.MULTILINE) == list(rules.PLANS)
