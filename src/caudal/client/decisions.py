"""`caudal.decisions`, `caudal.reviews`, `caudal.features`: what is decided, why, and of what."""

import datetime as dt
from collections.abc import Mapping, Sequence

from caudal.client.bodies import ListQuery, Write
from caudal.client.decision_types import (
    DecisionExplanation,
    DecisionOf,
    DecisionRecord,
    DecisionReplay,
    NewDecision,
    NewFeatureSet,
    NewPaymentDecision,
    NewRiskEvent,
    NewRiskEvents,
    PaymentReviewCase,
    RiskEventResult,
    RiskEventResults,
    RiskFeature,
    RiskFeatureSet,
)
from caudal.client.ids import new_idempotency_key
from caudal.client.listing import Rows
from caudal.client.payment_types import Method, PaymentContext, PaymentKind
from caudal.client.risk_rule_types import RuleOutcome
from caudal.client.sending import Sender, segment
from caudal.client.types import Page

_DECISIONS = "/v1/decisions"
_REVIEWS = "/v1/reviews"
_FEATURES = "/v1/risk/feature-sets"
_EVENTS = "/v1/risk/events"


class DecisionsQuery(ListQuery, frozen=True, kw_only=True):
    """GET /v1/decisions"""

    subject: str | None = None
    customer: str | None = None
    outcome: RuleOutcome | None = None
    of: DecisionOf | None = None
    score_from: float | None = None
    made_from: dt.datetime | None = None
    made_before: dt.datetime | None = None


class Decisions:
    """What was decided on payments and applications, with all that it was made of."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def make(
        self,
        subject: str,
        values: Mapping[str, int | float | str | bool | None],
        *,
        customer: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> DecisionRecord:
        """Decide on an application, which is called `subject`, by the model that serves; `values` by names.

        Raises `Conflict` or `Unprocessable` where no model decides or the values cannot be taken.
        """
        return await self._sender.write(
            DecisionRecord,
            _DECISIONS,
            NewDecision(subject=subject, values=values, customer=customer),
            key=idempotency_key or new_idempotency_key(),
            query=Write(dry_run=dry_run),
        )

    async def on_payment(
        self,
        subject: str,
        *,
        customer: str,
        amount: int,
        currency: str,
        kind: PaymentKind = PaymentKind.PAY_IN,
        method: Method | None = None,
        instrument: str | None = None,
        context: PaymentContext | None = None,
        authenticates: bool = False,
        dry_run: bool = False,
    ) -> DecisionRecord:
        """Decide on a payment that you carry out elsewhere, and call `subject`: asked again it is the same.

        `amount` in minor units. Raises `Unprocessable`, and `Conflict` where the subject was another payment.
        """
        return await self._sender.write(
            DecisionRecord,
            f"{_DECISIONS}/payment",
            NewPaymentDecision(
                subject=subject, customer=customer, amount=amount, currency=currency, kind=kind,
                method=method, instrument=instrument, context=context, authenticates=authenticates,
            ),
            key=new_idempotency_key(),
            query=Write(dry_run=dry_run),
        )  # fmt: skip

    async def get(self, id: str) -> DecisionRecord:
        """A decision. Raises `NotFound`."""
        return await self._sender.read(DecisionRecord, f"{_DECISIONS}/{segment(id)}")

    async def explain(self, id: str) -> DecisionExplanation:
        """Why it was decided so, in words. Raises `NotFound`."""
        return await self._sender.read(DecisionExplanation, f"{_DECISIONS}/{segment(id)}/explain")

    async def replay(self, id: str) -> DecisionReplay:
        """The decision made again of what is stored of it; nothing changes. Raises `NotFound`."""
        return await self._sender.read(DecisionReplay, f"{_DECISIONS}/{segment(id)}/replay")

    def list(
        self,
        *,
        subject: str | None = None,
        customer: str | None = None,
        outcome: RuleOutcome | None = None,
        of: DecisionOf | None = None,
        score_from: float | None = None,
        made_from: dt.datetime | None = None,
        made_before: dt.datetime | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> Rows[DecisionRecord]:
        """The decisions that meet every condition, the newest first; pages of at most 1,000."""
        query = DecisionsQuery(
            subject=subject,
            customer=customer,
            outcome=outcome,
            of=of,
            score_from=score_from,
            made_from=made_from,
            made_before=made_before,
            cursor=cursor,
            limit=page_size,
        )
        return Rows(self._sender, Page[DecisionRecord], _DECISIONS, query)


class Reviews:
    """Payments that wait for a person. `caudal.payments.approve` and `decline` decide them."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def get(self, payment: str) -> PaymentReviewCase:
        """A held payment with its decision, its reasons and what it shares with others. Raises `NotFound`."""
        return await self._sender.read(PaymentReviewCase, f"{_REVIEWS}/{segment(payment)}")

    def list(self, *, cursor: str | None = None, page_size: int | None = None) -> Rows[PaymentReviewCase]:
        """All that wait; pages of at most 100."""
        query = ListQuery(cursor=cursor, limit=page_size)
        return Rows(self._sender, Page[PaymentReviewCase], _REVIEWS, query)


class Features:
    """What is known of customers, cards and devices at the moment of a decision."""

    def __init__(self, sender: Sender) -> None:
        """Made by `Caudal`."""
        self._sender = sender

    async def publish(
        self, features: Sequence[RiskFeature], *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> RiskFeatureSet:
        """Serve these from now on; what is new is counted by a worker first.

        Raises `Unprocessable` (`features_invalid`), and `Conflict` if published rules use what it lacks.
        """
        return await self._sender.write(
            RiskFeatureSet,
            _FEATURES,
            NewFeatureSet(features=features),
            key=idempotency_key or new_idempotency_key(),
            query=Write(dry_run=dry_run),
        )

    async def get(self, version: int | None = None) -> RiskFeatureSet:
        """A set as it was published, by default the one in use. Raises `NotFound`."""
        which = "current" if version is None else str(version)
        return await self._sender.read(RiskFeatureSet, f"{_FEATURES}/{which}")

    async def record(
        self, events: Sequence[NewRiskEvent], *, idempotency_key: str | None = None, dry_run: bool = False
    ) -> Sequence[RiskEventResult]:
        """Tell of things that happened elsewhere; a result for each, in order."""
        answer = await self._sender.write(
            RiskEventResults,
            _EVENTS,
            NewRiskEvents(events=events),
            key=idempotency_key or new_idempotency_key(),
            query=Write(dry_run=dry_run),
        )
        return answer.data
