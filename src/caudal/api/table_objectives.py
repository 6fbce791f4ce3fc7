"""The endpoints of objectives."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import objectives
from caudal.api.bodies import Write
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.objectives import ObjectiveView

_TAG: Final = "Objectives"
_NAME: Final = {"name": "payments_accepted"}

VIEW: Final = {
    "id": "obj_8c5d2be4f0a18e6db1c93c07f6a24e51",
    "name": "payments_accepted",
    "version": 0,
    "indicator": "payments_accepted",
    "target_basis_points": 9990,
    "window_days": 28,
    "least_bad": 10,
    "enabled": True,
    "standing": {
        "evaluated_at": "2026-03-07T09:30:20.123456Z",
        "total": 1_204_511,
        "bad": 398,
        "budget_left_basis_points": 6695,
        "burn_rates": {"5m": 21.4, "30m": 19.02, "1h": 16.31, "6h": 3.1, "3d": 0.54},
        "severity": "page",
        "since": "2026-03-07T09:26:20.120934Z",
    },
}
_SET: Final = {
    **{name: value for name, value in VIEW.items() if name != "standing"},
    "version": 1,
    "target_basis_points": 9950,
    "set_at": "2026-03-07T10:02:11.000000Z",
    "set_by": "key_0199f3a0c2d47e8f9a0b1c2d3e4f5a6b",
}
_NEW: Final = {"indicator": "payments_accepted", "target_basis_points": 9950}

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/objectives",
        name="list_objectives",
        tag=_TAG,
        summary="What is promised, and how it stands",
        description="All objectives of the book by name, those included that come with the program.",
        handle=objectives.find_objectives,
        query=NoQuery,
        body=NoBody,
        scope=Scope.OBJECTIVES_READ,
        answers={
            200: (
                Shape(
                    description="The objectives.", type=objectives.ObjectivesView, example={"data": [VIEW]}
                ),
            )
        },
    ),
    Endpoint(
        method="GET",
        path="/v1/objectives/{name}",
        name="get_objective",
        tag=_TAG,
        summary="Read an objective",
        handle=objectives.read_objective,
        query=NoQuery,
        body=NoBody,
        scope=Scope.OBJECTIVES_READ,
        answers={200: (Shape(description="The objective.", type=ObjectiveView, example=VIEW),)},
        errors=(404,),
        path_ids=_NAME,
    ),
    Endpoint(
        method="POST",
        path="/v1/objectives/{name}",
        name="set_objective",
        tag=_TAG,
        summary="Set an objective",
        description="The next version of its name, which may be new. It is evaluated so within a minute. "
        "What has been counted stays, unless `indicator` or `within_ms` is another.",
        handle=objectives.set_objective,
        query=Write,
        body=objectives.NewObjective,
        scope=Scope.OBJECTIVES_WRITE,
        key=KeyUse.ACCEPTED,
        answers={200: (Shape(description="It holds.", type=ObjectiveView, example=_SET),)},
        errors=(422,),
        example=_NEW,
        path_ids=_NAME,
    ),
)
