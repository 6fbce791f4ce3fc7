"""The endpoints of decisions."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import decisions, payment_examples
from caudal.api.bodies import Write
from caudal.api.decision_views import (
    DecisionRecordView,
    DecisionsQuery,
    ExplanationView,
    NewDecision,
    NewPaymentDecision,
    PaymentReviewCaseView,
    ReplayView,
    ReviewsQuery,
)
from caudal.api.declaring import listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, Shape

_TAG: Final = "Decisions"
DECISION: Final = "dec_0199f3a5c2d47e8f9a0b1c2d3e4f5a6b"
_REASON: Final = {
    "code": "watched_device", "text": "the device is watched", "because": "list", "wants": "review",
}  # fmt: skip
_VIEW: Final = {
    "id": DECISION,
    "of": "payment",
    "subject": "pay_0199f3a5b1c27d3e8f405162738495a6",
    "customer": "cus_0199f3a5a1b27c3d8e4f506172839405",
    "outcome": "review",
    "reasons": [_REASON],
    "at": "2026-03-02T09:30:15.123456Z",
    "as_of": "2026-03-02T09:30:15.121204Z",
    "ordinal": 10412,
    "facts": {"payment.amount": 1050, "payment.currency": "EUR", "payment.device": "device-7"},
    "features": {"card_count_1h": 3, "card_mean_30d": 812.5, "device_cards_1d": None},
    "lists": ["watched_device"],
    "feature_set": 4,
    "rule_set": 11,
    "latency_us": {"read": 1204, "decide": 61},
}
_DECIDED: Final = {"outcome": "review", "reasons": [_REASON]}

_CREDIT: Final = {
    **{name: value for name, value in _VIEW.items() if name not in ("lists", "rule_set", "feature_set")},
    "of": "application", "subject": "loan-2026-0711", "outcome": "decline", "score": 0.3127,
    "reasons": [
        {"code": "model_score", "text": "the score is 0.3127", "because": "model", "wants": "decline"},
        {
            "code": "A2", "text": "Too many recent payments are late", "because": "model", "wants": "decline",
            "points": 1.35,
        },
    ],
    "facts": {"income": 2100, "late_payments": 4}, "features": {}, "serving": 3, "model": "loans@2",
    "role": "champion",
}  # fmt: skip
_ELSEWHERE: Final = {**_VIEW, "subject": "order-7711", "customer": "user-318"}
_REVIEW: Final = {
    "payment": payment_examples.PAYMENT_VIEW, "decision": _VIEW,
    "words": ["Held for review: the device is watched."],
    "linked": [
        {
            "decision": "dec_0199f3a5c2d47e8f9a0b1c2d3e4f5a00",
            "subject": "pay_0199f3a5b1c27d3e8f40516273849500", "outcome": "decline",
            "at": "2026-03-02T08:11:00.000000Z", "shares": ["device"],
            "labels": ["fraud"],
        }
    ],
    "history": [
        {
            "payment": "pay_0199f3a5b1c27d3e8f40516273849400", "kind": "pay_in", "state": "succeeded",
            "amount": 1900, "currency": "EUR", "created_at": "2026-02-27T19:40:00.000000Z",
        }
    ],
}  # fmt: skip

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/decisions",
        name="decide_application",
        tag=_TAG,
        summary="Decide on an application",
        description="On something that is no payment, by the rules that are on applications and the model "
        "that serves in the book; lists hold for its customer. A decline has adverse-action codes where the "
        "model has.",
        handle=decisions.decide,
        query=Write,
        body=NewDecision,
        scope=Scope.RISK_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Decided, and kept.", type=DecisionRecordView, example=_CREDIT),),
            **ok("By `dry_run`, what would be answered.", DecisionRecordView, _CREDIT),
        },
        errors=(409, 422),
        example={"subject": "loan-2026-0711", "values": {"income": 2100, "late_payments": 4}},
    ),
    Endpoint(
        method="POST",
        path="/v1/decisions/payment",
        name="decide_payment",
        tag=_TAG,
        summary="Decide on a payment that is carried out elsewhere",
        description="By lists, features, rules and models, as payments of our own are decided on: no money "
        "moves, no limits hold, and what comes of the decision is yours to do. The payment counts for the "
        "features of those behind it. The same subject again is answered with the decision that was made.",
        handle=decisions.decide_payment,
        query=Write,
        body=NewPaymentDecision,
        scope=Scope.RISK_WRITE,
        key=KeyUse.NONE,
        hot=True,
        admit=decisions.admit,
        answers={
            201: (Shape(description="Decided, and kept.", type=DecisionRecordView, example=_ELSEWHERE),),
            **ok("It was decided on before; or by `dry_run`, what would be answered.", DecisionRecordView,
                 _ELSEWHERE),
        },
        errors=(409, 422),
        example={
            "subject": "order-7711", "customer": "user-318", "amount": 1050, "currency": "EUR",
            "method": "card", "instrument": "pm_card_visa",
            "context": {"device": "device-7", "country": "DE"},
        },
    ),
    listing(
        "/v1/reviews", "list_reviews", _TAG, "Payments that wait for a person", decisions.find_reviews,
        ReviewsQuery, scope=Scope.RISK_READ, row=PaymentReviewCaseView,
        description="With what they were held for. Approve or decline the payment itself: "
        "`POST /v1/payments/{id}/approve`.",
        example={"data": [{"payment": payment_examples.PAYMENT_VIEW}], "next_cursor": None},
    ),
    reading(
        "/v1/reviews/{id}", "get_review", _TAG, "All that is known of a held payment", decisions.read_review,
        scope=Scope.RISK_READ, description="By the payment's id.", answer="The payment, its decision, and "
        "what it has in common with others lately.", view=PaymentReviewCaseView, example=_REVIEW,
        path_ids={"id": payment_examples.PAYMENT},
    ),
    listing(
        "/v1/decisions", "list_decisions", _TAG, "Find decisions", decisions.find, DecisionsQuery,
        description="Every decision is kept with all that it was made of. Payments that were approved while "
        "no features, rules or models were published have none.",
        scope=Scope.RISK_READ, row=DecisionRecordView, example={"data": [_VIEW], "next_cursor": None},
    ),
    reading(
        "/v1/decisions/{id}", "get_decision", _TAG, "Read a decision", decisions.read, scope=Scope.RISK_READ,
        answer="The decision.", view=DecisionRecordView, example=_VIEW, path_ids={"id": DECISION},
    ),
    reading(
        "/v1/decisions/{id}/explain", "explain_decision", _TAG, "Why it was decided so",
        decisions.read_explanation, scope=Scope.RISK_READ, answer="Its reasons, in words.",
        view=ExplanationView,
        example={
            "id": DECISION, "outcome": "review", "words": ["Held for review: the device is watched."],
            "reasons": [_REASON], "features": [{"name": "card_count_1h", "value": 3}],
        },
        path_ids={"id": DECISION},
    ),
    reading(
        "/v1/decisions/{id}/replay", "replay_decision", _TAG, "Make a decision again", decisions.read_again,
        description="Of the values that it was served, with the versions of features, rules and models that "
        "it was made with. Changes nothing.",
        scope=Scope.RISK_READ, answer="Whether the same came of it.", view=ReplayView,
        example={"id": DECISION, "same": True, "stored": _DECIDED, "again": _DECIDED},
        path_ids={"id": DECISION},
    ),
)  # fmt: skip
