"""The beginning of a payment: what is checked, who decides, and the first row of the table. Pure."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Final

from caudal.connectors import CaptureMode, Method
from caudal.customers import CustomerId, CustomerRow, CustomerStatus, Product, price
from caudal.payments.commands import CreatePayment
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.refusals import Refusal, refusal
from caudal.payments.routes import Choice
from caudal.payments.terms import Event
from caudal.payments.types import (
    Case,
    Failure,
    Payment,
    PaymentKind,
    PaymentState,
    ReviewDefault,
)
from caudal_base import ids
from caudal_base.decide import Decision, Pending, Subject, Verdict
from caudal_base.money import MAX_AMOUNT

DEFAULT_METHOD: Final = {PaymentKind.PAY_IN: Method.CARD, PaymentKind.PAYOUT: Method.BANK_TRANSFER}

ID_SLACK: Final = dt.timedelta(days=1)
"""How far the time in an id that a caller chose may be from now: lists go by id, and searches by time."""

_EVENTS: Final = {
    Verdict.APPROVE: Event.APPROVED,
    Verdict.CHALLENGE: Event.APPROVED,
    Verdict.REVIEW: Event.HELD,
    Verdict.DECLINE: Event.REFUSED,
}

_OF_CALLER: Final = (
    "kind", "customer", "amount", "currency", "instrument", "capture", "destination", "reference",
    "description", "metadata", "context", "execute_at", "return_url",
)  # fmt: skip
"""What a repeat under the same id must have in common with the original."""

Choose = Callable[[CreatePayment, Method], Choice | Refusal]
"""Which partner carries out a payment (`routes`)."""


class Creation:
    """Creates payments in a batch."""

    def __init__(
        self,
        machine: Machine,
        *,
        customers: Mapping[CustomerId, CustomerRow],
        products: Mapping[tuple[str, int], Product],
        choose_partner: Choose,
        decide: Pending,
    ) -> None:
        """`customers` and `products` are those that the commands name, as far as they exist."""
        self._machine = machine
        self._customers = customers
        self._products = products
        self._choose_partner = choose_partner
        self._decide = decide

    def create(self, command: CreatePayment) -> Outcome:
        """Begin a payment: approved, held, declined by our decision, scheduled; or refused outright."""
        existing = self._machine.cases.get(command.id)
        if existing is not None:
            return _repeated(existing.payment, command)
        draft = self._draft(command)
        if isinstance(draft, Refusal):
            return Outcome(OutcomeStatus.REFUSED, refusal=draft)
        if draft.execute_at is not None:
            situation = self._machine.situation(Case(payment=draft))
            return self._machine.take(situation, Event.SCHEDULED, new=True)
        return self._decided(Case(payment=draft), new=True)

    def execute(self, case: Case) -> Outcome:
        """A scheduled payment's time has come. What its funds do not cover fails."""
        unfit = self._customer_refusal(case.payment.customer, case.payment.currency, "customer")
        outcome = None if isinstance(unfit, Refusal) else self._decided(case, new=False)
        if outcome is not None and outcome.status is not OutcomeStatus.REFUSED:
            return outcome
        refused = unfit if isinstance(unfit, Refusal) else outcome.refusal if outcome else None
        code = "refused" if refused is None else refused.code
        failure = Failure(code=code, class_="invalid", message="" if refused is None else refused.detail)
        return self._machine.take(self._machine.situation(case), Event.UNFUNDED, failure=failure)

    def _decided(self, case: Case, *, new: bool) -> Outcome:
        payment = case.payment
        subject = self.subject(payment)
        decision = self._decide.decide(subject)
        outcome = self._machine.take(
            self._machine.situation(case),
            _EVENTS[decision.verdict],
            extra=self._of_decision(payment, subject, decision),
            new=new,
        )
        if outcome.status is OutcomeStatus.APPLIED:
            self._decide.recorded(subject, decision)
        return outcome

    def subject(self, payment: Payment) -> Subject:
        """A payment as what decides sees it."""
        supported = self._machine.supported(payment)
        return Subject(
            payment_id=payment.id,
            kind=payment.kind.value,
            customer_id=payment.customer,
            amount=payment.amount,
            currency=payment.currency,
            method=None if payment.method is None else payment.method.value,
            partner=payment.partner,
            instrument=payment.instrument,
            context=payment.context,
            limits=self._product(payment.customer).limits,
            authenticates=supported is not None and supported.authenticates,
        )

    def _of_decision(self, payment: Payment, subject: Subject, decision: Decision) -> dict[str, object]:
        changes: dict[str, object] = {
            "verdict": decision.verdict.value, "reasons": decision.reasons, "decision": decision.id,
        }  # fmt: skip
        limited = any(limit.per_day is not None for limit in subject.limits)
        if limited and decision.verdict is not Verdict.DECLINE:
            changes["counted_on"] = self._machine.now.astimezone(dt.UTC).date()
        if decision.verdict is Verdict.REVIEW:
            review = self._product(payment.customer).review
            changes["expires_at"] = self._machine.now + dt.timedelta(seconds=review.timeout_s)
            changes["review_default"] = ReviewDefault(review.default.value)
        return changes

    def _product(self, customer: str) -> Product:
        row = self._customers[CustomerId(customer)]
        return self._products[row.product, row.product_version]

    def _draft(self, command: CreatePayment) -> Payment | Refusal:
        now = self._machine.now
        wrong = _shape_refusal(command, now) or self._parties_refusal(command)
        if wrong is not None:
            return wrong
        method = command.method or DEFAULT_METHOD.get(command.kind)
        partner = route = None
        if command.kind is not PaymentKind.INTERNAL and method is not None:
            chosen = self._choose_partner(command, method)
            if isinstance(chosen, Refusal):
                return chosen
            partner, supported, route = chosen
            if command.amount < supported.minimum_amount:
                return refusal("amount_below_minimum", "amount")
        fees = self._product(command.customer).fees
        method_name = None if method is None else method.value
        return Payment(
            id=command.id, kind=command.kind, state=PaymentState.PROCESSING, customer=command.customer,
            amount=command.amount, currency=command.currency, created_at=now, updated_at=now, version=0,
            destination=command.destination, partner=partner, named=command.partner is not None, route=route,
            method=method, instrument=command.instrument,
            capture=command.capture, reference=command.reference, description=command.description,
            metadata=command.metadata, context=command.context, execute_at=command.execute_at,
            return_url=command.return_url,
            fee=price(fees, command.kind.value, method_name, command.currency, command.amount),
        )  # fmt: skip

    def _parties_refusal(self, command: CreatePayment) -> Refusal | None:
        wrong = self._customer_refusal(command.customer, command.currency, "customer")
        if wrong is None and command.destination is not None:
            wrong = self._customer_refusal(command.destination, command.currency, "destination")
        return wrong

    def _customer_refusal(self, customer: str, currency: str, field: str) -> Refusal | None:
        row = self._customers.get(CustomerId(customer))
        if row is None:
            return refusal("customer_not_found", field)
        if row.status is not CustomerStatus.ACTIVE:
            return refusal("customer_not_active", field, f"the customer is {row.status.value}")
        if currency not in self._products[row.product, row.product_version].currencies:
            return refusal("currency_not_offered", "currency")
        return None


