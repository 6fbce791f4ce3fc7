"""Meridian itself: payments by card, and what becomes of them. No HTTP.

A payment is answered at once, a modification is only received: it is carried out a second later, and then a
notification says whether it succeeded. Time is the sandbox's.
"""

from collections.abc import Callable
from typing import Final

from caudal_sandbox.effects import Kind as Effect
from caudal_sandbox.meridian import bodies
from caudal_sandbox.meridian.balance import Balance, commission_of
from caudal_sandbox.meridian.cards import REFUSALS, Plan, plan_of
from caudal_sandbox.meridian.errors import Refusal, not_found, wrong_state
from caudal_sandbox.meridian.types import Intent, Kind, Modification, Payment, Progress, Status
from caudal_sandbox.store import Table
from caudal_sandbox.world import World

MODIFY_S: Final = 1.0
"""After how long a modification is carried out."""

COMES_BACK_S: Final = 3.0
AUTHORISED_S: Final = 6 * 86_400.0
"""How long an authorisation holds."""

_ISSUER: Final = "meridian.issuer"
_MODIFY: Final = "meridian.modify"
_EXPIRE: Final = "meridian.expire"
_BACK: Final = "meridian.back"

_OPEN: Final = frozenset({Status.PENDING, Status.REDIRECT, Status.AUTHORISED})

Tell = Callable[..., None]
"""Sends a notification, as `notifications.Notifier.tell` does."""


