"""Answers and webhooks tell the same facts: in whatever order, and however often, they end the same.

A history is what has really happened at the partner, oldest first. Its facts are told by the answer to the
call, by webhooks or by looks, shuffled and repeated; what comes too early is refused, and told again, as
partners do. The machine and the ledger are the real ones, in memory.
"""

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caudal.connectors import (
    CaptureMode,
    PartnerFee,
    Reported,
    Snapshot,
    Status,
    Subject,
    Unknown,
)
from caudal.payments import CapturePayment, OutcomeStatus, PaymentKind, PaymentState, RefundPayment
from caudal.payments.commands import Answered, Command, Heard, Looked, Send
from support.payment_models import (
    PARTNER,
    PAYMENT_ID,
    Node,
    Setup,
    balances,
    beginning,
    creation,
    problems,
    some_id,
    step,
)

K, S = PaymentKind, Status
FEE = PartnerFee(partner_id="txn_1", amount=1, currency="EUR")


class History(NamedTuple):
    kind: PaymentKind
    facts: tuple[dict[str, Any], ...]
    ends: PaymentState


HISTORIES = {
    "charged": History(K.PAY_IN, ({"status": S.PENDING}, {"status": S.SUCCEEDED}), PaymentState.SUCCEEDED),
    "charged after a redirect": History(
        K.PAY_IN,
        ({"status": S.ACTION_REQUIRED}, {"status": S.PENDING}, {"status": S.SUCCEEDED, "fees": (FEE,)}),
        PaymentState.SUCCEEDED,
    ),
    "declined": History(K.PAY_IN, ({"status": S.PENDING}, {"status": S.FAILED}), PaymentState.FAILED),
    "cancelled": History(
        K.PAY_IN, ({"status": S.ACTION_REQUIRED}, {"status": S.CANCELLED}), PaymentState.CANCELLED
    ),
    "paid out": History(K.PAYOUT, ({"status": S.PENDING}, {"status": S.SUCCEEDED}), PaymentState.SUCCEEDED),
    "paid out and returned": History(
        K.PAYOUT,
        ({"status": S.PENDING}, {"status": S.SUCCEEDED}, {"status": S.RETURNED}),
        PaymentState.RETURNED,
    ),
    "disputed and won": History(
        K.PAY_IN,
        (
            {"status": S.SUCCEEDED},
            *({"subject": Subject.DISPUTE, "status": s} for s in (S.INQUIRY, S.OPEN, S.WON)),
        ),
        PaymentState.SUCCEEDED,
    ),
    "disputed and lost": History(
        K.PAY_IN,
        ({"status": S.SUCCEEDED}, *({"subject": Subject.DISPUTE, "status": s} for s in (S.OPEN, S.LOST))),
        PaymentState.SUCCEEDED,
    ),
    "refunded at the partner": History(
        K.PAY_IN,
        (
            {"status": S.SUCCEEDED},
            *({"subject": Subject.REFUND, "status": s} for s in (S.PENDING, S.SUCCEEDED)),
        ),
        PaymentState.SUCCEEDED,
    ),
}


def submitted(kind: PaymentKind) -> Node:
    """A payment of 4 whose submission is under way."""
    setup = Setup(kind, fee=1)
    node = step(beginning(setup), creation(setup)).node
    assert node.case is not None
    assert node.case.live is not None
    return step(node, Send(attempt_id=node.case.live.id)).node


def snapshot(node: Node, fact: dict[str, Any]) -> Snapshot:
    """A fact in the partner's words."""
    assert node.case is not None
    begun = node.case.begun
    assert begun is not None
    fields: dict[str, Any] = {"subject": Subject.PAYMENT, "amount": 4, "currency": "EUR", **fact}
    if fields["subject"] is Subject.PAYMENT:
        return Snapshot(partner_id="pi_1", attempt_id=begun.id, **fields)
    return Snapshot(partner_id=f"{fields['subject'].value}_1", parent_id="pi_1", **fields)


def told(node: Node, said: Snapshot, way: str) -> Command:
    """How a fact reaches us; answers and looks tell of the payment only."""
    attempt = said.attempt_id
    if attempt is None or way == "webhook":
        return Heard(partner=PARTNER, snapshot=said)
    answer = Reported(said)
    return (
        Answered(attempt_id=attempt, answer=answer)
        if way == "answer"
        else Looked(attempt_id=attempt, found=answer)
    )