def _shape_refusal(command: CreatePayment, now: dt.datetime) -> Refusal | None:
    """What is wrong with a command by itself."""
    if command.chosen and not _is_of_now(command.id, now):
        return refusal("id_of_another_time", "id")
    if command.amount < 1:
        return refusal("amount_must_be_positive", "amount")
    if command.amount > MAX_AMOUNT:
        return refusal("amount_too_large", "amount")
    if command.execute_at is not None and command.execute_at <= now:
        return refusal("execute_at_in_the_past", "execute_at")
    if command.kind is PaymentKind.INTERNAL:
        if command.destination is None:
            return refusal("destination_missing", "destination")
        if command.destination == command.customer:
            return refusal("same_customer", "destination")
        for name in ("partner", "method", "instrument"):
            if getattr(command, name) is not None:
                return refusal("instrument_not_allowed", name)
        return refusal("instrument_not_allowed", "capture") if command.capture is CaptureMode.MANUAL else None
    if command.destination is not None:
        return refusal("destination_not_allowed", "destination")
    return refusal("instrument_missing", "instrument") if command.instrument is None else None


def _repeated(payment: Payment, command: CreatePayment) -> Outcome:
    """The answer to a repeated id: the original's, if it is the same that was asked."""
    # What we chose in the caller's place is no difference.
    compared = [*_OF_CALLER, *(name for name in ("partner", "method") if getattr(command, name) is not None)]
    for name in compared:
        if (getattr(payment, name) or None) != (getattr(command, name) or None):
            refused = refusal("exists_with_different_content", name)
            return Outcome(OutcomeStatus.REFUSED, payment=payment, refusal=refused)
    return Outcome(OutcomeStatus.EXISTS, payment=payment)


def _is_of_now(payment_id: str, now: dt.datetime) -> bool:
    made = ids.milliseconds_of(ids.decode(ids.PAYMENT, payment_id)) / 1_000
    return abs(now.timestamp() - made) <= ID_SLACK.total_seconds()
