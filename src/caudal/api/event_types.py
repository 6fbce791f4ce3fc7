"""What events there are: their types, the form of their data and its version, an example of each form."""

from typing import Any, Final

import msgspec

from caudal.api import (
    customer_examples,
    examples,
    models_examples,
    payment_examples,
    routing_examples,
    rules_examples,
    table_cases,
    table_objectives,
    table_webhooks_in,
    table_webhooks_out,
)
from caudal.api.fields import Time
from caudal.api.views import View
from caudal.cases import CaseView
from caudal.customers import CustomerView, ToldProductView
from caudal.delivery import DisableReason, EndpointStatus
from caudal.models import ServingView, ToldModelView
from caudal.objectives import ObjectiveView
from caudal.payments import (
    AttemptView,
    CaptureView,
    DisputeState,
    DisputeView,
    PartState,
    PaymentState,
    RefundView,
    SettlementView,
    ToldPaymentView,
)
from caudal.routing import RuleSetToldView, ToldPartnerView
from caudal.rules import RiskRuleSetToldView, RiskRuleToldView
from caudal.webhooks import InboundState
from caudal_base import ids

Json = dict[str, Any]


class ParkedWebhookView(View, frozen=True, kw_only=True):
    """A partner's webhook that waits for a person."""

    id: str
    partner: str
    event_id: str
    """The partner's own."""
    type: str
    state: InboundState
    reason: str
    occurred_at: Time
    received_at: Time


class ToldEndpointView(View, frozen=True, kw_only=True):
    """A webhook endpoint after the change."""

    id: str
    url: str
    types: tuple[str, ...]
    ordered: bool
    concurrency: int
    description: str | None
    status: EndpointStatus
    reason: DisableReason | None
    """Why it is disabled."""
    created_at: Time
    disabled_at: Time | None
    failing_since: Time | None
    behind_since: Time | None = None
    """When so many deliveries waited for another attempt that it was given nothing new."""


class EventFamily(msgspec.Struct, frozen=True, kw_only=True):
    """The events about one kind of object, whose data has one form."""

    object_type: str
    version: int
    """Of the form: it changes when a reader would have to, and old events keep theirs."""
    data: Any
    """The struct that the data is."""
    types: dict[str, str]
    """Each type with what it means."""
    example: Json
    """Of the data."""
    otherwise: dict[str, Json] = {}
    """What of the example is otherwise in that of a type, beside its state."""
    instead: dict[str, Json] = {}
    """The examples of types that share nothing with it."""

    def example_of(self, type_: str) -> Json:
        """The data of an event of this type."""
        if type_ in self.instead:
            return self.instead[type_]
        state = {"state": type_.partition(".")[2]} if "its state is now" in self.types[type_] else {}
        return {**self.example, **state, **self.otherwise.get(type_, {})}


def _states(prefix: str, states: type[Any]) -> dict[str, str]:
    return {f"{prefix}.{state.value}": f"its state is now `{state.value}`" for state in states}


_WEBHOOK: Final[Json] = table_webhooks_in.VIEW
_ENDPOINT: Final[Json] = table_webhooks_out.VIEW

_PARTNER: Final = ids.of_names(ids.PARTNER, routing_examples.PARTNER)
_FAILURE: Final[Json] = {
    "code": "card_declined",
    "class": "hard_decline",
    "message": "Your card was declined.",
}
_HELD: Final[Json] = {"authorised_amount": 1050, "partner_id": "pi_3RfJ2"}
_TAKEN: Final[Json] = {**_HELD, "captured_amount": 1050}
_PAYMENTS: Final[dict[str, Json]] = {
    "payment.scheduled": {"execute_at": "2026-03-03T08:00:00Z"},
    "payment.review": {
        "decision": payment_examples.DECLINED_VIEW["decision"],
        "review": {"reason": "risk", "until": "2026-03-02T10:30:15.123456Z", "default": "decline"},
    },
    "payment.requires_action": payment_examples.WAITING_VIEW,
    **{
        f"payment.{state}": {**_HELD, "capture": "manual", "expires_at": "2026-03-09T09:30:15.823456Z"}
        for state in ("authorised", "capturing", "incrementing", "cancelling")
    },
    "payment.succeeded": _TAKEN,
    "payment.declined": {"decision": {"verdict": "decline", "reasons": ["limit_per_day"]}},
    "payment.failed": {"partner_id": "pi_3RfJ2", "failure": _FAILURE},
    "payment.returned": {"partner_id": "pi_3RfJ2"},
    "payment.rerouted": {
        "partner": "meridian",
        "route": {"rule": "cards", "rule_set": "v3", "partners": ["stripe", "meridian"]},
        "rerouted": {
            "from": "stripe",
            "to": "meridian",
            "cause": "soft_decline",
            "reason": "stripe: insufficient_funds",
        },
    },
}
_WELL: Final[Json] = {"status": "enabled", "reason": None, "disabled_at": None, "failing_since": None}
_ENDPOINTS: Final[dict[str, Json]] = {
    f"webhook_endpoint.{what}": _WELL
    for what in ("created", "updated", "secret_rotated", "enabled", "caught_up", "test")
} | {"webhook_endpoint.behind": {**_WELL, "behind_since": "2026-03-07T09:30:20.123456Z"}}