def tell(node: Node, facts: list[tuple[dict[str, Any], str]]) -> Node:
    """Tell facts in order; what comes too early is told again at the end."""
    early = []
    for fact, way in facts:
        stepped = step(node, told(node, snapshot(node, fact), way))
        if stepped.outcome.status in (OutcomeStatus.REFUSED, OutcomeStatus.WAITING):
            early.append((fact, "webhook"))
        node = stepped.node
        assert list(problems_beside_fees(node)) == []
    for fact, way in early:
        node = step(node, told(node, snapshot(node, fact), way)).node
    return node


def problems_beside_fees(node: Node) -> list[str]:
    """What is wrong; a partner's fee stands on its clearing account and is no part of the payment."""
    return [] if node.posted_fees else list(problems(node))


def summary(node: Node) -> tuple[Any, ...]:
    payment = node.payment
    assert node.case is not None
    return (
        payment.state, payment.captured_amount, payment.refunded_amount, payment.refunding_amount,
        payment.disputed_amount, payment.fee_amount, payment.hold_id, payment.fee_hold_id, balances(node),
        tuple((a.operation, a.state) for a in node.case.attempts), tuple(r.state for r in node.case.refunds),
        tuple(d.state for d in node.case.disputes),
    )  # fmt: skip


WAYS = st.sampled_from(["webhook", "answer", "look"])


@pytest.mark.parametrize("name", HISTORIES)
@given(data=st.data())
@settings(max_examples=60)
def test_the_same_facts_end_the_same_in_any_order(name: str, data: st.DataObject) -> None:
    history = HISTORIES[name]
    start = submitted(history.kind)
    in_order = tell(start, [(fact, "webhook") for fact in history.facts])
    assert in_order.payment.state is history.ends

    repeated = [*history.facts, *data.draw(st.lists(st.sampled_from(history.facts), max_size=3))]
    shuffled = data.draw(st.permutations(repeated))
    lost = data.draw(st.booleans())
    node = start
    if lost:
        assert node.case is not None
        assert node.case.live is not None
        node = step(node, Answered(attempt_id=node.case.live.id, answer=Unknown("timeout"))).node
    ended = tell(node, [(fact, data.draw(WAYS)) for fact in shuffled])

    assert summary(ended) == summary(in_order)


CAPTURED = (
    {"status": S.AUTHORISED},
    {"status": S.AUTHORISED, "captured": 2},
    {"status": S.SUCCEEDED, "captured": 4},
)


@given(data=st.data())
@settings(max_examples=60)
def test_old_news_between_captures_and_refunds_changes_nothing(data: st.DataObject) -> None:
    setup = Setup(capture=CaptureMode.MANUAL, fee=2)
    node = step(beginning(setup), creation(setup)).node
    orders: tuple[Command | None, ...] = (
        None,
        CapturePayment(payment_id=PAYMENT_ID, id=some_id("cap", 1), amount=2, final=False),
        CapturePayment(payment_id=PAYMENT_ID, id=some_id("cap", 2)),
    )
    for known, order in enumerate(orders, start=1):
        if order is not None:
            stepped = step(node, order)
            assert stepped.outcome.refusal is None
            node = stepped.node
        assert node.case is not None
        assert node.case.live is not None
        live = node.case.live.id
        node = step(node, Send(attempt_id=live)).node
        old = data.draw(st.lists(st.sampled_from(CAPTURED[: known - 1]), max_size=3)) if known > 1 else []
        news = CAPTURED[known - 1]
        told_now = [
            *((fact, "webhook") for fact in old),
            (news, "webhook"),
            *((fact, "webhook") for fact in old),
        ]
        node = tell(node, told_now)
        again = Reported(snapshot(node, news))
        node = step(node, Answered(attempt_id=live, answer=again)).node

    refund = RefundPayment(payment_id=PAYMENT_ID, id=some_id("re", 1), amount=3)
    node = tell(
        step(node, refund).node, [(data.draw(st.sampled_from(CAPTURED)), "webhook") for _ in range(3)]
    )

    assert (node.payment.state, node.payment.captured_amount) == (PaymentState.SUCCEEDED, 4)
    assert balances(node) == (10 + 4 - 2, 0, 4, 2)
    assert list(problems(node)) == []
