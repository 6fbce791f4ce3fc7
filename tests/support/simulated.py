"""A small run as its invariants see it: everything in order, to be broken by a test in one place."""

import datetime as dt
from typing import Any

import msgspec

from caudal.connectors import Method, Operation
from caudal.payments import (
    Attempt,
    AttemptState,
    Capture,
    Dispute,
    DisputeState,
    PartState,
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
    Routed,
)
from caudal.routing import Figures, Lane, Outcome, Version
from caudal.simulation.evidence import Effect, Evidence, PartnerBook
from caudal.simulation.http import Reply
from caudal.simulation.plans import Action, Ask, Manner
from caudal.simulation.requests import Asked
from caudal.simulation.store import Balance, Job, Stored
from support.routes import default, rules

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PAYMENT, CUSTOMER = "pay_1", "cus_1"
SUBMIT, CAPTURE, REFUND = "att_submit", "att_capture", "att_refund"
WALLET = f"customer:{CUSTOMER}:EUR"


def payment(**changes: Any) -> Payment:
    """A card payment of 1,000 that was captured, of which 300 were paid back and 200 are disputed."""
    made = Payment(
        id=PAYMENT,
        kind=PaymentKind.PAY_IN,
        state=PaymentState.SUCCEEDED,
        customer=CUSTOMER,
        amount=1_000,
        currency="EUR",
        created_at=NOW,
        updated_at=NOW,
        partner="stripe",
        method=Method.CARD,
        instrument="pm_card_visa",
        route=Routed(version=1, rule="cards", partners=("stripe", "meridian")),
        partner_id="pi_1",
        authorised_amount=1_000,
        captured_amount=1_000,
        refunded_amount=300,
        disputed_amount=200,
        fee_amount=15,
    )
    return msgspec.structs.replace(made, **changes)


def attempt(id: str, operation: Operation, amount: int, **changes: Any) -> Attempt:
    """One that succeeded."""
    made = Attempt(
        id=id,
        payment_id=PAYMENT,
        operation=operation,
        state=AttemptState.SUCCEEDED,
        partner="stripe",
        amount=amount,
        created_at=NOW,
        updated_at=NOW,
        sends=1,
    )
    return msgspec.structs.replace(made, **changes)


def effect(kind: str, amount: int, delta: int, attempt_id: str | None, id: str = "pi_1") -> Effect:
    """Something at the partner."""
    return Effect(
        partner="stripe",
        kind=kind,
        object_id=id,
        parent_id="pi_1",
        attempt_id=attempt_id,
        amount=amount,
        delta=delta,
        currency="eur",
    )


EFFECTS = [
    effect("authorisation", 1_000, 0, SUBMIT),
    effect("capture", 1_000, 1_000, CAPTURE, "ch_1"),
    effect("fee", 40, -40, None, "ch_1"),
    effect("refund", 300, -300, REFUND, "re_1"),
    effect("dispute", 200, -200, None, "dp_1"),
    effect("settlement", 460, -460, None, "po_1"),
]

ATTEMPTS = [
    attempt(SUBMIT, Operation.SUBMIT, 1_000),
    attempt(CAPTURE, Operation.CAPTURE, 1_000),
    attempt(REFUND, Operation.REFUND, 300),
]

BALANCES = [
    Balance(WALLET, "EUR", 515, 1_000, 0, 0),
    Balance("partner:stripe:clearing:EUR", "EUR", 1_000, 1_000, 0, 0),
    Balance("partner:stripe:fees:EUR", "EUR", 40, 0, 0, 0),
    Balance("bank:settlement:EUR", "EUR", 460, 0, 0, 0),
]


def asked(action: Action, *answers: Reply, key: str | None = None) -> Asked:
    """A request and what was answered."""
    ask = Ask(action=action, key=key or f"key_{action.value}", body={}, manner=Manner())
    return Asked(ask=ask, payment_id=PAYMENT, path="/v1/payments", body=b"", sent=1, answers=list(answers))


def reply(status: int = 201, body: bytes = b'{"code": "x"}', *, replayed: bool = False) -> Reply:
    """An answer."""
    return Reply(status, {"idempotent-replayed": "true"} if replayed else {}, body)


ASKED = [
    asked(Action.CREATE, reply(), reply(replayed=True)),
    asked(Action.CAPTURE, reply(200)),
    asked(Action.REFUND, reply(), key="key_refund"),
    asked(Action.INCREMENT, reply(409)),
]


RULES = rules(
    {
        "name": "cards",
        "when": {"instrument": ["pm_"], "currency": ["EUR"], "amount_to": 1_000},
        "to": {"split": [{"partner": "stripe", "weight": 60}, {"partner": "meridian", "weight": 40}]},
        "next": [{"route": "both"}],
    },
    default("bank"),
    routes={"both": {"to": {"partner": "stripe"}, "next": [{"partner": "meridian"}]}},
)

VERSION = Version(version=1, rules=RULES, created_at=NOW, created_by="key_1", published_at=NOW)

FIGURES = Figures(
    lane=Lane("cards", "stripe", "EUR", "card"),
    counts={Outcome.APPROVED: 1},
    approved_amount=1_000,
    cost=40,
)


def stored(**changes: Any) -> Stored:
    """What the database holds."""
    made = Stored(
        payments={PAYMENT: payment()},
        attempts={each.id: each for each in ATTEMPTS},
        captures={
            "cap_1": Capture(
                id="cap_1",
                payment_id=PAYMENT,
                amount=1_000,
                final=True,
                state=PartState.SUCCEEDED,
                created_at=NOW,
                updated_at=NOW,
            )
        },
        refunds={
            "re_1": Refund(
                id="re_1",
                payment_id=PAYMENT,
                amount=300,
                state=PartState.SUCCEEDED,
                created_at=NOW,
                updated_at=NOW,
                metadata={"asked": "key_refund"},
            )
        },
        disputes={
            "dp_1": Dispute(
                id="dp_1",
                payment_id=PAYMENT,
                partner="stripe",
                partner_id="dp_1",
                amount=200,
                currency="EUR",
                state=DisputeState.OPEN,
                created_at=NOW,
                updated_at=NOW,
            )
        },
        balances={each.reference: each for each in BALANCES},
        jobs=[],
        webhooks=[],
        versions={1: VERSION},
        figures=[FIGURES],
    )
    return msgspec.structs.replace(made, **changes)


def book(effects: list[Effect], attempts: dict[str, int] | None = None) -> PartnerBook:
    """The partner's book with these effects."""
    total = sum(each.delta for each in effects)
    counted = {SUBMIT: 1, CAPTURE: 1, REFUND: 1} if attempts is None else attempts
    return PartnerBook(effects, {"stripe": {"eur": total}}, counted)


def evidence(**changes: Any) -> Evidence:
    """A run in which everything holds."""
    made: dict[str, Any] = {
        "asked": ASKED,
        "stored": stored(),
        "book": book(EFFECTS),
        "sandbox_counts": {"delivered": 9, "forged": 1},
        "ledger": [],
        "audit_changed": 0,
        "events_missed": [],
        "events_last": {PAYMENT: "succeeded"},
        "wrongly_accepted": [],
        "programs_died": [],
        "server_errors": [],
        "leaks": [],
    }
    return Evidence(**(made | changes))


def timer(payment_id: str = PAYMENT) -> Job:
    """A job that will look at the payment again."""
    return Job("payments", "payments.timer", "ready", NOW, {"payment": payment_id}, None)
