"""Disputes: opened by a payer's bank (a test payment method, or the control API), fought or lost."""

from typing import Final

from caudal_sandbox.messages import Request
from caudal_sandbox.stripe import errors, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.charging import DISPUTE
from caudal_sandbox.stripe.form import Parameters, Shape
from caudal_sandbox.stripe.money import Balance
from caudal_sandbox.stripe.types import Charge, Dispute

UPDATE: Final[Shape] = {
    "evidence": {**dict.fromkeys(views_money.EVIDENCE), "enhanced_evidence": {}},
    "metadata": {"*": None},
    "submit": None,
    "expand": {"*": None},
}
CLOSE: Final[Shape] = {"expand": {"*": None}}

REASONS: Final = (
    "bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated",
    "debit_not_authorized", "duplicate", "fraudulent", "general", "incorrect_account_details",
    "insufficient_funds", "product_not_received", "product_unacceptable", "subscription_canceled",
    "unrecognized",
)  # fmt: skip

_OPEN: Final = ("needs_response", "under_review")
_INQUIRIES: Final = ("warning_needs_response", "warning_under_review")
_VERDICTS: Final = {"winning_evidence": True, "losing_evidence": False}
"""What Stripe's test mode decides by, as `evidence[uncategorized_text]`."""


class Disputes:
    """Opens, updates and closes disputes."""

    def __init__(self, account: Account, balance: Balance) -> None:
        self._account = account
        self._balance = balance
        account.world.clock.on(DISPUTE, self._due)

    def open(self, charge: Charge, *, amount: int | None, reason: str, inquiry: bool = False) -> Dispute:
        """A dispute over `charge`; an inquiry moves no money. Raises `Refusal` where none can be."""
        account = self._account
        rest = charge.amount_captured - charge.amount_refunded
        amount = rest if amount is None else amount
        if charge.status != "succeeded" or charge.dispute is not None or not 0 < amount <= rest:
            raise errors.conflict(f"Charge {charge.id} cannot be disputed over {amount}.")
        dispute = Dispute(
            id=account.id("dp"),
            charge=charge.id,
            intent=charge.intent,
            amount=amount,
            currency=charge.currency,
            created=account.now(),
            status="warning_needs_response" if inquiry else "needs_response",
            reason=reason,
        )
        charge.dispute = dispute.id
        account.charges.put(charge)
        if not inquiry:
            booked = self._balance.disputed(
                dispute.id, dispute.intent, amount=amount, currency=dispute.currency
            )
            dispute.transactions.append(booked.id)
        self._put(dispute, "charge.dispute.created")
        if not inquiry:
            self._put(dispute, "charge.dispute.funds_withdrawn")
        return dispute

    def update(self, id: str, given: Parameters, _: Request) -> Dispute:
        """Bring evidence, and hand it in."""
        dispute = self._account.dispute(id)
        evidence = given.nested("evidence")
        submit = given.boolean("submit")
        if dispute.status not in (*_OPEN, *_INQUIRIES):
            raise errors.conflict("This dispute is already closed.")
        dispute.metadata = given.metadata(dispute.metadata)
        dispute.evidence.update({name: text for name, text in evidence.items() if isinstance(text, str)})
        if submit is not False and evidence:
            dispute.submissions += 1
            inquiry = dispute.status in _INQUIRIES
            dispute.status = "warning_under_review" if inquiry else "under_review"
        self._put(dispute, "charge.dispute.updated")
        verdict = _VERDICTS.get(dispute.evidence.get("uncategorized_text", ""))
        if submit is not False and verdict is not None:
            self.end(dispute, won=verdict)
        return dispute

    def close(self, id: str, _: Parameters, __: Request) -> Dispute:
        """Give it up."""
        dispute = self._account.dispute(id)
        if dispute.status not in (*_OPEN, *_INQUIRIES):
            raise errors.conflict("This dispute is already closed.")
        self.end(dispute, won=False)
        return dispute

    def end(self, dispute: Dispute, *, won: bool) -> None:
        """The bank has decided. Won, the money comes back, and the fee stays; an inquiry just closes."""
        if dispute.status in _INQUIRIES:
            dispute.status = "warning_closed"
            self._put(dispute, "charge.dispute.closed")
            return
        dispute.status = "won" if won else "lost"
        if won:
            booked = self._balance.reinstated(
                dispute.id, dispute.intent, amount=dispute.amount, currency=dispute.currency
            )
            dispute.transactions.append(booked.id)
        self._put(dispute, "charge.dispute.closed")
        if won:
            self._put(dispute, "charge.dispute.funds_reinstated")

    def is_open(self, dispute: Dispute) -> bool:
        """Whether it has not been decided yet."""
        return dispute.status in (*_OPEN, *_INQUIRIES)

    def _due(self, charge_id: str) -> None:
        """A test payment method wants its charge disputed."""
        charge = self._account.charges.get(charge_id)
        if charge is None or charge.dispute is not None or charge.amount_refunded:
            return
        method = self._account.method(charge.method)
        self.open(charge, amount=None, reason=method.dispute or "general", inquiry=method.inquiry)

    def _put(self, dispute: Dispute, event: str) -> None:
        self._account.disputes.put(dispute)
        self._account.tell(event, lambda: views_money.dispute(self._account, dispute))
