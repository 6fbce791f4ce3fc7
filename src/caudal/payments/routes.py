"""Who carries out a book's payments now: by its rules, or where there are none the first partner that can.

One of these serves a batch from its beginning to its end, so that whoever is asked twice answers the same.
"""

import datetime as dt
from typing import NamedTuple

from caudal import routing
from caudal.connectors import Method, Operation, Supported
from caudal.payments.commands import CreatePayment
from caudal.payments.guards import NOT_RECEIVED
from caudal.payments.partners import DIRECTIONS, Partners
from caudal.payments.refusals import Refusal, refusal
from caudal.payments.types import AttemptState, Case, Payment, Routed
from caudal.routing import CAUSES, Again, Cause, Facts, Standing, Tried
from caudal_base.decide import Verdict


class Choice(NamedTuple):
    """Who gets a payment, what it can do, and by which rule."""

    partner: str
    supported: Supported
    route: Routed | None


class Routes:
    """See the module."""

    def __init__(self, partners: Partners, standing: Standing = routing.NOTHING) -> None:
        """`standing` is how the book's routing stands as the batch begins."""
        self.partners = partners
        self.standing = standing

    def choose(self, command: CreatePayment, method: Method) -> Choice | Refusal:
        """Who gets a payment: whom it names, or whom the rules do, the first one that is up."""
        if command.partner is None and self.standing.plan is not None:
            return self._by_rules(command, method)
        chosen = self.partners.choose(
            command.partner, DIRECTIONS[command.kind], method, command.currency, command.capture,
            without=self.standing.drained if command.partner is None else frozenset(),
        )  # fmt: skip
        return chosen if isinstance(chosen, Refusal) else Choice(*chosen, None)

    def _by_rules(self, command: CreatePayment, method: Method) -> Choice | Refusal:
        plan, version = self.standing.plan, self.standing.version
        if plan is None or version is None:
            return refusal("no_route", "method")
        facts = Facts(
            payment_id=command.id, direction=DIRECTIONS[command.kind], method=method,
            currency=command.currency, amount=command.amount, capture=command.capture,
            customer=command.customer, instrument=command.instrument,
            country=None if command.context is None else command.context.country,
        )  # fmt: skip
        chosen = routing.choose(plan, facts, lambda name: self._capable(name, facts))
        if chosen is None:
            if routing.choose(plan, facts, lambda name: self._capable(name, facts, any_amount=True)):
                return refusal("amount_below_minimum", "amount")
            return refusal("no_route", "method")
        partner = routing.first_standing(chosen.partners, self.standing.health, command.id)
        if partner is None:
            return refusal("partners_drained")
        supported = self.partners.row(partner, facts.direction, method, facts.currency)
        if supported is None:
            return refusal("no_route", "method")
        return Choice(partner, supported, Routed(version=version, rule=chosen.rule, partners=chosen.partners))

    def _capable(self, partner: str, facts: Facts, *, any_amount: bool = False) -> bool:
        row = self.partners.row(partner, facts.direction, facts.method, facts.currency)
        if row is None or facts.capture not in row.capture_modes:
            return False
        return any_amount or facts.amount >= row.minimum_amount

    def alternatives(self, payment: Payment) -> tuple[str, ...]:
        """Whom a payment may yet go to, if where it is comes to nothing."""
        if payment.route is None or self.standing.plan is None:
            return ()
        return tuple(
            name for name in payment.route.partners if name != payment.partner and self._takes(name, payment)
        )

    def _takes(self, partner: str, payment: Payment) -> bool:
        """Whether a partner is there, and authenticates the customer where that is what was decided."""
        if payment.verdict != Verdict.CHALLENGE.value or payment.method is None:
            return self.partners.capabilities(partner) is not None
        row = self.partners.row(partner, DIRECTIONS[payment.kind], payment.method, payment.currency)
        return row is not None and row.authenticates

    def again(
        self, case: Case, cause: Cause, code: str, wait: dt.timedelta | None, now: dt.datetime
    ) -> Again | None:
        """Where and when a payment is tried again whose last attempt came to nothing; None: it is not.

        Not where the caller named the partner, nor after somebody has called it off or the customer has been
        asked to do something, nor long after it was sent. What the partner did not know of when it was asked
        may still surface: that goes nowhere else.
        """
        last = case.begun
        if (
            case.payment.customer_asked
            or last is None
            or self.standing.plan is None
            or case.payment.route is None
            or code == NOT_RECEIVED
        ):
            return None
        called_off = any(attempt.operation is Operation.CANCEL for attempt in case.attempts)
        if called_off or now > (last.sent_at or last.created_at) + routing.FRESH_FOR:
            return None
        tried = [
            Tried(
                partner=attempt.partner,
                refused=attempt.state is AttemptState.FAILED,
                cause=None if attempt.retried is None else Cause(attempt.retried.cause),
            )
            for attempt in case.beginnings
        ]
        known = (case.payment.partner or "", *self.alternatives(case.payment))
        return routing.again(
            self.standing.plan.retries, cause=cause, code=code, tried=tried,
            partners=[name for name in case.payment.route.partners if name in known],
            health=self.standing.health, wait=wait,
        )  # fmt: skip


def cause_of(class_: str) -> Cause:
    """What the class of a partner's error means for another try."""
    return CAUSES.get(class_, Cause.INVALID)
