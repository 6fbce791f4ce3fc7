"""The calls on refunds, and what time brings to them."""

from typing import Final

from caudal_sandbox.messages import Request
from caudal_sandbox.stripe import errors, tokens, views_money
from caudal_sandbox.stripe.account import Account
from caudal_sandbox.stripe.form import Parameters, Shape
from caudal_sandbox.stripe.money import Balance
from caudal_sandbox.stripe.types import Charge, Refund

CREATE: Final[Shape] = {
    "amount": None,
    "charge": None,
    "currency": None,
    "expand": {"*": None},
    "instructions_email": None,
    "metadata": {"*": None},
    "payment_intent": None,
    "reason": None,
}
UPDATE: Final[Shape] = {"metadata": {"*": None}, "expand": {"*": None}}
CANCEL: Final[Shape] = {"expand": {"*": None}}

FINISH: Final = "stripe.refund"


class Refunds:
    """Each method is one call: it takes parameters and returns the refund."""

    def __init__(self, account: Account, balance: Balance) -> None:
        self._account = account
        self._balance = balance
        account.world.clock.on(FINISH, self._finish)

    def create(self, given: Parameters, _: Request) -> Refund:
        """Pay back what a charge has captured, or a part of it."""
        account = self._account
        charge = self._charge(given)
        amount = given.integer("amount")
        reason = given.choice("reason", "duplicate", "fraudulent", "requested_by_customer")
        metadata = given.metadata({})
        amount = self._refundable(charge, amount)
        method = account.method(charge.method)
        refund = Refund(
            id=account.id("re"),
            charge=charge.id,
            intent=charge.intent,
            amount=amount,
            currency=charge.currency,
            created=account.now(),
            status="pending" if method.refund == "pending" else "succeeded",
            reason=reason,
            metadata=metadata,
            attempt_id=metadata.get("attempt_id", account.caller.request_key),
        )
        booked = self._balance.refunded(
            refund.id, refund.intent, amount=amount, currency=refund.currency, attempt_id=refund.attempt_id
        )
        refund.transaction = booked.id
        charge.amount_refunded += amount
        account.charges.put(charge)
        account.refunds.put(refund)
        if method.refund != "succeeded":
            account.world.clock.schedule(account.now() + tokens.SOON_S, FINISH, refund.id)
        self._tell(refund, "refund.created")
        account.tell("charge.refunded", lambda: views_money.charge(account, charge))
        return refund

    def update(self, id: str, given: Parameters, _: Request) -> Refund:
        """Change the metadata."""
        refund = self._account.refund(id)
        refund.metadata = given.metadata(refund.metadata)
        self._account.refunds.put(refund)
        self._tell(refund, "refund.updated")
        return refund

    def cancel(self, id: str, _: Parameters, __: Request) -> Refund:
        """Call a refund off that waits for its receiver; none here does."""
        refund = self._account.refund(id)
        raise errors.conflict(
            f"This refund has a status of {refund.status}: only refunds that require action can be canceled."
        )

    def _charge(self, given: Parameters) -> Charge:
        account = self._account
        intent_id, charge_id = given.text("payment_intent"), given.text("charge")
        if charge_id is not None:
            return account.charge(charge_id)
        if intent_id is None:
            raise errors.invalid(
                "One of the following params should be provided for this request: payment_intent or charge.",
                code="parameter_missing",
            )
        intent = account.intent(intent_id, param="payment_intent")
        if not intent.received or intent.charge is None:
            raise errors.conflict(
                f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                param="payment_intent",
            )
        return account.charge(intent.charge)

    def _refundable(self, charge: Charge, amount: int | None) -> int:
        """How much is to be paid back. Raises `Refusal` where the charge does not allow it."""
        rest = charge.amount_captured - charge.amount_refunded
        dispute = None if charge.dispute is None else self._account.dispute(charge.dispute)
        if dispute is not None and not dispute.status.startswith("warning_") and dispute.status != "won":
            raise errors.conflict(
                f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed"
            )
        if not charge.captured:
            raise errors.conflict(
                f"Charge {charge.id} has not been captured: cancel its PaymentIntent instead.",
                code="charge_not_refundable",
            )
        if rest == 0:
            raise errors.conflict(
                f"Charge {charge.id} has already been refunded.", code="charge_already_refunded"
            )
        if amount is None:
            return rest
        if amount < 1:
            raise errors.invalid("Invalid positive integer", param="amount")
        if amount > rest:
            raise errors.conflict(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({rest}).",
                param="amount",
            )
        return amount

    def _finish(self, id: str) -> None:
        """A refund that was pending succeeds; one that was to fail does."""
        account = self._account
        refund = account.refunds.get(id)
        if refund is None:
            return
        charge = account.charge(refund.charge)
        if refund.status == "pending" and account.method(charge.method).refund == "pending":
            refund.status = "succeeded"
            account.refunds.put(refund)
            self._tell(refund, "refund.updated")
            return
        booked = self._balance.refund_failed(
            refund.id, refund.intent, amount=refund.amount, currency=refund.currency
        )
        refund.status, refund.failure_reason = "failed", "expired_or_canceled_card"
        refund.failure_transaction = booked.id
        charge.amount_refunded -= refund.amount
        account.refunds.put(refund)
        account.charges.put(charge)
        self._tell(refund, "refund.updated")
        self._tell(refund, "refund.failed")

    def _tell(self, refund: Refund, event: str) -> None:
        self._account.tell(event, lambda: views_money.refund(refund))
        if event != "refund.created":
            self._account.tell("charge.refund.updated", lambda: views_money.refund(refund))
