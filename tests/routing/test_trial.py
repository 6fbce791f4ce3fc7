"""What rules would have done with payments of the past."""

from typing import Any

from caudal.connectors import Direction, Method
from caudal.routing import (
    Figures,
    Lane,
    Outcome,
    Past,
    Rates,
    Rules,
    Trial,
    TrialLine,
    Trier,
    Unserved,
    compiled,
)
from support.routes import PARTNERS, default, facts, rules

KNOWN = Figures(
    lane=Lane("", "beta", "EUR", "card"), counts={Outcome.APPROVED: 10}, approved_amount=10_000, cost=150
)


def past(number: int = 1, partner: str = "alpha", **changes: Any) -> Past:
    named, approved = changes.pop("named", False), changes.pop("approved", True)
    return Past(facts=facts(number, **changes), partner=partner, named=named, approved=approved)


def tried(written: Rules, *payments: Past) -> Trial:
    trier = Trier(compiled(written), PARTNERS, Rates([KNOWN]))
    for payment in payments:
        trier.take(payment)
    return trier.result()


def line(rule: str, partner: str, **more: Any) -> TrialLine:
    fields: dict[str, Any] = {"currency": "EUR", "before": 0, "approved_amount": 0, "cost": None}
    return TrialLine(rule=rule, partner=partner, **{**fields, **more})


def test_payments_are_counted_by_the_rule_and_the_partner_that_they_would_have_had() -> None:
    big = {"name": "big", "when": {"currency": ["EUR"], "amount_from": 5_000}, "to": {"partner": "beta"}}
    trial = tried(
        rules(big, default("alpha")), past(1), past(2, amount=5_000), past(3, amount=7_000, approved=False),
        past(4, "beta", amount=6_000),
    )  # fmt: skip
    assert trial == Trial(
        payments=4,
        moved=2,
        foreign=2,
        lines=(
            line("big", "beta", payments=3, amount=18_000, before=1, approved_amount=11_000, cost=165),
            line("default", "alpha", payments=1, amount=1_000, before=1, approved_amount=1_000),
        ),
        unserved=(),
    )


def test_what_would_go_elsewhere_with_a_token_of_its_own_partner_is_counted() -> None:
    trial = tried(
        rules(default("beta")), past(1, instrument="pm_1"), past(2, instrument="tok_1"),
        past(3, "beta", instrument="mer_1"),
        past(4, instrument=None),
    )  # fmt: skip
    assert (trial.moved, trial.foreign) == (3, 1)


def test_what_names_its_partner_stays_and_what_no_rule_serves_is_told() -> None:
    payout = {"direction": Direction.PAYOUT, "method": Method.BANK_TRANSFER}
    trial = tried(
        rules(default("beta")), past(1, named=True), past(2, "bank", **payout), past(3, "bank", **payout)
    )
    assert (trial.payments, trial.moved) == (3, 0)
    assert trial.lines == (line("", "alpha", payments=1, amount=1_000, before=1, approved_amount=1_000),)
    assert trial.unserved == (
        Unserved(
            kind="payout", method="bank_transfer", currency="EUR", payments=2, amount=2_000,
            example=facts(2).payment_id,
        ),
    )  # fmt: skip


def test_what_nobody_has_been_charged_for_of_late_has_no_known_cost() -> None:
    trial = tried(rules(default("beta")), past(1), past(2, currency="USD"))
    assert [(each.currency, each.cost) for each in trial.lines] == [("EUR", 15), ("USD", None)]