FAMILIES: Final = (
    EventFamily(
        object_type="payment",
        version=1,
        data=ToldPaymentView,
        types={
            "payment.created": "it was taken",
            **_states("payment", PaymentState),
            "payment.rerouted": "it goes on at another partner: `rerouted` says from whom to whom, and why",
        },
        example=payment_examples.PAYMENT_VIEW,
        otherwise=_PAYMENTS,
    ),
    EventFamily(
        object_type="attempt",
        version=1,
        data=AttemptView,
        types={
            "attempt.review": "nobody knows how it ended, and a person has to find out",
            "attempt.give_back_failed": "what was taken too much could not be given back",
        },
        example=payment_examples.PAYMENT_DETAIL["attempts"][0],
        otherwise={
            "attempt.review": {"state": "unknown", "note": "timeout", "looks": 12},
            "attempt.give_back_failed": {"operation": "refund", "state": "failed", "failure": _FAILURE},
        },
    ),
    EventFamily(
        object_type="capture",
        version=1,
        data=CaptureView,
        types=_states("capture", PartState),
        example=payment_examples.CAPTURE_VIEW,
        otherwise={"capture.failed": {"failure": _FAILURE}},
    ),
    EventFamily(
        object_type="refund",
        version=1,
        data=RefundView,
        types={"refund.created": "it was taken", **_states("refund", PartState)},
        example=payment_examples.REFUND_VIEW,
        otherwise={"refund.failed": {"failure": _FAILURE}},
    ),
    EventFamily(
        object_type="dispute",
        version=1,
        data=DisputeView,
        types={**_states("dispute", DisputeState), "dispute.updated": "the partner tells more of it"},
        example=payment_examples.DISPUTE_VIEW,
    ),
    EventFamily(
        object_type="settlement",
        version=1,
        data=SettlementView,
        types={"settlement.received": "a partner has paid out to our bank account, and it is posted"},
        example={
            "id": ids.of_names(ids.SETTLEMENT, "stripe", "po_1RfJ2"),
            "partner": "stripe",
            "partner_id": "po_1RfJ2",
            "amount": 935,
            "currency": "EUR",
            "lines": 4,
            "recorded_at": "2026-03-04T09:30:15.123456Z",
            "arrived_at": "2026-03-04T00:00:00Z",
            "transfer": examples.TRANSFER,
        },
    ),
    EventFamily(
        object_type="customer",
        version=1,
        data=CustomerView,
        types={
            "customer.created": "they were taken on",
            "customer.blocked": "they can do nothing for now",
            "customer.unblocked": "they can again",
            "customer.closed": "they have left",
            "customer.product_changed": "they have another product, or another version of it",
        },
        example=customer_examples.CUSTOMER_VIEW,
        otherwise={
            "customer.blocked": customer_examples.BLOCKED,
            "customer.closed": customer_examples.CLOSED,
            "customer.product_changed": customer_examples.CHANGED,
        },
    ),
    EventFamily(
        object_type="product",
        version=1,
        data=ToldProductView,
        types={"product.created": "it is kept, in its first version or in the next; `version` says which"},
        example={"id": ids.of_names(ids.PRODUCT, "basic"), **customer_examples.PRODUCT_VIEW},
    ),
    EventFamily(
        object_type="rule_set",
        version=1,
        data=RuleSetToldView,
        types={
            "rule_set.created": "rules are kept as the next version, a draft",
            "rule_set.published": "payments go by this version from now on",
        },
        example={
            "id": "rls_00000000000000000000000000000003",
            "name": routing_examples.NAME,
            "version": 3,
            "rules": 2,
            "note": routing_examples.RULES["note"],
            "created_at": routing_examples.RULE_SET["created_at"],
            "created_by": routing_examples.RULE_SET["created_by"],
            "published_at": routing_examples.PUBLISHED["published_at"],
            "published_by": routing_examples.PUBLISHED["published_by"],
        },
    ),
    EventFamily(
        object_type="partner",
        version=1,
        data=ToldPartnerView,
        types={
            "partner.drained": "an operator lets it run dry, or has a new reason: rules send it nothing new",
            "partner.resumed": "the operator has ended that; `health` says whether it gets new payments",
        },
        example={"id": _PARTNER, **routing_examples.DRAINED},
        instead={"partner.resumed": {"id": _PARTNER, **routing_examples.UP}},
    ),
    EventFamily(
        object_type="model",
        version=1,
        data=ToldModelView,
        types={
            "model.registered": "it is kept, and decides nothing yet",
            "model.shadowed": "it scores what is decided from now on, and decides nothing",
            "model.challenging": "it decides a share; where the gate was overridden, `misses` says what of",
            "model.promoted": "it is the champion from now on, also by going back to it",
            "model.retired": "it decides nothing any more",
            "model.drifted": "scores, inputs or labels are no longer as in training: `misses` says which",
        },
        example=models_examples.TOLD,
        instead={
            "model.shadowed": models_examples.SHADOW,
            "model.challenging": models_examples.CHALLENGER,
            "model.promoted": models_examples.CHAMPION,
            "model.retired": models_examples.RETIRED,
            "model.drifted": models_examples.DRIFTED,
        },
    ),
    EventFamily(
        object_type="model_serving",
        version=1,
        data=ServingView,
        types={"model_serving.changed": "decisions go by other terms: thresholds, fallback, gate"},
        example=models_examples.CHANGED,
    ),
    EventFamily(
        object_type="risk_rule_set",
        version=1,
        data=RiskRuleSetToldView,
        types={
            "risk_rule_set.drafted": "rules of decisions are kept as the next version",
            "risk_rule_set.reviewed": "another person has accepted or rejected them: `review` says which",
            "risk_rule_set.published": "decisions go by this version from now on, also by going back to it",
            "risk_rule_set.withdrawn": "decisions no longer go by this version: another one was published",
        },
        example=rules_examples.TOLD_DRAFT,
        instead={
            "risk_rule_set.reviewed": rules_examples.TOLD_REVIEWED,
            "risk_rule_set.published": rules_examples.TOLD_PUBLISHED,
            "risk_rule_set.withdrawn": rules_examples.TOLD_PUBLISHED,
        },
    ),
    EventFamily(
        object_type="risk_rule",
        version=1,
        data=RiskRuleToldView,
        types={
            "risk_rule.snoozed": "it does not fire before `until`, when nothing more is told",
            "risk_rule.woken": "it fires again, earlier than that",
        },
        example=rules_examples.TOLD_SNOOZED,
        instead={"risk_rule.woken": rules_examples.TOLD_WOKEN},
    ),
    EventFamily(
        object_type="webhook",
        version=1,
        data=ParkedWebhookView,
        types={"webhook.parked": "a partner's webhook could not be applied, and waits for a person"},
        example={
            name: _WEBHOOK[name]
            for name in (
                "id", "partner", "event_id", "type", "state", "reason", "occurred_at", "received_at",
            )
        },
    ),
    EventFamily(
        object_type="webhook_endpoint",
        version=1,
        data=ToldEndpointView,
        types={
            "webhook_endpoint.created": "it was made",
            "webhook_endpoint.updated": "its terms were changed",
            "webhook_endpoint.secret_rotated": "it has a new secret",
            "webhook_endpoint.enabled": "it gets events again",
            "webhook_endpoint.disabled": "it gets none: `reason` says why",
            "webhook_endpoint.behind": "so many deliveries wait for another attempt that it gets nothing new",
            "webhook_endpoint.caught_up": "half of those have arrived or were given up",
            "webhook_endpoint.deleted": "it is gone",
            "webhook_endpoint.test": "somebody tries it; sent to this endpoint alone",
        },
        example={
            "id": _ENDPOINT["id"],
            "url": _ENDPOINT["url"],
            "types": ["payment.*"],
            "ordered": True,
            "concurrency": 16,
            "description": None,
            "status": "disabled",
            "reason": "failing",
            "created_at": _ENDPOINT["created_at"],
            "disabled_at": "2026-03-07T09:30:20.123456Z",
            "failing_since": "2026-03-02T09:30:20.123456Z",
            "behind_since": None,
        },
        otherwise=_ENDPOINTS,
    ),
    EventFamily(
        object_type="case",
        version=1,
        data=CaseView,
        types={
            "case.opened": "there is work for a person; what happens again under its key is no event",
            "case.assigned": "it is somebody's, or nobody's, from now on",
            "case.closed": "the work is done: `outcome` says what came of it",
            "case.reopened": "there is work left after all",
        },
        example=table_cases.VIEW,
        otherwise={
            "case.assigned": table_cases.ASSIGNED,
            "case.closed": table_cases.CLOSED,
            "case.reopened": table_cases.REOPENED,
        },
    ),
    EventFamily(
        object_type="objective",
        version=1,
        data=ObjectiveView,
        types={
            "objective.burning": "its budget burns too fast: an alert has opened, or has another severity",
            "objective.recovered": "the alert has ended",
        },
        example=table_objectives.VIEW,
    ),
)  # fmt: skip
"""All that is told, by the kind of object that it is about."""
