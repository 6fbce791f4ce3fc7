"""The endpoints of anomalies."""

from typing import Any, Final

from caudal.access import Scope
from caudal.anomalies import AnomalyExplainedView, AnomalySilenceView, AnomalyStreamStandingView, AnomalyView
from caudal.api import anomalies, table_cases
from caudal.api.declaring import action, listing, ok, reading
from caudal.api.endpoint import Endpoint, NoBody, NoQuery

_TAG: Final = "Anomalies"
_CUSTOMER: Final = "cus_0199f3a5a1b27c3d8e4f506172839405"
_ANOMALY: Final = "ano_6f1c2d3e4b5a8967a8b9c0d1e2f30415"
_PAYMENT: Final = "pay_0199f3a5b1c27d3e8f405162738495a6"
_VIEW: Final = {
    "id": _ANOMALY,
    "stream": "payments_per_hour",
    "version": 1,
    "detector": "level",
    "entity": f"customer:{_CUSTOMER}",
    "words": "14 payments in the hour, usually 1 to 3 at this time of the week: 4.5 robust standard "
    "deviations above the median",
    "score": 4.501,
    "observed": 14,
    "usual_low": 1,
    "usual_high": 3,
    "at": "2026-03-02T09:30:11.402000Z",
    "source": "payment",
    "event": _PAYMENT,
    "ordinal": 10412,
    "silenced": False,
    "case": table_cases.CASE,
}
_EXPLAINED: Final = {
    **_VIEW, "factor": 1.0, "median": 3.082207, "spread": 1.0, "past": [1.0, 2.0, 3.0, 2.0],
    "subjects": {"customer": _CUSTOMER, "merchant": "shop-7"},
}  # fmt: skip
_NEW: Final = {"entity": "customer", "burst": {"window": "10m"}, "about": "payments"}
_STREAM: Final = {
    "name": "payments_per_hour",
    "version": 1,
    "through": 10412,
    "after": 9001,
    "declared": {"name": "payments_per_hour", "entity": "customer", "burst": {}, "about": "payments"},
    "created_at": "2026-03-01T08:00:00.000000Z",
    "created_by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
}
_NEW_SILENCE: Final = {
    "entity": f"customer:{_CUSTOMER}", "until": "2026-03-09T00:00:00Z", "reason": "a sale",
}  # fmt: skip
_SILENCE: Final = {
    "number": 1, **_NEW_SILENCE, "created_at": "2026-03-02T10:00:00.000000Z",
    "created_by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
}  # fmt: skip
_NAME: Final = {"name": "payments_per_hour"}


def _all(path: str, name: str, summary: str, handle: Any, view: Any, example: Any) -> Endpoint[Any, Any]:
    return Endpoint(
        method="GET", path=path, name=name, tag=_TAG, summary=summary, handle=handle, query=NoQuery,
        body=NoBody, scope=Scope.RISK_READ, answers=ok("All of them.", view, {"data": [example]}),
    )  # fmt: skip


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    listing(
        "/v1/anomalies", "list_anomalies", _TAG, "Find anomalies", anomalies.find, anomalies.AnomaliesQuery,
        scope=Scope.RISK_READ, row=AnomalyView, example={"data": [_VIEW], "next_cursor": None},
    ),
    reading(
        "/v1/anomalies/{id}", "explain_anomaly", _TAG, "Read an anomaly with all that it was computed of",
        anomalies.read, scope=Scope.RISK_READ, answer="The anomaly.", view=AnomalyExplainedView,
        example=_EXPLAINED, path_ids={"id": _ANOMALY},
    ),
    _all(
        "/v1/anomaly-streams", "list_anomaly_streams", "What is watched", anomalies.find_streams,
        anomalies.AnomalyStreamsView, _STREAM,
    ),
    reading(
        "/v1/anomaly-streams/{name}", "get_anomaly_stream", _TAG, "Read a stream", anomalies.read_stream,
        scope=Scope.RISK_READ, answer="As it was declared last, and how far it has come.",
        view=AnomalyStreamStandingView, example=_STREAM, path_ids=_NAME,
    ),
    action(
        "/v1/anomaly-streams/{name}", "declare_anomaly_stream", _TAG, "Watch a stream", anomalies.declare,
        description="The next version of its name, which may be new; the same again changes nothing. It "
        "learns from all events of the book, and tells of those that become known from now on.",
        scope=Scope.RISK_WRITE, answer="It is watched.", view=AnomalyStreamStandingView, example=_STREAM,
        path_ids=_NAME, body=anomalies.NewAnomalyStream, body_example=_NEW, errors=(422,),
    ),
    _all(
        "/v1/anomaly-silences", "list_anomaly_silences", "What is silenced", anomalies.find_silences,
        anomalies.AnomalySilencesView, _SILENCE,
    ),
    action(
        "/v1/anomaly-silences", "silence_anomalies", _TAG, "Silence a stream or an entity",
        anomalies.silence,
        description="What becomes known until then is kept, and opens no case.",
        scope=Scope.RISK_WRITE, answer="It is silenced.", view=AnomalySilenceView, example=_SILENCE,
        path_ids={}, body=anomalies.NewAnomalySilence, body_example=_NEW_SILENCE, errors=(422,),
    ),
)  # fmt: skip
