"""The endpoints of features, of events that they are made of, and of labels."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import risk
from caudal.api.bodies import Write
from caudal.api.declaring import listing, ok, reading
from caudal.api.endpoint import Endpoint, KeyUse, Shape
from caudal.features import FeatureSet

_TAG: Final = "Features and labels"
_FEATURE: Final = {
    "name": "card_count_1h", "by": ["card"], "aggregate": "count", "window": "1h",
    "about": "payments with this card in the last hour",
}  # fmt: skip
_SET: Final = {
    "version": 4, "features": [_FEATURE], "created_at": "2026-03-02T09:30:15.123456Z",
    "created_by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
}  # fmt: skip
_EVENT: Final = {
    "id": "login-71", "source": "login", "event_at": "2026-03-02T09:30:15Z",
    "entities": {"customer": "cus_0199f3a5a1b27c3d8e4f506172839405", "device": "device-7"},
}  # fmt: skip
_LABEL: Final = {
    "subject": "pay_0199f3a5b1c27d3e8f405162738495a6", "kind": "fraud", "bad": True,
    "event_at": "2026-03-02T09:30:15.123456Z", "known_at": "2026-04-11T14:02:11.000000Z",
    "source": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b", "note": "the cardholder was called",
}  # fmt: skip

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/risk/feature-sets",
        name="publish_features",
        tag=_TAG,
        summary="Publish features",
        description="All features of the book together, as its next version: decisions are served them from "
        "the next batch on. What is new is missing until its history has been counted, within a minute.",
        handle=risk.publish,
        query=Write,
        body=FeatureSet,
        scope=Scope.RISK_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Published.", type=risk.RiskFeatureSetView, example=_SET),),
            **ok("By `dry_run`, what would be answered.", risk.RiskFeatureSetView, _SET),
        },
        errors=(409, 422),
        example={"features": [_FEATURE]},
    ),
    reading(
        "/v1/risk/feature-sets/{version}", "get_features", _TAG, "Read features", risk.read_current,
        description="By version; `current` is the one that serves.", scope=Scope.RISK_READ,
        answer="The feature set.", view=risk.RiskFeatureSetView, example=_SET,
        path_ids={"version": "current"},
    ),
    Endpoint(
        method="POST",
        path="/v1/risk/events",
        name="record_risk_events",
        tag=_TAG,
        summary="Tell of what features count",
        description="Events of sources of your own, such as logins. They may be late: windows go by "
        "`event_at`, and decisions know them from now on. The same `id` of a `source` again has no effect.",
        handle=risk.take_events,
        query=Write,
        body=risk.NewRiskEvents,
        scope=Scope.RISK_WRITE,
        key=KeyUse.ACCEPTED,
        answers=ok(
            "A result for each.", risk.RiskEventsView, {"data": [{"id": "login-71", "result": "recorded"}]}
        ),
        errors=(422,),
        example={"events": [_EVENT]},
    ),
    Endpoint(
        method="POST",
        path="/v1/risk/labels",
        name="add_risk_label",
        tag=_TAG,
        summary="Say what became of a payment or an application",
        description="Disputes are told of by partners. The newest word on a subject counts in the figures of "
        "rules and models, and confirmed fraud is an event of features, `label.fraud`.",
        handle=risk.say,
        query=Write,
        body=risk.NewRiskLabel,
        scope=Scope.RISK_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="It is kept.", type=risk.RiskLabelView, example=_LABEL),),
            **ok("By `dry_run`, what would be answered.", risk.RiskLabelView, _LABEL),
        },
        errors=(422,),
        example={"subject": _LABEL["subject"], "kind": "fraud", "note": "the cardholder was called"},
    ),
    listing(
        "/v1/risk/labels", "list_risk_labels", _TAG, "What became of payments and applications",
        risk.read_labels, risk.RiskLabelsQuery, answer="Those that became known last.",
        scope=Scope.RISK_READ, row=risk.RiskLabelView, example={"data": [_LABEL], "next_cursor": None},
    ),
)  # fmt: skip