class Acquirer:
    """One merchant's payments."""

    def __init__(
        self, world: World, payments: Table[Payment], balance: Balance, tell: Tell,
        dispute: Callable[[Payment], None],
    ) -> None:  # fmt: skip
        """`dispute` lets the payer of a payment go to their bank soon."""
        self.payments = payments
        self.modifications: Table[Modification] = world.store.table(
            "meridian.modification", Modification,
            reference=lambda one: one.reference, payment=lambda one: one.payment,
        )  # fmt: skip
        self._world = world
        self._balance = balance
        self._tell = tell
        self._dispute = dispute
        clock = world.clock
        clock.on(_ISSUER, self._issuer)
        clock.on(_MODIFY, self._carry_out)
        clock.on(_EXPIRE, self._expire)
        clock.on(_BACK, self._comes_back)

    def pay(self, asked: bodies.NewPayment, page: str) -> Payment:
        """Take a payment; `page` is where payers go who must prove who they are. Raises `Refusal`."""
        plan, amount = plan_of(asked.card_token), asked.amount.minor()
        if plan is None:
            raise Refusal(422, "M-104", "there is no card with this token")
        world, now = self._world, self._world.clock.now()
        payment = Payment(
            id=world.draws.id("MER", 16), reference=asked.merchant_reference, intent=asked.intent,
            amount=max(1, amount + plan.amount_off), currency=plan.currency or asked.amount.currency,
            card=asked.card_token, status=Status.PENDING, return_url=asked.return_url, shown=plan.shown,
            created_at=now,
        )  # fmt: skip
        if plan.lost:
            return payment
        self.payments.put(payment)
        if plan.redirects:
            payment.secret = world.draws.id("s", 16)
            payment.status, payment.action_url = Status.REDIRECT, f"{page}/{payment.id}/{payment.secret}"
            self.payments.put(payment)
        elif plan.pending_s is None:
            self.decide(payment, plan)
        elif plan.pending_s >= 0:
            world.clock.schedule(now + plan.pending_s, _ISSUER, payment.id)
        return payment

    def decide(self, payment: Payment, plan: Plan) -> None:
        """The issuer authorises a payment, or refuses it."""
        payment.action_url = None
        if plan.refusal is not None:
            payment.status, payment.refusal = Status.REFUSED, plan.refusal
        elif payment.intent is Intent.SALE:
            payment.status = Status.CAPTURED
            self._captured(payment, payment.id, payment.amount, payment.reference, Effect.CHARGE)
        else:
            payment.status = Status.AUTHORISED
            payment.expires_at = self._world.clock.now() + AUTHORISED_S
            self._balance.note(
                Effect.AUTHORISATION, payment, payment.id, payment.amount, 0, attempt_id=payment.reference
            )
            self._world.clock.schedule(payment.expires_at, _EXPIRE, payment.id)
        self.payments.put(payment)
        refused = payment.refusal
        reason = "" if refused is None else f"{refused}:{REFUSALS[refused]}"
        self._tell("AUTHORISATION", refused is None, payment.id, payment, payment.amount, reason=reason)

    def capture(self, psp_reference: str, asked: bodies.NewModification) -> Modification:
        """Receive a capture: one only, of any amount. Raises `Refusal`."""
        payment = self.payment(psp_reference)
        if payment.status is not Status.AUTHORISED or self._has(payment, Kind.CAPTURE):
            raise wrong_state("only what is authorised is captured, and once")
        return self._receive(Kind.CAPTURE, payment, asked.merchant_reference, asked.amount)

    def cancel(self, psp_reference: str, asked: bodies.NewCancellation) -> Modification:
        """Receive a cancellation. Raises `Refusal`."""
        payment = self.payment(psp_reference)
        if payment.status not in _OPEN:
            raise wrong_state(f"what is {payment.status.value} is not cancelled")
        return self._receive(Kind.CANCELLATION, payment, asked.merchant_reference, None)

    def refund(self, psp_reference: str, asked: bodies.NewModification) -> Modification:
        """Receive a refund of what was captured, or a part of it. Raises `Refusal`."""
        payment = self.payment(psp_reference)
        if payment.status is not Status.CAPTURED:
            raise wrong_state("only what is captured is refunded")
        left = payment.captured - payment.refunded - payment.disputed
        if asked.amount.minor() > left or asked.amount.currency != payment.currency:
            raise Refusal(422, "M-302", "more than what is left of the capture")
        modification = self._receive(Kind.REFUND, payment, asked.merchant_reference, asked.amount)
        payment.refunded += modification.amount
        self.payments.put(payment)
        return modification

    def search(self, reference: str, *, lag_s: float) -> list[Payment | Modification]:
        """What was made under a merchant's reference, but for what the index has not seen yet."""
        seen_until = self._world.clock.now() - lag_s
        found: list[Payment | Modification] = [
            *self.payments.find("reference", reference), *self.modifications.find("reference", reference),
        ]  # fmt: skip
        return [one for one in found if one.created_at <= seen_until]

    def payment(self, psp_reference: str) -> Payment:
        """The payment of this reference. Raises `Refusal`."""
        payment = self.payments.get(psp_reference)
        if payment is None:
            raise not_found("there is no payment of this PSP reference")
        return payment

    def act(self, payment: Payment, *, complete: bool) -> None:
        """The payer of a payment that waits proves who they are, or fails to; or the issuer answers."""
        plan = plan_of(payment.card) or Plan()
        self.decide(payment, plan if complete else Plan(refusal=plan.refusal or "1A"))

    def _has(self, payment: Payment, kind: Kind) -> bool:
        return any(
            one.kind is kind and one.progress is not Progress.FAILED
            for one in self.modifications.find("payment", payment.id)
        )

    def _receive(
        self, kind: Kind, payment: Payment, reference: str, amount: bodies.Money | None
    ) -> Modification:
        now = self._world.clock.now()
        modification = Modification(
            id=self._world.draws.id("MOD", 16), kind=kind, payment=payment.id, reference=reference,
            amount=payment.amount if amount is None else amount.minor(), currency=payment.currency,
            created_at=now,
        )  # fmt: skip
        self._world.clock.schedule(now + MODIFY_S, _MODIFY, modification.id)
        return self.modifications.put(modification)

    def _carry_out(self, id: str) -> None:
        """A modification that was received takes place, or fails."""
        one = self.modifications.get(id)
        payment = None if one is None else self.payments.get(one.payment)
        if one is None or payment is None:
            return
        plan = plan_of(payment.card) or Plan()
        one.reason = "REFUSED_BY_ACQUIRER" if one.kind.value in plan.fails else self._obstacle(one, payment)
        one.progress = Progress.SUCCEEDED if one.reason is None else Progress.FAILED
        self.modifications.put(one)
        if one.reason is None:
            self._take_place(one, payment, plan)
        elif one.kind is Kind.REFUND:
            payment.refunded -= one.amount
        self.payments.put(payment)
        good = one.progress is Progress.SUCCEEDED
        self._tell(one.kind.value, good, one.id, payment, one.amount, one.reference, reason=one.reason or "")

    def _obstacle(self, one: Modification, payment: Payment) -> str | None:
        """Why a modification does not take place: something was quicker, or it asks for too much."""
        match one.kind:
            case Kind.CAPTURE if payment.status is not Status.AUTHORISED:
                return f"PAYMENT_{payment.status.value}"
            case Kind.CAPTURE if one.amount > payment.amount:
                return "EXCEEDS_AUTHORISATION"
            case Kind.CANCELLATION if payment.status not in _OPEN:
                return f"PAYMENT_{payment.status.value}"
        return None

    def _take_place(self, one: Modification, payment: Payment, plan: Plan) -> None:
        match one.kind:
            case Kind.CAPTURE:
                payment.status = Status.CAPTURED
                self._captured(payment, one.id, one.amount, one.reference, Effect.CAPTURE)
            case Kind.CANCELLATION:
                payment.status, payment.action_url = Status.CANCELLED, None
                self._balance.note(
                    Effect.CANCEL, payment, one.id, payment.amount, 0, attempt_id=one.reference
                )
            case Kind.REFUND:
                self._balance.move(
                    "REFUNDED", payment, one.id, one.reference, -one.amount, effect=Effect.REFUND,
                    attempt_id=one.reference,
                )  # fmt: skip
                if plan.refund_comes_back:
                    self._world.clock.schedule(self._world.clock.now() + COMES_BACK_S, _BACK, one.id)

    def _captured(self, payment: Payment, source: str, amount: int, reference: str, effect: Effect) -> None:
        payment.captured = amount
        self._balance.move(
            "SETTLED", payment, source, reference, amount, effect=effect, commission=commission_of(amount),
            attempt_id=reference,
        )  # fmt: skip
        if (plan_of(payment.card) or Plan()).is_disputed:
            self._dispute(payment)

    def _issuer(self, id: str) -> None:
        payment = self.payments.get(id)
        if payment is not None and payment.status is Status.PENDING:
            self.decide(payment, plan_of(payment.card) or Plan())

    def _expire(self, id: str) -> None:
        payment = self.payments.get(id)
        if payment is not None and payment.status is Status.AUTHORISED:
            payment.status = Status.EXPIRED
            self.payments.put(payment)
            self._tell("AUTHORISATION_EXPIRED", True, payment.id, payment, payment.amount)

    def _comes_back(self, id: str) -> None:
        """A refund that had succeeded is sent back by the card's issuer."""
        one = self.modifications.get(id)
        payment = None if one is None else self.payments.get(one.payment)
        if one is None or payment is None or one.progress is not Progress.SUCCEEDED:
            return
        one.progress, one.reason = Progress.FAILED, "RETURNED_BY_ISSUER"
        self.modifications.put(one)
        payment.refunded -= one.amount
        self.payments.put(payment)
        self._balance.move(
            "REFUND_FAILED", payment, one.id, one.reference, one.amount, effect=Effect.REFUND_FAILURE
        )
        reason = one.reason
        self._tell("REFUND_FAILED", True, one.id, payment, one.amount, one.reference, reason=reason)
