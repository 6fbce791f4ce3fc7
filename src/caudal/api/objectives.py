"""`/v1/objectives`: what is promised of the service, and how it stands."""

from typing import Annotated

from msgspec import Meta

from caudal import objectives
from caudal.api.bodies import RequestBody, Write
from caudal.api.customers import caller_of
from caudal.api.endpoint import NoBody, NoQuery
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal.objectives import Indicator, Objective, ObjectiveView, objective_view
from caudal_base.database import Connection


class NewObjective(RequestBody, frozen=True, kw_only=True):
    """What is to be promised of an indicator."""

    indicator: Indicator
    target_basis_points: Annotated[
        int,
        Meta(
            description="Of all that is counted, the share that must not be bad: 9990 is 99.9 %.",
            extra_json_schema={"minimum": 5_000, "maximum": 9_999},
        ),
    ]
    within_ms: Annotated[
        int | None,
        Meta(
            description="What counts as in time; needed for the indicators that know a time.",
            extra_json_schema={"minimum": 1, "maximum": 86_400_000},
        ),
    ] = None
    window_days: Annotated[
        int,
        Meta(description="Over how long the promise holds.", extra_json_schema={"minimum": 1, "maximum": 90}),
    ] = 28
    least_bad: Annotated[
        int,
        Meta(
            description="Nobody is told while fewer were bad.",
            extra_json_schema={"minimum": 1, "maximum": 1_000_000},
        ),
    ] = 10
    enabled: Annotated[bool, Meta(description="Whether it is watched.")] = True


class ObjectivesView(View, frozen=True, kw_only=True):
    """All objectives of a book."""

    data: tuple[ObjectiveView, ...]


async def find_objectives(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/objectives"""
    async with request.services.database.connection() as connection:
        found = await objectives.watched(connection, request.book_id)
    return json_answer(200, ObjectivesView(data=tuple(objective_view(one) for one in found)))


async def read_objective(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /v1/objectives/{name}; raises `ObjectiveNotFound`."""
    async with request.services.database.connection() as connection:
        found = await objectives.get(connection, request.book_id, request.ids["name"])
    return json_answer(200, objective_view(found))


async def set_objective(request: Request[Write, NewObjective]) -> Answer:
    """POST /v1/objectives/{name}; raises `ObjectiveInvalid`."""
    body, services = request.body, request.services
    objective = Objective(
        name=request.ids["name"],
        indicator=body.indicator,
        within_ms=0 if body.within_ms is None else body.within_ms,
        target_basis_points=body.target_basis_points,
        window_days=body.window_days,
        least_bad=body.least_bad,
        enabled=body.enabled,
    )

    async def work(connection: Connection) -> Answer:
        kept = await objectives.put(
            connection,
            request.book_id,
            objective,
            caller=caller_of(request),
            ledger=services.ledger,
            at=services.clock.now(),
        )
        return json_answer(200, objective_view(kept))

    return await request.once(work, dry_run=request.query.dry_run)
