"""Chargebacks: the money is taken at once, and given back if the scheme decides so."""

from typing import Final

from caudal_sandbox.effects import Kind as Effect
from caudal_sandbox.meridian.acquirer import Tell
from caudal_sandbox.meridian.balance import DISPUTE_FEE, Balance
from caudal_sandbox.meridian.errors import Refusal, not_found, wrong_state
from caudal_sandbox.meridian.types import Dispute, Payment
from caudal_sandbox.store import Table
from caudal_sandbox.world import World

SOON_S: Final = 2.0

_DISPUTE: Final = "meridian.dispute"


class Disputes:
    """Chargebacks of one merchant's payments."""

    def __init__(self, world: World, payments: Table[Payment], balance: Balance, tell: Tell) -> None:
        self._world = world
        self._payments = payments
        self._disputes: Table[Dispute] = world.store.table("meridian.dispute", Dispute)
        self._balance = balance
        self._tell = tell
        world.clock.on(_DISPUTE, self._due)

    def soon(self, payment: Payment) -> None:
        """Let the payer go to their bank in a moment."""
        self._world.clock.schedule(self._world.clock.now() + SOON_S, _DISPUTE, payment.id)

    def open(self, payment: Payment, amount: int | None) -> Dispute:
        """Take what is disputed, and a fee. Raises `Refusal`."""
        left = payment.captured - payment.refunded - payment.disputed
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            raise Refusal(422, "M-302", "there is not so much left of the payment")
        dispute = self._disputes.put(
            Dispute(id=self._world.draws.id("CBK", 16), payment=payment.id, amount=amount)
        )
        payment.disputed += amount
        self._payments.put(payment)
        move = self._balance.move
        move("CHARGEBACK", payment, dispute.id, payment.reference, -amount, effect=Effect.DISPUTE)
        move("FEE", payment, dispute.id, payment.reference, -DISPUTE_FEE, effect=Effect.FEE)
        self._tell("CHARGEBACK", True, dispute.id, payment, amount, reason="10.4:FRAUD")
        return dispute

    def close(self, dispute_id: str, *, won: bool) -> Dispute:
        """The scheme decides; what is won comes back, the fee does not. Raises `Refusal`."""
        dispute = self._disputes.get(dispute_id)
        payment = None if dispute is None else self._payments.get(dispute.payment)
        if dispute is None or payment is None:
            raise not_found("there is no such chargeback")
        if not dispute.is_open:
            raise wrong_state("the chargeback has been decided")
        dispute.is_open = False
        self._disputes.put(dispute)
        if won:
            payment.disputed -= dispute.amount
            self._payments.put(payment)
            self._balance.move(
                "CHARGEBACK_REVERSED", payment, dispute.id, payment.reference, dispute.amount,
                effect=Effect.DISPUTE_REVERSAL,
            )  # fmt: skip
        code = "CHARGEBACK_REVERSED" if won else "CHARGEBACK_UPHELD"
        self._tell(code, True, dispute.id, payment, dispute.amount)
        return dispute

    def _due(self, id: str) -> None:
        payment = self._payments.get(id)
        if payment is not None and payment.captured > payment.refunded + payment.disputed:
            self.open(payment, None)
